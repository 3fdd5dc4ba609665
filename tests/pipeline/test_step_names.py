"""What a step's name tells."""

import pytest

from pipeline.step_names import kind_of, of_span, span_of, without_span


@pytest.mark.parametrize(
    ("name", "kind", "span"),
    [
        ("ExampleGen-000007", "ExampleGen", 7),
        ("DataGate-000000", "DataGate", 0),
        ("ExampleGen", "ExampleGen", None),
        ("HeldOut", "ExampleGen", None),
        ("GateNewest", "Gate", None),
        ("PredictorNewest", "Predictor", None),
        ("WarmStart", "Champion", None),
        ("", "", None),
    ],
)
def test_kind_and_span(name, kind, span):
    assert (kind_of(name), span_of(name)) == (kind, span)


def test_a_name_is_read_as_it_is_made():
    name = of_span("Drift", 12)
    assert (without_span(name), span_of(name)) == ("Drift", 12)
