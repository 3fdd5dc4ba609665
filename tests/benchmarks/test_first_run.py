"""The benchmark of a first run's seeds: figures like the gate's, and the newest artifacts."""

import numpy as np
import pytest

import nsynth
from benchmarks import first_run
from pipeline.config import Config


def answers(right: int, instruments: int = 20, each: int = 5) -> first_run.Answers:
    """Of each instrument's notes the first ones are answered correctly."""
    labels = np.repeat(np.arange(instruments) % len(nsynth.CLASSES), each)
    answered = (labels + (np.arange(len(labels)) % each >= right)) % len(nsynth.CLASSES)
    names = np.repeat([f"i{n}" for n in range(instruments)], each)
    return first_run.Answers(
        np.eye(len(nsynth.CLASSES), dtype=np.float32)[answered], np.zeros(len(labels)), labels, names
    )


def test_the_table_has_a_row_a_seed_and_the_lowest_bound(capsys):
    settings = Config()
    told = first_run.figures(answers(3), settings)
    assert told["accuracy"].value == pytest.approx(0.6)
    assert told["macro_recall"].value == pytest.approx(0.6)
    first_run.show("valid", [answers(2), answers(4)], settings)
    out = capsys.readouterr().out
    assert "40.0 [40.0, 40.0]" in out
    assert "60.0 ± 20.0" in out
    assert f"{100 * settings.gate.min_accuracy:.1f}" in out


def test_the_newest_artifact_is_the_one_with_the_highest_number(tmp_path):
    settings = Config(workspace=tmp_path)
    with pytest.raises(nsynth.UserError, match="make run"):
        first_run.newest(settings, "Transform/transform_graph")
    for number in ("9", "10", ".draft"):
        (settings.artifacts / "Transform" / "transform_graph" / number).mkdir(parents=True)
    assert first_run.newest(settings, "Transform/transform_graph").name == "10"
