"""Checkpoints of the complete training state after each epoch, from which a killed training resumes.

The batches of an epoch depend only on the seed and the step (see trainer.input), so only variables, history and kept
weights need saving. A training that is killed during an epoch repeats that epoch.
"""

import hashlib
import json
import logging
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

import atomic
from trainer.state import Epoch, State

log = logging.getLogger("trainer")

_FILE = "state.npz"


class Checkpoint:
    """The folder of a training; its name is a hash of everything that determines the result."""

    def __init__(self, folder: Path, **identity: Any):
        """Set the folder.

        Args:
          folder: folder of the checkpoints of all trainings.
          identity: recipe, code, data and so on, as JSON values. A training with another identity has another state.
        """
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = folder / key

    def save(self, model: keras.Model, state: State) -> None:
        """Write the state under a temporary name, then rename it, so that there is always one complete state."""
        arrays = {f"variable_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_variables(model))}
        arrays |= {f"kept_{i}": weight for i, weight in enumerate(state.kept_weights)}
        known = {"history": state.rows(), "kept_epoch": state.kept_epoch, "lowest": state.lowest}
        with atomic.file(self.folder / _FILE) as file:
            np.savez(file, known=np.frombuffer(json.dumps(known).encode(), np.uint8), **arrays)

    def restore(self, model: keras.Model) -> State:
        """Restore the variables of the model and its optimizer.

        Args:
          model: compiled, with its optimizer built.

        Returns:
          the state to resume from; empty if there is no readable checkpoint.
        """
        path = self.folder / _FILE
        if not path.exists():
            return State()
        try:
            with np.load(path) as saved:
                arrays = {name: saved[name] for name in saved.files}
            known = json.loads(arrays.pop("known").tobytes())
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("the checkpoint %s cannot be read (%s): training starts anew", path, error)
            return State()
        variables, values = list(_variables(model)), _numbered(arrays, "variable")
        # Other devices have other variables.
        if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
            log.warning("the checkpoint %s is of another kind of device: training starts anew", path)
            return State()
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        history = [Epoch(**row) for row in known["history"]]
        log.info("going on after epoch %d, from %s", len(history), path)
        return State(history, known["kept_epoch"], _numbered(arrays, "kept"), known["lowest"])

    def clear(self) -> None:
        """Remove the state after a successful training."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _numbered(arrays: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    """Return the arrays name_0, name_1 … in this order."""
    return [arrays[f"{name}_{i}"] for i in range(sum(key.startswith(f"{name}_") for key in arrays))]


def _variables(model: keras.Model) -> Iterator[keras.Variable]:
    """Yield weights, random states and optimizer slots, each once, in a fixed order."""
    seen: set[int] = set()
    for variable in (*model.variables, *model.optimizer.variables):
        if id(variable) not in seen:
            seen.add(id(variable))
            yield variable
