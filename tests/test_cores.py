import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import cores
import nsynth


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    cores._threads.cache_clear()
    yield
    cores._threads.cache_clear()


@pytest.mark.parametrize(
    ("quota", "cores_used"), [("max 100000\n", 8), ("250000 100000\n", 3), ("5000 100000\n", 1), (None, 8)]
)
def test_a_containers_quota_limits_the_cores(
    quota: str | None, cores_used: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    if quota:
        (tmp_path / "cpu.max").write_text(quota)
    assert cores.count() == cores_used


def test_items_are_worked_on_side_by_side_and_their_results_come_in_order(two_cores: None):
    both = threading.Barrier(2)

    def work(item: int) -> int:
        both.wait(timeout=60)
        return -item

    assert list(cores.each(work, range(6))) == [0, -1, -2, -3, -4, -5]


def test_an_error_stops_what_has_not_begun(two_cores: None):
    done = []

    def work(item: int) -> None:
        if item == 0:
            raise KeyError("first")
        time.sleep(0.01)
        done.append(item)

    with pytest.raises(KeyError, match="first"):
        list(cores.each(work, range(1000)))
    before = len(done)
    time.sleep(0.05)
    assert len(done) == before < 999


@pytest.mark.slow
def test_processes_give_results_in_order_and_raise_what_was_raised(two_cores: None):
    assert list(cores.each(str.upper, "abcdef", processes=True)) == list("ABCDEF")
    with pytest.raises(UnicodeEncodeError):
        list(cores.each(str.encode, ["a", "\ud800"], processes=True))


@pytest.mark.slow
def test_a_killed_worker_is_an_error_that_says_what_to_do(two_cores: None):
    with pytest.raises(nsynth.UserError, match="more memory"):
        list(cores.each(os._exit, [9], processes=True))


@pytest.mark.slow
def test_no_worker_outlives_a_killed_caller_and_none_runs_the_callers_script(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, cores\n"  # no `if __name__ == '__main__'`
        "print(next(cores.each(abs, [-7, -8], processes=True)), flush=True)\n"
        "results = cores.each(eval, [\"print('printed') or __import__('os').getpid()\"], processes=True)\n"
        "print(next(results), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(cores.__file__).parent)},
    )
    first, worker = done.stdout.split()
    assert first == "7"
    assert "printed" in done.stderr
    deadline = time.monotonic() + 60
    while Path("/proc", worker).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path("/proc", worker).exists()
