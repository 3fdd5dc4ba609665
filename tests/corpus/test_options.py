import pytest
from pydantic import ValidationError

from corpus.options import CorpusOptions


def test_names_stand_for_notes_per_instrument():
    assert CorpusOptions().notes_per_instrument == 25
    assert CorpusOptions(size="large").notes_per_instrument == 150
    assert CorpusOptions(size=7).notes_per_instrument == 7


def test_only_tiny_limits_the_instruments():
    assert CorpusOptions(size="tiny").instruments_per_family == 5
    assert CorpusOptions(size="medium").instruments_per_family is None


@pytest.mark.parametrize(
    "wrong",
    [{"size": "huge"}, {"size": 0}, {"velocities_per_pitch": 6}, {"soundfonts": ()}, {"sise": "small"}],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        CorpusOptions.model_validate(wrong)
