"""Examples of each augmentation of the recipe on one training note, stored beside the history for the report.

The module can be imported without TensorFlow, for the names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.options import AugmentOptions
from transform import features
from transform.options import SpectrogramOptions

FILE = "variations.npz"
DRAWS = 8
"""Of each variation alone; the strongest is kept."""
TOGETHER = ("together_1", "together_2")
"""Keys of two draws of all variations together."""


def write_variations(
    files: Sequence[str], options: AugmentOptions, spectrogram: SpectrogramOptions, path: Path
) -> None:
    """Write the first note and its augmented versions; write nothing if all augmentations are off.

    Args:
      files: transformed notes of train.
      options: strengths of the augmentations.
      spectrogram: spectrogram options of the notes.
      path: output file, a NumPy archive with `note` (its name), `original`, a key for each active augmentation, and
        TOGETHER; all except the name are float16 [frames, n_mels], normalized.
    """
    if options == AugmentOptions.off():
        return
    notes, name = _two_notes(files, spectrogram)
    varied = variations(notes, options)
    arrays = {key: values.astype(np.float16) for key, values in {"original": notes[0], **varied}.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, note=np.array(name), **arrays)


def variations(notes: np.ndarray, options: AugmentOptions) -> dict[str, np.ndarray]:
    """Return name → augmented first note [frames, n_mels]: each augmentation alone, then two draws of all together.

    Args:
      notes: float32 [2, frames, n_mels]; mixup adds the second note.
      options: strengths of the augmentations.
    """
    alone = {name: _strongest(notes, _only(name, strength)) for name, strength in options if strength}
    together = {name: _varied(notes, options, draw) for draw, name in enumerate(TOGETHER, 1)}
    return {**alone, **together}


def _two_notes(files: Sequence[str], spectrogram: SpectrogramOptions) -> tuple[np.ndarray, str]:
    """Read the first note and a note of another group: normalized [2, frames, n_mels], and the name of the first."""
    import tensorflow as tf

    from transform.codec import parse_batch

    found: dict[bytes, dict[str, Any]] = {}  # group → its first note
    for batch in tf.data.TFRecordDataset(list(files)).batch(1):
        note = {name: values.numpy()[0] for name, values in parse_batch(batch, spectrogram).items()}
        found.setdefault(note[features.GROUP], note)
        if len(found) == 2:
            break
    first, *others = found.values()
    notes = np.stack([note[features.LOG_MEL] for note in (first, *(others or [first]))])
    return notes, first[features.NOTE].decode()


def _strongest(notes: np.ndarray, options: AugmentOptions) -> np.ndarray:
    draws = [_varied(notes, options, draw) for draw in range(DRAWS)]
    return max(draws, key=lambda varied: float(np.abs(varied - notes[0]).mean()))


def _only(name: str, strength: float) -> AugmentOptions:
    return AugmentOptions.off().model_copy(update={name: strength})


def _varied(notes: np.ndarray, options: AugmentOptions, draw: int) -> np.ndarray:
    import tensorflow as tf

    from trainer.augment import augment

    batch = tf.constant(notes, tf.float32)
    varied, _ = augment(batch, {}, options, tf.constant([draw, 0], tf.int64))
    return varied.numpy()[0]
