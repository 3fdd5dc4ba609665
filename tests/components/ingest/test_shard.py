"""A shard's worker: the right notes in the right split, bad ones in quarantine byte for byte, or nothing at all."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import nsynth
from components import tfrecord
from components.example_proto import Example, serialize
from components.ingest import sound
from components.ingest.contract import check
from components.ingest.index import load_or_scan
from components.ingest.options import IngestOptions
from components.ingest.shard import Layout, described, reports, write_shard
from components.ingest.shuffle import Shard, plan
from components.ingest.sources import find

OPTIONS = IngestOptions(min_shards=3, dev_fraction=0.3, valid_fraction=0.2, test_fraction=0.2)


def shards_of(data: Path, cache: Path) -> list[Shard]:
    return list(plan([load_or_scan(source, str(cache)) for source in find(str(data))], OPTIONS))


def layout_in(folder: Path) -> Layout:
    return Layout(*(str(folder / name) for name in Layout._fields))


def written(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def records(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [tfrecord.read_data(file, place)[0] for place in tfrecord.scan(file, path.stat().st_size)]


class Ingested(NamedTuple):
    """What became of a data folder: its shards, the counts of each, and where their files are."""

    shards: list[Shard]
    counts: list[dict[str, int]]
    folder: Path


@pytest.fixture(scope="module")
def ingested(any_form: Path, tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    folder = tmp_path_factory.mktemp("ingested")
    shards = shards_of(any_form, folder / "cache")
    return Ingested(shards, [write_shard(shard, layout_in(folder)) for shard in shards], folder)


def test_every_note_is_written_once_unaltered_and_with_its_scalars(
    ingested: Ingested, notes: list[dict]
) -> None:
    shards, counts, folder = ingested
    assert sum(count["in"] for count in counts) == sum(count["used"] for count in counts) == len(notes)
    by_name = {note[nsynth.NOTE_STR]: note for note in notes}
    names = []
    for path in (folder / "examples").glob("Split-*/*"):
        for record in records(path):
            note = check(record)
            names.append(note.note_str)
            assert path.parent.name == f"Split-{shards[0].routes.split(note.group)}"
            assert record == serialize(by_name[note.note_str]) + described(note)
            features = Example.FromString(record).features.feature
            scalars = [features[key].float_list.value[0] for key in nsynth.SOUND_FEATURES]
            np.testing.assert_allclose(scalars, sound.describe(note.audio), rtol=1e-6)
    assert sorted(names) == sorted(by_name)


def test_the_same_notes_lie_beside_without_their_sound(ingested: Ingested) -> None:
    examples, beside = ingested.folder / "examples", ingested.folder / "scalars"
    names = {path.relative_to(examples) for path in examples.glob("Split-*/*")}
    assert names == {path.relative_to(beside) for path in beside.glob("*/*")}
    for name in names:
        for whole, scalars in zip(records(examples / name), records(beside / name), strict=True):
            assert len(scalars) < 1_000
            wanted = Example.FromString(whole)
            del wanted.features.feature[nsynth.AUDIO]
            assert Example.FromString(scalars) == wanted


def test_what_the_dataset_does_not_know_and_earlier_scalars_are_left_out(
    notes: list[dict], tmp_path: Path
) -> None:
    """Such as the notes of an earlier ingest, read again."""
    data = tmp_path / "data"
    data.mkdir()
    example = Example.FromString(serialize(notes[0]) + described(check(serialize(notes[1]))))
    example.features.feature["colour"].bytes_list.value.append(b"red")
    (data / "nsynth-train.tfrecord").write_bytes(tfrecord.frame(example.SerializeToString()))
    for shard in shards_of(data, tmp_path / "cache"):
        write_shard(shard, layout_in(tmp_path))
    [scalars] = [record for path in (tmp_path / "scalars").glob("Split-*/*") for record in records(path)]
    features = Example.FromString(scalars).features.feature
    assert set(features) == {*nsynth.FEATURES, *nsynth.SOUND_FEATURES} - {nsynth.AUDIO}
    audio = check(serialize(notes[0])).audio
    assert features[nsynth.PEAK_DBFS].float_list.value[0] == np.float32(sound.describe(audio).peak_dbfs)


@pytest.mark.slow
def test_appended_scalars_are_read_by_all_readers(notes: list[dict]) -> None:
    import tensorflow as tf
    from tfx_bsl.coders import example_coder

    serialized = [serialize(note) + described(check(serialize(note))) for note in notes[:3]]
    keys = [*nsynth.SOUND_FEATURES, nsynth.PITCH]
    truth = [
        [*sound.describe(note[nsynth.AUDIO].astype(np.float32)), note[nsynth.PITCH]] for note in notes[:3]
    ]
    spec = {key: tf.io.FixedLenFeature([], tf.float32) for key in nsynth.SOUND_FEATURES}
    spec |= {
        nsynth.PITCH: tf.io.FixedLenFeature([], tf.int64),
        nsynth.AUDIO: tf.io.FixedLenFeature([64_000], tf.float32),
    }
    parsed = tf.io.parse_example(serialized, spec)
    np.testing.assert_allclose(np.stack([parsed[key] for key in keys], 1), truth, rtol=1e-6)
    protos = [tf.train.Example.FromString(record).features.feature for record in serialized]
    assert all(len(proto) == len(nsynth.FEATURES) + len(nsynth.SOUND_FEATURES) for proto in protos)
    batch = example_coder.ExamplesToRecordBatchDecoder().DecodeBatch(serialized)
    columns = [batch.column(batch.schema.get_field_index(key)).to_pylist() for key in keys]
    np.testing.assert_allclose(np.array(columns)[:, :, 0].T, truth, rtol=1e-6)


ALIKE = ["nsynth-train.tfrecord", "nsynth-train.jsonwav.tar.gz"]
"""Forms of which one is read where it lies, and one is unpacked first: for what does not depend on the form."""


@pytest.mark.parametrize("any_form", ALIKE, indirect=True)
def test_a_retried_worker_writes_the_same_bytes(any_form: Path, tmp_path: Path) -> None:
    layout, shards = layout_in(tmp_path), shards_of(any_form, tmp_path / "cache")
    for shard in shards:
        write_shard(shard, layout)
    first = written(tmp_path)
    for shard in reversed(shards):
        write_shard(shard, layout)
    assert written(tmp_path) == first


def test_bad_records_go_to_quarantine_byte_for_byte(notes: list[dict], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    silent = serialize(notes[1] | {nsynth.AUDIO: np.zeros(64_000, np.float32)})
    contents = [serialize(notes[0]), silent, b"rubbish", serialize(notes[3])]
    file = bytearray(b"".join(map(tfrecord.frame, contents)))
    file[-500] ^= 4  # a flipped bit in the last note's data
    (data / "nsynth-train.tfrecord").write_bytes(file)
    layout, shards = layout_in(tmp_path), shards_of(data, tmp_path / "cache")
    for shard in shards:
        write_shard(shard, layout)
    told = [record for _, refused in reports(shards, layout) for record in refused]
    why = {record.reason: record for record in told}
    assert set(why) == {"silent", "not_example", "data_crc"}
    assert why["silent"].note_str == notes[1][nsynth.NOTE_STR]
    assert why["data_crc"].note_str == notes[3][nsynth.NOTE_STR]
    offset = 0
    for content, reason in zip(contents, (None, "silent", "not_example", "data_crc"), strict=True):
        if reason:
            record = why[reason]
            assert (record.offset, record.length) == (offset, len(content))
            kept = (tmp_path / "quarantine" / record.quarantine_file).read_bytes()[record.quarantine_offset :]
            start = record.offset + tfrecord.HEADER_BYTES
            assert kept[12 : 12 + record.length] == bytes(file[start : start + record.length])
        offset += len(content) + tfrecord.FRAME_BYTES
    assert json.dumps(told)


@pytest.mark.parametrize("any_form", ALIKE, indirect=True)
def test_a_full_disk_is_told_and_leaves_nothing(any_form: Path, tmp_path: Path, monkeypatch) -> None:
    layout, shards = layout_in(tmp_path), shards_of(any_form, tmp_path / "cache")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(nsynth.UserError, match="disk is full"):
        write_shard(shards[0], layout)
    assert written(tmp_path / "examples") == written(tmp_path / "scalars") == {}


def test_a_source_that_goes_away_is_named(notes, writers, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    path = writers["nsynth-train.tfrecord"](data / "nsynth-train.tfrecord", notes[:4])
    shards = shards_of(data, tmp_path / "cache")
    path.unlink()
    with pytest.raises(nsynth.UserError, match=r"nsynth-train\.tfrecord: No such file"):
        write_shard(shards[0], layout_in(tmp_path))
    assert written(tmp_path / "examples") == {}


@pytest.mark.slow
def test_a_worker_process_imports_what_it_uses_alone() -> None:
    program = "import sys, cores, components.ingest.shard; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "apache_beam", "tfx", "pydantic"} & set(imported.stdout.split())
