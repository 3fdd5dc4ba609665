"""Which presets of the SoundFonts become instruments, and which of them share recordings.

For known fonts corpus/catalog.csv says so: labels and ranges checked by hand, and a number for the recordings
behind each preset, found by cross-correlating the samples of several fonts (copies that were trimmed, resampled
or renamed are found only so). For any other font the labels follow General MIDI. In both cases presets with a
stored recording in common, of whatever family or font, fall into one recording group: the splits keep groups whole.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from corpus.fonts import Font
from corpus.general_midi import VOICES, Voice
from corpus.soundfont import Preset

CATALOG_FILE = Path(__file__).with_name("catalog.csv")
FIRST_DRUM_BANK = 120
NO_INSTRUMENT = ("drum", "kit", "noise", "sfx", "effect", "hit", "loop", "pad", "seq")
"""Words in the name of a variation (bank other than 0) that tells it is not what its program says."""


@dataclass(frozen=True)
class Sound:
    """A preset fit to be an instrument."""

    font: Font
    preset: Preset
    voice: Voice
    group: int
    """Sounds of one number share recordings, directly or through others."""

    @property
    def key(self) -> str:
        """Names the preset among all fonts; seeds its random draws."""
        return f"{self.font.name}:{self.preset.bank}:{self.preset.program}"

    def pitches(self, extra_semitones: int) -> list[int]:
        """Return the pitches it can be played at: inside its natural range, widened, and where the font has a zone."""
        lowest, highest = (
            self.voice.lowest_pitch - extra_semitones,
            self.voice.highest_pitch + extra_semitones,
        )
        return [
            pitch
            for pitch in range(max(lowest, 0), min(highest, 127) + 1)
            if any(zone.lowest_key <= pitch <= zone.highest_key for zone in self.preset.zones)
        ]


def list_sounds(fonts: Iterable[Font], extra_semitones: int = 0) -> list[Sound]:
    """Return all sounds of the fonts, in the order of fonts, banks and programs, with their recording groups."""
    found: list[Sound] = []
    recordings: list[set[str]] = []
    for font in fonts:
        for preset in font.file.presets:
            voice, shared = _describe(font, preset)
            if voice is None:
                continue
            sound = Sound(font, preset, voice, group=0)
            pitches = sound.pitches(extra_semitones)
            if not pitches:
                continue
            used = {font.file.recording(sample) for sample in preset.samples(pitches[0], pitches[-1])}
            found.append(sound)
            recordings.append(used | shared)
    groups = connected(recordings)
    return [Sound(s.font, s.preset, s.voice, group) for s, group in zip(found, groups, strict=True)]


def connected(sets: list[set[str]]) -> list[int]:
    """Numbers sets so that two with a common member, directly or through others, have the same number.

    Numbers count from 0 in the order of first appearance.
    """
    parent = list(range(len(sets)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    first_with: dict[str, int] = {}
    for index, members in enumerate(sets):
        for member in sorted(members):
            low, high = sorted((root(first_with.setdefault(member, index)), root(index)))
            parent[high] = low
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(index), len(numbers)) for index in range(len(sets))]


def _describe(font: Font, preset: Preset) -> tuple[Voice | None, set[str]]:
    """Return the labels of a preset, None if it is no instrument for us, and what the catalogue knows it shares."""
    if font.known:
        return _catalog().get((font.known.name, preset.bank, preset.program), (None, set()))
    return general_midi_voice(preset), set()


def general_midi_voice(preset: Preset) -> Voice | None:
    """Return the labels of a preset by General MIDI; none for drums, effects and programs outside the dataset."""
    variation = preset.bank != 0 and any(word in preset.name.lower() for word in NO_INSTRUMENT)
    return None if preset.bank >= FIRST_DRUM_BANK or variation else VOICES.get(preset.program)


@cache
def _catalog() -> dict[tuple[str, int, int], tuple[Voice, set[str]]]:
    with CATALOG_FILE.open(newline="", encoding="utf-8") as file:
        return {
            (row["font"], int(row["bank"]), int(row["program"])): (
                Voice(row["family"], row["source"], int(row["lowest_pitch"]), int(row["highest_pitch"])),
                {f"catalogue {number}" for number in row["recordings"].split()},
            )
            for row in csv.DictReader(file)
        }
