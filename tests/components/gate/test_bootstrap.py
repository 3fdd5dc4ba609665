"""Intervals that do not lie: they hold the truth as often as they say, also where notes depend on each other."""

import numpy as np
import pytest
from scipy import stats

from components.gate.bootstrap import Resampling

NOTES_EACH = 20


def simulate(rng: np.random.Generator, instruments: int) -> tuple[np.ndarray, np.ndarray]:
    """Notes of instruments that differ: some are nearly always right, some seldom. The true share is 0.7."""
    skill = rng.beta(1.4, 0.6, instruments)
    names = np.repeat(np.arange(instruments), NOTES_EACH)
    return names, rng.uniform(size=names.size) < skill[names]


def coverage(instruments: int, trials: int = 300) -> tuple[float, float]:
    """How often the interval by instrument, and the usual one that thinks notes independent, hold 0.7."""
    rng, ours, naive = np.random.default_rng(1), 0, 0
    for trial in range(trials):
        names, right = simulate(rng, instruments)
        interval = Resampling.of(names, 400, 0.95, seed=trial).share(right)
        ours += interval.low <= 0.7 <= interval.high
        half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / right.size)
        naive += abs(right.mean() - 0.7) <= half
    return ours / trials, naive / trials


@pytest.mark.parametrize(("instruments", "at_least"), [(8, 0.88), (30, 0.92)])
def test_intervals_hold_the_truth_as_often_as_they_say(instruments, at_least):
    ours, naive = coverage(instruments)
    assert at_least <= ours <= 0.99
    assert naive < 0.75, "were notes independent in this simulation, it would prove nothing"


def test_with_one_note_an_instrument_it_is_the_usual_interval():
    right = np.random.default_rng(0).uniform(size=400) < 0.7
    interval = Resampling.of(np.arange(400), 4000, 0.95, seed=0).share(right)
    half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 400)
    assert interval.low == pytest.approx(right.mean() - half, abs=0.008)
    assert interval.high == pytest.approx(right.mean() + half, abs=0.008)


def test_no_mistake_is_not_certainty():
    resampling = Resampling.of(np.repeat(np.arange(5), 10), 200, 0.95, seed=0)
    exact = stats.binomtest(5, 5).proportion_ci(0.95, "exact")
    assert resampling.share(np.ones(50, bool)).low == pytest.approx(exact.low)
    assert resampling.share(np.zeros(50, bool)).high == pytest.approx(1 - exact.low)


def test_paired_differences_are_sharper_than_two_intervals():
    """Where two models fail on the same instruments, their difference is well known although neither is."""
    rng = np.random.default_rng(0)
    names, before = simulate(rng, 30)
    after = before | (rng.uniform(size=before.size) < 0.3)
    resampling = Resampling.of(names, 1000, 0.95, seed=0)
    low, high = resampling.one_sided(after.astype(float) - before)
    assert resampling.share(after).low < resampling.share(before).high, "the intervals overlap"
    assert 0 < low < (after.mean() - before.mean()) < high


def test_the_seed_decides():
    names, right = simulate(np.random.default_rng(0), 12)
    first, again, other = (Resampling.of(names, 300, 0.95, seed).share(right) for seed in (1, 1, 2))
    assert first == again != other


def test_one_instrument_alone_gives_a_value_and_an_interval_that_says_nothing():
    share = Resampling.of(np.zeros(10), 200, 0.95, seed=0).share(np.ones(10, bool))
    assert share.value == 1.0
    assert share.low < 0.05
