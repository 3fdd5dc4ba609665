"""The learning curve: the right points, what a doubling adds, and what it says would be needed."""

import pytest

from benchmarks.study.curve import ACCURACY, curve, draw, growth, lines
from components.gate.bootstrap import figure


def row(contender: str, instruments: int, micro: float, seed: int = 0) -> dict:
    figures = {ACCURACY: figure(micro, micro - 0.05, micro + 0.05)}
    return {"contender": contender, "seed": seed, "train_instruments": instruments, "figures": figures}


def rows(ours: list[float], trees: list[float], counts: tuple[int, ...] = (200, 50, 100)) -> list[dict]:
    told = [row("ours", *point) for point in zip(counts, ours, strict=True)]
    return told + [row("extra-trees", *point) for point in zip(counts, trees, strict=True)]


def test_points_are_sorted_and_of_the_first_seed_alone():
    points = curve([*rows([0.6, 0.4, 0.5], [0.5] * 3), row("ours", 200, 0.9, seed=1), row("svm", 50, 0.3)])
    assert [point["train_instruments"] for point in points["ours"]] == [50, 100, 200]
    assert [point["figures"][ACCURACY].value for point in points["ours"]] == [0.4, 0.5, 0.6]


def test_contenders_with_unequal_points_make_no_curve():
    assert not curve(rows([0.6, 0.4, 0.5], [0.5] * 3)[:-1])
    assert not curve([row("ours", 200, 0.6), row("extra-trees", 200, 0.5)])
    assert not list(lines({}))


def test_growth_is_what_a_doubling_adds():
    assert growth([50, 100, 200], [0.1, 0.3, 0.5]) == pytest.approx(0.2)
    assert growth([50, 200], [0.1, 0.5]) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        ([0.54, 0.50, 0.52], "would take 800 instruments"),  # 4 points ahead, 2 more with each doubling
        ([0.60, 0.50, 0.55], "the aim of 8 is met"),
        ([0.52, 0.56, 0.54], "more instruments alone do not lead to 8"),
    ],
)
def test_what_it_takes_is_told(ours, words):
    told = " ".join(lines(curve(rows(ours, [0.5] * 3))))
    assert words in told
    assert "real notes" not in told  # of which there are none


def test_the_picture_is_drawn(tmp_path):
    draw(curve(rows([0.6, 0.4, 0.5], [0.5] * 3)), tmp_path / "curve.svg")
    assert "prefers-color-scheme: dark" in (tmp_path / "curve.svg").read_text()
