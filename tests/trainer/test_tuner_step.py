"""The Tuner in the graph: there only if it is asked for, and then what it finds goes to the Trainer."""

import json
import shutil
from pathlib import Path

import pytest
from tfx.components.tuner.executor import Executor
from tfx.types import standard_artifacts

from pipeline.config import Config
from pipeline.graph import create_pipeline
from tests.trainer.conftest import SPECTROGRAM
from trainer.options import RecipeOptions, TunerOptions

pytestmark = pytest.mark.slow


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


def test_what_tfx_s_tuner_writes_is_what_the_trainer_reads(train, dev, tmp_path):
    for split, notes in (("train", train), ("dev", dev)):
        shutil.copytree(Path(notes.files[0]).parent, tmp_path / "examples" / f"Split-{split}")
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(tmp_path / "examples"), '["dev", "train"]'
    best, results = standard_artifacts.HyperParameters(), standard_artifacts.TunerResults()
    best.uri, results.uri = str(tmp_path / "best"), str(tmp_path / "results")
    recipe = RecipeOptions(size="tiny", batch_size=32)
    config = {
        "recipe": recipe.model_dump(mode="json"),
        "spectrogram": SPECTROGRAM.model_dump(mode="json"),
        "tuner": TunerOptions(trials=1, epochs=1).model_dump(mode="json"),
    }
    context = Executor.Context(tmp_dir=str(tmp_path / "tmp"), unique_id="1")
    Executor(context).Do(
        {"examples": [examples]},
        {"best_hyperparameters": [best], "tuner_results": [results]},
        {
            "tuner_fn": "trainer.tune.tuner_fn",
            "train_args": '{"splits": ["train"]}',
            "eval_args": '{"splits": ["dev"]}',
            "custom_config": json.dumps(config),
        },
    )
    values = json.loads((tmp_path / "best" / "best_hyperparameters.txt").read_text())["values"]
    assert set(values) == set(TunerOptions().space)
    assert recipe.replaced(values).learning_rate == values["learning_rate"]
