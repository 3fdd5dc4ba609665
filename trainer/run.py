"""The Trainer component's entry point: `trainer.run.run_fn`."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow_transform as tft

from trainer import distill, index
from trainer.checkpoint import Checkpoint
from trainer.export import export, start_weights
from trainer.fit import Trained, fit
from trainer.novelty import fit_novelty
from trainer.options import RecipeOptions
from trainer.variations import FILE, write_variations
from transform.options import SpectrogramOptions

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

log = logging.getLogger("trainer")

HISTORY = "history.json"
TENSORBOARD = "tensorboard"


def run_fn(fn_args: "FnArgs") -> None:
    """Train on transformed notes and export the model.

    Args:
      fn_args: TFX's arguments. In `custom_config`, `recipe` and `spectrogram` contain the fields of RecipeOptions and
        SpectrogramOptions, `splits` the settings that determine the split of each instrument, `code` a hash of the
        code, and `checkpoint_dir` (optional) a folder that outlives a killed run. `hyperparameters` contains a
        keras-tuner configuration whose values, by dotted names of recipe fields, replace the recipe's.

    Raises:
      UserError: the transformed examples are missing or damaged, a teacher does not fit, or the training diverged.
    """
    config = fn_args.custom_config
    recipe = RecipeOptions(**config["recipe"])
    if fn_args.hyperparameters:
        values = fn_args.hyperparameters["values"]
        log.info("with the Tuner's values: %s", values)
        recipe = recipe.replaced(values)
    spectrogram = SpectrogramOptions(**config["spectrogram"])
    train = index.scan(index.expand(fn_args.train_files), spectrogram)
    dev = index.scan(index.expand(fn_args.eval_files), spectrogram)
    champion = Path(fn_args.base_model) if fn_args.base_model else None
    weights = start_weights(champion, recipe, spectrogram, config["splits"])
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    teachers = distill.load_teachers(recipe.distill, spectrogram, transform_output)
    answers = distill.mean_answers(teachers, train, spectrogram)
    run_dir = Path(fn_args.model_run_dir)
    checkpoint = Checkpoint(
        Path(config.get("checkpoint_dir") or run_dir / "checkpoints"),
        recipe=recipe.model_dump(mode="json"),
        spectrogram=spectrogram.model_dump(mode="json"),
        code=config.get("code"),
        train=train.fingerprint,
        dev=dev.fingerprint,
        start=index.file_hash(weights) if weights else None,
        teachers=distill.fingerprint(recipe.distill),
    )
    trained = fit(recipe, spectrogram, train, dev, checkpoint, weights, run_dir / TENSORBOARD, answers)
    write_history(trained, recipe, run_dir / HISTORY)
    write_variations(index.expand(fn_args.train_files), recipe.augment, spectrogram, run_dir / FILE)
    folder = Path(fn_args.serving_model_dir)
    novelty = fit_novelty(trained.network, train, dev, spectrogram)
    export(trained.network, novelty, transform_output, recipe, spectrogram, config["splits"], folder)
    checkpoint.clear()


def write_history(trained: Trained, recipe: RecipeOptions, path: Path) -> None:
    """Write the history as JSON: a row for each epoch, the kept epoch, the recipe, parameters and operations."""
    kept = trained.state.kept_epoch
    log.info("kept: epoch %d, accuracy on dev %.3f", kept, trained.state.history[kept - 1].dev_accuracy)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "kept_epoch": kept,
        "parameters": trained.parameters,
        "multiply_accumulates_per_note": trained.macs,
        "recipe": recipe.model_dump(mode="json"),
        "epochs": trained.state.rows(),
    }
    path.write_text(json.dumps(told, indent=2) + "\n")
