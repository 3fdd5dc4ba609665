"""The steps of a round: what waits for what, and which spans may be refused."""

import pytest

from pipeline.data_steps import Spans, prepare_spans

pytestmark = pytest.mark.slow


@pytest.fixture
def steps(config):
    """Steps by name, for a window of which the last two spans are judged and one is new."""
    return {step.id: step for step in prepare_spans(config, Spans((1, 2, 3), judge=(2, 3), new=(2,))).steps}


def test_nothing_is_prepared_before_every_judged_span_is_accepted(steps):
    before = {step.id for step in steps["Transform"].upstream_nodes}
    assert {"Drift-000002", "Drift-000003", "Apart"} <= before
    for span in ("000002", "000003"):
        assert steps[f"DataGate-{span}"] in steps[f"Drift-{span}"].upstream_nodes


def test_apart_knows_which_spans_give_way(steps):
    assert steps["Apart"].exec_properties["new"] == "[2]"
