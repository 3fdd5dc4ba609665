"""One code path for a CPU, one GPU and several: strategy, precision, repeatability."""

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
    """Compute in half precision with float32 weights inside, where a GPU can do it; as before after."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy(len(tf.config.list_logical_devices("GPU"))))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def policy(gpus: int) -> str:
    """Keras's name of the arithmetic on so many GPUs.

    On several it is bfloat16, whose range needs no scaling of the loss: Keras 3.15 looks for an overflow in the first
    device's gradients only, before they are summed up, and one on another device would end in the weights.
    """
    return {0: "float32", 1: "mixed_float16"}.get(gpus, "mixed_bfloat16")


def make_repeatable(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow and have TensorFlow choose only ops that repeat bit for bit."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
