"""Figures against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from components.gate import figures
from components.gate.bootstrap import Resampling

CLASSES = figures.CLASSES


@pytest.fixture
def answered() -> tuple[np.ndarray, np.ndarray, Resampling]:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, CLASSES - 1, 400)  # of the last family there are no notes
    logits = rng.normal(size=(400, CLASSES)) + 1.5 * np.eye(CLASSES)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probabilities, labels, Resampling.of(np.arange(400) // 10, 300, 0.95, seed=0)


def test_overall(answered):
    probabilities, labels, resampling = answered
    answers = probabilities.argmax(1)
    overall = figures.overall(probabilities, labels, resampling)
    expected = {
        "accuracy": metrics.accuracy_score(labels, answers),
        "macro_recall": metrics.recall_score(labels, answers, labels=np.unique(labels), average="macro"),
        "top_3_accuracy": metrics.top_k_accuracy_score(labels, probabilities, k=3, labels=np.arange(CLASSES)),
        "log_loss": metrics.log_loss(labels, probabilities, labels=np.arange(CLASSES)),
    }
    for name, value in expected.items():
        assert overall[name].value == pytest.approx(value), name
        assert overall[name].low < value < overall[name].high, name


def test_families_and_confusion(answered):
    probabilities, labels, _ = answered
    answers = probabilities.argmax(1)
    counts = figures.confusion(answers, labels)
    assert np.array_equal(counts, metrics.confusion_matrix(labels, answers, labels=np.arange(CLASSES)))
    precision, recall, f1, notes = metrics.precision_recall_fscore_support(
        labels, answers, labels=np.arange(CLASSES), zero_division=0
    )
    for index, row in enumerate(figures.by_family(counts)[:-1]):
        assert row.precision == pytest.approx(precision[index])
        assert row.recall == pytest.approx(recall[index])
        assert row.f1 == pytest.approx(f1[index])
        assert row.notes == notes[index]
    assert figures.by_family(counts)[-1].recall is None


def test_calibration_error_of_a_model_that_says_what_it_knows_is_small():
    rng = np.random.default_rng(0)
    stated = rng.uniform(0.3, 1.0, 20_000)
    probabilities = np.zeros((20_000, CLASSES))
    probabilities[:, 0], probabilities[:, 1] = stated, 1 - stated
    top = probabilities.max(1)
    labels = np.where(rng.uniform(size=top.size) < top, probabilities.argmax(1), 5)
    calibrated = figures.calibration(probabilities, labels, bins=10)
    assert calibrated.error < 0.015
    assert sum(row.notes for row in calibrated.bins) == 20_000
    sure = np.eye(CLASSES)[probabilities.argmax(1)]
    boaster = figures.calibration(sure, labels, bins=10)
    assert boaster.error == pytest.approx(1 - np.mean(sure.argmax(1) == labels))
