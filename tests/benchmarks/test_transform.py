"""Transform's benchmarks: what is made of the measurements, and that the hand-written rival does the same work."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import preparation, transform
from benchmarks.transform_variants import VARIANTS, prepare
from transform import codec, features
from transform.options import SpectrogramOptions

pytestmark = pytest.mark.slow

NAMES = (*VARIANTS, "ours-1-core")


def measured(variant: str, notes: int, cpu_s: float, rss: int = 1000) -> dict:
    wall_s = cpu_s / (1 if variant.endswith("1-core") else 2)
    return {"variant": variant, "notes": notes, "cpu_s": cpu_s, "wall_s": wall_s, "peak_rss_bytes": rss}


def test_a_notes_cost_is_the_slope_and_the_rest_is_fixed():
    runs = []
    for name in NAMES:
        fixed, slope = (5.0, 0.02) if name == "stock" else (2.0, 0.002)
        runs += [measured(name, n, fixed + slope * n, rss=1000 + n // 80) for n in (64, 2000, 8000)]
    summary = transform.summarize(runs)
    assert summary["costs"]["stock"]["cpu_ms_a_note"] == pytest.approx(20)
    assert summary["costs"]["ours"]["fixed_cpu_s"] == pytest.approx(2)
    assert summary["ours_of_marginal_cpu"]["stock"] == pytest.approx(0.1)
    assert summary["ours_of_fixed_cpu"]["stock"] == pytest.approx(0.4)
    assert summary["costs"]["ours"]["peak_rss_growth"] == pytest.approx(1100 / 1025 - 1)
    assert summary["two_cores_over_one"] == pytest.approx(2)
    assert summary["costs"]["ours"]["extrapolated_official_cpu_h"] == pytest.approx(
        (2 + 0.002 * 305_979) / 3600
    )


def test_the_least_of_the_rounds_counts_and_the_most_memory():
    runs = [measured(name, n, 1 + n / 1000) for name in NAMES for n in (64, 2000, 8000)]
    disturbed = [
        {**run, "cpu_s": run["cpu_s"] * 3, "wall_s": run["wall_s"] * 4, "peak_rss_bytes": 2000}
        for run in runs
    ]
    summary = transform.summarize([*disturbed, *runs])
    assert summary["costs"]["ours"]["cpu_ms_a_note"] == pytest.approx(1)
    assert {run["peak_rss_bytes"] for runs in summary["best"].values() for run in runs} == {2000}


def test_the_whole_preparation_is_extrapolated_from_the_slope():
    parts = dict.fromkeys(preparation.STEPS, 1.0)
    runs = [
        {"side": side, "notes": n, "wall_s": 10 + cost * n, "cpu_s": cost * n, "peak_rss_bytes": 1}
        | {"parts_wall_s": parts}
        for side, cost in (("stock", 0.1), ("ours", 0.01))
        for n in (2000, 8000)
    ]  # fmt: skip
    summary = preparation.summarize(runs)
    assert summary["stock"]["extrapolated_official_wall_h"] == pytest.approx((10 + 0.1 * 305_979) / 3600)
    assert summary["ours"]["wall_ms_a_note"] == pytest.approx(10)
    text = preparation.table({"runs": runs, "summary": summary})
    assert text.count("EXTRAPOLATED") == 2
    assert [line.count("|") for line in text.splitlines()[:6]] == [len(preparation.STEPS) + 6] * 6


@pytest.mark.e2e
def test_the_hand_written_script_writes_what_ours_writes(tmp_path: Path):
    transform.generate(tmp_path / "notes", 24)
    for variant in ("tf.data", "ours"):
        prepare(variant, tmp_path / "notes", 24, tmp_path / variant)()
    theirs, ours = (
        _notes(tmp_path / variant / "examples" / "Split-train") for variant in ("tf.data", "ours")
    )
    assert ours.keys() == theirs.keys()
    np.testing.assert_array_equal(ours[features.NOTE], theirs[features.NOTE])
    np.testing.assert_allclose(ours[features.LOG_MEL], theirs[features.LOG_MEL], rtol=2**-9, atol=1e-3)


def _notes(folder: Path) -> dict[str, np.ndarray]:
    files = [str(path) for path in sorted(folder.glob("*"))]
    records = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
    parsed = codec.parse_batch(tf.constant(records), SpectrogramOptions())
    return {name: value.numpy() for name, value in parsed.items()}
