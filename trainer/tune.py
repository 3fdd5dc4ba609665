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
    """Sample recipes at random and keep the one with the lowest dev loss; each trial is an ordinary training.

    A killed search samples the same recipes again, and each trial resumes from its checkpoint.
    """

    def __init__(
        self,
        recipe: RecipeOptions,
        options: TunerOptions,
        checkpoints: Path,
        identity: dict[str, Any],
        **kwargs: Any,
    ):
        """Set up the search.

        Args:
          recipe: values of all fields that are not searched, and the seed.
          options: search space, trials and epochs.
          checkpoints: a folder that outlives a killed search.
          identity: everything that determines a trial's result besides its recipe, as in Checkpoint.
          **kwargs: arguments of keras_tuner.RandomSearch.
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
        """Train with one sampled recipe and return its dev loss, which the search minimizes."""
        keras.backend.clear_session()
        recipe = self._recipe.replaced(trial.hyperparameters.values)
        log.info("trial %s of %d: %s", trial.trial_id, self.oracle.max_trials, trial.hyperparameters.values)
        checkpoint = Checkpoint(self._checkpoints, **self._identity, recipe=recipe.model_dump(mode="json"))
        self._trials.append(checkpoint)
        state = fit(recipe, spectrogram, train, dev, checkpoint).state
        return state.history[state.kept_epoch - 1].dev_loss

    def on_search_end(self) -> None:
        """Remove the checkpoints of the trials after the search."""
        for checkpoint in self._trials:
            checkpoint.clear()


def tuner_fn(fn_args: "FnArgs") -> TunerFnResult:
    """Set up the search for the best values of recipe fields.

    Args:
      fn_args: TFX's arguments. `custom_config` is that of `trainer.run.run_fn`, with the fields of TunerOptions in
        `tuner`.

    Returns:
      the tuner and the arguments of its search. The best values become the Trainer's `hyperparameters`.

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
