"""Rows for corpus/catalog.csv: the presets of a new SoundFont, and which known recordings they reuse.

python -m tools.catalogue_font NAME FONT

Labels and ranges follow General MIDI: look through them. Two presets share recordings if the cross-correlation of any
two of their samples, resampled to one rate and aligned, exceeds THRESHOLD: copies that were trimmed, resampled or
compressed are found, which a comparison of stored bytes misses. Known fonts that are not installed are named on
standard error; nothing can be said about them.
"""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soxr

import nsynth
from corpus.catalog import CATALOG_FILE, connected, general_midi_voice
from corpus.fonts import KNOWN_FONTS, find_font
from corpus.general_midi import Voice
from corpus.soundfont import Preset, SoundFont

RATE_HZ = 11_025
LENGTH = 4_096  # samples compared from the onset on, 0.37 s
THRESHOLD = 0.9  # of the normalized cross-correlation
ONSET = 0.05  # of the peak


def main() -> None:
    """Print the rows."""
    name, path = sys.argv[1], Path(sys.argv[2])
    with CATALOG_FILE.open(newline="", encoding="utf-8") as file:
        known = [row for row in csv.DictReader(file) if row["font"] != name]
    signatures, owners = _known_signatures(known)
    font = SoundFont(path)
    rows, own, reused = [], [], []
    for preset, voice in _instruments(font):
        samples = preset.samples(voice.lowest_pitch, voice.highest_pitch)
        own.append({font.recording(sample) for sample in samples})
        reused.append(
            sorted({owners[match] for sample in samples for match in _matches(font, sample, signatures)})
        )
        rows.append([name, preset.bank, preset.program, preset.name, voice.family, voice.source])
        rows[-1] += [voice.lowest_pitch, voice.highest_pitch]
    following = max(number for row in known for number in map(int, row["recordings"].split())) + 1
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for row, group, numbers in zip(rows, connected(own), reused, strict=True):
        writer.writerow([*row, " ".join(map(str, numbers or [following + group]))])
    print(f"{len(rows)} presets, {sum(map(bool, reused))} with known recordings", file=sys.stderr)


def _instruments(font: SoundFont) -> Iterator[tuple[Preset, Voice]]:
    """Yield the presets that are instruments of the dataset by General MIDI, at keys that sound."""
    for preset in font.presets:
        voice = general_midi_voice(preset)
        if voice is None:
            continue
        lowest, highest = preset.key_range
        if max(lowest, voice.lowest_pitch) <= min(highest, voice.highest_pitch):
            yield preset, voice


def _known_signatures(rows: Iterable[dict[str, str]]) -> tuple[np.ndarray, list[int]]:
    """Return the spectra of all samples behind the catalogued presets [samples, bins], and the group of each."""
    spectra, owners = [], []
    for known in KNOWN_FONTS:
        mine = {(int(r["bank"]), int(r["program"])): r for r in rows if r["font"] == known.name}
        if not mine:
            continue
        try:
            font = SoundFont(find_font(known.name))
        except nsynth.UserError as error:
            print(error, file=sys.stderr)
            continue
        for preset in font.presets:
            if row := mine.get((preset.bank, preset.program)):
                for sample in preset.samples(int(row["lowest_pitch"]), int(row["highest_pitch"])):
                    if (signature := _signature(font, sample)) is not None:
                        spectra.append(signature)
                        owners.append(int(row["recordings"].split()[0]))
    return np.array(spectra), owners


def _matches(font: SoundFont, sample: int, signatures: np.ndarray) -> Iterator[int]:
    """Yield which of the known signatures are of the same recording."""
    signature = _signature(font, sample)
    if signature is None:
        return
    for start in range(0, len(signatures), 256):
        block = np.fft.irfft(signatures[start : start + 256] * np.conj(signature))
        yield from (start + np.flatnonzero(np.abs(block).max(axis=1) > THRESHOLD)).tolist()


def _signature(font: SoundFont, sample: int) -> np.ndarray | None:
    """Return the spectrum of a recording's beginning, of unit energy and without its mean; none if it has no sound."""
    audio, rate_hz = font.waveform(sample)
    if len(audio) < 64 or rate_hz < 4_000:
        return None
    audio = audio[: int(1.2 * rate_hz)]
    audio = soxr.resample(audio, rate_hz, RATE_HZ)
    peak = np.abs(audio).max(initial=0)
    if peak < 1e-4:
        return None
    audio = audio[max(0, int(np.argmax(np.abs(audio) > ONSET * peak)) - 20) :][:LENGTH]
    audio = audio - audio.mean()
    spectrum = np.fft.rfft(audio / (np.linalg.norm(audio) + 1e-9), 2 * LENGTH)
    return spectrum.astype(np.complex64)


if __name__ == "__main__":
    main()
