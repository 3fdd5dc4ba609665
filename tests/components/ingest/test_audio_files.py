"""Folders and lists of audio files: what they lack stays absent, and nothing that ingest promises is lost."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import nsynth
from components import tfrecord
from components.ingest.account import Account
from components.ingest.index import load_or_scan
from components.ingest.options import IngestOptions
from components.ingest.readers import Readers
from components.ingest.shard import Layout, reports, write_shard
from components.ingest.shuffle import plan
from components.ingest.sources import find
from transform import features
from transform.schema import make_schema, missing_in


def tone(seconds: float, rate: int, channels: int = 1, hz: float = 440.0) -> np.ndarray:
    """float64[samples, channels]."""
    sound = 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
    return np.repeat(sound[:, None], channels, axis=1)


def write(path: Path, seconds: float = 0.5, rate: int = 16_000, channels: int = 1, hz: float = 440.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, rate, channels, hz), rate)
    return path


def ingest(data: Path, out: Path, **options: float):
    """Account and written notes by split, without Beam."""
    chosen = IngestOptions(min_shards=2, **{"dev_fraction": 0.3, "max_quarantine_fraction": 1, **options})
    indexes = [load_or_scan(source, str(out / "cache")) for source in find(str(data))]
    shards, layout = list(plan(indexes, chosen)), Layout(*(str(out / name) for name in Layout._fields))
    for shard in shards:
        write_shard(shard, layout)
    account = Account(indexes, chosen)
    for used, refused in reports(shards, layout):
        account.add(used, refused)
    return account.summary()


def notes_of(data: Path, cache: Path) -> dict:
    found = {}
    for source in find(str(data)):
        index = load_or_scan(source, str(cache))
        with Readers([index.source]) as readers:
            for offset, length in zip(index.offsets.tolist(), index.lengths.tolist(), strict=True):
                _, note = readers.note(0, tfrecord.Record(offset, length))
                found[note.note_str] = note
    return found


def test_any_format_rate_and_length_becomes_a_note(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "train/bass/a/native.wav", seconds=4)
    write(data / "train/bass/a/long.flac", seconds=9, rate=44_100, channels=2)
    write(data / "train/reed/b/short.ogg", seconds=0.25, rate=8_000)
    write(data / "train/reed/b/deeper/mono.aiff", seconds=1, rate=22_050)
    write(data / "train/reed/b/lossy.mp3", seconds=1, rate=44_100)
    (data / "train/reed/b/notes.txt").write_text("no sound")
    notes = notes_of(data, tmp_path / "cache")
    assert sorted(notes) == [
        "bass/a/long.flac", "bass/a/native.wav", "reed/b/deeper/mono.aiff", "reed/b/lossy.mp3", "reed/b/short.ogg",
    ]  # fmt: skip
    for note in notes.values():
        assert note.audio.shape == (nsynth.NOTE_SAMPLES,)
        assert note.attributes == {"family": nsynth.FAMILIES.index(note.note_str.split("/")[0])}
        assert set(note.lacks) == set(nsynth.OPTIONAL)
    assert notes["bass/a/long.flac"].group == "a"
    expected = tone(4, 16_000)[:, 0]
    for name in ("bass/a/native.wav", "bass/a/long.flac"):
        np.testing.assert_allclose(notes[name].audio[1000:-1000], expected[1000:-1000], atol=2e-3)
    silent_from = int(0.26 * nsynth.SAMPLE_RATE_HZ)
    assert not notes["reed/b/short.ogg"].audio[silent_from:].any()


def test_what_the_data_lacks_is_not_in_the_schema(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in range(8):
        write(data / f"reed/player{number}/a.wav", hz=300 + number)
    account = ingest(data, tmp_path, valid_fraction=0.2, test_fraction=0.2)
    assert account.used == 8
    assert not account.leaks
    missing = missing_in([account.features], account.used)
    assert missing == dict.fromkeys(nsynth.OPTIONAL, True)
    names = {feature.name for feature in make_schema(missing).feature}
    assert names == {*nsynth.REQUIRED, *nsynth.SOUND_FEATURES}
    some = make_schema({nsynth.PITCH: False})
    [pitch] = [feature for feature in some.feature if feature.name == nsynth.PITCH]
    assert not pitch.HasField("presence")
    dense = some.tensor_representation_group[""].tensor_representation[nsynth.PITCH].dense_tensor
    assert dense.default_value.int_value == features.ABSENT


def test_a_class_that_the_contract_does_not_have_is_quarantined_by_name_and_byte_for_byte(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    write(data / "train/reed/b/good.wav")
    odd = write(data / "train/kazoo/c/odd.flac")
    broken = data / "train/reed/b/broken.wav"
    broken.write_bytes(b"RIFF, and nothing more")
    account = ingest(data, tmp_path)
    assert (account.used, account.quarantined) == (1, 2)
    rows = {row.reason: row.examples[0] for row in account.reasons}
    assert rows["unknown_family"].detail == "instrument_family_str 'kazoo'"
    assert rows["unknown_family"].file == str(odd)
    assert rows["audio"].note_str == "reed/b/broken.wav"
    content = b"".join(path.read_bytes() for path in (tmp_path / "quarantine").glob("*tfrecord*"))
    assert odd.read_bytes() in content
    assert broken.read_bytes() in content


def test_a_list_gives_splits_and_other_features(tmp_path: Path) -> None:
    data = tmp_path / "data"
    rows = ["file,class,group,split,pitch,source,mood"]
    for number in range(4):
        write(data / "sounds" / f"{number}.wav", hz=400 + number)
        split = "test" if number == 3 else "train"
        rows.append(f"sounds/{number}.wav,reed,g{number},{split},{60 + number},acoustic,glad")
    rows.append("../outside.wav,reed,g9,train,,,")
    rows.append("sounds/0.wav,reed,g9,train,high,,")
    (data / "list.csv").write_text("\n".join(rows) + "\n")
    write(tmp_path / "outside.wav")
    account = ingest(data, tmp_path, dev_fraction=0)
    assert account.splits["train"].notes + account.splits["valid"].notes == 3
    assert account.splits["test"].notes == 1
    assert account.features[nsynth.PITCH] == 4
    assert account.features[nsynth.VELOCITY] == 0
    assert account.table("sources")["acoustic"] == 4
    reasons = {row.reason: row.examples[0].detail for row in account.reasons}
    assert reasons == {"audio": "the file is outside of the CSV's folder", "pitch": "pitch 'high'"}


@pytest.mark.parametrize("name", ["list.csv", "./list.csv", "../data/list.csv", "."])
def test_a_list_may_be_named_from_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data = tmp_path / "data"
    write(data / "sounds/0.wav")
    (data / "list.csv").write_text(
        "file,class,group,split\nsounds/0.wav,reed,g,train\n../outside.wav,reed,h,train\n"
    )
    write(tmp_path / "outside.wav")
    monkeypatch.chdir(data)
    account = ingest(Path(name), tmp_path, dev_fraction=0)
    assert (account.used, account.quarantined) == (1, 1)


@pytest.mark.parametrize(
    ("files", "rows", "says"),
    [
        (["train/reed/a/x.wav", "vald/reed/b/y.wav"], "", "vald is not one of the splits train, valid, test"),
        (["train/reed/x.wav"], "", "is not in a group's folder. Expected: <class>/<group>/x.wav"),
        (["x.wav"], "file,class\nx.wav,reed\n", "has no column group"),
        (["x.wav"], "file,class,group,split\nx.wav,reed,a,vald\n", "line 2: split 'vald' is not one of"),
    ],
)
def test_a_folder_that_cannot_be_understood_is_refused(tmp_path: Path, files, rows: str, says: str) -> None:
    for name in files:
        write(tmp_path / "data" / name)
    if rows:
        (tmp_path / "data" / "list.csv").write_text(rows)
    with pytest.raises(nsynth.RefusedDataError, match=says):
        find(str(tmp_path / "data"))


def test_spans_and_held_out_folders_may_hold_audio_files(tmp_path: Path) -> None:
    write(tmp_path / "span-000001" / "reed" / "a" / "x.wav")
    write(tmp_path / "span-000002" / "train" / "reed" / "b" / "y.wav")
    [span] = find(str(tmp_path), "span-000002/*")
    assert span.path == str(tmp_path / "span-000002" / "train")
    [held_out] = find(str(tmp_path / "span-000001"), "*", "valid")
    assert (held_out.split, held_out.form) == ("valid", "audio")


def test_a_changed_file_makes_another_manifest(tmp_path: Path) -> None:
    data = tmp_path / "data"
    path = write(data / "train/reed/a/x.wav")
    [source] = find(str(data))
    before = load_or_scan(source, str(tmp_path / "cache")).source.manifest
    assert load_or_scan(source, str(tmp_path / "cache")).source.manifest == before
    write(path, seconds=0.75)
    after = load_or_scan(source, str(tmp_path / "cache")).source.manifest
    assert after != before
    assert json.loads(Path(after).read_text())["file"] == "reed/a/x.wav"
