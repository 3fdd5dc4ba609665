"""The Tuner in the graph: there only if it is asked for, and then what it finds goes to the Trainer."""

import json

import pytest

from pipeline.config import Config
from pipeline.graph import create_pipeline


def steps(**tuner) -> dict:
    config = Config(tuner=tuner)
    return {component.id: component for component in create_pipeline(config, "root").components}


def test_no_tuner_unless_it_is_asked_for():
    without = steps()
    assert "Tuner" not in without
    assert "hyperparameters" not in without["Trainer"].inputs


def test_the_trainer_gets_what_the_tuner_found():
    with_tuner = steps(enabled=True)
    assert (
        with_tuner["Trainer"].inputs["hyperparameters"] is with_tuner["Tuner"].outputs["best_hyperparameters"]
    )


def test_the_search_is_laid_out_by_the_configuration():
    properties = steps(enabled=True, trials=3)["Tuner"].exec_properties
    config = json.loads(properties["custom_config"])
    assert config["tuner"]["trials"] == 3
    assert json.loads(properties["train_args"]) == {"splits": ["train"]}
    assert json.loads(properties["eval_args"]) == {"splits": ["dev"]}  # never valid: the gate judges on it


@pytest.mark.parametrize(
    "changed", [{"trials": 3}, {"epochs": 2}, {"space": {"dropout": {"low": 0, "high": 1}}}]
)
def test_another_search_is_not_answered_from_the_cache(changed):
    """TFX compares a step's properties."""
    one, other = (steps(enabled=True, **more)["Tuner"].exec_properties for more in ({}, changed))
    assert one["custom_config"] != other["custom_config"]
