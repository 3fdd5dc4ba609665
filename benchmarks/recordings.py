"""Real recordings of single notes to test on: 20 instruments, fetched as npm packages. Nothing is ever trained on them.

The packages `tonejs-instrument-<name>-mp3` hold the samples of tonejs-instruments (CC BY 3.0). They are fetched by name
with npm; a package that cannot be fetched is left out, with a line.
"""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import soundfile
import soxr
import tensorflow as tf

import nsynth
from corpus.fetch import pack

CHOOSING = {
    "bassoon": "reed",
    "cello": "string",
    "flute": "flute",
    "french-horn": "brass",
    "guitar-acoustic": "guitar",
    "harp": "string",
    "organ": "organ",
    "piano": "keyboard",
    "saxophone": "reed",
    "trumpet": "brass",
}
"""Instrument → family. To choose recipes on: of each family with several instruments one half, the first by name."""
FINAL = {
    "bass-electric": "bass",
    "clarinet": "reed",
    "contrabass": "string",
    "guitar-electric": "guitar",
    "guitar-nylon": "guitar",
    "harmonium": "organ",
    "trombone": "brass",
    "tuba": "brass",
    "violin": "string",
    "xylophone": "mallet",
}
"""The other half, for what has been chosen."""

_PEAK = 0.83  # the median of 114 of NSynth's notes
_NOTE = re.compile(r"package/([A-G]s?)([0-8])\.mp3")
_STEPS = ("C", "Cs", "D", "Ds", "E", "F", "Fs", "G", "Gs", "A", "As", "B")


def fetch(folder: Path, names: list[str]) -> list[Path]:
    """Fetch the instruments' packages into `folder`, each once; a line for each that cannot be fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    archives = []
    for name in names:
        package = f"tonejs-instrument-{name}-mp3"
        there = sorted(folder.glob(f"{package}-*.tgz"))
        try:
            archives.append(there[0] if there else pack(package, folder))
        except nsynth.UserError as error:
            click.echo(f"left out: the recordings of {name}: {error}")
    return archives


def write_notes(archives: list[Path], families: dict[str, str], file: Path) -> int:
    """Write the recordings as NSynth's tf.Examples.

    Args:
      archives: of `fetch`.
      families: instrument → family.
      file: to write; replaced only if it would hold other notes.

    Returns:
      number of notes.
    """
    examples = [example for archive in archives for example in _examples(archive, families)]
    draft = file.with_suffix(".part")
    with tf.io.TFRecordWriter(str(draft)) as writer:
        for example in examples:
            writer.write(example.SerializeToString(deterministic=True))
    if file.exists() and file.read_bytes() == draft.read_bytes():
        draft.unlink()
    else:
        draft.rename(file)
    return len(examples)


def _examples(archive: Path, families: dict[str, str]) -> "Iterator[tf.train.Example]":
    match = re.match(r"tonejs-instrument-(.+)-mp3-", archive.name)
    name = match[1] if match else archive.name
    with tarfile.open(archive) as packed:
        for member in sorted(packed.getnames()):
            note, content = _NOTE.fullmatch(member), packed.extractfile(member)
            if note is None or content is None:
                continue
            example = tf.train.Example()
            feature = example.features.feature
            feature[nsynth.AUDIO].float_list.value.extend(_waveform(content.read()))
            feature[nsynth.INSTRUMENT_STR].bytes_list.value.append(name.encode())
            feature[nsynth.NOTE_STR].bytes_list.value.append(f"{name}-{note[1]}{note[2]}".encode())
            labels = {
                nsynth.FAMILY: nsynth.FAMILIES.index(families[name]),
                nsynth.SOURCE: nsynth.SOURCES.index("acoustic"),
                nsynth.PITCH: 12 * (int(note[2]) + 1) + _STEPS.index(note[1]),
                nsynth.VELOCITY: 100,
            }
            for key, value in labels.items():
                feature[key].int64_list.value.append(value)
            yield example


def _waveform(mp3: bytes) -> np.ndarray:
    """Return the first four seconds at NSynth's rate, mono, zeros behind a shorter one, float32 [NOTE_SAMPLES]."""
    samples, rate = soundfile.read(io.BytesIO(mp3), dtype="float32", always_2d=True)
    resampled = soxr.resample(samples.mean(axis=1), rate, nsynth.SAMPLE_RATE_HZ)[: nsynth.NOTE_SAMPLES]
    padded = np.pad(resampled, (0, nsynth.NOTE_SAMPLES - len(resampled)))
    return padded * (_PEAK / max(float(np.abs(padded).max()), 1e-6))
