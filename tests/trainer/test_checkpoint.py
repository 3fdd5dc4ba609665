"""A checkpoint is found by what decides the result, holds everything, and is never half there."""

import keras
import numpy as np
import pytest

from trainer.checkpoint import Checkpoint
from trainer.state import Epoch, State

pytestmark = pytest.mark.slow


def model() -> keras.Model:
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])
    net.compile(keras.optimizers.AdamW(use_ema=True), "mse")
    net.optimizer.build(net.trainable_variables)
    return net


def values(net: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(v) for v in (*net.variables, *net.optimizer.variables)]


@pytest.fixture
def state() -> State:
    row = Epoch(1, 2.0, 0.1, 1.9, 0.2, 1e-3, 4.0, 100.0)
    return State([row], kept_epoch=1, kept_weights=[np.ones((3, 2)), np.zeros(2)], lowest=[1.5, 2.3])


def test_all_variables_and_the_history_come_back(tmp_path, state):
    checkpoint = Checkpoint(tmp_path, recipe={"a": 1})
    first, second = model(), model()
    first.train_on_batch(
        np.ones((4, 3)), np.ones((4, 2))
    )  # moves weights, slots, the step and the random state
    checkpoint.save(first, state)
    restored = checkpoint.restore(second)
    for a, b in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert restored.history == state.history
    np.testing.assert_array_equal(restored.kept_weights[0], state.kept_weights[0])
    assert restored.lowest == state.lowest


def test_another_identity_finds_nothing(tmp_path, state):
    Checkpoint(tmp_path, recipe={"a": 1}).save(model(), state)
    assert Checkpoint(tmp_path, recipe={"a": 2}).restore(model()) == State()


def test_a_state_of_another_kind_of_device_starts_anew_and_says_so(tmp_path, state, caplog):
    """Half precision keeps the loss's scale among the optimizer's variables."""
    checkpoint = Checkpoint(tmp_path, recipe=1)
    checkpoint.save(model(), state)
    scaled = model()
    scaled.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.AdamW(use_ema=True)), "mse")
    scaled.optimizer.build(scaled.trainable_variables)
    assert checkpoint.restore(scaled) == State()
    assert "starts anew" in caplog.text


def test_an_unreadable_checkpoint_starts_anew_and_says_so(tmp_path, state, caplog):
    checkpoint = Checkpoint(tmp_path, recipe=1)
    checkpoint.save(model(), state)
    whole = (checkpoint.folder / "state.npz").read_bytes()
    (checkpoint.folder / "state.npz").write_bytes(whole[: len(whole) // 2])
    assert checkpoint.restore(model()) == State()
    assert "starts anew" in caplog.text


def test_a_save_that_fails_leaves_the_earlier_state(tmp_path, state, monkeypatch):
    checkpoint = Checkpoint(tmp_path, recipe=1)
    checkpoint.save(model(), state)

    def disk_full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", disk_full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(model(), State())
    monkeypatch.undo()
    assert checkpoint.restore(model()).history == state.history


def test_clear_removes_it(tmp_path, state):
    checkpoint = Checkpoint(tmp_path, recipe=1)
    checkpoint.save(model(), state)
    checkpoint.clear()
    assert not checkpoint.folder.exists()
