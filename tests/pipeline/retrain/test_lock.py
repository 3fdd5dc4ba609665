"""One round at a time: the other is told who, and a killed holder leaves its name but no lock."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from pipeline.retrain import lock

HOLD = textwrap.dedent("""
    import subprocess, sys, time
    from pathlib import Path
    from pipeline.retrain import lock
    with lock.hold(Path(sys.argv[1]), "nsynth retrain") as held:
        if sys.argv[2:]:  # a child that inherits the lock and lives on
            child = subprocess.Popen(["sleep", "600"], pass_fds=(held.descriptor,))
            print(child.pid, flush=True)
        else:
            print("held", flush=True)
        time.sleep(600)
""")


def holding(file, *extra) -> tuple[subprocess.Popen, str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, file, *extra], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def test_the_second_is_told_who_holds_it_and_a_killed_holder_is_taken_over(tmp_path):
    file = tmp_path / "lock"
    process, _ = holding(file)
    try:
        with pytest.raises(lock.LockedError, match=rf"nsynth retrain, process {process.pid} on \S+, since"):
            lock.hold(file, "me").__enter__()
        assert lock.is_held(file)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not lock.is_held(file)
    with lock.hold(file, "me") as held:
        assert held.left_behind.pid == process.pid
        assert lock.holder(file).pid == os.getpid()


def test_it_stays_held_while_a_child_of_the_killed_holder_lives(tmp_path):
    file = tmp_path / "lock"
    process, child = holding(file, "with child")
    process.kill()
    process.wait()
    try:
        with pytest.raises(lock.LockedError):
            lock.hold(file, "me").__enter__()
    finally:
        os.kill(int(child), signal.SIGKILL)
    for _ in range(100):
        if not lock.is_held(file):
            break
    with lock.hold(file, "me") as held:
        assert held.left_behind


def test_given_back_it_names_nobody_even_after_an_error(tmp_path):
    file = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), lock.hold(file, "me"):
        raise ZeroDivisionError
    assert lock.holder(file) is None
    with lock.hold(file, "me") as held:
        assert held.left_behind is None


@pytest.mark.parametrize("killed", [False, True])
def test_housekeeping_keeps_the_name_of_a_killed_round_and_leaves_none_of_its_own(tmp_path, killed):
    file = tmp_path / "lock"
    process, _ = holding(file)
    process.kill()
    process.wait()
    with lock.hold(file, "nsynth gc", is_round=False) as held:
        assert held.left_behind.pid == process.pid
        assert lock.holder(file).name == "nsynth gc"
        content = file.read_text()
    if killed:
        file.write_text(content)
    with lock.hold(file, "me") as held:
        assert held.left_behind.pid == process.pid
    with lock.hold(file, "nsynth gc", is_round=False):
        content = file.read_text()
    file.write_text(content)
    with lock.hold(file, "me") as held:
        assert held.left_behind is None, "a killed clean-up is no killed round"
