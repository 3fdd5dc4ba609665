"""Files and folders appear whole or not at all."""

import os
from pathlib import Path

import pytest

import atomic


def test_a_file_replaces_the_former_one_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "name"
    atomic.write(path, "first")
    with atomic.file(path) as file:
        file.write(b"second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"
    assert os.listdir(path.parent) == ["name"]


def test_an_unfinished_file_lies_in_scratch_and_goes_with_an_error(tmp_path: Path) -> None:
    path, scratch = tmp_path / "name", tmp_path / "scratch"
    atomic.write(path, b"first")
    with pytest.raises(KeyboardInterrupt), atomic.file(path, scratch) as file:  # noqa: PT012
        file.write(b"half")
        assert len(list(scratch.iterdir())) == 1
        raise KeyboardInterrupt
    assert path.read_bytes() == b"first"
    assert sorted(os.listdir(tmp_path)) == ["name", "scratch"]
    assert not os.listdir(scratch)


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "above" / "folder"
    with atomic.folder(target) as draft:
        (draft / "inside").mkdir()
        (draft / "inside" / "file").write_text("content")
        assert not target.exists()
    assert (target / "inside" / "file").read_text() == "content"
    assert os.listdir(target.parent) == ["folder"]


def test_a_folder_takes_the_place_of_an_empty_one_alone(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with atomic.folder(target) as draft:
        (draft / "file").write_text("first")
    with pytest.raises(FileExistsError), atomic.folder(target) as draft:
        (draft / "file").write_text("second")
    assert (target / "file").read_text() == "first"
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_folder_that_moves_aside_stays_until_the_new_one_is_whole(tmp_path: Path, fails: bool) -> None:
    target, aside = tmp_path / "folder", tmp_path / ".former"
    atomic.write(target / "file", "first")
    try:
        with atomic.folder(target, aside) as draft:
            (draft / "file").write_text("second")
            if fails:
                raise RuntimeError
    except RuntimeError:
        pass
    assert (target / "file").read_text() == ("first" if fails else "second")
    assert os.listdir(tmp_path) == ["folder"]


def test_of_a_link_to_a_folder_only_the_link_is_removed(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    atomic.write(folder / "file", "content")
    link.symlink_to(folder)
    atomic.remove(link)
    assert os.listdir(tmp_path) == ["folder"]
    atomic.remove(folder / "file")
    atomic.remove(folder)
    assert os.listdir(tmp_path) == []


def test_drafts_of_killed_processes_are_removed_by_name(tmp_path: Path) -> None:
    (tmp_path / ".a.draft-1").mkdir()
    atomic.write(tmp_path / ".b.draft-2", "half")
    (tmp_path / "a").mkdir()
    atomic.remove_drafts(tmp_path, "a")
    assert sorted(os.listdir(tmp_path)) == [".b.draft-2", "a"]
    atomic.remove_drafts(tmp_path)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.slow
def test_a_remote_file_appears_whole(tmp_path: Path) -> None:
    path, scratch = tmp_path / "new" / "name", tmp_path / "scratch"
    with atomic.remote_file(str(path), str(scratch)) as draft:
        Path(draft).write_text("content")
        assert not path.exists()
    with pytest.raises(RuntimeError), atomic.remote_file(str(path)) as draft:  # noqa: PT012
        Path(draft).write_text("half")
        raise RuntimeError
    assert path.read_text() == "content"
    assert os.listdir(path.parent) == ["name"]
