"""Accuracy by the origin of the sounds."""

import numpy as np
import pytest

from components.predictions import Predictions
from pipeline.report.lineages import by_lineage

HEADER = "split,instrument,instrument_str,font\n"
ROWS = "valid,0,bass_acoustic_000,FluidR3Mono\nvalid,1,bass_acoustic_001,FluidR3_GM\nvalid,2,bass_acoustic_002,mine\n"


@pytest.fixture
def predictions() -> Predictions:
    """Four notes of three instruments; the third instrument's are right."""
    instruments = np.array([f"bass_acoustic_00{number}" for number in (0, 1, 2, 2)])
    answers = np.eye(11, dtype=np.float32)[[1, 2, 0, 0]]
    return Predictions(instruments, instruments, np.zeros(4, int), {}, answers, answers[:0])


def test_fonts_of_one_lineage_count_as_one(predictions, tmp_path):
    (tmp_path / "corpus.csv").write_text(HEADER + ROWS)
    first, second = by_lineage(predictions, tmp_path, confidence=0.95)
    assert (first.lineage, first.notes, first.instruments, first.accuracy.value) == ("FluidR3", 2, 2, 0.0)
    assert (second.lineage, second.notes, second.instruments, second.accuracy.value) == ("mine", 2, 1, 1.0)
    assert first.accuracy.high > 0.5, "two instruments without a hit prove little"


def test_other_data_has_no_lineages(predictions, tmp_path):
    assert by_lineage(predictions, tmp_path, confidence=0.95) == []
