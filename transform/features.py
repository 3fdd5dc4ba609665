"""Names of the transformed features, which the Trainer reads. Imports nothing heavy."""

import nsynth

LOG_MEL = "log_mel"  # float32 [frames, n_mels], zero mean and unit deviation per mel bin over the train split
LABEL_ID = f"{nsynth.LABEL.word}_id"  # int64, index into nsynth.CLASSES
GROUP = nsynth.GROUP.key  # bytes
NOTE = nsynth.NOTE_STR  # bytes

OPTIONAL = {
    **{category.word: f"{category.word}_id" for category in nsynth.CATEGORIES},
    **{number.word: number.key for number in nsynth.NUMBERS},
}
"""Word of a category or number → its int64 feature, the id or the value. A note may lack it."""
ABSENT = -1
"""Value of a missing feature in a tensor; it is never stored."""

INT_FEATURES = (LABEL_ID, *OPTIONAL.values())
BYTES_FEATURES = (GROUP, NOTE)

RAW = {
    LABEL_ID: nsynth.LABEL.id_key,
    GROUP: nsynth.GROUP.key,
    NOTE: nsynth.NOTE_STR,
    **{f"{category.word}_id": category.id_key for category in nsynth.CATEGORIES},
    **{number.key: number.key for number in nsynth.NUMBERS},
}
"""Transformed feature → the raw feature that is copied."""
