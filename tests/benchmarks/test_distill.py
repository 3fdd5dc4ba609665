"""The benchmark of distillation: its rows are what their names say."""

import numpy as np
import pytest

import nsynth
from benchmarks import distill
from benchmarks.study.notes import Notes, Set

pytestmark = pytest.mark.slow


def test_rows_compare_the_student_with_the_mean_and_the_ensemble_of_its_teachers(capsys):
    families = np.array([0, 1, 0, 1])
    one_hot = np.eye(2, dtype=np.float32)
    first, second, student = one_hot[[0, 1, 1, 1]], 0.9 * one_hot[[0, 0, 0, 0]], one_hot[[0, 1, 0, 0]]
    answers = np.stack([first, second, student])
    right = dict(distill.rows(answers, families))
    assert right[distill.TEACHERS_MEAN].mean() == pytest.approx((0.75 + 0.5) / 2)
    assert right[distill.ENSEMBLE].tolist() == [1, 1, 0, 1]
    assert right[distill.STUDENT].mean() == pytest.approx(0.75)
    labels = {nsynth.FAMILY: families, nsynth.INSTRUMENT_STR: np.array(["a", "a", "b", "b"])}
    notes = Notes(labels, *[np.zeros(4)] * 5)
    distill.show(answers, Set("test", notes, np.arange(4)))
    assert "12.5" in capsys.readouterr().out  # points that the student is ahead of the mean
