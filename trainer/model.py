"""The network: a compact residual CNN on log-mel spectrograms, with auxiliary heads for training.

The channels of the stem are patches of the spectrogram (a strided convolution with one input channel would leave a CPU
idle). Pre-activation residual stages follow (He et al. 2016, https://arxiv.org/abs/1603.05027), then mean and maximum
over time, so that notes may have any length.
"""

import math
from typing import NamedTuple

import keras
from keras import layers

import nsynth
from trainer.heads import CLASSES, GROUP, LABEL, active_heads
from trainer.options import RecipeOptions

_EMBEDDING = "embedding"

_BATCHNORM_MOMENTUM = 0.95  # trainings are short: the default of 0.99 adapts too slowly


class Size(NamedTuple):
    """Architecture of a model size.

    Attributes:
      patch: frames and mel bins of the stem's patches.
      stem: channels of the stem, which halves the patch grid in both directions.
      widths: channels of each stage; each stage halves the grid again.
      blocks: residual blocks of each stage.
    """

    patch: tuple[int, int]
    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]


SIZES = {
    "tiny": Size(patch=(8, 4), stem=8, widths=(16, 32), blocks=(1, 1)),
    "small": Size(patch=(4, 2), stem=16, widths=(32, 64, 128), blocks=(1, 1, 1)),
    "base": Size(patch=(2, 2), stem=48, widths=(96, 192, 320), blocks=(2, 2, 2)),
}


class Patches(layers.Layer):
    """Fold [batch, frames, n_mels] to [batch, frames/p, n_mels/q, p*q]; the end is padded to whole patches."""

    def __init__(self, patch: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.patch = tuple(patch)

    def call(self, log_mel):
        """Fold a batch."""
        frames, mels = self.patch
        n_mels = log_mel.shape[2]
        time, frequency = keras.ops.shape(log_mel)[1], n_mels + -n_mels % mels
        whole = time + -time % frames
        padded = keras.ops.pad(log_mel, [[0, 0], [0, whole - time], [0, frequency - n_mels]])
        grid = keras.ops.reshape(padded, (-1, whole // frames, frames, frequency // mels, mels))
        folded = keras.ops.transpose(grid, (0, 1, 3, 2, 4))
        return keras.ops.reshape(folded, (-1, whole // frames, frequency // mels, frames * mels))

    def compute_output_shape(self, input_shape):
        """Return the shape of the folded batch; None stays None."""
        batch, *spans = input_shape
        grid = (
            None if span is None else -(-span // step) for span, step in zip(spans, self.patch, strict=True)
        )
        return (batch, *grid, math.prod(self.patch))

    def get_config(self):
        """Return the layer's configuration."""
        return {**super().get_config(), "patch": self.patch}


def build(recipe: RecipeOptions, n_mels: int, frames: int | None = None) -> keras.Model:
    """Return the network as it is served.

    Args:
      recipe: size and dropout.
      n_mels: mel bins of a frame.
      frames: frames of a note; None for any number.

    Returns:
      model from float32 [batch, frames, n_mels] to float32 [batch, families] probabilities.
    """
    size = SIZES[recipe.size]
    note = keras.Input((frames, n_mels), name="log_mel")
    x = Patches(size.patch)(note)
    x = _convolution(x, size.stem, stride=2)
    for width, blocks in zip(size.widths, size.blocks, strict=True):
        for block in range(blocks):
            x = _residual(x, width, stride=1 if block else 2)
    x = _activation(x)
    # Time is pooled, frequency is not: the distribution of energy over frequency is characteristic of an instrument.
    rows = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
    pooled = layers.Concatenate()([layers.GlobalAveragePooling1D()(rows), layers.GlobalMaxPooling1D()(rows)])
    embedding = layers.Dropout(recipe.dropout, name=_EMBEDDING)(pooled)
    return keras.Model(note, _head(embedding, LABEL, len(nsynth.CLASSES)), name=f"cnn_{recipe.size}")


def with_auxiliary_heads(network: keras.Model, recipe: RecipeOptions, groups: int) -> keras.Model:
    """Return the same layers with auxiliary heads on the embedding: float32 [batch, classes] by head name.

    Args:
      network: the result of `build`.
      recipe: auxiliary heads of weight 0 are left out.
      groups: number of groups in the train split.
    """
    embedding = network.get_layer(_EMBEDDING).output
    classes = {**CLASSES, GROUP: groups}
    outputs = {LABEL: network.output}
    for head in active_heads(recipe)[1:]:
        outputs[head] = _head(embedding, head, classes[head])
    return keras.Model(network.input, outputs, name=f"{network.name}_training")


def with_embedding(network: keras.Model) -> keras.Model:
    """Return the same layers with two outputs: probabilities [batch, families], pooled features [batch, features]."""
    return keras.Model(network.input, [network.output, network.get_layer(_EMBEDDING).output])


def multiply_accumulates(recipe: RecipeOptions, n_mels: int, frames: int) -> int:
    """Return the multiply-accumulate operations of convolutions and dense layers to classify one note."""
    total = 0
    for layer in build(recipe, n_mels, frames).layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            places = math.prod(layer.output.shape[1:-1])
            total += places * math.prod(layer.kernel.shape)
    return total


def _head(embedding: keras.KerasTensor, name: str, classes: int) -> keras.KerasTensor:
    # float32 under any policy: half precision has too few digits for probabilities.
    return layers.Dense(classes, activation="softmax", dtype="float32", name=name)(embedding)


def _convolution(x: keras.KerasTensor, width: int, kernel: int = 3, stride: int = 1) -> keras.KerasTensor:
    return layers.Conv2D(
        width, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(x)


def _activation(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Activation("relu")(layers.BatchNormalization(momentum=_BATCHNORM_MOMENTUM)(x))


def _residual(x: keras.KerasTensor, width: int, stride: int) -> keras.KerasTensor:
    """Apply two 3×3 convolutions and a shortcut, which is pooled and projected if the shape changes."""
    active = _activation(x)
    y = _activation(_convolution(active, width, stride=stride))
    y = _convolution(y, width)
    if stride > 1:
        x = layers.AveragePooling2D(stride, padding="same")(x)
    if x.shape[-1] != width:
        x = _convolution(x, width, kernel=1)
    return layers.Add()([x, y])
