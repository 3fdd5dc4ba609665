"""The dataset: format of a note, classes, groups and other attributes. Everything else is derived from this file.

Imports no module of this project and nothing heavy. The middle part describes NSynth; to train on other sounds, replace
it (docs/your_own_sounds.md). In every dataset, a *note* is one sound.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple


class Feature(NamedTuple):
    """Type, length and domain of a feature of a tf.Example; `length` None means any number of values."""

    kind: Literal["int64", "float", "bytes"]
    length: int | None = 1
    low: float | None = None
    high: float | None = None
    names: tuple[str, ...] = ()


class Category(NamedTuple):
    """A categorical attribute. Slices, counts in ingest's account and, optionally, a head are derived from it."""

    word: str
    """Name in slices (`family=bass`), options, messages and pages."""
    plural: str
    id_key: str
    """Feature with the index of the name."""
    name_key: str
    """Feature with the name."""
    names: tuple[str, ...]


class Group(NamedTuple):
    """The unit that splits never divide, and over which confidence intervals are bootstrapped."""

    word: str
    plural: str
    key: str
    pattern: str = ""
    """Regular expression that finds a group's name in a record without parsing it; for a quick survey of a folder."""


class Number(NamedTuple):
    """An integer attribute. Slices, a histogram and, optionally, a head are derived from it."""

    word: str
    key: str
    label: str
    """Label of an axis, with the unit."""
    values: range
    """Allowed values."""
    edges: tuple[int, ...] = ()
    """Edges of the bands that form its slices, the end of the last band included. Empty: each value is a slice."""
    usual: tuple[str, range] | None = None
    """Name and range of the usual values; other allowed values are reported."""
    typical: tuple[int, int] = (0, 1)
    """The value of a typical note, and the step that makes differences comparable between numbers."""
    show: Callable[[int], str] = str
    """Format a value for display."""


# Features of every dataset.
NOTE_STR = "note_str"  # names the note; of NSynth "<instrument_str>-<pitch, 3 digits>-<velocity, 3 digits>"
SAMPLE_RATE = "sample_rate"
AUDIO = "audio"
# Scalars of the sound, measured by ingest.
PEAK_DBFS = "peak_dbfs"
RMS_DBFS = "rms_dbfs"
CENTROID_HZ = "spectral_centroid_hz"
ACTIVE_S = "active_duration_s"

# --- The dataset ------------------------------------------------------------------------------------------------------
# Source: Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders" (2017),
# https://magenta.tensorflow.org/datasets/nsynth.

NAME = "NSynth"
HAS_DEMO = True  # whether `nsynth corpus` and `nsynth download` support the dataset

SAMPLE_RATE_HZ = 16_000
NOTE_SECONDS = 4

# The index of a name is its id in `instrument_family`, `instrument_source` and `qualities`.
FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet",
    "organ", "reed", "string", "synth_lead", "vocal",
)  # fmt: skip
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
    "bright", "dark", "distortion", "fast_decay", "long_release", "multiphonic",
    "nonlinear_env", "percussive", "reverb", "tempo-synced",
)  # fmt: skip

PITCHES = range(128)  # MIDI note numbers
VELOCITIES = range(128)  # MIDI velocities

# Names of the features, as in the official TFRecords.
NOTE = "note"
INSTRUMENT = "instrument"
INSTRUMENT_STR = "instrument_str"  # "<family>_<source>_<number, 3 digits>"
PITCH = "pitch"
VELOCITY = "velocity"
QUALITIES_KEY = "qualities"
QUALITIES_STR = "qualities_str"
FAMILY = "instrument_family"
FAMILY_STR = "instrument_family_str"
SOURCE = "instrument_source"
SOURCE_STR = "instrument_source_str"


def _pitch_name(pitch: int) -> str:
    """`C4 (60)` for 60."""
    name = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")[pitch % 12]
    return f"{name}{pitch // 12 - 1} ({pitch})"


LABEL = Category("family", "families", FAMILY, FAMILY_STR, FAMILIES)
"""What the model predicts."""
_INSTRUMENT = re.compile(rf"(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_[0-9]{{3}}")
GROUP = Group("instrument", "instruments", INSTRUMENT_STR, rf"({_INSTRUMENT.pattern})-[0-9]{{3}}-[0-9]{{3}}")
CATEGORIES = (Category("source", "sources", SOURCE, SOURCE_STR, SOURCES),)
"""Categories other than the label."""
NUMBERS = (
    Number(
        "pitch", PITCH, "pitch, MIDI", PITCHES,
        edges=(0, 36, 48, 60, 72, 84, 128), usual=("piano", range(21, 109)), typical=(60, 1), show=_pitch_name,
    ),
    Number("velocity", VELOCITY, "velocity, MIDI", VELOCITIES, typical=(100, 4), show="velocity {}".format),
)  # fmt: skip
EXTRAS = {
    NOTE: Feature("int64", low=0),
    INSTRUMENT: Feature("int64", low=0),
    QUALITIES_KEY: Feature("int64", len(QUALITIES), low=0, high=1),
    QUALITIES_STR: Feature("bytes", None, names=(*QUALITIES, "")),  # some files spell "none" as an empty name
}
"""Features that are only checked and stored."""
HEADS = {"instrument": 0.3, "source": 0.1, "pitch": 0.1}
"""Word of the group, a category or a number that the network predicts besides the label → weight in the loss."""
DRIFT: dict[str, tuple[float, Literal["stop", "warn"]]] = {
    FAMILY_STR: (0.15, "stop"),
    SOURCE_STR: (0.2, "warn"),
    PITCH: (0.2, "warn"),
    VELOCITY: (0.3, "warn"),
    RMS_DBFS: (0.3, "stop"),
    PEAK_DBFS: (0.5, "warn"),
    CENTROID_HZ: (0.3, "stop"),
    ACTIVE_S: (0.3, "warn"),
}
"""Feature → threshold for its drift between two deliveries of data, and the action above it."""


def misnamed(values: Mapping[str, Any]) -> str:
    """Return how the names of an official record disagree with its other features; empty if they agree.

    Args:
        values: the values of all features except `audio` and the extras, with bytes decoded.
    """
    instrument = values[INSTRUMENT_STR]
    parts = _INSTRUMENT.fullmatch(instrument)
    if not parts or (parts["family"], parts["source"]) != (values[FAMILY_STR], values[SOURCE_STR]):
        wanted = f"{values[FAMILY_STR]}_{values[SOURCE_STR]}_ and 3 digits"
        return f"instrument_str is {instrument[:60]!r}, wanted {wanted}"
    note = f"{instrument}-{values[PITCH]:03d}-{values[VELOCITY]:03d}"
    return "" if values[NOTE_STR] == note else f"note_str is {values[NOTE_STR][:60]!r}, wanted {note}"


# --- What follows from it ---------------------------------------------------------------------------------------------

NOTE_SAMPLES = round(NOTE_SECONDS * SAMPLE_RATE_HZ)
CLASSES = LABEL.names


def _features_of(category: Category) -> dict[str, Feature]:
    ids = Feature("int64", low=0, high=len(category.names) - 1)
    return {category.id_key: ids, category.name_key: Feature("bytes", names=category.names)}


REQUIRED = {
    NOTE_STR: Feature("bytes"),
    GROUP.key: Feature("bytes"),
    SAMPLE_RATE: Feature("int64", low=SAMPLE_RATE_HZ, high=SAMPLE_RATE_HZ),
    AUDIO: Feature("float", NOTE_SAMPLES, low=-1, high=1),
    **_features_of(LABEL),
}
"""Features that every note must have."""
OPTIONAL = {
    **{n.key: Feature("int64", low=n.values.start, high=n.values.stop - 1) for n in NUMBERS},
    **{key: feature for category in CATEGORIES for key, feature in _features_of(category).items()},
    **EXTRAS,
}
"""Features that a folder of audio files may lack; records of the dataset have all of them."""
FEATURES = {**REQUIRED, **OPTIONAL}
"""The features of a record."""

SOUND_FEATURES = {
    PEAK_DBFS: Feature("float", low=-200, high=0.1),
    RMS_DBFS: Feature("float", low=-200, high=0.1),
    CENTROID_HZ: Feature("float", low=0, high=SAMPLE_RATE_HZ / 2),
    ACTIVE_S: Feature("float", low=0, high=NOTE_SECONDS),
}
"""Features that ingest adds, so that other steps need not read the audio."""

HISTOGRAMS = {
    **{number.key: number.label for number in NUMBERS},
    PEAK_DBFS: "peak, dBFS",
    RMS_DBFS: "RMS level, dBFS",
    CENTROID_HZ: "spectral centroid, Hz",
    ACTIVE_S: "active duration, s",
}
"""Feature with a histogram in the report → label of the axis."""

SPLITS = ("train", "dev", "valid", "test")
"""train: training. dev: groups held out of train, for epoch selection. valid: the gate. test: final evaluation."""
HELD_OUT = ("valid", "test")
"""Splits that are not used for training. The official ones share instruments with each other, never with train."""


class UserError(Exception):
    """An error that the user can fix. The command line shows its message alone and exits with code 1.

    The message says what is wrong, where, and what to do.
    """


class RefusedDataError(UserError):
    """The data itself cannot be used, because it is damaged or invalid.

    Retraining excludes the span permanently, so other errors, such as a full disk or a missing folder, must not be
    reported with this class.
    """

    def __init__(self, message: str, span: int | None = None, verdict: str = ""):
        super().__init__(message)
        self.span = span
        """The span that cannot be used, if the step reads several; otherwise None."""
        self.verdict = verdict
        """The verdict as JSON, if the step has written one: TFX deletes the outputs of a failed step."""
