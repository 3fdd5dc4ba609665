"""The dataset's contract: what an NSynth note is. Imports nothing of ours and nothing heavy.

Every room reads the names and numbers of the data from here. Source: Engel et al., "Neural Audio
Synthesis of Musical Notes with WaveNet Autoencoders" (2017), https://magenta.tensorflow.org/datasets/nsynth.
"""

from typing import Literal, NamedTuple

SAMPLE_RATE_HZ = 16_000
NOTE_SECONDS = 4
NOTE_SAMPLES = NOTE_SECONDS * SAMPLE_RATE_HZ

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

# Feature names of a tf.Example, as in the official TFRecords.
NOTE = "note"
NOTE_STR = "note_str"  # "<instrument_str>-<pitch, 3 digits>-<velocity, 3 digits>"
INSTRUMENT = "instrument"
INSTRUMENT_STR = "instrument_str"  # "<family>_<source>_<number, 3 digits>"
PITCH = "pitch"
VELOCITY = "velocity"
SAMPLE_RATE = "sample_rate"
AUDIO = "audio"
QUALITIES_KEY = "qualities"
QUALITIES_STR = "qualities_str"
FAMILY = "instrument_family"
FAMILY_STR = "instrument_family_str"
SOURCE = "instrument_source"
SOURCE_STR = "instrument_source_str"

# Scalars of the sound that ingest adds to each Example, so that nobody else need touch the samples.
PEAK_DBFS = "peak_dbfs"
RMS_DBFS = "rms_dbfs"
CENTROID_HZ = "spectral_centroid_hz"
ACTIVE_S = "active_duration_s"

SPLITS = ("train", "dev", "valid", "test")
"""train: fitted on. dev: instruments held out of train, for early stopping. valid: the gate. test: touched once."""
HELD_OUT = ("valid", "test")
"""Splits that nothing is learnt from: the official ones share their instruments with each other, never with train."""


class Feature(NamedTuple):
    """Type and length of one feature; `length` None means any number of values."""

    kind: Literal["int64", "float", "bytes"]
    length: int | None = 1


NSYNTH_FEATURES = {
    NOTE: Feature("int64"),
    NOTE_STR: Feature("bytes"),
    INSTRUMENT: Feature("int64"),
    INSTRUMENT_STR: Feature("bytes"),
    PITCH: Feature("int64"),
    VELOCITY: Feature("int64"),
    SAMPLE_RATE: Feature("int64"),
    AUDIO: Feature("float", NOTE_SAMPLES),
    QUALITIES_KEY: Feature("int64", len(QUALITIES)),
    QUALITIES_STR: Feature("bytes", None),
    FAMILY: Feature("int64"),
    FAMILY_STR: Feature("bytes"),
    SOURCE: Feature("int64"),
    SOURCE_STR: Feature("bytes"),
}
"""The 14 features of an official record."""

SOUND_FEATURES = {
    PEAK_DBFS: Feature("float"),
    RMS_DBFS: Feature("float"),
    CENTROID_HZ: Feature("float"),
    ACTIVE_S: Feature("float"),
}
"""What ingest adds."""


class UserError(Exception):
    """Something the user can mend. The command line shows its message alone and exits with code 1.

    The message says what is wrong, where, and what to do.
    """


class RefusedDataError(UserError):
    """The data themselves cannot be used, on any machine and on any day: damaged, or not what was agreed.

    A round of retraining leaves the span out for good, so nothing else may be told so: not a full disk, and not a
    folder that is gone.
    """

    def __init__(self, message: str, span: int | None = None):
        super().__init__(message)
        self.span = span
        """The span that is meant, where the step that finds out looks at several; else None."""
