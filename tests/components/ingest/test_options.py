"""Options that make no sense are refused by name."""

import pydantic
import pytest

from components.ingest.options import IngestOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_quarantine_fraction", 1.5),
        ("shard_megabytes", 0),
        ("min_shards", 0),
        ("dev_fraction", -0.1),
        ("seed", -1),
        ("sed", 1),
    ],
)
def test_a_bad_value_is_refused(name: str, value: float) -> None:
    with pytest.raises(pydantic.ValidationError, match=name):
        IngestOptions(**{name: value})


def test_something_must_be_left_to_train_on() -> None:
    with pytest.raises(pydantic.ValidationError, match="nothing is left to train on"):
        IngestOptions(dev_fraction=0.5, valid_fraction=0.3, test_fraction=0.2)


def test_options_travel_as_json() -> None:
    options = IngestOptions(seed=3, min_shards=2)
    assert IngestOptions.model_validate_json(options.model_dump_json()) == options
