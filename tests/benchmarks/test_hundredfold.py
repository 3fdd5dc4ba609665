"""The simulation of very many notes: each part runs in short, and growth is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hundredfold


@pytest.mark.slow
def test_every_part_is_measured_at_both_sizes(tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    command = [sys.executable, "-m", "benchmarks.hundredfold", "--notes", "20000", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert [(run["part"], run["notes"]) for run in result["runs"]] == [
        (part, notes) for part in hundredfold.PARTS for notes in (2000, 20_000)
    ]
    assert all(run["cpu_s"] > 0 for run in result["runs"])
    assert all(f"{part}: a note costs" in done.stdout for part in hundredfold.PARTS)


def test_a_quadratic_cost_shows() -> None:
    runs = [{"part": "plan", "notes": notes, "cpu_s": notes**2} for notes in (10, 100)]
    assert hundredfold.growth(runs) == {"plan": pytest.approx(10)}


def test_no_two_notes_have_one_name() -> None:
    assert len({hundredfold._named(place) for place in range(1000)}) == 1000
