"""Files appear whole or not at all; any file system that Beam knows will do."""

import os
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.localfilesystem import LocalFileSystem

from components.ingest import files
from components.ingest.index import load_or_scan
from components.ingest.options import IngestOptions
from components.ingest.shard import Layout, write_shard
from components.ingest.shuffle import plan
from components.ingest.sources import find

PREFIX = "elsewhere://"


class ElsewhereFileSystem(LocalFileSystem):
    """A file system under another scheme. Beam finds it by itself, as it finds gs:// and s3://."""

    @classmethod
    def scheme(cls) -> str:
        return "elsewhere"

    def join(self, base: str, *paths: str) -> str:
        return os.path.join(base, *paths)

    def _list(self, base: str) -> Any:
        for found in super()._list(base.removeprefix(PREFIX)):
            found.path = PREFIX + found.path
            yield found

    def _path_open(self, path: str, *args: Any, **kwargs: Any) -> Any:
        return super()._path_open(path.removeprefix(PREFIX), *args, **kwargs)

    def create(self, path: str, *args: Any, **kwargs: Any) -> Any:
        return super().create(path.removeprefix(PREFIX), *args, **kwargs)

    def metadata(self, path: str) -> Any:
        found = super().metadata(path.removeprefix(PREFIX))
        found.path = path
        return found

    def exists(self, path: str) -> bool:
        return super().exists(path.removeprefix(PREFIX))

    def mkdirs(self, path: str) -> None:
        super().mkdirs(path.removeprefix(PREFIX))

    def delete(self, paths: list[str]) -> None:
        super().delete([path.removeprefix(PREFIX) for path in paths])

    def rename(self, sources: list[str], targets: list[str]) -> None:
        super().rename(*([path.removeprefix(PREFIX) for path in paths] for paths in (sources, targets)))


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_a_file_appears_whole(prefix: str, tmp_path: Path) -> None:
    path, scratch = tmp_path / "folder" / "name", tmp_path / "scratch"
    with files.whole_file(f"{prefix}{path}", f"{prefix}{scratch}") as file:
        file.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_a_failed_file_leaves_nothing_and_keeps_the_old_one(prefix: str, tmp_path: Path) -> None:
    path, scratch = tmp_path / "name", tmp_path / "scratch"
    path.write_bytes(b"old")

    def fail() -> None:
        with files.whole_file(f"{prefix}{path}", f"{prefix}{scratch}") as file:
            file.write(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
def test_ingest_elsewhere_writes_the_same_bytes(any_form: Path, tmp_path: Path) -> None:
    written = []
    for prefix in ("", PREFIX):
        root = tmp_path / (prefix.removesuffix("://") or "here")
        layout = Layout(*(f"{prefix}{root}/{name}" for name in Layout._fields))
        sources = find(f"{prefix}{any_form}")
        indexes = [load_or_scan(source, f"{prefix}{root}/cache") for source in sources]
        again = [load_or_scan(source, f"{prefix}{root}/cache") for source in sources]
        assert [index.notes for index in indexes] == [index.notes for index in again] == [44]
        for shard in plan(indexes, IngestOptions()):
            write_shard(shard, layout)
        folder = root / "examples"
        written.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert written[0] == written[1]
    assert len(written[0]) == 16


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
