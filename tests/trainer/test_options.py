"""The recipe's dotted names, and what the Tuner may search."""

import pytest
from pydantic import ValidationError

import nsynth
from trainer.heads import active_heads, loss_weights
from trainer.options import AugmentOptions, AuxiliaryOptions, RecipeOptions, SearchRange, TunerOptions


def test_values_replace_those_of_the_recipe_by_dotted_name():
    recipe = RecipeOptions().replaced({"learning_rate": 0.01, "augment.mixup": 0.7})
    assert (recipe.learning_rate, recipe.augment.mixup) == (0.01, 0.7)
    assert recipe.augment.gain == RecipeOptions().augment.gain


@pytest.mark.parametrize("name", ["lerning_rate", "augment.mixing", "epochs.mixup"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(nsynth.UserError, match=name):
        RecipeOptions().replaced({name: 1})


def test_a_value_out_of_bounds_is_refused():
    with pytest.raises(nsynth.UserError, match="dropout"):
        RecipeOptions().replaced({"dropout": 2.0})


def test_off_turns_every_augmentation_off():
    assert not any(AugmentOptions.off().model_dump().values())


def test_heads_of_weight_zero_are_not_active():
    recipe = RecipeOptions(auxiliary=AuxiliaryOptions(instrument=0.3, source=0, pitch=0.2))
    assert active_heads(recipe) == ("family", "instrument", "pitch")
    assert loss_weights(recipe) == {"family": 1.0, "instrument": 0.3, "pitch": 0.2}


@pytest.mark.parametrize(
    "space", [{"size": SearchRange(low=0, high=1)}, {"augment": SearchRange(low=0, high=1)}]
)
def test_only_numbers_can_be_searched(space):
    with pytest.raises(ValidationError, match="searches numbers"):
        TunerOptions(space=space)


@pytest.mark.parametrize("limits", [{"low": 1, "high": 1}, {"low": 0, "high": 1, "log": True}])
def test_a_range_that_holds_nothing_is_refused(limits):
    with pytest.raises(ValidationError, match="must lie below"):
        SearchRange(**limits)
