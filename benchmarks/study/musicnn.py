"""Features of a network that others trained on music: the frozen opponent of `benchmarks.travel`.

musicnn (Pons and Serra 2019, https://arxiv.org/abs/1909.06654; ISC licence) comes as a Python package with its weights.
Its requirements are too old for this environment and are not needed: the stored graph is run as it is. Install it with
`pip install --no-deps musicnn==0.1.0`; without it the rows that need it are left out.
"""

import contextlib
import importlib.util
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import librosa
import numpy as np
import tensorflow as tf

import nsynth

MODEL = "MTT_musicnn"
FRAMES, MELS, N_FFT, HOP = 187, 96, 512, 256  # of the network's input
_INPUT, _TRAINING, _OUTPUT = "model/Placeholder", "model/Placeholder_2", "model/Flatten/flatten/Reshape"


def weights() -> Path | None:
    """Return where the network's checkpoint lies; None where the package is not installed."""
    spec = importlib.util.find_spec("musicnn")
    folder = Path(spec.origin).parent / MODEL if spec and spec.origin else None
    return folder if folder and (folder / ".meta").is_file() else None


def spectrogram(audio: np.ndarray) -> np.ndarray:
    """Return the network's input of one note, the first three seconds: float32 [FRAMES, MELS]."""
    start = np.asarray(audio[: (FRAMES + 1) * HOP], np.float32)
    power = librosa.feature.melspectrogram(
        y=start, sr=nsynth.SAMPLE_RATE_HZ, n_fft=N_FFT, hop_length=HOP, n_mels=MELS
    )
    return np.log10(10_000 * power.T[:FRAMES] + 1)


def features(notes: Iterable[np.ndarray], checkpoint: Path, batch: int = 16) -> np.ndarray:
    """Return maximum and mean over time of all of the network's feature maps.

    Args:
      notes: waveforms, float32 [nsynth.NOTE_SAMPLES] each.
      checkpoint: of `weights`.
      batch: notes at a time.

    Returns:
      float32 [notes, 1506].
    """
    found, graph = [], tf.Graph()
    with graph.as_default():
        tf.import_graph_def(_frozen(checkpoint), name="")
    ends = [graph.get_tensor_by_name(f"{name}:0") for name in (_INPUT, _TRAINING, _OUTPUT)]
    # `closing`, for a session's own `with` would end eager mode for `notes`, which may read a dataset.
    with contextlib.closing(tf.compat.v1.Session(graph=graph)) as session:
        for some in batched(notes, batch):
            fed = {ends[0]: np.stack([spectrogram(note) for note in some]), ends[1]: False}
            found.append(session.run(ends[2], fed))
    return np.concatenate(found).astype(np.float32)


def batched(notes: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Yield the notes in lists of `size`; the last may be shorter."""
    remaining = iter(notes)
    while some := list(itertools.islice(remaining, size)):
        yield some


def _frozen(checkpoint: Path) -> tf.compat.v1.GraphDef:
    """Return the part of the stored graph that leads to the features, its variables replaced by their values.

    The rest, the gradients of TensorFlow 1's batch normalization, cannot be imported any more.
    """
    meta = tf.compat.v1.MetaGraphDef.FromString((checkpoint / ".meta").read_bytes())
    values = tf.compat.v1.train.NewCheckpointReader(
        f"{checkpoint}/"
    )  # the files have no name before their ending
    graph = tf.compat.v1.graph_util.extract_sub_graph(meta.graph_def, [_OUTPUT])
    for node in graph.node:
        node.attr.pop("_output_shapes", None)
        if node.op == "VariableV2":
            dtype = node.attr["dtype"]
            constant = tf.compat.v1.NodeDef(name=node.name, op="Const")
            constant.attr["dtype"].CopyFrom(dtype)
            constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values.get_tensor(node.name)))
            node.CopyFrom(constant)
    return graph
