"""Which epoch's weights are kept: the last one that dev cannot tell from the best."""

import numpy as np
import pytest

from trainer.state import Epoch, State, surely_above


def after(*losses: list[float]) -> State:
    """The state after epochs with these losses of the instruments; the weights of each are its number."""
    state = State()
    for number, of_instruments in enumerate(losses, 1):
        row = Epoch(number, 1.0, 0.5, float(np.mean(of_instruments)), 0.5, 1e-3, 1.0, 1.0)
        state.add(row, np.array(of_instruments), [np.array(number)])
    return state


@pytest.mark.parametrize(
    ("losses", "kept", "why"),
    [
        ([[2.0, 2.0, 2.0], [1.0, 1.0, 1.0]], 2, "the lowest comes last"),
        ([[1.0, 1.0, 1.0], [2.0, 2.1, 1.9]], 1, "all instruments are worse"),
        ([[1.0, 1.0, 1.0], [3.0, 0.5, 0.9]], 2, "one instrument makes the mean, two say the contrary"),
        ([[1.0, 1.0, 1.0], [3.0, 0.5, 0.9], [2.0, 2.1, 1.9]], 2, "what is worse does not undo what is not"),
        ([[1.0, 1.0, 1.0], [3.0, 0.5, 0.9], [0.9, 0.9, 0.9]], 3, "a lower one is always kept"),
        ([[1.0], [1.001]], 1, "one instrument cannot say how instruments differ"),
    ],
)
def test_the_last_epoch_that_dev_cannot_tell_from_the_best_is_kept(losses, kept, why):
    state = after(*losses)
    assert state.kept_epoch == kept, why
    assert state.kept_weights == [kept]


def test_it_is_the_lowest_that_epochs_are_compared_with_not_the_kept():
    slowly_worse = [[1.0 + drift + noise for noise in (0.3, -0.3, 0.0)] for drift in (0.0, 0.1, 0.2, 0.3)]
    alike = [[1.0, 1.0, 1.0]]
    assert after(*alike, *slowly_worse).kept_epoch == 3


def test_more_instruments_tell_smaller_differences():
    random = np.random.default_rng(0)
    for instruments, told in ((4, False), (400, True)):
        losses = np.ones(instruments)
        worse = losses + 0.2 + random.choice([-1.0, 1.0], instruments)
        worse += 1.2 - worse.mean()  # the mean alike, whatever was drawn
        assert surely_above(worse, losses) is told
