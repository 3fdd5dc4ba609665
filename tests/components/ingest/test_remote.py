"""Data in an object store or on a web server: what goes wrong there costs no note and is told as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import nsynth
from benchmarks.nsynth_server import Server, VirtualFile, instruments
from components.ingest import audio_files, files, parallel_scan
from components.ingest.index import load_or_scan, scan
from components.ingest.options import IngestOptions
from components.ingest.readers import Readers
from components.ingest.shard import Layout, write_shard
from components.ingest.shuffle import Shard, plan
from components.ingest.sources import Form, find
from components.remote import address, bucket
from components.remote.http import HttpFiles
from components.tfrecord import Record
from tests.stores import CuttingProxy, Store


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = bucket.PATIENCE._replace(first_wait_s=0.01)
    monkeypatch.setattr(bucket, "PATIENCE", patience)
    monkeypatch.setattr(address, "_web", lambda: HttpFiles(patience))


@pytest.fixture
def stored(notes: Any, writers: dict[str, Callable[..., Path]], s3: Store, tmp_path: Path) -> str:
    """Address of a TFRecord with 11 notes: 2.8 MB."""
    (tmp_path / "data").mkdir()
    writers["nsynth-train.tfrecord"](tmp_path / "data" / "nsynth-train.tfrecord", notes[::4])
    return s3.upload(tmp_path / "data")


def shards_of(data: str, tmp_path: Path) -> tuple[list[Shard], Layout]:
    indexes = [load_or_scan(source, str(tmp_path / "cache")) for source in find(data)]
    return list(plan(indexes, IngestOptions())), Layout(*(str(tmp_path / name) for name in Layout._fields))


def kept(layout: Layout) -> list[Path]:
    return [path for path in Path(layout.examples).rglob("*") if path.is_file()]


def test_an_object_replaced_between_listing_and_reading(stored: str, tmp_path: Path) -> None:
    shards, layout = shards_of(stored, tmp_path)
    bucket.write(f"{stored}/nsynth-train.tfrecord", b"another file")
    with pytest.raises(
        nsynth.UserError, match=r"nsynth-train.tfrecord: changed while it was being read.*run again"
    ):
        write_shard(shards[0], layout)
    assert kept(layout) == []


def test_an_object_replaced_by_one_of_the_same_size_while_it_is_read(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards, layout = shards_of(stored, tmp_path)
    take = Readers.take
    place = f"{stored}/nsynth-train.tfrecord"
    content = bucket.BucketObject(place).read(0, bucket.BucketObject(place).size)
    replaced: list[bool] = []

    def replace_first(self: Readers, wanted: Any) -> Any:
        taken = take(self, wanted)
        if not replaced:
            replaced.append(True)
            bucket.write(place, content[::-1])
        return taken

    monkeypatch.setattr(Readers, "take", replace_first)
    with pytest.raises(nsynth.UserError, match="changed while it was being read"):
        write_shard(shards[0], layout)
    assert kept(layout) == []


def test_an_object_that_is_gone_when_it_is_read(stored: str, tmp_path: Path) -> None:
    shards, layout = shards_of(stored, tmp_path)
    bucket.remove(f"{stored}/nsynth-train.tfrecord")
    with pytest.raises(
        nsynth.UserError, match=r"nsynth-train.tfrecord: no such object. Nothing was kept; run again"
    ):
        write_shard(shards[0], layout)
    assert kept(layout) == []


@pytest.mark.slow
def test_cut_connections_cost_no_note(
    stored: str, s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CuttingProxy(s3.environment["AWS_ENDPOINT_URL"], cuts=6) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        shards, layout = shards_of(stored, tmp_path)
        counts = [write_shard(shard, layout) for shard in shards]
        assert proxy.cuts == 0
    assert sum(count["used"] for count in counts) == 11


def test_wrong_credentials_are_nobodys_fault_but_theirs(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(nsynth.UserError, match=r"refuses the credentials.*AWS_SECRET_ACCESS_KEY") as raised:
        find(stored)
    assert not isinstance(raised.value, nsynth.RefusedDataError)


@pytest.mark.parametrize("place", ["s3://no-such-bucket/data", "s3://notes/nothing-there"])
def test_what_is_not_there(place: str, s3: Store) -> None:
    with pytest.raises(nsynth.UserError, match=f"{place}: no such file or folder"):
        find(place)


def test_what_is_no_address() -> None:
    with pytest.raises(nsynth.UserError, match="ftp:// is not known here"):
        find("ftp://host/notes")


def test_a_scan_from_several_places_finds_what_one_from_the_front_does(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [source] = find(stored)
    whole = scan(source)
    monkeypatch.setattr(parallel_scan, "PART_BYTES", 1 << 19)
    [content] = [(tmp_path / "data" / "nsynth-train.tfrecord").read_bytes()]
    with files.open_to_read(source.path) as file:
        found = parallel_scan.records(file, len(content))
    assert found is not None
    assert [record.offset for record in found] == whole.offsets.tolist()
    assert [record.length for record in found] == whole.lengths.tolist()
    hole = len(content) // 2
    bucket.write(source.path, content[:hole] + bytes(20) + content[hole:])
    with files.open_to_read(source.path) as file:
        assert (
            parallel_scan.records(file, len(content) + 20) is None
        )  # a scan from the front says what is damaged
    damaged = scan(source)
    assert len(damaged.damage) == 1
    assert damaged.notes == whole.notes - 1


def test_audio_files_in_a_store(s3: Store, tmp_path: Path) -> None:
    family = nsynth.LABEL.names[0]
    folder = tmp_path / "sounds"
    for number in range(3):
        path = folder / family / "group" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.sin(np.arange(4000) * 0.1 * (number + 1)), nsynth.SAMPLE_RATE_HZ)
    stored = s3.upload(folder)
    [source] = find(stored)
    assert source.form == Form.AUDIO
    assert {stat.size for stat in audio_files.listed(source.path, "").values() if stat} == {8044}
    index = load_or_scan(source, str(tmp_path / "cache"))
    with Readers([index.source]) as readers:
        places = [
            Record(*place) for place in zip(index.offsets.tolist(), index.lengths.tolist(), strict=True)
        ]
        assert [readers.note(0, place)[1].note_str for place in places] == [
            f"{family}/group/{number}.wav" for number in range(3)
        ]


@pytest.mark.parametrize("name", ["", "/nsynth-valid.tfrecord"])
def test_a_web_server_that_answers_ranges(name: str, tmp_path: Path) -> None:
    file = VirtualFile(instruments("valid", share=0.002))
    with Server({"nsynth-valid.tfrecord": file}) as server:
        [source] = find(f"{server.url}{name}")
        assert (source.split, source.form) == ("valid", Form.TFRECORD)
        server.behaviour.cut_every = 5
        index = load_or_scan(source, str(tmp_path))
        assert index.notes == file.notes
        last = Record(int(index.offsets[-1]), int(index.lengths[-1]))
        with Readers([index.source]) as readers:
            readers.note(0, last)
            readers.note(0, last)
        server.behaviour.etag = '"second"'
        with (
            pytest.raises(OSError, match="changed while it was being read"),
            Readers([index.source]) as readers,
        ):
            readers.note(0, last)


def test_a_web_server_without_ranges_or_notes(tmp_path: Path) -> None:
    with Server({"nsynth-valid.tfrecord": VirtualFile(instruments("valid", share=0.002))}) as server:
        with pytest.raises(
            nsynth.UserError, match=r"no such file or folder, nor nsynth-train.tfrecord.* in it"
        ):
            find(f"{server.url}/other")
        server.behaviour.ranges = False
        [source] = find(f"{server.url}/nsynth-valid.tfrecord")
        with pytest.raises(
            nsynth.UserError, match="does not support range requests: download the file first"
        ):
            load_or_scan(source, str(tmp_path))
