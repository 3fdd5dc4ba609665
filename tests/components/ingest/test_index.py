"""The index finds every note in every form, is stored, and is made anew when the file changes."""

import errno
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

import nsynth
from components.ingest import files
from components.ingest import index as index_module
from components.ingest.contract import ContractError, Reason
from components.ingest.index import load_or_scan
from components.ingest.readers import Readers
from components.ingest.sources import Form, Source, find
from components.tfrecord import Record


def read_all(folder: Path, cache: Path) -> list:
    [source] = find(str(folder))
    index = load_or_scan(source, str(cache))
    with Readers([index.source]) as readers:
        places = zip(index.offsets.tolist(), index.lengths.tolist(), strict=True)
        return [readers.note(0, Record(*place))[1] for place in places]


def test_every_form_holds_the_same_notes(any_form: Path, notes: list[dict], tmp_path: Path) -> None:
    found = read_all(any_form, tmp_path)
    assert [note.note_str for note in found] == [note[nsynth.NOTE_STR] for note in notes]
    for note, written in zip(found, notes, strict=True):
        np.testing.assert_array_equal(note.audio, written[nsynth.AUDIO])
        assert (note.family, note.source, note.pitch) == (
            written[nsynth.FAMILY],
            written[nsynth.SOURCE],
            written[nsynth.PITCH],
        )


def test_every_form_gives_the_same_record(notes, writers, tmp_path: Path) -> None:
    records = []
    for name, write in writers.items():
        folder = tmp_path / name.replace(".", "_") / "data"
        folder.mkdir(parents=True)
        write(folder / name, notes[:3])
        [source] = find(str(folder))
        index = load_or_scan(source, str(tmp_path / "cache"))
        with Readers([index.source]) as readers:
            place = Record(int(index.offsets[1]), int(index.lengths[1]))
            records.append(readers.note(0, place)[0])
    assert len(records) == len(writers)
    assert len(set(records)) == 1


def test_a_stored_index_is_used_until_the_file_changes(notes, writers, tmp_path: Path, monkeypatch) -> None:
    path = writers["nsynth-train.tfrecord"](tmp_path / "nsynth-train.tfrecord", notes[:4])
    source, cache = Source("train", Form.TFRECORD, str(path)), str(tmp_path / "cache")
    scans = []
    scan = index_module.scan
    monkeypatch.setattr(index_module, "scan", lambda source: scans.append(source) or scan(source))
    first, second = load_or_scan(source, cache), load_or_scan(source, cache)
    assert len(scans) == 1
    np.testing.assert_array_equal(first.offsets, second.offsets)
    np.testing.assert_array_equal(first.lengths, second.lengths)
    writers["nsynth-train.tfrecord"](path, notes[:6])
    os.utime(path, (1, 1))
    assert load_or_scan(source, cache).notes == 6
    assert len(scans) == 2


def test_a_broken_stored_index_is_made_anew(notes, writers, tmp_path: Path) -> None:
    path = writers["nsynth-train.tfrecord"](tmp_path / "nsynth-train.tfrecord", notes[:4])
    source, cache = Source("train", Form.TFRECORD, str(path)), tmp_path / "cache"
    load_or_scan(source, str(cache))
    [stored] = cache.iterdir()
    stored.write_bytes(stored.read_bytes()[:100])
    assert load_or_scan(source, str(cache)).notes == 4


def test_damage_is_stored_with_the_index(notes, writers, tmp_path: Path) -> None:
    path = writers["nsynth-train.tfrecord"](tmp_path / "nsynth-train.tfrecord", notes[:4])
    path.write_bytes(path.read_bytes()[:-100])
    source = Source("train", Form.TFRECORD, str(path))
    first, second = (load_or_scan(source, str(tmp_path / "cache")) for _ in range(2))
    assert first.notes == second.notes == 3
    assert first.damage == second.damage
    assert first.damage[0].offset == first.offsets[2] + first.lengths[2] + 16


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("nsynth-train.tfrecord", b"", "is empty"),
        ("nsynth-train.tfrecord", b"<html>404 not found</html>" * 100, "is not a TFRecord"),
        ("nsynth-train.tfrecord.gz", b"\x1f\x8b but no gzip", "damaged file"),
        ("nsynth-train.jsonwav.tar.gz", b"no tar at all" * 100, "damaged file"),
        ("train-00000-of-00001.parquet", b"PAR1 but no table", "damaged file"),
        ("train-00000-of-00001.arrow", b"no table at all" * 100, "damaged file"),
        ("examples.json", b"{}", "is empty|no record"),
        ("examples.json", b'{"a": {"note": 1}, "b": {"no', "no valid JSON from byte"),
        ("examples.json", b"[1, 2]", "no valid JSON from byte 0"),
        ("examples.json", b'{"a": 1}', "wanted an object"),
    ],
)
def test_what_is_not_what_its_name_says_is_refused(
    name: str, content: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    [source] = find(str(tmp_path))
    with pytest.raises(nsynth.RefusedDataError, match=told):
        load_or_scan(source, str(tmp_path / "cache"))


def test_a_truncated_archive_leaves_nothing_unpacked(notes, writers, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    path = writers["nsynth-train.tfrecord.gz"](data / "nsynth-train.tfrecord.gz", notes[:4])
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(nsynth.RefusedDataError, match="damaged file"):
        load_or_scan(find(str(data))[0], str(tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_archive_cannot_write_outside_of_its_folder(notes, writers, tmp_path: Path) -> None:
    import tarfile

    data, cache = tmp_path / "a" / "data", tmp_path / "cache"
    data.mkdir(parents=True)
    folder = writers["nsynth-train"](tmp_path / "made", notes[:2])
    with tarfile.open(data / "nsynth-train.tar.gz", "w:gz", compresslevel=1) as packed:
        packed.add(folder / "examples.json", arcname="../../examples.json")
        for wav in (folder / "audio").iterdir():
            packed.add(wav, arcname=f"/tmp/../../{wav.name}")
    assert load_or_scan(find(str(data))[0], str(cache)).notes == 2
    assert not (tmp_path / "examples.json").exists()
    assert len(list(cache.glob("unpacked-*/audio/*.wav"))) == 2


def test_a_missing_wav_is_that_notes_fault(notes, writers, tmp_path: Path) -> None:
    folder = writers["nsynth-train"](tmp_path / "nsynth-train", notes[:2])
    (folder / "audio" / f"{notes[0][nsynth.NOTE_STR]}.wav").unlink()
    with pytest.raises(ContractError) as caught:
        read_all(tmp_path, tmp_path / "cache")
    assert caught.value.reason == Reason.WAV
    assert caught.value.note_str == notes[0][nsynth.NOTE_STR]
    assert b"instrument_family" in caught.value.raw


def test_a_wav_that_the_disk_does_not_yield_is_no_fault_of_the_note(
    notes, writers, tmp_path: Path, monkeypatch
) -> None:
    writers["nsynth-train"](tmp_path / "nsynth-train", notes[:2])
    open_to_read = files.open_to_read

    def fails(path: str) -> BinaryIO:
        if path.endswith(".wav"):
            raise OSError(errno.EIO, "Input/output error", path)
        return open_to_read(path)

    monkeypatch.setattr(files, "open_to_read", fails)
    with pytest.raises(OSError, match="Input/output error"):
        read_all(tmp_path, tmp_path / "cache")


def test_a_long_examples_json_is_scanned_in_pieces(tmp_path: Path, monkeypatch) -> None:
    import json

    from components.ingest import jsonwav

    monkeypatch.setattr(jsonwav, "_CHUNK_BYTES", 37)
    entries = {f"näme{i}": {"note": i, "qualities": [0] * (i % 5), "text": "ü}{,\\"} for i in range(50)}
    for indent in (None, 2):
        path = tmp_path / "examples.json"
        path.write_bytes(json.dumps(entries, indent=indent, ensure_ascii=False).encode())
        with path.open("rb") as file:
            places = list(jsonwav.scan(file, str(path)))
        content = path.read_bytes()
        found = [json.loads(content[place.offset : place.offset + place.length]) for place in places]
        assert found == list(entries.values())


@pytest.mark.needs_real_notes
def test_real_wavs_are_the_real_tfrecord_to_16_bits(real_notes: Path, tmp_path: Path) -> None:
    by_name = []
    for name in ("nsynth-train.tfrecord", "nsynth-train"):
        by_name.append({note.note_str: note for note in read_all(real_notes / name, tmp_path)})
    theirs, ours = by_name
    assert len(theirs) == 114
    assert theirs.keys() == ours.keys()
    for name, note in theirs.items():
        assert np.abs(note.audio - ours[name].audio).max() <= 2.0**-16 + 1e-7
        assert note[:6] == ours[name][:6]
