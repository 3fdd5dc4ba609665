"""The score of novelty on pooled features whose distribution is known."""

import keras
import numpy as np
import pytest

from trainer.novelty import FALSE_ALARMS, Novelty, of_embeddings

pytestmark = pytest.mark.slow

FEATURES = 40


def drawn(notes: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Features that vary much along three directions and little along the others."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(FEATURES, FEATURES)))[0]
    deviations = np.r_[5, 3, 2, np.full(FEATURES - 3, 0.1)]
    return ((rng.normal(size=(notes, FEATURES)) * deviations + shift) @ axes.T + 7).astype(np.float32)


def scores(novelty: Novelty, features: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(novelty.score(features))


@pytest.fixture(scope="module")
def novelty() -> Novelty:
    return of_embeddings(drawn(2000, 1), drawn(400, 2))


def test_so_many_held_out_notes_are_above_one(novelty):
    assert (scores(novelty, drawn(400, 2)) > 1).mean() == pytest.approx(FALSE_ALARMS, abs=0.003)
    assert (scores(novelty, drawn(4000, 3)) > 1).mean() == pytest.approx(FALSE_ALARMS, abs=0.02)
    assert novelty.dev_notes == 400


def test_the_score_is_the_distance_in_deviations(novelty):
    """A step along a direction counts by how much the train notes vary along it."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(FEATURES, FEATURES)))[0]
    along, across = (scores(novelty, (7 + 2 * axes[:, [i]].T).astype(np.float32))[0] for i in (0, 10))
    assert along < 0.1
    assert across > 5


def test_what_lies_off_the_train_notes_is_above_one(novelty):
    assert (scores(novelty, drawn(100, 4, shift=1.0)) > 1).all()


def test_few_notes_are_enough_for_a_score():
    few = of_embeddings(drawn(3, 1), drawn(2, 2))
    assert np.isfinite(scores(few, drawn(10, 3))).all()


def test_notes_that_are_all_alike_still_give_a_number():
    same = np.ones((20, FEATURES), np.float32)
    alike = of_embeddings(same, same)
    assert np.isfinite(scores(alike, drawn(10, 3))).all()
