"""Files that are written in place: what is not ours stays as it is, and a full disk has room for last words."""

import errno
import os

import pytest

import nsynth
from pipeline.history import own_files
from pipeline.history.own_files import Reserve, open_own

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "folder", "socket"])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR | os.O_CREAT])
def test_what_is_no_regular_file_is_refused_at_once_and_left_alone(tmp_path, kind, flags):
    theirs, file = tmp_path / "theirs", tmp_path / "file"
    theirs.write_text("theirs")
    match kind:
        case "link":
            file.symlink_to(theirs)
        case "dangling link":
            file.symlink_to(tmp_path / "nowhere")
        case "fifo":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "socket":
            os.mknod(file, 0o140600)
    with pytest.raises(nsynth.UserError, match="it is not written to"):
        open_own(file, flags)
    assert theirs.read_text() == "theirs"
    assert not (tmp_path / "nowhere").exists()


def test_the_reserve_is_given_up_for_what_has_to_be_written(tmp_path):
    reserve = Reserve(tmp_path)
    reserve.make()
    held = tmp_path / "reserve"
    assert held.stat().st_size == own_files.RESERVE_BYTES
    assert held.stat().st_blocks * 512 >= own_files.RESERVE_BYTES, "no hole: the room is really taken"

    def write() -> str:
        if held.exists():
            raise FULL
        return "written"

    assert reserve.used_if_full(write) == "written"
    reserve.make()
    assert held.stat().st_size == own_files.RESERVE_BYTES


def test_another_error_costs_no_reserve_and_a_full_disk_without_one_is_told(tmp_path):
    reserve = Reserve(tmp_path)

    def full() -> None:
        raise FULL

    def broken() -> None:
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="No space"):
        reserve.used_if_full(full)
    reserve.make()
    with pytest.raises(OSError, match="broken"):
        reserve.used_if_full(broken)
    assert (tmp_path / "reserve").exists()


def test_a_reserve_that_cannot_be_made_is_done_without(tmp_path, monkeypatch):
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    (tmp_path / "reserve").symlink_to(theirs)
    Reserve(tmp_path).make()
    assert theirs.read_text() == "theirs"
