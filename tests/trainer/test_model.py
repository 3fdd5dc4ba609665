"""The network: any length, its heads, its cost."""

import keras
import numpy as np
import pytest

from trainer import model
from trainer.heads import LABEL
from trainer.options import AuxiliaryOptions, RecipeOptions

pytestmark = pytest.mark.slow

TINY = RecipeOptions(size="tiny")


def test_patches_hold_neighbours_in_time_and_frequency_as_channels():
    note = np.arange(4 * 6, dtype=np.float32).reshape(1, 4, 6)
    folded = keras.ops.convert_to_numpy(model.Patches((2, 3))(note))
    assert folded.shape == (1, 2, 2, 6)
    np.testing.assert_array_equal(folded[0, 0, 0], [0, 1, 2, 6, 7, 8])
    np.testing.assert_array_equal(folded[0, 1, 1], [15, 16, 17, 21, 22, 23])


def test_patches_pad_the_end_with_zeros():
    folded = keras.ops.convert_to_numpy(model.Patches((4, 4))(np.ones((1, 5, 6), np.float32)))
    assert folded.shape == (1, 2, 2, 16)
    assert folded.sum() == 5 * 6


def test_notes_of_any_length_are_answered():
    network = model.build(TINY, n_mels=44)
    for frames in (7, 32, 250):
        probabilities = network.predict(np.zeros((2, frames, 44), np.float32), verbose=0)
        assert probabilities.shape == (2, 11)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_pooling_over_time_keeps_low_and_high_apart():
    # 44 mel bins: 11 patches, 6 after the stem, 3 and 2 after the two stages of at last 32 channels.
    embedding = model.build(TINY, n_mels=44).get_layer("embedding").output
    assert embedding.shape == (None, 2 * 2 * 32)


def test_auxiliary_heads_share_the_layers_and_can_be_left_out():
    network = model.build(TINY, n_mels=44)
    training = model.with_auxiliary_heads(network, TINY, groups=5)
    assert {head: out.shape[-1] for head, out in training.output.items()} == {
        LABEL: 11, "instrument": 5, "source": 3, "pitch": 128,
    }  # fmt: skip
    assert {id(v) for v in network.trainable_variables} < {id(v) for v in training.trainable_variables}
    none = TINY.model_copy(update={"auxiliary": AuxiliaryOptions(instrument=0, source=0, pitch=0)})
    assert set(model.with_auxiliary_heads(network, none, groups=5).output) == {LABEL}


@pytest.mark.parametrize(
    ("size", "parameters", "macs"),
    [("tiny", (1e4, 5e4), (1e5, 2e6)), ("small", (2e5, 5e5), (5e6, 3e7)), ("base", (4e6, 6e6), (2e8, 3e9))],
)
def test_sizes_cost_what_they_promise(size, parameters, macs):
    recipe = RecipeOptions(size=size)
    assert parameters[0] < model.build(recipe, 128).count_params() < parameters[1]
    assert macs[0] < model.multiply_accumulates(recipe, 128, 250) < macs[1]


def test_multiply_accumulates_are_those_of_a_hand_count():
    # tiny on 16 frames x 8 mels: patches 2x2x32, stem 1x1; every stage then works on one place.
    stem = 3 * 3 * 32 * 8
    first = 9 * 8 * 16 + 9 * 16 * 16 + 8 * 16
    second = 9 * 16 * 32 + 9 * 32 * 32 + 16 * 32
    assert model.multiply_accumulates(TINY, n_mels=8, frames=16) == stem + first + second + 64 * 11
