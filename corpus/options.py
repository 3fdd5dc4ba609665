"""What a user may ask of the demo corpus."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

VELOCITIES = (25, 50, 75, 100, 127)
"""The MIDI velocities that NSynth was played at."""

NOTES_PER_INSTRUMENT = {"tiny": 4, "small": 25, "medium": 75, "large": 150}
"""Small is the largest that keeps a first `make run` short: 2,250 notes of the default SoundFont, 0.6 GB."""

TINY_INSTRUMENTS_PER_FAMILY = 5  # enough for train, dev, valid and test to have one each


class CorpusOptions(BaseModel, frozen=True, extra="forbid"):
    """Equal options and equal SoundFont files give the same bytes."""

    soundfonts: tuple[str, ...] = Field(default=("TimGM6mb",), min_length=1)
    """Known names (corpus/fonts.py) or paths of .sf2 and .sf3 files."""

    size: Literal["tiny", "small", "medium", "large"] | Annotated[int, Field(gt=0, le=640)] = "small"
    """Notes of each instrument, as a number or a name; "tiny" also takes few instruments, for tests."""

    velocities_per_pitch: int = Field(default=5, ge=1, le=len(VELOCITIES))
    """How many of NSynth's five velocities each pitch is played at; fewer leaves room for more pitches."""

    extra_semitones: int = Field(default=0, ge=0, le=48)
    """How far to play beyond an instrument's natural range, either way. NSynth does so widely."""

    json_wav: bool = False
    """Write NSynth's other layout too: nsynth-<split>/examples.json and nsynth-<split>/audio/*.wav."""

    seed: int = Field(default=0, ge=0)
    """Draws the pitches, the peaks and which recordings go to which split."""

    @property
    def notes_per_instrument(self) -> int:
        """Notes wanted of each instrument; those with a narrow range or silent keys give fewer."""
        return NOTES_PER_INSTRUMENT[self.size] if isinstance(self.size, str) else self.size

    @property
    def instruments_per_family(self) -> int | None:
        """The most instruments of a family, None for all."""
        return TINY_INSTRUMENTS_PER_FAMILY if self.size == "tiny" else None

    @property
    def velocities(self) -> int:
        """Velocities at each pitch; "tiny" plays two, to have more than one pitch."""
        return min(self.velocities_per_pitch, 2) if self.size == "tiny" else self.velocities_per_pitch
