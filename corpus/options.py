"""Options of the demo corpus. Imports nothing heavy."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

VELOCITIES = (25, 50, 75, 100, 127)
"""The MIDI velocities of NSynth's notes."""

NOTES_PER_INSTRUMENT = {"tiny": 4, "small": 25, "medium": 75, "large": 150}
"""Name of a size → notes of each instrument. `small` has 2,250 notes of the default SoundFont, 0.6 GB."""

TINY_INSTRUMENTS_PER_FAMILY = 5  # enough for train, dev, valid and test to have one each


class CorpusOptions(BaseModel, frozen=True, extra="forbid"):
    """The demo corpus. The same options and SoundFont files give the same bytes."""

    soundfonts: tuple[str, ...] = Field(default=("TimGM6mb",), min_length=1)
    """SoundFonts: known names (corpus/fonts.py) or paths of .sf2 and .sf3 files."""

    size: Literal["tiny", "small", "medium", "large"] | Annotated[int, Field(gt=0, le=640)] = "small"
    """Notes of each instrument, as a number or a name. `tiny`, for tests, also has fewer instruments."""

    velocities_per_pitch: int = Field(default=5, ge=1, le=len(VELOCITIES))
    """How many of NSynth's five velocities each pitch gets. Fewer velocities give more pitches."""

    extra_semitones: int = Field(default=0, ge=0, le=48)
    """How far pitches may lie beyond an instrument's natural range, in both directions, as in NSynth."""

    json_wav: bool = False
    """Also write JSON/WAV files: nsynth-<split>/examples.json and nsynth-<split>/audio/*.wav."""

    seed: int = Field(default=0, ge=0)
    """Seed for the pitches, the peaks and the assignment of recordings to splits."""

    @property
    def notes_per_instrument(self) -> int:
        """Notes of each instrument; instruments with a narrow range or silent keys give fewer."""
        return NOTES_PER_INSTRUMENT[self.size] if isinstance(self.size, str) else self.size

    @property
    def instruments_per_family(self) -> int | None:
        """Largest number of instruments of a family; None for all."""
        return TINY_INSTRUMENTS_PER_FAMILY if self.size == "tiny" else None

    @property
    def velocities(self) -> int:
        """Velocities at each pitch; `tiny` has two, to have more than one pitch."""
        return min(self.velocities_per_pitch, 2) if self.size == "tiny" else self.velocities_per_pitch
