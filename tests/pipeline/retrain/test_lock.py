"""One round at a time: the other is told who, and a killed holder leaves its name but no lock."""

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

import nsynth
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


THEIRS = "somebody's notes\n"


@pytest.mark.parametrize("kind", ["link", "hard link", "file"])
def test_what_is_not_our_lock_is_left_as_it_is(tmp_path, kind):
    theirs, file = tmp_path / "theirs", tmp_path / "lock"
    theirs.write_text(THEIRS)
    match kind:
        case "link":
            file.symlink_to(theirs)
        case "hard link":
            file.hardlink_to(theirs)
        case "file":
            file.write_text(THEIRS)
    with pytest.raises(nsynth.UserError, match=str(file)):
        lock.hold(file, "me").__enter__()
    assert file.read_text() == theirs.read_text() == THEIRS


def test_a_fifo_as_lock_is_refused_and_nobody_waits_for_it(tmp_path):
    file = tmp_path / "lock"
    os.mkfifo(file)
    for look in (lock.holder, lock.is_held, lambda file: lock.hold(file, "me").__enter__()):
        with pytest.raises(nsynth.UserError, match="FIFO"):
            look(file)


@pytest.mark.parametrize("left", [b"", b'{"name":"nsynth re', b"\0" * 300])
def test_what_a_power_cut_leaves_of_a_name_is_no_obstacle(tmp_path, left):
    file = tmp_path / "lock"
    file.write_bytes(left)
    with lock.hold(file, "me") as held:
        assert held.left_behind is None
        assert lock.holder(file).pid == os.getpid()


def full(*_) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_on_a_full_disk_it_is_held_and_given_back_without_a_name(tmp_path, monkeypatch):
    file = tmp_path / "lock"
    monkeypatch.setattr(os, "pwrite", full)
    with lock.hold(file, "nsynth gc", is_round=False):
        assert lock.is_held(file)
        with pytest.raises(lock.LockedError, match="another process"):
            lock.hold(file, "me").__enter__()
    assert not lock.is_held(file)


def test_the_name_takes_no_new_room(tmp_path):
    file = tmp_path / "lock"
    with lock.hold(file, "a long name" * 20):
        size = file.stat().st_size
    assert file.stat().st_size == size, "a later holder writes over it"
