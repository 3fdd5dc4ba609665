"""Small data folders in every form, made of synthetic notes."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import pyarrow
import pyarrow.parquet
import pytest
import soundfile

import nsynth
from benchmarks.synthetic import make_notes
from components import tfrecord
from components.example_proto import Example, serialize

Note = dict[str, Any]
Writer = Callable[[Path, list[Note]], Path]


def write_tfrecord(path: Path, notes: list[Note]) -> Path:
    path.write_bytes(b"".join(tfrecord.frame(serialize(note)) for note in notes))
    return path


def write_gzip(path: Path, notes: list[Note]) -> Path:
    plain = write_tfrecord(path.with_suffix(".plain"), notes)
    path.write_bytes(gzip.compress(plain.read_bytes(), 1))
    plain.unlink()
    return path


def write_jsonwav(folder: Path, notes: list[Note]) -> Path:
    """The layout of NSynth's JSON/WAV archives: 16-bit samples, everything else in examples.json."""
    (folder / "audio").mkdir(parents=True)
    for note in notes:
        wav = folder / "audio" / f"{note[nsynth.NOTE_STR]}.wav"
        soundfile.write(wav, note[nsynth.AUDIO], nsynth.SAMPLE_RATE_HZ, subtype="PCM_16")
    entries = {note[nsynth.NOTE_STR]: {k: v for k, v in note.items() if k != nsynth.AUDIO} for note in notes}
    (folder / "examples.json").write_text(json.dumps(entries))
    return folder


def write_tar(path: Path, notes: list[Note]) -> Path:
    folder = write_jsonwav(path.parent.parent / "to_pack" / "nsynth-train", notes)
    with tarfile.open(path, "w:gz", compresslevel=1) as packed:
        packed.add(folder, arcname="nsynth-train")
    return path


def write_tfds(path: Path, notes: list[Note]) -> Path:
    """A shard of `nsynth/full` of TensorFlow Datasets, by the names and types of its public definition."""
    with path.open("wb") as file:
        for note in notes:
            example = Example()
            feature = example.features.feature
            feature["id"].bytes_list.value.append(note[nsynth.NOTE_STR].encode())
            feature["audio"].float_list.value.extend(note[nsynth.AUDIO])
            numbers = {
                "pitch": note[nsynth.PITCH],
                "velocity": note[nsynth.VELOCITY],
                "instrument/label": note[nsynth.INSTRUMENT],
                "instrument/family": note[nsynth.FAMILY],
                "instrument/source": note[nsynth.SOURCE],
            }
            qualities = zip(nsynth.QUALITIES, note[nsynth.QUALITIES_KEY], strict=True)
            numbers |= {f"qualities/{name}": value for name, value in qualities}
            for key, value in numbers.items():
                feature[key].int64_list.value.append(value)
            file.write(tfrecord.frame(example.SerializeToString()))
    return path


def as_table(notes: list[Note]) -> pyarrow.Table:
    """The official columns, with the sound as the bytes of a WAV file, as `datasets` stores it."""
    rows = []
    for note in notes:
        wav = io.BytesIO()
        soundfile.write(wav, note[nsynth.AUDIO], nsynth.SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
        audio = {"bytes": wav.getvalue(), "path": f"{note[nsynth.NOTE_STR]}.wav"}
        rows.append({**note, nsynth.AUDIO: audio})
    return pyarrow.Table.from_pylist(rows)


def write_parquet(path: Path, notes: list[Note]) -> Path:
    pyarrow.parquet.write_table(as_table(notes), path, row_group_size=10)
    return path


def write_arrow(path: Path, notes: list[Note]) -> Path:
    table = as_table(notes)
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=10)
    return path


FORMS: dict[str, Writer] = {
    "nsynth-train.tfrecord": write_tfrecord,
    "nsynth-train.tfrecord.gz": write_gzip,
    "nsynth-train": write_jsonwav,
    "nsynth-train.jsonwav.tar.gz": write_tar,
    "nsynth-train.tfrecord-00000-of-00001": write_tfds,
    "train-00000-of-00001.parquet": write_parquet,
    "nsynth-train-00000-of-00001.arrow": write_arrow,
}


@pytest.fixture(scope="session")
def notes() -> list[Note]:
    """44 notes of 11 instruments, ordered by family. Their samples are whole 16-bit steps."""
    made = make_notes(44)
    for note in made:
        note[nsynth.NOTE] = google_crc32c.value(
            note[nsynth.NOTE_STR].encode()
        )  # TensorFlow Datasets keeps no other
        note[nsynth.AUDIO] = (note[nsynth.AUDIO] * 2**15).round().astype("float32") / 2**15 + 0.0  # no -0.0
    return made


@pytest.fixture(params=FORMS, scope="session")
def any_form(
    request: pytest.FixtureRequest, notes: list[Note], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A data folder with the notes in one of the forms of NSynth; written once for all files of tests."""
    folder = tmp_path_factory.getbasetemp() / "forms" / request.param / "data"
    if not folder.exists():
        folder.mkdir(parents=True)
        FORMS[request.param](folder / request.param, notes)
    return folder


@pytest.fixture(scope="session")
def writers() -> dict[str, Writer]:
    """How to write notes in each form, by file name."""
    return FORMS
