"""Small data folders in every form, made of synthetic notes."""

import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

import nsynth
from benchmarks.synthetic import make_notes
from components.ingest import tfrecord
from components.ingest.example_proto import serialize

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


FORMS: dict[str, Writer] = {
    "nsynth-train.tfrecord": write_tfrecord,
    "nsynth-train.tfrecord.gz": write_gzip,
    "nsynth-train": write_jsonwav,
    "nsynth-train.jsonwav.tar.gz": write_tar,
}


@pytest.fixture(scope="session")
def notes() -> list[Note]:
    """44 notes of 11 instruments, ordered by family. Their samples are whole 16-bit steps."""
    made = make_notes(44)
    for note in made:
        note[nsynth.AUDIO] = (note[nsynth.AUDIO] * 2**15).round().astype("float32") / 2**15 + 0.0  # no -0.0
    return made


@pytest.fixture(params=FORMS, scope="session")
def any_form(
    request: pytest.FixtureRequest, notes: list[Note], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A data folder with the notes in one of the forms of NSynth."""
    folder = tmp_path_factory.mktemp("form") / "data"
    folder.mkdir()
    FORMS[request.param](folder / request.param, notes)
    return folder


@pytest.fixture(scope="session")
def writers() -> dict[str, Writer]:
    """How to write notes in each form, by file name."""
    return FORMS
