"""The two passes over one shard of notes, as Beam DoFns.

    raw notes --MeasureShard--> spectrograms not yet normalized, and moments --FinishShard--> transformed notes

A shard is one file; an element is its name. Inside a DoFn tf.data reads, parses and computes on all cores that the
process may use, with one thread an op, so that neither Python nor locks lie between two batches.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf

import nsynth
from transform import codec, features, graph, waist

# Notes a step: some 10 MB of frames, near what a core's cache holds, and enough to hide the cost of a step.
BATCH_NOTES = 8
_READ_BUFFER_BYTES = 8 << 20

FeatureSpec = Mapping[str, tf.io.FixedLenFeature]


class Shard(NamedTuple):
    """One file of raw notes and where what becomes of it lies."""

    dataset: str  # key of the split that it belongs to
    number: int  # within the dataset
    notes: str  # TFRecord of raw notes
    middle: str  # TFRecord of batches at the graph's waist
    transformed: str  # TFRecord of transformed notes
    analysed: bool


@contextmanager
def replacing_writer(path: str, temporary_folder: str) -> Iterator[tf.io.TFRecordWriter]:
    """Opens a TFRecord file that appears at `path` only once it is whole, even if two workers write it."""
    temporary = os.path.join(temporary_folder, uuid.uuid4().hex)
    tf.io.gfile.makedirs(temporary_folder)
    with tf.io.TFRecordWriter(temporary) as writer:
        yield writer
    tf.io.gfile.makedirs(os.path.dirname(path))
    tf.io.gfile.rename(temporary, path, overwrite=True)


def _parallel_map(records: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """Maps in order on every core of this process, each op on one thread."""
    threads = len(os.sched_getaffinity(0))
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    return (
        records.map(function, num_parallel_calls=threads, deterministic=True)
        .prefetch(1)
        .with_options(options)
    )


def _traced(
    function: Callable[[tf.Tensor], dict[str, tf.Tensor]], serialized: tf.TensorSpec
) -> Callable[..., Any]:
    """Traces once what is mapped over many files: tracing costs as much as hundreds of notes."""
    concrete = tf.function(function, autograph=False).get_concrete_function(serialized)
    return tf.autograph.experimental.do_not_convert(lambda records: concrete(records))


@contextmanager
def _telling_which(path: str) -> Iterator[None]:
    """Turns what TensorFlow says about a bad file into a message for the user."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        said = str(error.message).splitlines()[0][:300]
        raise nsynth.UserError(
            f"{path}: {said}. Remove the artifact and let the step before write it again."
        ) from error


class Sums:
    """What each TFT analyzer has summed up so far, in double precision."""

    def __init__(self, analyzers: Sequence[graph.Analyzer]):
        self._analyzers = analyzers
        self._totals = [analyzer.combiner.create_accumulator() for analyzer in analyzers]

    def add(self, batch: Mapping[str, np.ndarray]) -> None:
        """Adds what the graph summed up over a batch."""
        for i, analyzer in enumerate(self._analyzers):
            values = [np.asarray(batch[name], np.float64) for name in analyzer.tensors]
            self._totals[i] = analyzer.combiner.add_input(self._totals[i], values)

    def merge(self, encoded: Sequence[bytes]) -> None:
        """Adds another's `encode`."""
        for i, (analyzer, value) in enumerate(zip(self._analyzers, encoded, strict=True)):
            other = analyzer.coder.decode_cache(value)
            self._totals[i] = analyzer.combiner.merge_accumulators([self._totals[i], other])

    def encode(self) -> list[bytes]:
        """The sums, one an analyzer, as TFT's cache holds them."""
        return [a.coder.encode_cache(total) for a, total in zip(self._analyzers, self._totals, strict=True)]


class MeasureShard(beam.DoFn):
    """Runs the graph's upper half: writes what its waist gives and yields the shard's moments."""

    MOMENTS = "moments"

    def __init__(self, upper: graph.UpperHalf, feature_spec: FeatureSpec, temporary: str):
        self._upper = upper
        self._spec = {name: feature_spec[name] for name in (*upper.piece.feeds, *upper.travellers)}
        self._temporary = temporary
        self._mapped: Callable[..., Any] | None = None
        self._notes = beam.metrics.Metrics.counter("transform", "notes_measured")

    def setup(self) -> None:
        """Traces the upper half in this worker."""
        self._mapped = _traced(self._upper_half, tf.TensorSpec([None], tf.string))

    def process(self, shard: Shard) -> Iterator[Any]:
        """Yields the shard; under MOMENTS its dataset, its number, how many notes, and a sum for each analyzer."""
        sums = Sums(self._upper.analyzers)
        notes = 0
        with _telling_which(shard.notes), replacing_writer(shard.middle, self._temporary) as writer:
            for batch in self._batches(shard.notes).as_numpy_iterator():
                writer.write(waist.encode({name: batch[name] for name in self._upper.kept}))
                notes += len(batch[self._upper.waist])
                if shard.analysed:
                    sums.add(batch)
        self._notes.inc(notes)
        yield shard
        if shard.analysed:
            yield beam.pvalue.TaggedOutput(
                self.MOMENTS, (shard.dataset, (shard.number, notes, sums.encode()))
            )

    def _batches(self, path: str) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(path, buffer_size=_READ_BUFFER_BYTES).batch(BATCH_NOTES)
        return _parallel_map(records, self._mapped)

    def _upper_half(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = tf.io.parse_example(serialized, self._spec)
        computed = self._upper.piece.apply(raw)
        return {**computed, **{name: raw[name] for name in self._upper.travellers}}


class FinishShard(beam.DoFn):
    """Runs the transform graph's lower half over a measured shard and writes the transformed notes."""

    def __init__(self, upper: graph.UpperHalf, feature_spec: FeatureSpec, temporary: str):
        self._waist = upper.waist
        self._spec = {name: tf.TensorSpec([None], feature_spec[name].dtype) for name in upper.travellers}
        self._spec[upper.waist] = tf.TensorSpec([None, *upper.waist_shape], tf.float32)
        self._temporary = temporary
        self._mapped: Callable[..., Any] | None = None
        self._notes = beam.metrics.Metrics.counter("transform", "notes_transformed")

    def process(self, shard: Shard, transform_fn: str) -> None:
        """Writes `shard.transformed` by the graph in the folder `transform_fn`."""
        if self._mapped is None:
            self._mapped = self._load(transform_fn)
        with _telling_which(shard.middle), replacing_writer(shard.transformed, self._temporary) as writer:
            for batch in self._batches(shard.middle).as_numpy_iterator():
                for note in codec.encode_batch(batch):
                    writer.write(note)
                self._notes.inc(len(batch[features.LOG_MEL]))

    def _batches(self, path: str) -> tf.data.Dataset:
        return _parallel_map(tf.data.TFRecordDataset(path, buffer_size=_READ_BUFFER_BYTES), self._mapped)

    def _load(self, transform_fn: str) -> Callable[..., Any]:
        lower = graph.load_lower_half(transform_fn, self._waist)

        def lower_half(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = lower(waist.decode(serialized, self._spec))
            return {**outputs, features.LOG_MEL: tf.cast(outputs[features.LOG_MEL], tf.float16)}

        return _traced(lower_half, tf.TensorSpec([], tf.string))
