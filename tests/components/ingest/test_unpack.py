"""Archives from strangers: one set each, no bombs, and nothing of them stays."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

import nsynth
from components import tfrecord
from components.ingest import unpack as unpack_module
from components.ingest.index import load_or_scan, open_indexes
from components.ingest.sources import Form, Source, find


def pack(path: Path, *folders: Path, names: tuple[str, ...] = (), pax: bool = True) -> Path:
    """A tar of folders under their own names, and of small files."""
    with tarfile.open(
        path, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    ) as packed:
        for name in names:
            packed.addfile(tarfile.TarInfo(name))
        for folder in folders:
            packed.add(folder, arcname=folder.name)
    return path


def load(path: Path, cache: Path, split: str = "train") -> int:
    return load_or_scan(Source(split, Form.JSONWAV_TAR, str(path)), str(cache)).notes


def test_splits_side_by_side_are_refused(notes, writers, tmp_path: Path) -> None:
    folders = [
        writers["nsynth-train"](tmp_path / f"nsynth-{s}", notes[:2]) for s in ("train", "valid", "test")
    ]
    archive = pack(tmp_path / "nsynth-train.tar.gz", *folders)
    with pytest.raises(
        nsynth.RefusedDataError, match=r"more than one set: .* in nsynth-train.* and in nsynth-valid"
    ):
        load(archive, tmp_path / "cache")


def test_a_split_under_another_one_s_name_is_refused(notes, writers, tmp_path: Path) -> None:
    archive = pack(tmp_path / "nsynth.tar.gz", writers["nsynth-train"](tmp_path / "nsynth-test", notes[:2]))
    with pytest.raises(nsynth.RefusedDataError, match="would be read as train, but contains nsynth-test/"):
        load(archive, tmp_path / "cache")
    assert load(archive, tmp_path / "cache", "test") == 2


@pytest.mark.parametrize("pax", [True, False])
def test_members_that_are_no_notes_disturb_nothing(pax: bool, notes, writers, tmp_path: Path) -> None:
    folder = writers["nsynth-train"](tmp_path / "nsynth-train", notes[:2])
    odd = (
        f"nsynth-train/audio/{'x' * 300}.wav",
        "nsynth-train/audio/._a.wav",
        "__MACOSX/._examples.json",
        "notes.md",
    )
    assert load(pack(tmp_path / "nsynth-train.tar.gz", folder, names=odd, pax=pax), tmp_path / "cache") == 2


def test_a_sparse_member_is_left_out(notes, writers, tmp_path: Path) -> None:
    folder = writers["nsynth-train"](tmp_path / "nsynth-train", notes[:2])
    archive = tmp_path / "nsynth-train.tar"
    sparse = tarfile.TarInfo("nsynth-train/audio/big.wav")
    sparse.pax_headers = {"GNU.sparse.map": "0,512", "GNU.sparse.size": str(1 << 40)}
    sparse.size = 512
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as packed:
        packed.addfile(sparse, io.BytesIO(bytes(512)))
        packed.add(folder, arcname="nsynth-train")
    assert load(archive, tmp_path / "cache") == 2
    assert not list((tmp_path / "cache").rglob("big.wav"))


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    archive = tmp_path / "nsynth-train.tar"
    archive.write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(20_000))
    with pytest.raises(nsynth.RefusedDataError, match="damaged file"):
        load(archive, tmp_path / "cache")


@pytest.mark.parametrize("kind", ["gzip", "tar"])
def test_a_bomb_is_refused(kind: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(unpack_module, "_LEAST_LIMIT", 1 << 20)
    bomb = tfrecord.frame(bytes(1 << 20)) * 40
    if kind == "gzip":
        (tmp_path / "nsynth-train.tfrecord.gz").write_bytes(gzip.compress(bomb))
    else:
        member = tarfile.TarInfo("nsynth-train/examples.json")
        member.size = len(bomb)
        with tarfile.open(tmp_path / "nsynth-train.tar.gz", "w:gz") as packed:
            packed.addfile(member, io.BytesIO(bomb))
    [source] = find(str(tmp_path))
    with pytest.raises(nsynth.RefusedDataError, match="more than 100 times as large"):
        load_or_scan(source, str(tmp_path / "cache"))
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_nothing_that_was_unpacked_stays(notes, writers, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(unpack_module, "_ABANDONED_S", -1)
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    writers["nsynth-train.tfrecord.gz"](data / "nsynth-train.tfrecord.gz", notes[:2])
    (cache / "unpacked-of-a-killed-run").mkdir(parents=True)
    with open_indexes(find(str(data)), str(cache)) as [index]:
        assert index.notes == 2
        assert len(list(cache.glob("unpacked-*"))) == 2
    assert not list(cache.glob("unpacked-*"))
