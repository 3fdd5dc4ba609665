"""What each variation of the training recipe changes in one note, alone and all together."""

from typing import Any

import numpy as np
import pydantic

from pipeline.report.notes import picture_uri
from pipeline.report.record import Absent, RunRecord
from trainer.options import AugmentOptions
from transform.options import SpectrogramOptions

DRAWS = 8  # of each variation alone; the strongest is shown
DIFFERENCES = "coolwarm"  # blue less, grey the same, red more: told apart by the colour-blind too
RANGE = (-2.5, 2.5)  # deviations of a mel bin from its mean, dark to bright


def build(record: RunRecord) -> dict[str, Any]:
    """The original, and for each variation that is switched on a picture of what it changes."""
    custom = record.setting("Trainer", "custom_config")
    try:
        options = AugmentOptions.model_validate(custom["recipe"]["augment"])
        spectrogram = SpectrogramOptions.model_validate(custom["spectrogram"])
    except (KeyError, pydantic.ValidationError) as error:
        raise Absent("The run used a recipe that this version of the code does not support.") from error
    if options == AugmentOptions.off():
        raise Absent("The recipe uses no augmentation.")
    notes, names = _two_notes(record, spectrogram)
    pictures = [
        {"name": name, "words": words, "picture": picture_uri(values - notes[0], *RANGE, DIFFERENCES)}
        for name, words, values in variations(notes, options)
    ]
    original = {"name": "original", "words": names[0], "picture": picture_uri(notes[0], *RANGE)}
    return {"pictures": [original, *pictures], "range": RANGE, "draws": DRAWS}


def _two_notes(record: RunRecord, spectrogram: SpectrogramOptions) -> tuple[np.ndarray, list[str]]:
    """The first note of train and one of another instrument, for mixup: normalized [2, frames, n_mels]; names."""
    import tensorflow as tf

    from transform import features
    from transform.codec import parse_batch

    folder = record.file("Transform", "transformed_examples", "Split-train")
    files = sorted(str(path) for path in folder.glob("*") if path.stat().st_size)
    if not files:
        raise Absent(f"{folder} contains no notes.")
    notes: list[tuple[str, np.ndarray]] = []
    instruments: list[bytes] = []
    for batch in tf.data.TFRecordDataset(files).batch(1):
        note = {name: values.numpy()[0] for name, values in parse_batch(batch, spectrogram).items()}
        if note[features.GROUP] not in instruments:
            instruments.append(note[features.GROUP])
            notes.append((note[features.NOTE].decode(), note[features.LOG_MEL]))
        if len(notes) == 2:
            break
    if len(notes) < 2:
        notes *= 2
    return np.stack([log_mel for _, log_mel in notes]), [name for name, _ in notes]


def variations(notes: np.ndarray, options: AugmentOptions) -> list[tuple[str, str, np.ndarray]]:
    """Name, words and the varied first note [frames, n_mels], for each variation alone and for all together."""
    alone = [
        (name.replace("_", " "), _words(name, strength), _strongest(notes, _only(name, strength)))
        for name, strength in options
        if strength
    ]
    together = [("all together", f"draw {draw}", _varied(notes, options, draw)) for draw in (1, 2)]
    return [*alone, *together]


def _strongest(notes: np.ndarray, options: AugmentOptions) -> np.ndarray:
    draws = [_varied(notes, options, draw) for draw in range(DRAWS)]
    return max(draws, key=lambda varied: float(np.abs(varied - notes[0]).mean()))


def _only(name: str, strength: float) -> AugmentOptions:
    return AugmentOptions.off().model_copy(update={name: strength})


def _words(name: str, strength: float) -> str:
    return f"{AugmentOptions.model_fields[name].description}: {strength:g}"


def _varied(notes: np.ndarray, options: AugmentOptions, draw: int) -> np.ndarray:
    import tensorflow as tf

    from trainer.augment import augment

    batch = tf.constant(notes, tf.float32)
    varied, _ = augment(batch, {}, options, tf.constant([draw, 0], tf.int64))
    return varied.numpy()[0]
