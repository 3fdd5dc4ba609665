"""Drift: the divergence is the textbook's, and wrong labels are told from hard notes."""

import numpy as np
import pytest
from scipy.spatial import distance

import nsynth
from components.drift.measures import Answers, check_answers, check_distances, in_words, jensen_shannon

FAMILIES = len(nsynth.FAMILIES)


def answers(agreement: float, notes: int = 200, seed: int = 0) -> Answers:
    """Answers that agree with that share of the labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(FAMILIES, size=notes)
    told = np.where(np.arange(notes) < agreement * notes, labels, (labels + 1) % FAMILIES)
    return Answers(labels, np.eye(FAMILIES)[told] * 0.9 + 0.1 / FAMILIES)


def test_the_divergence_is_that_of_the_textbook():
    generator = np.random.default_rng(0)
    for _ in range(20):
        one, other = generator.dirichlet(np.ones(5), size=2)
        assert jensen_shannon(one, other) == pytest.approx(distance.jensenshannon(one, other, base=2) ** 2)
    assert jensen_shannon(np.array([1, 0]), np.array([0, 1])) == 1
    assert jensen_shannon(np.array([2, 2]), np.array([1, 1])) == 0


def test_wrong_labels_stop_the_span():
    moved, doubted = check_answers(answers(0.1), answers(0.8), max_drift=0.2, min_agreement=0.6)
    assert moved.outcome == "ok"
    assert doubted.outcome == "stop"
    assert "is 10%, on the previous span 80%" in doubted.words
    assert "check the labels" in doubted.words


def test_a_span_as_good_as_the_one_before_passes():
    assert [c.outcome for c in check_answers(answers(0.7), answers(0.8), 0.2, 0.6)] == ["ok", "ok"]


def test_a_champion_that_knew_nothing_before_proves_nothing_now():
    assert check_answers(answers(0.0), answers(0.0), 0.2, 0.6)[1].outcome == "ok"


def test_answers_that_all_change_warn():
    one_family = Answers(np.zeros(50, int), np.tile(np.eye(FAMILIES)[0], (50, 1)))
    assert check_answers(one_family, answers(0.8), 0.2, 0.0)[0].outcome == "warn"


def test_distance_from_the_champions_data_warns_above_its_limit():
    checks = check_distances(
        {"pitch": 0.3, "rms_dbfs": 0.1, "velocity": 0.9}, {"pitch": 0.2, "rms_dbfs": 0.2}, 7
    )
    assert [(check.outcome, "span 7" in check.words) for check in checks] == [("warn", True), ("ok", True)]


def test_the_words_hold_every_span_before():
    words = in_words([], {3: {"pitch": 0.25}, 4: {}})
    assert "| 3 |" in words
    assert "0.250" in words
    assert "| 4 |" in words
