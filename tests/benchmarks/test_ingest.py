"""The benchmark in short: every variant runs and every figure is there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness import OFFICIAL_NOTES
from benchmarks.ingest import VARIANTS


@pytest.mark.e2e
def test_the_benchmark_measures_every_variant(tmp_path: Path) -> None:
    output = tmp_path / "ingest.json"
    command = [sys.executable, "-m", "benchmarks.ingest", "--no-index", "--scratch", str(tmp_path)]
    for size in (220, 440):
        command += ["--notes", str(size)]
    done = subprocess.run([*command, "--output", str(output)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "EXTRAPOLATED" in done.stdout
    result = json.loads(output.read_text())
    assert {(run["variant"], run["notes"]) for run in result["runs"]} == {
        (variant, size) for variant in VARIANTS for size in (220, 440)
    }
    for run in result["runs"]:
        if run["variant"] != "stock":  # gzip makes tones small
            assert run["written_bytes"] > 256_000 * run["notes"]
        assert run["peak_rss_bytes"] > run["imported_rss_bytes"]
    assert result["summary"]["extrapolated_to_official"]["notes"] == OFFICIAL_NOTES
    assert list(tmp_path.iterdir()) == [output]
