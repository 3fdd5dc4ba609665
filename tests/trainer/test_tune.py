"""The search: draws recipes, trains by them, hands on the best; the Trainer reads what it wrote."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.trainer.conftest import SPECTROGRAM
from trainer import tune
from trainer.options import RecipeOptions, SearchRange, TunerOptions

pytestmark = pytest.mark.slow

# One rate learns, at the other end of the range nothing moves: the search has to tell them apart.
SPACE = {
    "learning_rate": SearchRange(low=1e-9, high=3e-2, log=True),
    "augment.mask_bins": SearchRange(low=0, high=3),
}
RECIPE = RecipeOptions(size="tiny", batch_size=32, ema_momentum=0.8)
EPOCHS = 2


def search_in(working_dir: Path, train, dev, trials: int, **more: str) -> tune.RecipeTuner:
    """Searches as TFX's Tuner does, which gives each search a folder of its own."""
    fn_args = SimpleNamespace(
        train_files=list(train.files),
        eval_files=list(dev.files),
        working_dir=str(working_dir),
        custom_config={
            "recipe": RECIPE.model_dump(mode="json"),
            "spectrogram": SPECTROGRAM.model_dump(mode="json"),
            "tuner": TunerOptions(trials=trials, epochs=EPOCHS, space=SPACE).model_dump(mode="json"),
            **more,
        },
    )
    tuner, fit_kwargs = tune.tuner_fn(fn_args)
    tuner.search(**fit_kwargs)
    return tuner


def test_the_best_of_the_trials_is_a_recipe_the_trainer_takes(train, dev, tmp_path):
    tuner = search_in(tmp_path, train, dev, trials=3)
    trials = tuner.oracle.get_best_trials(3)
    assert [trial.score for trial in trials] == sorted(trial.score for trial in trials)
    assert len({trial.hyperparameters.values["learning_rate"] for trial in trials}) == 3
    best = tuner.get_best_hyperparameters()[0].get_config()  # what TFX's Tuner writes and its Trainer reads
    taken = RECIPE.replaced(best["values"])
    assert taken.learning_rate == trials[0].hyperparameters.values["learning_rate"]
    assert isinstance(taken.augment.mask_bins, int)


def test_a_search_that_was_killed_goes_on_where_it_was(train, dev, tmp_path, monkeypatch):
    epochs: list[int] = []  # trained, in the search that is running
    save = tune.Checkpoint.save

    def counting(self, model, state):
        save(self, model, state)
        epochs.append(len(state.history))

    def killed_in_the_second_trial(self, model, state):
        counting(self, model, state)
        if len(epochs) == EPOCHS + 1:
            raise KeyboardInterrupt

    checkpoints = tmp_path / "checkpoints"
    monkeypatch.setattr(tune.Checkpoint, "save", killed_in_the_second_trial)
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path / "first", train, dev, trials=2, checkpoint_dir=str(checkpoints))
    assert epochs == [1, 2, 1]

    epochs.clear()
    monkeypatch.setattr(tune.Checkpoint, "save", counting)
    resumed = search_in(tmp_path / "second", train, dev, trials=2, checkpoint_dir=str(checkpoints))
    assert epochs == [2], "the first trial is not trained again, the second goes on"
    assert list(checkpoints.iterdir()) == []
    assert len(resumed.oracle.get_best_trials(2)) == 2
