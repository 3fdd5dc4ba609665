"""What each variation does to notes, and that strength 0 leaves them as they are."""

import numpy as np
import pytest
import tensorflow as tf

from trainer import augment as ops
from trainer.heads import LABEL
from trainer.options import AugmentOptions

pytestmark = pytest.mark.slow

BATCH, FRAMES, MELS = 64, 50, 32
SEED = tf.constant([1, 2], tf.int64)
KEY = tf.constant([1, 2], tf.int32)


@pytest.fixture
def notes() -> tf.Tensor:
    return tf.random.stateless_normal([BATCH, FRAMES, MELS], [7, 7])


@pytest.fixture
def targets() -> dict[str, tf.Tensor]:
    return {LABEL: tf.one_hot(tf.range(BATCH) % 11, 11)}


def apply(notes, targets, seed=SEED, **strengths):
    options = AugmentOptions.off().model_copy(update=strengths)
    return ops.augment(notes, targets, options, seed)


def test_all_off_changes_nothing(notes, targets):
    varied, kept = apply(notes, targets)
    np.testing.assert_array_equal(varied, notes)
    np.testing.assert_array_equal(kept[LABEL], targets[LABEL])


@pytest.mark.parametrize("name", list(AugmentOptions.model_fields))
def test_each_one_alone_varies_notes_by_its_seed(name, notes, targets):
    strength = getattr(AugmentOptions(), name)
    first, again = (apply(notes, targets, **{name: strength})[0].numpy() for _ in range(2))
    other = apply(notes, targets, seed=SEED + 1, **{name: strength})[0].numpy()
    assert strength
    assert (first != notes.numpy()).any()
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.shape == notes.shape


def test_mixup_blends_a_note_with_its_neighbour_and_their_labels_alike(notes, targets):
    varied, mixed = ops.mixup(notes, targets, 1.0, KEY)
    own = mixed[LABEL].numpy()[np.arange(BATCH), np.arange(BATCH) % 11]
    assert own.min() >= 0.5
    assert own.min() < 0.6
    assert own.max() > 0.9
    np.testing.assert_allclose(mixed[LABEL].numpy().sum(axis=1), 1, atol=1e-6)
    # The first note's neighbour is the last of the batch: another family, so that its weight can be read.
    expected = own[0] * notes[0] + (1 - own[0]) * notes[-1]
    np.testing.assert_allclose(varied[0], expected, atol=1e-5)


def test_gain_moves_a_whole_note_by_one_amount(notes):
    curve = ops.timbre_curve(notes, gain=0.5, tilt=0, equalizer=0, seed=KEY).numpy()
    assert curve.shape == (BATCH, 1, MELS)
    np.testing.assert_allclose(np.ptp(curve, axis=2), 0, atol=1e-6)
    assert 0.35 < curve[:, 0, 0].std() < 0.65


def test_tilt_raises_one_end_of_the_spectrum_as_much_as_it_lowers_the_other(notes):
    curve = ops.timbre_curve(notes, gain=0, tilt=0.5, equalizer=0, seed=KEY).numpy()[:, 0]
    np.testing.assert_allclose(curve[:, 0], -curve[:, -1], atol=1e-6)
    np.testing.assert_allclose(np.diff(curve, n=2, axis=1), 0, atol=1e-6)
    assert 0.35 < curve[:, -1].std() < 0.65


def test_the_equalizer_is_smooth_and_neither_gain_nor_tilt(notes):
    curve = ops.timbre_curve(notes, gain=0, tilt=0, equalizer=0.5, seed=KEY).numpy()[:, 0]
    assert np.abs(np.diff(curve, axis=1)).max() < 0.35 * np.ptp(curve, axis=1).max()
    line = np.stack([np.ones(MELS), np.linspace(-1, 1, MELS)], axis=1)
    _, unexplained, *_ = np.linalg.lstsq(line, curve.T, rcond=None)
    assert np.median(unexplained / (curve**2).sum(axis=1)) > 0.2


def test_the_envelope_leaves_the_attack_and_bends_the_end(notes):
    slope = ops.envelope_slope(notes, 0.5, KEY).numpy()[:, :, 0]
    np.testing.assert_array_equal(slope[:, 0], 0)
    np.testing.assert_allclose(np.diff(slope, n=2, axis=1), 0, atol=1e-5)
    assert 0.35 < slope[:, -1].std() < 0.65


def test_a_stretch_plays_each_note_at_its_own_speed():
    ramp = np.arange(FRAMES, dtype=np.float32)[:, None]
    notes = tf.constant(np.broadcast_to(ramp, (BATCH, FRAMES, MELS)))
    played = ops.stretch(notes, np.log(2), KEY).numpy()
    np.testing.assert_array_equal(np.ptp(played, axis=2), 0)  # no bin moves in frequency
    np.testing.assert_array_equal(played[:, 0], 0)
    speed = played[:, FRAMES // 4, 0] / (FRAMES // 4)
    assert 0.5 <= speed.min() < 0.6
    assert 1.7 < speed.max() <= 2.1  # rounded to whole frames
    fast = played[speed.argmax(), :, 0]
    assert fast.max() == FRAMES - 1
    np.testing.assert_array_equal(fast[-10:], FRAMES - 1)  # the last frame is held


@pytest.mark.parametrize(("axis", "length", "limits"), [(1, FRAMES, (3, 0)), (2, MELS, (0, 2))])
def test_a_shift_moves_notes_by_up_to_its_limit_both_ways(axis, length, limits):
    ramp = np.arange(length, dtype=np.float32)
    notes = tf.constant(np.broadcast_to(ramp if axis == 2 else ramp[:, None], (BATCH, FRAMES, MELS)))
    moved = ops.shift(notes, *limits, KEY).numpy()
    middle = moved[:, FRAMES // 2, MELS // 2] - length // 2
    limit = max(limits)
    assert set(middle.astype(int)) == set(range(-limit, limit + 1))
    assert moved.min() == 0
    assert moved.max() == length - 1


@pytest.mark.parametrize(("axis", "longest"), [(1, 10), (2, 6)])
def test_a_mask_blanks_one_stretch_up_to_its_longest(axis, longest, notes):
    varied = ops.mask(notes, longest, axis, KEY).numpy()
    blank = (varied == 0).all(axis=3 - axis)
    widths = blank.sum(axis=1)
    assert 0 < widths.max() <= longest
    assert len(set(widths)) > longest // 2
    starts = (np.diff(blank.astype(int), axis=1, prepend=0) == 1).sum(axis=1)
    assert starts.max() == 1
    np.testing.assert_array_equal(varied[varied != 0], notes.numpy()[varied != 0])


def test_a_mask_longer_than_the_note_is_cut(notes):
    assert ops.mask(notes, 10 * FRAMES, 1, KEY).shape == notes.shape
