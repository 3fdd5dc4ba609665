"""The benchmark of scale: a short form runs, and what is counted is counted rightly."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from benchmarks import scale
from benchmarks.watch import Tree


@pytest.mark.e2e
def test_a_short_form_goes_from_ingest_to_the_models_answers_and_leaves_nothing(tmp_path: Path) -> None:
    folder, output = tmp_path / "scratch", tmp_path / "scale.json"
    command = [sys.executable, "-m", "benchmarks.scale", "--notes", "440", "--every", "200", "--size", "tiny"]
    done = subprocess.run([*command, "--folder", folder, "--output", output], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert not folder.exists()
    assert list(result["phases"]) == list(scale.PHASES)
    assert result["phases"]["ingest"]["notes"] == 440
    assert {"ExampleGen", "StatisticsGen", "Transform", "Trainer", "Gate"} <= result["steps_s"].keys()
    assert all(line["rss_bytes"] > 1e8 and line["cpu_ms_a_note"] > 0 for line in result["lines"])
    assert "440 notes" in done.stdout


def test_a_disk_that_is_too_small_is_told_before_anything_is_generated(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"GB are free.*--notes"):
        scale.check_room(tmp_path, 10**12)


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "of an earlier one").touch()
    with contextlib.suppress(KeyboardInterrupt), scale._emptied(tmp_path / "scratch"):
        assert not list((tmp_path / "scratch").iterdir())
        raise KeyboardInterrupt
    assert not (tmp_path / "scratch").exists()


def test_the_disk_is_measured_and_the_probe_removed(tmp_path: Path) -> None:
    rates = scale.measure_disk(tmp_path, 1 << 22)
    assert all(rate > 0 for rate in rates.values())
    assert not list(tmp_path.iterdir())


def test_memory_at_the_end_is_held_against_that_after_6000_notes() -> None:
    lines = [
        {"phase": "ingest", "notes": notes, "rss_bytes": rss}
        for notes, rss in ((5000, 90), (10_000, 100), (60_000, 105))
    ]
    growth = scale.summarize(lines)["ingest"]
    assert growth["early_notes"] == 10_000
    assert growth["rss_growth"] == pytest.approx(0.05)


def test_children_count_and_those_that_ended_are_not_forgotten() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    tree = Tree(os.getpid())
    before = tree.use()
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        during = tree.use()
        child.stdin.write(b"\n")
        child.stdin.close()
    after = tree.use()
    assert during.cpu_s - before.cpu_s >= 0.15
    assert during.rss_bytes > before.rss_bytes
    assert after.cpu_s >= during.cpu_s
