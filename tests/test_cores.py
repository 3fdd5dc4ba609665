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


def test_one_core_works_in_the_callers_thread_and_only_on_what_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cores, "count", lambda: 1)
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        return threading.get_ident()

    results = cores.each(work, range(3), processes=True)
    assert next(results) == threading.get_ident()
    assert begun == [0]


@pytest.mark.slow
def test_with_processes_one_core_works_in_this_process(two_cores: None):
    calls = ["__import__('time').sleep(0.2) or __import__('os').getpid()"] * 8
    assert len(found := set(cores.each(eval, calls, processes=True))) == 2
    assert os.getpid() in found


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
    killed = f"__import__('os').getpid() == {os.getpid()} or __import__('os')._exit(9)"
    with pytest.raises(nsynth.UserError, match="more memory"):
        list(cores.each(eval, [f"__import__('time').sleep(0.2) or {killed}"] * 4, processes=True))


@pytest.mark.slow
def test_no_worker_outlives_a_killed_caller_and_none_runs_the_callers_script(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, cores\n"  # no `if __name__ == '__main__'`
        "os.sched_getaffinity = lambda process: {0, 1}\n"
        "print(next(cores.each(abs, [-7, -8], processes=True)), flush=True)\n"
        "call = \"print('printed') or __import__('time').sleep(0.2) or __import__('os').getpid()\"\n"
        "for result in cores.each(eval, [call] * 8, processes=True):\n"
        "    if result != os.getpid():\n"
        "        print(result, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(cores.__file__).parent)},
    )
    [first, worker] = [line for line in done.stdout.split() if line != "printed"]
    assert first == "7"
    assert "printed" in done.stderr
    deadline = time.monotonic() + 60
    while Path("/proc", worker).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path("/proc", worker).exists()
