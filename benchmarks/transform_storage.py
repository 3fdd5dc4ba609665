"""What storing spectrograms in half precision costs and saves: `python -m benchmarks.transform_storage`.

Takes original NSynth notes where NSYNTH_REAL_NOTES names a folder with `nsynth-train.tfrecord`, else generated tones.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks import harness


@click.command()
@click.option("--notes", default=114, show_default=True, help="At most so many.")
@harness.output_option("transform_storage")
def main(notes: int, output: Path) -> None:
    """Compare half precision, single precision and a list of floats, as they are stored and read."""
    import numpy as np

    normalized, deviation = _spectrograms(notes)
    half = normalized.astype(np.float16).astype(np.float32)
    error = np.abs(half - normalized)
    decibels = error * deviation * 10 / np.log(10)
    result: dict[str, Any] = {
        "notes": len(normalized),
        "source": "original notes" if "NSYNTH_REAL_NOTES" in os.environ else "generated tones",
        "error_deviations": {"rms": float(np.sqrt((error**2).mean())), "max": float(error.max())},
        "error_db": {"rms": float(np.sqrt((decibels**2).mean())), "max": float(decibels.max())},
        "largest_value": float(np.abs(normalized).max()),
        "stored": {name: _store(*way, normalized) for name, way in _ways().items()},
    }
    click.echo(json.dumps(result, indent=2))
    harness.save(output, result)


def _spectrograms(notes: int) -> tuple[Any, Any]:
    """Normalized spectrograms float32 [notes, frames, mels] and the deviation of each bin, nepers of power."""
    import numpy as np
    import tensorflow as tf

    import nsynth
    from benchmarks.synthetic import make_notes
    from transform.log_mel import log_mel
    from transform.options import SpectrogramOptions
    from transform.preprocessing import MIN_DEVIATION

    if folder := os.environ.get("NSYNTH_REAL_NOTES"):
        spec = {nsynth.AUDIO: tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32)}
        records = tf.data.TFRecordDataset(str(Path(folder) / "nsynth-train.tfrecord")).take(notes)
        audio = np.stack([tf.io.parse_single_example(r, spec)[nsynth.AUDIO].numpy() for r in records])
    else:
        audio = np.stack([note[nsynth.AUDIO] for note in make_notes(notes)])
    spectrograms = log_mel(tf.constant(audio), SpectrogramOptions()).numpy()
    deviation = np.maximum(spectrograms.std(axis=(0, 1)), MIN_DEVIATION)
    return (spectrograms - spectrograms.mean(axis=(0, 1))) / deviation, deviation


def _ways() -> dict[str, tuple[Callable[[Any], bytes], Callable[[Any], Any]]]:
    """How a spectrogram may be written and how a batch of them is read back."""
    import tensorflow as tf

    from transform.options import SpectrogramOptions

    shape = [-1, SpectrogramOptions().frames, SpectrogramOptions().n_mels]
    text = {"x": tf.io.FixedLenFeature([], tf.string)}
    floats = {"x": tf.io.FixedLenFeature(shape[1:], tf.float32)}

    def raw(dtype: tf.DType) -> tuple[Callable[[Any], bytes], Callable[[Any], Any]]:
        def write(values: Any) -> bytes:
            example = tf.train.Example()
            example.features.feature["x"].bytes_list.value.append(
                values.astype(dtype.as_numpy_dtype).tobytes()
            )
            return example.SerializeToString()

        def read(records: Any) -> Any:
            numbers = tf.io.decode_raw(tf.io.parse_example(records, text)["x"], dtype)
            return tf.cast(tf.reshape(numbers, shape), tf.float32)

        return write, tf.function(read)

    def write_list(values: Any) -> bytes:
        example = tf.train.Example()
        example.features.feature["x"].float_list.value.extend(values.ravel())
        return example.SerializeToString()

    return {
        "half precision": raw(tf.float16),
        "single precision": raw(tf.float32),
        "list of floats": (
            write_list,
            tf.function(lambda records: tf.io.parse_example(records, floats)["x"]),
        ),
    }


def _store(write: Callable[[Any], bytes], read: Callable[[Any], Any], spectrograms: Any) -> dict[str, float]:
    """Bytes a note, and milliseconds a note to write and to read."""
    import tensorflow as tf

    began = time.process_time()
    records = [write(spectrogram) for spectrogram in spectrograms]
    written = time.process_time()
    batch = tf.constant(records)
    read(batch)  # traces
    read_began = time.process_time()
    read(batch).numpy()
    return {
        "bytes": len(records[0]),
        "write_cpu_ms": (written - began) / len(records) * 1e3,
        "read_cpu_ms": (time.process_time() - read_began) / len(records) * 1e3,
    }


if __name__ == "__main__":
    main()
