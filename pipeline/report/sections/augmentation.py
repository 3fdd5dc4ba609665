"""What each variation of the training recipe changes in one note, alone and all together."""

from typing import Any

import numpy as np
import pydantic

from pipeline.report.notes import picture_uri
from pipeline.report.record import Absent, RunRecord
from trainer.options import AugmentOptions
from trainer.variations import DRAWS, FILE, TOGETHER

DIFFERENCES = "coolwarm"  # blue less, grey the same, red more: told apart by the colour-blind too
RANGE = (-2.5, 2.5)  # deviations of a mel bin from its mean, dark to bright


def build(record: RunRecord) -> dict[str, Any]:
    """Return the original, and for each variation that is switched on a picture of what it changes."""
    history = record.json("Trainer", "model_run", "history.json")
    try:
        options = AugmentOptions.model_validate(history["recipe"]["augment"])
    except (KeyError, pydantic.ValidationError) as error:
        raise Absent("The run used a recipe that this version of the code does not support.") from error
    if options == AugmentOptions.off():
        raise Absent("The recipe uses no augmentation.")
    with np.load(record.file("Trainer", "model_run", FILE)) as kept:
        original = kept["original"].astype(np.float32)
        pictures = [
            {"name": name, "words": words, "picture": picture_uri(kept[key] - original, *RANGE, DIFFERENCES)}
            for key, name, words in _described(options)
        ]
        note = {"name": "original", "words": str(kept["note"]), "picture": picture_uri(original, *RANGE)}
    return {"pictures": [note, *pictures], "range": RANGE, "draws": DRAWS}


def _described(options: AugmentOptions) -> list[tuple[str, str, str]]:
    """Return the key in the file, name and words of each picture."""
    alone = [
        (name, name.replace("_", " "), f"{AugmentOptions.model_fields[name].description}: {strength:g}")
        for name, strength in options
        if strength
    ]
    return [*alone, *((key, "all together", f"draw {draw}") for draw, key in enumerate(TOGETHER, 1))]
