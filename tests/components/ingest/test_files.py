"""Files appear whole or not at all; what an object store holds is read as what a disk holds."""

import os
from pathlib import Path

import pytest

from components.ingest import files
from components.ingest.index import load_or_scan
from components.ingest.options import IngestOptions
from components.ingest.shard import Layout, write_shard
from components.ingest.shuffle import plan
from components.ingest.sources import find
from tests.components.ingest.conftest import FORMS
from tests.stores import Store


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path, scratch = tmp_path / "folder" / "name", tmp_path / "scratch"
    with files.whole_file(str(path), str(scratch)) as file:
        file.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert list(scratch.iterdir()) == []


def test_a_failed_file_leaves_nothing_and_keeps_the_old_one(tmp_path: Path) -> None:
    path, scratch = tmp_path / "name", tmp_path / "scratch"
    path.write_bytes(b"old")

    def fail() -> None:
        with files.whole_file(str(path), str(scratch)) as file:
            file.write(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert list(scratch.iterdir()) == []


def written(data: str, root: Path) -> dict[Path, bytes]:
    """Every file that ingest makes of the data."""
    layout = Layout(*(f"{root}/{name}" for name in Layout._fields))
    indexes = [load_or_scan(source, f"{root}/cache") for source in find(data)]
    again = [load_or_scan(source, f"{root}/cache") for source in find(data)]
    assert [index.notes for index in indexes] == [index.notes for index in again] == [44]
    for shard in plan(indexes, IngestOptions()):
        write_shard(shard, layout)
    folder = root / "examples"
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FORMS_AND_STORES = [
    *((form, "_amazon") for form in FORMS),
    *((form, "_google") for form in ("nsynth-train.tfrecord", "nsynth-train.jsonwav.tar.gz", "nsynth-train")),
]
"""Each form is read from one store; from the other one a file that is read in parts, one that is fetched whole, and
many small ones."""


@pytest.mark.slow
@pytest.mark.parametrize(("any_form", "any_store"), FORMS_AND_STORES, indirect=True)
def test_ingest_from_a_store_writes_the_same_bytes(any_form: Path, any_store: Store, tmp_path: Path) -> None:
    here = written(str(any_form), tmp_path / "here")
    assert len(here) == 16
    assert written(any_store.upload(any_form), tmp_path / "there") == here


@pytest.mark.parametrize(
    ("content", "line"),
    [(None, ""), (b"", ""), (b" my \x1b[31mnotes \nmore", "my [31mnotes"), (b"\xff" * 3000, "\ufffd" * 500)],
)
def test_a_first_line_is_short_and_printable(content: bytes | None, line: str, tmp_path: Path) -> None:
    path = tmp_path / "origin.txt"
    if content is not None:
        path.write_bytes(content)
    assert files.first_line(str(path)) == line


def test_what_is_no_file_has_no_first_line(tmp_path: Path) -> None:
    assert files.first_line(str(tmp_path)) == ""
    os.mkfifo(tmp_path / "pipe")
    assert files.first_line(str(tmp_path / "pipe")) == ""
