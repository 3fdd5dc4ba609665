"""Augmentation of training notes, as TensorFlow ops on batches of normalized log-mel spectrograms.

Each function is pure: the same notes and seed give the same result. On a log spectrogram, gain and filters are curves
that are added. Mixup: Zhang et al. 2018, https://arxiv.org/abs/1710.09412. Masks: SpecAugment, Park et al. 2019,
https://arxiv.org/abs/1904.08779.
"""

import math

import tensorflow as tf

from trainer.options import AugmentOptions

_CURVES = 3  # cosines of 1.5 to 3 half-waves over the mel axis that make up an equalizer curve


def augment(
    log_mel: tf.Tensor, targets: dict[str, tf.Tensor], options: AugmentOptions, seed: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Apply every augmentation whose strength is not 0.

    Args:
      log_mel: float32 [batch, frames, n_mels].
      targets: float32 [batch, classes] by head.
      options: strengths.
      seed: int64 [2].

    Returns:
      notes and targets of the same shapes.
    """
    seeds = tf.unstack(tf.random.split(tf.cast(seed, tf.int32), 7))
    if options.stretch:
        log_mel = stretch(log_mel, options.stretch, seeds[6])
    if options.shift_bins or options.shift_frames:
        log_mel = shift(log_mel, options.shift_frames, options.shift_bins, seeds[0])
    if options.gain or options.tilt or options.equalizer:
        log_mel += timbre_curve(log_mel, options.gain, options.tilt, options.equalizer, seeds[1])
    if options.envelope:
        log_mel += envelope_slope(log_mel, options.envelope, seeds[2])
    if options.mask_frames:
        log_mel = mask(log_mel, options.mask_frames, 1, seeds[3])
    if options.mask_bins:
        log_mel = mask(log_mel, options.mask_bins, 2, seeds[4])
    if options.mixup:
        log_mel, targets = mixup(log_mel, targets, options.mixup, seeds[5])
    return log_mel, targets


def mixup(
    log_mel: tf.Tensor, targets: dict[str, tf.Tensor], alpha: float, seed: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Mix each note with the next one of the batch, and their targets, with a weight from Beta(alpha, alpha)."""
    batch = tf.shape(log_mel)[0]
    gamma = tf.random.stateless_gamma([2, batch], seed, alpha=alpha)
    kept = tf.math.divide_no_nan(gamma[0], gamma[0] + gamma[1])
    kept = tf.maximum(kept, 1 - kept)  # the note itself gets the larger weight

    def blend(x: tf.Tensor) -> tf.Tensor:
        weight = tf.reshape(kept, [-1] + [1] * (x.shape.rank - 1))
        return weight * x + (1 - weight) * tf.roll(x, 1, axis=0)

    return blend(log_mel), {head: blend(target) for head, target in targets.items()}


def timbre_curve(
    log_mel: tf.Tensor, gain: float, tilt: float, equalizer: float, seed: tf.Tensor
) -> tf.Tensor:
    """Draw a random filter for each note, constant over time: float32 [batch, 1, n_mels] to be added.

    The curve is offset + slope + slow cosines, each with a normally distributed amplitude of the given deviation.
    """
    n_mels = log_mel.shape[-1]
    place = tf.linspace(0.0, 1.0, n_mels)
    waves = [tf.cos(math.pi * (k / 2 + 1) * place) for k in range(1, _CURVES + 1)]
    basis = tf.stack([gain * tf.ones(n_mels), tilt * (2 * place - 1), *[equalizer * wave for wave in waves]])
    amplitude = tf.random.stateless_normal([tf.shape(log_mel)[0], 2 + _CURVES], seed)
    return tf.matmul(amplitude, basis)[:, tf.newaxis, :]


def envelope_slope(log_mel: tf.Tensor, deviation: float, seed: tf.Tensor) -> tf.Tensor:
    """Draw a random slope over time for each note, 0 at its start: float32 [batch, frames, 1] to be added."""
    amplitude = tf.random.stateless_normal([tf.shape(log_mel)[0], 1, 1], seed, stddev=deviation)
    return amplitude * tf.linspace(0.0, 1.0, tf.shape(log_mel)[1])[tf.newaxis, :, tf.newaxis]


def stretch(log_mel: tf.Tensor, largest: float, seed: tf.Tensor) -> tf.Tensor:
    """Play each note faster or slower by a random factor from exp(-largest) to exp(largest), with the same pitch.

    All notes of NSynth are held for 3 s, other sounds for longer or shorter. If a note becomes shorter, its last frame
    is repeated; if it becomes longer, its end is cut off.
    """
    batch, length = tf.shape(log_mel)[0], tf.shape(log_mel)[1]
    rate = tf.exp(tf.random.stateless_uniform([batch, 1], seed, -largest, largest))
    places = tf.cast(tf.round(tf.cast(tf.range(length)[tf.newaxis], tf.float32) * rate), tf.int32)
    places = tf.minimum(places, length - 1)
    return tf.ensure_shape(tf.gather(log_mel, places, axis=1, batch_dims=1), log_mel.shape)


def shift(log_mel: tf.Tensor, frames: int, bins: int, seed: tf.Tensor) -> tf.Tensor:
    """Shift notes by up to `frames` in time and `bins` in frequency; the gap is filled with the edge."""
    seeds = tf.random.split(seed, 2)
    time = _shift_frames(log_mel, frames, seeds[0]) if frames else log_mel
    return _shift_bins(time, bins, seeds[1]) if bins else time


def _shift_frames(log_mel: tf.Tensor, largest: int, seed: tf.Tensor) -> tf.Tensor:
    """Shift each note in time by a random number of frames, -largest to largest."""
    batch, length = tf.shape(log_mel)[0], tf.shape(log_mel)[1]
    by = tf.random.stateless_uniform([batch, 1], seed, -largest, largest + 1, tf.int32)
    places = tf.clip_by_value(tf.range(length)[tf.newaxis] - by, 0, length - 1)
    return tf.ensure_shape(tf.gather(log_mel, places, axis=1, batch_dims=1), log_mel.shape)


def _shift_bins(log_mel: tf.Tensor, largest: int, seed: tf.Tensor) -> tf.Tensor:
    """Shift notes in frequency: equal parts of the batch by -largest to largest bins, starting at a random note.

    A separate shift for each note would gather single numbers, as expensive as all other augmentations together.
    """
    batch, shifts = tf.shape(log_mel)[0], 2 * largest + 1
    low, high = (tf.repeat(edge, largest, axis=2) for edge in (log_mel[..., :1], log_mel[..., -1:]))
    padded = tf.concat([low, log_mel, high], axis=2)
    turn = tf.random.stateless_uniform([], seed, 0, shifts, tf.int32)
    parts = []
    for number in range(shifts):
        start = (number + turn) % shifts
        part = padded[batch * number // shifts : batch * (number + 1) // shifts]
        parts.append(part[:, :, start : start + log_mel.shape[2]])
    return tf.ensure_shape(tf.concat(parts, axis=0), log_mel.shape)


def mask(log_mel: tf.Tensor, longest: int, axis: int, seed: tf.Tensor) -> tf.Tensor:
    """Set one random range of each note along `axis` to 0, the mean of the normalized bins."""
    batch, length = tf.shape(log_mel)[0], tf.shape(log_mel)[axis]
    seeds = tf.random.split(seed, 2)
    width = tf.random.stateless_uniform([batch, 1], seeds[0], 0, tf.minimum(longest, length) + 1, tf.int32)
    reach = tf.cast(length - width + 1, tf.float32)
    start = tf.cast(tf.random.stateless_uniform([batch, 1], seeds[1]) * reach, tf.int32)
    place = tf.range(length)[tf.newaxis]
    blank = (place >= start) & (place < start + width)
    return tf.where(tf.expand_dims(blank, 3 - axis), 0.0, log_mel)
