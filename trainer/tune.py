"""The optional Tuner component's entry point: `trainer.tune.tuner_fn`."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
from tfx.components.tuner.component import TunerFnResult

from trainer import index
from trainer.checkpoint import Checkpoint
from trainer.fit import fit
from trainer.index import NoteIndex
from trainer.options import RecipeOptions, TunerOptions
from transform.options import SpectrogramOptions

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

log = logging.getLogger("trainer")


class RecipeTuner(keras_tuner.RandomSearch):
    """Draws recipes at random and keeps the one with the lowest dev loss; a trial is a training like any other.

    A search that was killed draws the same recipes again, and each goes on from its own checkpoint.
    """

    def __init__(
        self,
        recipe: RecipeOptions,
        options: TunerOptions,
        checkpoints: Path,
        identity: dict[str, Any],
        **kwargs: Any,
    ):
        """Lay out the search.

        Args:
          recipe: gives what is not searched, and the seed.
          options: what is searched, and how long.
          checkpoints: a folder that outlives a killed search.
          identity: what decides a trial's result beside its recipe, as of Checkpoint.
          **kwargs: of keras_tuner.RandomSearch.
        """
        self._recipe = recipe.replaced({"epochs": options.epochs})
        self._checkpoints, self._identity = checkpoints, identity
        self._trials: list[Checkpoint] = []
        space = keras_tuner.HyperParameters()
        for name, limits in options.space.items():
            sampling = "log" if limits.log else "linear"
            if isinstance(recipe.value(name), int):
                space.Int(name, round(limits.low), round(limits.high), sampling=sampling)
            else:
                space.Float(name, limits.low, limits.high, sampling=sampling)
        super().__init__(
            hyperparameters=space,
            tune_new_entries=False,
            max_trials=options.trials,
            seed=recipe.seed + 1,  # KerasTuner takes 0 for "none given"
            **kwargs,
        )

    def run_trial(
        self,
        trial: keras_tuner.engine.trial.Trial,
        train: NoteIndex,
        dev: NoteIndex,
        spectrogram: SpectrogramOptions,
    ) -> float:
        """Train by one drawn recipe; its dev loss, which the search minimizes."""
        keras.backend.clear_session()
        recipe = self._recipe.replaced(trial.hyperparameters.values)
        log.info("trial %s of %d: %s", trial.trial_id, self.oracle.max_trials, trial.hyperparameters.values)
        checkpoint = Checkpoint(self._checkpoints, **self._identity, recipe=recipe.model_dump(mode="json"))
        self._trials.append(checkpoint)
        state = fit(recipe, spectrogram, train, dev, checkpoint).state
        return state.history[state.kept_epoch - 1].dev_loss

    def on_search_end(self) -> None:
        """Remove what the trials saved: nobody goes on from it."""
        for checkpoint in self._trials:
            checkpoint.clear()


def tuner_fn(fn_args: "FnArgs") -> TunerFnResult:
    """Lay out the search for the recipe's best numbers.

    Args:
      fn_args: TFX's. `custom_config` is that of `trainer.run.run_fn`; its `tuner` holds the fields of TunerOptions.

    Returns:
      the tuner and what its search is to be called with. The best values become the Trainer's `hyperparameters`.

    Raises:
      UserError: the transformed examples are missing or damaged.
    """
    config = fn_args.custom_config
    spectrogram = SpectrogramOptions(**config["spectrogram"])
    train = index.scan(index.expand(fn_args.train_files), spectrogram)
    dev = index.scan(index.expand(fn_args.eval_files), spectrogram)
    tuner = RecipeTuner(
        RecipeOptions(**config["recipe"]),
        TunerOptions(**config["tuner"]),
        checkpoints=Path(config.get("checkpoint_dir") or fn_args.working_dir),
        identity={
            "trial_of": config["tuner"],
            "spectrogram": config["spectrogram"],
            "code": config.get("code"),
            "train": train.fingerprint,
            "dev": dev.fingerprint,
        },
        directory=fn_args.working_dir,
        project_name="tuner",
    )
    return TunerFnResult(
        tuner=tuner,
        fit_kwargs={"train": train, "dev": dev, "spectrogram": spectrogram},
    )
