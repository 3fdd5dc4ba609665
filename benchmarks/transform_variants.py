"""The ways to transform notes that `benchmarks.transform` compares. Each is prepared (imports), then run."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nsynth
from benchmarks.stock import BEAM_ARGS, write_without_gzip
from transform.options import SpectrogramOptions
from transform.schema import make_schema

Run = Callable[[], Any]

VARIANTS = {
    "stock": "(a) stock Transform",
    "stock-lean": "(b) stock, no statistics, no gzip",
    "tf.data": "(c) hand-written tf.data, two passes",
    "kernel": "(d) bare kernel twice, notes in memory",
    "ours": "(e) ours",
}
_OPTIONS = SpectrogramOptions()
_BATCH_NOTES = 8


def prepare(variant: str, notes: Path, count: int, out: Path) -> Run:
    """Import what `variant` needs and return what is to be measured."""
    match variant:
        case "kernel":
            return _kernel(count)
        case "tf.data":
            return _tf_data(notes, out)
        case "stock" | "stock-lean":
            from tfx.components.transform.executor import Executor as StockExecutor

            if variant == "stock-lean":
                write_without_gzip()
            return run_executor(StockExecutor, out, [notes], statistics=variant == "stock")
        case "ours":
            from transform.executor import Executor

            return run_executor(Executor, out, [notes])
    raise ValueError(f"{variant}: none of {', '.join(VARIANTS)}")


def run_executor(
    executor: type,
    out: Path,
    notes: Sequence[Path],
    statistics: bool = False,
    beam_args: Sequence[str] = BEAM_ARGS,
) -> Run:
    """Prepare a Transform executor over Examples artifacts, as the launcher would.

    Args:
      executor: ours or TFX's.
      out: folder for `graph` and `examples`.
      notes: folders with Split-train and Split-dev, one an artifact.
      statistics: compute TFX's statistics.
      beam_args: names the engine.
    """
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.proto import transform_pb2
    from tfx.types import standard_artifacts
    from tfx.utils import proto_utils

    (out / "schema").mkdir(parents=True)
    (out / "schema" / "schema.pbtxt").write_text(str(make_schema()))
    inputs = {
        "examples": [_artifact(standard_artifacts.Examples, folder) for folder in notes],
        "schema": [_artifact(standard_artifacts.Schema, out / "schema")],
    }
    outputs = {
        "transform_graph": [_artifact(standard_artifacts.TransformGraph, out / "graph")],
        "transformed_examples": [_artifact(standard_artifacts.Examples, out / "examples")],
    }
    splits = transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "dev"])
    properties = {
        "preprocessing_fn": "transform.preprocessing.preprocessing_fn",
        "custom_config": json.dumps({"spectrogram": _OPTIONS.model_dump(), "code": "1"}),
        "splits_config": proto_utils.proto_to_json(splits),
        "disable_statistics": int(not statistics),
    }
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=list(beam_args), tmp_dir=str(out / "tmp"), unique_id="1"
    )
    return lambda: executor(context).Do(inputs, outputs, properties)


def _artifact(kind: Any, folder: Path) -> Any:
    from tfx.types import artifact_utils, standard_artifacts

    result = kind()
    result.uri = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if kind is standard_artifacts.Examples:
        result.split_names = artifact_utils.encode_split_names(["train", "dev"])
    return result


def _kernel(count: int) -> Run:
    """Return the front end alone, twice over `count` notes in memory, on all cores."""
    import numpy as np
    import tensorflow as tf

    from transform.log_mel import log_mel

    audio = np.random.default_rng(0).uniform(-1, 1, (_BATCH_NOTES, nsynth.NOTE_SAMPLES)).astype(np.float32)
    batches = tf.data.Dataset.from_tensors(audio).repeat(2 * count // _BATCH_NOTES)
    loudest = batches.map(
        lambda batch: tf.reduce_max(log_mel(batch, _OPTIONS)), num_parallel_calls=tf.data.AUTOTUNE
    )
    return lambda: list(loudest.as_numpy_iterator())


def _tf_data(notes: Path, out: Path) -> Run:
    """Return what one would write by hand: read, compute, sum up; read and compute again, normalize, write."""
    import numpy as np
    import tensorflow as tf

    from transform import codec, features
    from transform.log_mel import log_mel
    from transform.preprocessing import MIN_DEVIATION

    spec = {nsynth.AUDIO: tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32)}
    for name in features.RAW.values():
        spec[name] = tf.io.FixedLenFeature([], tf.string if name.endswith("_str") else tf.int64)

    def spectrograms(file: Path) -> Iterator[dict[str, Any]]:
        def parse(records: tf.Tensor) -> dict[str, tf.Tensor]:
            raw = tf.io.parse_example(records, spec)
            note = {name: raw[source] for name, source in features.RAW.items()}
            return {**note, features.LOG_MEL: log_mel(raw[nsynth.AUDIO], _OPTIONS)}

        batches = tf.data.TFRecordDataset(str(file), buffer_size=8 << 20).batch(_BATCH_NOTES)
        parsed = batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        return parsed.as_numpy_iterator()

    def run() -> None:
        count, total, squares = 0, np.zeros(_OPTIONS.n_mels), np.zeros(_OPTIONS.n_mels)
        for file in sorted(notes.glob("Split-train/*")):
            for batch in spectrograms(file):
                values = batch[features.LOG_MEL].astype(np.float64)
                count += values.shape[0] * values.shape[1]
                total += values.sum(axis=(0, 1))
                squares += np.square(values).sum(axis=(0, 1))
        mean = total / count
        deviation = np.maximum(np.sqrt(squares / count - mean**2), MIN_DEVIATION)
        for file in sorted(notes.glob("Split-*/*")):
            target = out / "examples" / file.parent.name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with tf.io.TFRecordWriter(str(target)) as writer:
                for batch in spectrograms(file):
                    batch[features.LOG_MEL] = (batch[features.LOG_MEL] - mean) / deviation
                    for note in codec.encode_batch(batch):
                        writer.write(note)

    return run
