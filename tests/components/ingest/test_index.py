"""The index finds every note in every form, is stored, and is made anew when the file changes."""

import errno
import json
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile

import nsynth
from components import tfrecord
from components.ingest import files
from components.ingest import index as index_module
from components.ingest.contract import ContractError, Reason
from components.ingest.index import load_or_scan
from components.ingest.readers import Readers
from components.ingest.shard import Refused
from components.ingest.sources import Form, Source, find
from components.tfrecord import Record
from tests.components.test_audio import flac_claiming


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
        assert tuple(note.attributes[word] for word in ("family", "source", "pitch")) == (
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
    path.write_bytes(path.read_bytes() + b"rubbish")
    source = Source("train", Form.TFRECORD, str(path))
    first, second = (load_or_scan(source, str(tmp_path / "cache")) for _ in range(2))
    assert first.notes == second.notes == 4
    assert first.damage == second.damage
    assert first.damage[0].offset == first.offsets[3] + first.lengths[3] + 16


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(kept: float, notes, writers, tmp_path: Path) -> None:
    path = writers["nsynth-train.tfrecord"](tmp_path / "nsynth-train.tfrecord", notes[:5])
    os.truncate(path, int(kept * path.stat().st_size))
    with pytest.raises(nsynth.RefusedDataError, match="is truncated"):
        load_or_scan(Source("train", Form.TFRECORD, str(path)), str(tmp_path / "cache"))


@pytest.mark.parametrize("record", [b"", b"x"])
def test_millions_of_tiny_records_are_given_up(record: bytes, tmp_path: Path) -> None:
    path = tmp_path / "nsynth-train.tfrecord"
    path.write_bytes(tfrecord.frame(record) * 150_000)
    with pytest.raises(nsynth.RefusedDataError, match="too many of its records are damaged or too short"):
        load_or_scan(Source("train", Form.TFRECORD, str(path)), str(tmp_path / "cache"))


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
        ("examples.json", b'{"a": {}} {"b": {}}', "text behind the closing brace, from byte 10"),
        ("examples.json", b'{"a": {}}' + b" " * 3_000_000 + b"x", "text behind the closing brace"),
        ("examples.json", b'{"a": {"note": 1, "b": {}}', "no valid JSON from byte"),
        ("examples.json", b'{"a": {"x": ' + b"[" * 300_000, "the entry does not end"),
        ("examples.json", b'{"a": {"x": "' + b"\\" * 3_000_001, "the entry does not end"),
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

    def fails(path: str, version: str = "") -> BinaryIO:
        if path.endswith(".wav"):
            raise OSError(errno.EIO, "Input/output error", path)
        return open_to_read(path, version)

    monkeypatch.setattr(files, "open_to_read", fails)
    with pytest.raises(OSError, match="Input/output error"):
        read_all(tmp_path, tmp_path / "cache")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"deep": "[" * 5000 + "]" * 5000}, Reason.NOT_EXAMPLE),
        ({"long": "9" * 10_000}, Reason.NOT_EXAMPLE),
        ({"note": "1e999"}, Reason.WRONG_TYPE),
        ({nsynth.NOTE_STR: r'"a\u0000b"'}, Reason.WAV),
        ({nsynth.NOTE_STR: r'"\ud800"'}, Reason.WAV),
        ({nsynth.NOTE_STR: '"' + 300 * "x" + '"'}, Reason.WAV),
        ({nsynth.INSTRUMENT_STR: r'"\ud800\u001b[31m"'}, Reason.WRONG_TYPE),
        ({nsynth.NOTE_STR: "[1]"}, Reason.WAV),
        ({"big": '"' + "x" * (5 << 20) + '"'}, Reason.NOT_EXAMPLE),
    ],
)
def test_an_entry_of_any_kind_is_that_note_s_fault(change, reason, notes, writers, tmp_path: Path) -> None:
    folder = writers["nsynth-train"](tmp_path / "nsynth-train", notes[:3])
    entries = json.loads((folder / "examples.json").read_text())
    members = {key: json.dumps(value) for key, value in entries[notes[1][nsynth.NOTE_STR]].items()} | change
    spoilt = "{" + ", ".join(f'"{key}": {value}' for key, value in members.items()) + "}"
    entries[notes[1][nsynth.NOTE_STR]] = "SPOILT"
    (folder / "examples.json").write_text(json.dumps(entries).replace('"SPOILT"', spoilt))
    used, refused = read_some(tmp_path, tmp_path / "cache")
    assert used == [notes[0][nsynth.NOTE_STR], notes[2][nsynth.NOTE_STR]]
    [found] = refused
    assert found.reason == reason
    assert (found.note_str + found.detail).isprintable()
    json.dumps(found._asdict(), ensure_ascii=False).encode()


def read_some(folder: Path, cache: Path) -> tuple[list[str], list[Refused]]:
    used, refused = [], []
    [source] = find(str(folder))
    index = load_or_scan(source, str(cache))
    with Readers([index.source]) as readers:
        for place in map(Record, index.offsets.tolist(), index.lengths.tolist()):
            try:
                used.append(readers.note(0, place)[1].note_str)
            except ContractError as error:
                refused.append(Refused.of(index.source, place, error))
    return used, refused


def test_a_wav_of_any_kind_is_that_note_s_fault(notes, writers, tmp_path: Path) -> None:
    folder = writers["nsynth-train"](tmp_path / "nsynth-train", notes[:7])
    wavs = [folder / "audio" / f"{note[nsynth.NOTE_STR]}.wav" for note in notes[:7]]
    for wav in wavs[:6]:
        wav.unlink()
    os.mkfifo(wavs[0])
    wavs[1].symlink_to("/dev/zero")
    wavs[2].mkdir()
    with wavs[3].open("wb") as file:
        file.truncate(1 << 40)  # sparse
    soundfile.write(wavs[4], np.full(64_001, 0.1), nsynth.SAMPLE_RATE_HZ)
    flac_claiming(wavs[5].with_suffix(".flac"), 2**36 - 1).rename(wavs[5])
    used, refused = read_some(tmp_path, tmp_path / "cache")
    assert used == [notes[6][nsynth.NOTE_STR]]
    assert [found.reason for found in refused[:5]] == ["wav", "wav", "wav", "wav", "wrong_length"]
    assert refused[5].note_str == notes[5][nsynth.NOTE_STR]


def test_a_pipe_as_data_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "nsynth-train.tfrecord")
    with pytest.raises(nsynth.UserError, match="not a regular file"):
        load_or_scan(find(str(tmp_path))[0], str(tmp_path / "cache"))


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
        assert note[:4] == ours[name][:4]
