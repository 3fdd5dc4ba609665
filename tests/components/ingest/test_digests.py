"""Digests of files: read once, and never believed of a file that was rewritten."""

import hashlib
import os
import sqlite3
import time
from pathlib import Path

import pytest

from components.ingest import digests
from components.ingest.digests import Digests


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """A file that has long been there, as far as the memory can tell."""
    monkeypatch.setattr(digests, "_YOUNG_NS", 0)
    file = tmp_path / "notes"
    file.write_bytes(b"notes")
    time.sleep(0.02)  # a tick of the file system's clock
    return file


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The files that were read."""
    read: list[str] = []
    real = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: (read.append(file.name), real(file, kind))[1]
    )
    return read


def digest(file: Path, folder: Path | None) -> str:
    with Digests(str(folder) if folder else None) as memory:
        return memory.of(str(file))


def test_a_file_is_read_once_also_after_it_was_renamed(file, reads, tmp_path):
    first = digest(file, tmp_path / "memory")
    assert first == hashlib.sha256(b"notes").hexdigest()
    assert digest(file, tmp_path / "memory") == first
    moved = tmp_path / "memory" / "notes"
    os.link(file, moved)
    assert digest(moved, tmp_path / "memory") == first
    assert len(reads) == 2, "a link changes the ctime"


def test_a_file_that_was_rewritten_with_its_size_and_times_restored_is_noticed(file, tmp_path):
    first, before = digest(file, tmp_path / "memory"), file.stat()
    file.write_bytes(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
    )
    assert digest(file, tmp_path / "memory") != first


def test_what_changed_just_now_is_read_again(tmp_path, reads):
    (tmp_path / "new").write_bytes(b"notes")
    for _ in range(2):
        digest(tmp_path / "new", tmp_path / "memory")
    assert len(reads) == 2


@pytest.mark.parametrize("spoil", ["damaged", "a folder", "none"])
def test_a_memory_that_cannot_be_used_costs_time_alone(file, tmp_path, spoil):
    memory = tmp_path / "memory"
    memory.mkdir()
    if spoil == "damaged":
        (memory / digests.FILE).write_bytes(b"no database " * 100)
    if spoil == "a folder":
        (memory / digests.FILE).mkdir()
    assert digest(file, None if spoil == "none" else memory) == hashlib.sha256(b"notes").hexdigest()
    if spoil == "damaged":
        assert sqlite3.connect(memory / digests.FILE).execute("SELECT count(*) FROM digests").fetchone() == (
            1,
        )


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        digest(tmp_path / "pipe", None)
