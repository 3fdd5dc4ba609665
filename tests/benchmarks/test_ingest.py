"""The benchmark in short: every variant runs, and every figure follows from what was measured."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import harness
from benchmarks.ingest import VARIANTS, main, summarize


@pytest.mark.e2e
def test_the_benchmark_measures_every_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where TFX is imported once."""
    from apache_beam.io.tfrecordio import WriteToTFRecord

    monkeypatch.setattr(harness, "fresh", lambda function, label, **arguments: function(**arguments))
    monkeypatch.setattr(WriteToTFRecord, "__init__", WriteToTFRecord.__init__)  # it is changed for good
    output = tmp_path / "ingest.json"
    options = ["--no-index", "--scratch", str(tmp_path), "--notes", "220", "--output", str(output)]
    done = CliRunner().invoke(main, options, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "220 notes:" in done.output
    runs = json.loads(output.read_text())["runs"]
    assert [run["variant"] for run in runs] == list(VARIANTS)
    for run in runs:
        if run["variant"] != "stock":  # gzip makes tones small
            assert run["written_bytes"] > 256_000 * run["notes"]
        assert run["peak_rss_bytes"] > 0.98 * run["imported_rss_bytes"]  # the kernel counts in two ways
    assert list(tmp_path.iterdir()) == [output]


def test_the_whole_of_nsynth_is_extrapolated_from_the_slope_of_two_workers() -> None:
    runs = [
        {
            "variant": variant,
            "notes": notes,
            "wall_s": 5 + cost * notes,
            "cpu_s": cost * notes,
            "notes_per_s": 1 / cost,
            "peak_rss_bytes": 1e9,
            "imported_rss_bytes": 9e8,
            "written_bytes": 256_000 * notes,
        }
        for variant, cost in {**dict.fromkeys(VARIANTS, 0.01), "ours": 0.002, "ours-2": 0.001}.items()
        for notes in (2_000, 8_000)
    ]
    summary = summarize(runs)
    assert summary["speed_over_stock"] == {2_000: pytest.approx(5), 8_000: pytest.approx(5)}
    assert summary["cpu_over_stock"][8_000] == pytest.approx(5)
    assert summary["two_workers_over_one"][8_000] == pytest.approx(2)
    assert summary["peak_rss_growth"] == 0
    assert summary["extrapolated_to_official"]["wall_s"] == pytest.approx(5 + 0.001 * harness.OFFICIAL_NOTES)
    assert summary["extrapolated_to_official"]["written_bytes"] == pytest.approx(
        256_000 * harness.OFFICIAL_NOTES
    )
    one_size = summarize([run for run in runs if run["notes"] == 2_000])
    assert "extrapolated_to_official" not in one_size
