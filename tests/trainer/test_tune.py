"""The search: draws recipes, trains by them, hands on the best; the Trainer reads what it wrote."""

from types import SimpleNamespace

from tests.trainer.conftest import SPECTROGRAM
from trainer import tune
from trainer.options import RecipeOptions, SearchRange, TunerOptions


def test_the_best_of_the_trials_is_a_recipe_the_trainer_takes(train, dev, tmp_path):
    # One rate learns, at the other end of the range nothing moves: the search has to tell them apart.
    space = {
        "learning_rate": SearchRange(low=1e-9, high=3e-2, log=True),
        "augment.mask_bins": SearchRange(low=0, high=3),
    }
    recipe = RecipeOptions(size="tiny", batch_size=32, ema_momentum=0.8)
    fn_args = SimpleNamespace(
        train_files=list(train.files),
        eval_files=list(dev.files),
        working_dir=str(tmp_path),
        custom_config={
            "recipe": recipe.model_dump(mode="json"),
            "spectrogram": SPECTROGRAM.model_dump(mode="json"),
            "tuner": TunerOptions(trials=3, epochs=2, space=space).model_dump(mode="json"),
        },
    )
    tuner, fit_kwargs = tune.tuner_fn(fn_args)
    tuner.search(**fit_kwargs)
    trials = tuner.oracle.get_best_trials(3)
    assert [trial.score for trial in trials] == sorted(trial.score for trial in trials)
    assert len({trial.hyperparameters.values["learning_rate"] for trial in trials}) == 3
    best = tuner.get_best_hyperparameters()[0].get_config()  # what TFX's Tuner writes and its Trainer reads
    taken = recipe.replaced(best["values"])
    assert taken.learning_rate == trials[0].hyperparameters.values["learning_rate"]
    assert isinstance(taken.augment.mask_bins, int)
