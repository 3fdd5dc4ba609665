"""Which notes will be rendered: decided before the first sound, so that the work can be shared out freely."""

import dataclasses
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nsynth
from corpus.catalog import Sound, list_sounds
from corpus.fonts import Font
from corpus.options import VELOCITIES, CorpusOptions
from corpus.splits import deal

# Of 114 notes of NSynth's train split the median peak is 0.83 and the largest 0.96.
PEAKS = (0.70, 0.95)
"""A note's peak is drawn between these."""


@dataclass(frozen=True)
class PlannedNote:
    """One note to play."""

    number: int
    """Its `note` id. A note found silent when rendered is left out and its number stays unused."""
    pitch: int
    velocity: int
    peak: float
    """What the loudest sample is scaled to, in (0, 1)."""


@dataclass(frozen=True)
class Instrument:
    """A preset with its place in the corpus. Holds plain values only, so that it can go to another process."""

    number: int
    name: str
    """NSynth's instrument_str."""
    split: str
    family: str
    source: str
    font: str
    font_path: Path
    bank: int
    program: int
    preset: str
    group: int
    """Instruments of one number share recordings."""
    notes: tuple[PlannedNote, ...]


@dataclass(frozen=True)
class Delivery:
    """One folder of a corpus that is delivered in spans, as retraining wants them."""

    number: int
    """The span, from 1 on; 0 for the notes that every candidate is evaluated on."""
    count: int
    """Spans in all."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that this folder holds."""
        return ("train", "valid") if self.number else ("valid",)

    def of(self, instruments: Sequence[Instrument]) -> list[Instrument]:
        """Choose this folder's notes of a whole plan; no two folders share a note.

        Every span has train and valid notes of all instruments that have enough; the held-out folder has the
        instruments of the plan's test split, as valid.
        """
        if not self.number:
            return [dataclasses.replace(each, split="valid") for each in instruments if each.split == "test"]
        shares = [
            dataclasses.replace(each, notes=self._share(each)) for each in instruments if each.split != "test"
        ]
        return [share for share in shares if share.notes]

    def _share(self, instrument: Instrument) -> tuple[PlannedNote, ...]:
        """Drawn, since pitches and velocities take turns: one span must not get all the loud notes."""
        notes = random.Random(instrument.name).sample(instrument.notes, len(instrument.notes))
        return tuple(sorted(notes[self.number - 1 :: self.count], key=lambda note: note.number))


def plan_corpus(options: CorpusOptions, fonts: Sequence[Font]) -> list[Instrument]:
    """Return all instruments with their notes, ordered by family as in the official files.

    Raises:
        UserError: the fonts hold no preset of any NSynth family.
    """
    sounds = _choose(list_sounds(fonts, options.extra_semitones), options)
    if not sounds:
        names = ", ".join(str(font.file.path) for font in fonts)
        raise nsynth.UserError(
            f"No preset of {names} belongs to an NSynth family: use a General-MIDI SoundFont."
        )
    splits = deal(((sound.group, sound.voice.family) for sound in sounds), options.seed)
    sounds.sort(key=lambda sound: nsynth.FAMILIES.index(sound.voice.family))
    named = Counter[tuple[str, str]]()
    instruments: list[Instrument] = []
    first_note = 0
    for number, sound in enumerate(sounds):
        family, source = sound.voice.family, sound.voice.source
        instrument = Instrument(
            number=number,
            name=f"{family}_{source}_{named[family, source]:03d}",
            split=splits[sound.group],
            family=family,
            source=source,
            font=sound.font.name,
            font_path=sound.font.file.path,
            bank=sound.preset.bank,
            program=sound.preset.program,
            preset=sound.preset.name,
            group=sound.group,
            notes=_plan_notes(sound, options, first_note),
        )
        instruments.append(instrument)
        named[family, source] += 1
        first_note += len(instrument.notes)
    return instruments


def _plan_notes(sound: Sound, options: CorpusOptions, first_note: int) -> tuple[PlannedNote, ...]:
    """Spread the notes evenly over the range, one random pitch from each equal part of it.

    The velocities take turns, so that an instrument hears all five even if each pitch hears one. Where the range
    is too narrow for the notes wanted, each pitch hears more of them.
    """
    draw = random.Random(f"{options.seed} {sound.key}")
    pitches = sound.pitches(options.extra_semitones)
    wanted = options.notes_per_instrument
    per_pitch = min(max(options.velocities, math.ceil(wanted / len(pitches))), len(VELOCITIES))
    parts = min(math.ceil(wanted / per_pitch), len(pitches))
    turn = draw.randrange(len(VELOCITIES))
    notes: list[PlannedNote] = []
    for part in range(parts):
        start, end = part * len(pitches) // parts, (part + 1) * len(pitches) // parts
        pitch = pitches[draw.randrange(start, end)]
        velocities = {VELOCITIES[(turn + step) % len(VELOCITIES)] for step in range(per_pitch)}
        turn += per_pitch
        for velocity in sorted(velocities):
            notes.append(PlannedNote(first_note + len(notes), pitch, velocity, draw.uniform(*PEAKS)))
    return tuple(notes[:wanted])


def _choose(sounds: list[Sound], options: CorpusOptions) -> list[Sound]:
    """At most so many sounds of each family, of as many recording groups as can be."""
    if options.instruments_per_family is None:
        return sounds
    shuffled = list(sounds)
    random.Random(f"{options.seed} instruments").shuffle(shuffled)
    heard = Counter[tuple[str, int]]()
    rounds: dict[str, list[tuple[int, Sound]]] = {}
    for sound in shuffled:
        family, group = sound.voice.family, sound.group
        rounds.setdefault(family, []).append((heard[family, group], sound))
        heard[family, group] += 1
    kept = {
        sound.key
        for candidates in rounds.values()
        for _, sound in sorted(candidates, key=lambda pair: pair[0])[: options.instruments_per_family]
    }
    return [sound for sound in sounds if sound.key in kept]
