"""The steps of a round are told which spans are new, and where the bars are that refuse one."""

import pytest

from pipeline.data_steps import Spans, prepare_spans


@pytest.fixture
def steps(config):
    """Steps by name, for a window of which the last two spans are judged and one is new."""
    return {step.id: step for step in prepare_spans(config, Spans((1, 2, 3), judge=(2, 3), new=(2,))).steps}


def test_each_refusal_names_the_bars_of_the_step_that_judged(steps):
    bars = {name: step.exec_properties["bars"] for name, step in steps.items() if "Stop-" in name}
    assert bars == {
        "DataStop-000002": "data_gate",
        "DataStop-000003": "data_gate",
        "DriftStop-000002": "retrain.drift.min_agreement",
        "DriftStop-000003": "retrain.drift.min_agreement",
    }


def test_apart_knows_which_spans_give_way(steps):
    assert steps["Apart"].exec_properties["new"] == "[2]"
