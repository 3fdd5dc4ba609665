"""Strategy, precision and reproducibility, for a CPU, one GPU and several GPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf


def strategy() -> tf.distribute.Strategy:
    """Return a strategy over all GPUs, or several logical CPU devices (a test's stand-in); else the default one."""
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@contextmanager
def precision() -> Iterator[None]:
    """Compute in half precision with float32 weights in the block, if there is a GPU; restore the policy afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy(len(tf.config.list_logical_devices("GPU"))))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def policy(gpus: int) -> str:
    """Return Keras's name of the precision policy for a number of GPUs.

    On several GPUs it is bfloat16, whose range needs no loss scaling: Keras 3.15 checks only the first device's
    gradients for an overflow, before they are summed, so an overflow on another device would reach the weights.
    """
    return {0: "float32", 1: "mixed_float16"}.get(gpus, "mixed_bfloat16")


def make_repeatable(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and let TensorFlow use only deterministic ops."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
