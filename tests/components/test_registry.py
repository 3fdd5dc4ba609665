"""Versions in the serving folder: numbers, what is read of them, pushes that are whole or leave nothing."""

import errno
import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import nsynth
from components import storage
from components.registry import Registry
from components.version import RECORD_FILE, Record, model_digest
from tests.components.pushes import digest_of, filler, model_of, push


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


def test_an_empty_or_missing_folder_has_no_versions(registry):
    assert registry.versions() == []
    assert registry.serving() is None
    assert registry.to_beat() == 0


def test_numbers_rise_start_at_the_present_time_and_stay_ahead_of_a_clock_that_is_behind(
    registry, monkeypatch
):
    before = int(time.time())
    first, second = push(registry, "a"), push(registry, "b")
    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    third = push(registry, "c")
    assert before <= first.number < second.number < third.number
    assert [v.number for v in registry.versions()] == [first.number, second.number, third.number]
    assert registry.serving().number == third.number


def test_a_server_of_another_user_can_read_a_version_whatever_the_umask(registry):
    before = os.umask(0o077)
    try:
        version = push(registry, "a")
    finally:
        os.umask(before)
    folder = Path(version.path)
    for path in (folder.parent, folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_other_entries_are_no_versions(registry):
    version = push(registry, "a")
    for name in ("notes", ".1.draft-x", "99999999999"):  # the last has no saved_model.pb
        Path(registry.destination, name).mkdir()
    assert [v.number for v in registry.versions()] == [version.number]


def test_versions_of_other_tools_are_served_and_never_overwritten(registry):
    Path(registry.destination, "9000000000").mkdir(parents=True)
    Path(registry.destination, "9000000000", "saved_model.pb").write_text("stock")
    assert registry.serving().record == Record(version=9000000000)
    assert push(registry, "a").number == 9000000001
    assert model_of(registry.get(9000000000)) == "stock"


RECORDS = {
    "cut": b"{",
    "of another kind": b"[1]",
    "without end": b"[" * 100_000,
    "not UTF-8": b'{"run": "\xff"}',
    "too large": b" " * 2_000_000,
}


@pytest.mark.parametrize("content", RECORDS.values(), ids=list(RECORDS))
def test_a_damaged_record_is_the_fault_of_its_version_alone(registry, content):
    first, damaged = push(registry, "a"), push(registry, "b")
    Path(damaged.path, RECORD_FILE).write_bytes(content)
    assert [v.number for v in registry.versions()] == [first.number, damaged.number]
    [fault] = registry.faults()
    assert f"{damaged.number}/{RECORD_FILE}" in fault
    push(registry, "c")
    with pytest.raises(nsynth.UserError, match=f"version {damaged.number} cannot be checked"):
        registry.rollback(damaged.number)
    assert registry.retain(1) == [first.number, damaged.number]


def test_a_pipe_as_a_record_is_not_waited_for(registry):
    version = push(registry, "a")
    Path(version.path, RECORD_FILE).unlink()
    os.mkfifo(Path(version.path, RECORD_FILE))
    assert registry.serving().number == version.number
    assert "not a regular file" in registry.faults()[0]


@pytest.mark.parametrize("name", ["0999", "12345678901234567890123", "٣", "9223372036854775808"])
def test_a_number_that_is_none_is_named_and_disturbs_nothing(registry, name):
    first = push(registry, "a")
    storage.write_bytes(f"{registry.destination}/{name}/saved_model.pb", b"stray")
    second = push(registry, "b")
    assert first.number < second.number < 10**10
    assert [v.number for v in registry.versions()] == [first.number, second.number]
    assert registry.retain(1) == [first.number]
    [fault] = registry.faults()
    assert f"/{name} is no version" in fault


def test_a_number_that_a_server_reads_is_outnumbered_even_with_a_zero_in_front(registry):
    storage.write_bytes(f"{registry.destination}/09999999999999/saved_model.pb", b"stray")
    assert push(registry, "a").number == 10_000_000_000_000


def test_milliseconds_are_a_number_like_others(registry):
    storage.write_bytes(f"{registry.destination}/1795347758000/saved_model.pb", b"foreign")
    assert registry.serving().pushed is None
    assert push(registry, "a").number == 1795347758001
    assert registry.serving().pushed.year >= 2024, "by its record"
    assert registry.retain(1) == [1795347758000]
    assert registry.faults() == []


def test_no_number_is_left(registry):
    storage.write_bytes(f"{registry.destination}/{2**63 - 1}/saved_model.pb", b"foreign")
    with pytest.raises(nsynth.UserError, match="highest number"):
        push(registry, "a")


def test_a_model_that_is_not_the_judged_one_is_not_published(registry):
    with pytest.raises(nsynth.UserError, match="differ from those that were evaluated"):
        registry.publish(filler("altered"), Record(digest=digest_of("judged")))
    with pytest.raises(nsynth.UserError, match=r"has no saved_model\.pb"):
        registry.publish(lambda folder: storage.write_bytes(f"{folder}/variables/x", b""), Record())
    assert [p.name for p in Path(registry.destination).iterdir()] == [".lock"]


def test_the_same_model_is_not_pushed_twice(registry):
    first = push(registry, "a")
    push(registry, "b")
    assert push(registry, "a").number == first.number
    assert len(registry.versions()) == 2


def test_a_pushed_candidate_is_compared_with_what_it_was_compared_with_then(registry, tmp_path):
    champion = push(registry, "champion")
    candidate = tmp_path / "candidate"
    filler("new")(str(candidate))
    assert registry.to_beat(str(candidate)) == champion.number
    record = Record(digest=model_digest(str(candidate)), compared_with=champion.number)
    pushed = registry.publish(filler("new"), record)
    assert registry.to_beat(str(candidate)) == champion.number
    assert registry.to_beat() == pushed.number


def test_a_failing_push_leaves_nothing(registry):
    push(registry, "a")
    before = sorted(p.name for p in Path(registry.destination).iterdir())

    def fill(folder: str) -> None:
        storage.write_bytes(f"{folder}/saved_model.pb", b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(nsynth.UserError, match="No space left on device; no partial version remains"):
        registry.publish(fill, Record(digest="b"))
    assert sorted(p.name for p in Path(registry.destination).iterdir()) == before


def test_a_disk_that_takes_no_more_leaves_nothing(registry):
    """For real: the kernel refuses to write on, as it does when a quota or a disk is full."""
    script = textwrap.dedent("""
        import resource, sys, nsynth
        from components.registry import Registry
        from components.version import Record
        from components import storage
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            Registry(sys.argv[1]).publish(
                lambda folder: storage.write_bytes(f"{folder}/saved_model.pb", bytes(1_000_000)), Record(digest="x"))
        except nsynth.UserError as error:
            print(error)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, registry.destination], capture_output=True, text=True
    )
    assert "no partial version remains" in done.stdout, done.stderr
    assert [p.name for p in Path(registry.destination).iterdir()] == [".lock"]


def test_a_disk_that_is_really_full_leaves_what_was_there_and_nothing_more(tmp_path):
    """In a mount namespace of its own the folder is a file system of 3 MB, into which only the first model fits."""
    destination = tmp_path / "models"
    destination.mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(destination)]
    if not shutil.which("unshare") or subprocess.run([*namespace, *mount], capture_output=True).returncode:
        pytest.skip("this machine allows no mount in a user namespace")
    script = textwrap.dedent("""
        import os, sys, nsynth
        from components.registry import Registry
        from components.version import Record
        from components import storage
        registry = Registry(sys.argv[1])
        fill = lambda folder: storage.write_bytes(f"{folder}/saved_model.pb", bytes(2_000_000))
        for run in "ab":
            try:
                registry.publish(fill, Record(run=run))
            except nsynth.UserError as error:
                print(error)
        print([version.record.run for version in registry.versions()], len(os.listdir(sys.argv[1])))
    """)
    inside = f"{shlex.join(mount)} && {shlex.join([sys.executable, '-c', script, str(destination)])}"
    done = subprocess.run([*namespace, "bash", "-c", inside], capture_output=True, text=True)
    said, left = done.stdout.splitlines()
    assert "No space left on device; no partial version remains" in said
    assert left == "['a'] 2", "the version that was there, and the lock"


def test_what_a_killed_pusher_left_is_removed_by_the_next(registry):
    push(registry, "a")
    Path(registry.destination, ".1.draft-dead").mkdir()
    push(registry, "b")
    assert not Path(registry.destination, ".1.draft-dead").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(nsynth.UserError, match="cannot write to"):
        push(Registry(tmp_path / "file" / "models"), "a")


def _push_ten(destination: str, who: int) -> list[int]:
    return [push(Registry(destination), f"{who}-{index}").number for index in range(10)]


def test_pushers_at_once_never_meet(registry):
    with ProcessPoolExecutor(3) as pool:
        numbers = [n for result in pool.map(_push_ten, [registry.destination] * 3, range(3)) for n in result]
    assert len(set(numbers)) == 30
    assert {model_of(v) for v in registry.versions()} == {f"{who}-{i}" for who in range(3) for i in range(10)}


@pytest.mark.slow
def test_an_object_store_gets_saved_model_pb_last(monkeypatch):
    """On TensorFlow's in-memory file system, which is addressed as an object store is."""
    registry = Registry("ram://bucket/models")
    written = []
    real = storage.write_bytes
    monkeypatch.setattr(
        storage, "write_bytes", lambda path, content: (written.append(path), real(path, content))
    )
    first = push(registry, "a")
    stored = [path for path in written if storage.is_remote(path)]
    assert stored[-1] == f"{first.path}/saved_model.pb"
    assert f"{first.path}/{RECORD_FILE}" in stored
    with pytest.raises(nsynth.UserError, match="differ from those that were evaluated"):
        registry.publish(filler("altered"), Record(digest=digest_of("judged")))
    assert [v.number for v in registry.versions()] == [first.number]
    push(registry, "b")
    assert registry.rollback().record.restored_from == first.number
    assert storage.read_bytes(f"{registry.serving().path}/saved_model.pb") == b"a"
    assert registry.retain(2) == [first.number]
