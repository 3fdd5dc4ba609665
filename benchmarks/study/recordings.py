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

import atomic
import nsynth
from components.audio import read_mono
from components.example_proto import serialize
from components.tfrecord import frame
from corpus.fetch import pack

REAL_NOTES = "nsynth-train.tfrecord"
"""File of real NSynth notes in the folder that `--real` names."""
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
PARTS = {"choosing": CHOOSING, "final": FINAL}

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


def notes_file(part: str, folder: Path) -> Path | None:
    """Fetch the instruments of one of PARTS and write their notes below `folder`; None if nothing can be had."""
    archives = fetch(folder / "packages", list(PARTS[part]))
    if not archives:
        return None
    file = folder / f"recordings-{part}" / "notes.tfrecord"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_notes(archives, PARTS[part], file)
    return file


def write_notes(archives: list[Path], families: dict[str, str], file: Path) -> int:
    """Write the recordings as NSynth's tf.Examples.

    Args:
      archives: of `fetch`.
      families: instrument → family.
      file: to write; replaced only if it would hold other notes.

    Returns:
      number of notes.
    """
    records = [frame(record) for archive in archives for record in _records(archive, families)]
    content = b"".join(records)
    if not file.exists() or file.read_bytes() != content:
        atomic.write(file, content)
    return len(records)


def _records(archive: Path, families: dict[str, str]) -> Iterator[bytes]:
    match = re.match(r"tonejs-instrument-(.+)-mp3-", archive.name)
    name = match[1] if match else archive.name
    with tarfile.open(archive) as packed:
        for member in sorted(packed.getnames()):
            note, content = _NOTE.fullmatch(member), packed.extractfile(member)
            if note and content:
                yield serialize(
                    {
                        nsynth.AUDIO: _waveform(content.read()),
                        nsynth.INSTRUMENT_STR: name,
                        nsynth.NOTE_STR: f"{name}-{note[1]}{note[2]}",
                        nsynth.FAMILY: nsynth.FAMILIES.index(families[name]),
                        nsynth.SOURCE: nsynth.SOURCES.index("acoustic"),
                        nsynth.PITCH: 12 * (int(note[2]) + 1) + _STEPS.index(note[1]),
                        nsynth.VELOCITY: 100,
                    }
                )


def _waveform(mp3: bytes) -> np.ndarray:
    """Return the first four seconds at NSynth's rate, mono, zeros behind a shorter one, float32 [NOTE_SAMPLES]."""
    samples = read_mono(io.BytesIO(mp3), nsynth.NOTE_SAMPLES)
    padded = np.pad(samples, (0, nsynth.NOTE_SAMPLES - len(samples)))
    return padded * (_PEAK / max(float(np.abs(padded).max()), 1e-6))
