"""The two passes over a shard, as Beam DoFns, and the analysis between them.

    raw notes --Measure--> spectrograms not yet normalized, and sums --Finish--> transformed notes

An element is the name of a file. The files of a bundle are processed in parallel, one on each core that the process may
use, because writing a file waits for computing it. tf.data reads, parses and computes with one thread for each op, with
neither Python nor locks between two batches.
"""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindows

import atomic
import cores
import nsynth
from transform import codec, features, graph, waist
from transform.analysis import Sums, write_transform_graph
from transform.shards import Shard

# Notes per step: some 10 MB of frames, about the size of a core's cache, and enough to hide the cost of a step.
BATCH_NOTES = 8
_READ_BUFFER_BYTES = 1 << 20

FeatureSpec = Mapping[str, tf.io.FixedLenFeature]
Mapped = Callable[..., dict[str, tf.Tensor]]


class Measure(beam.DoFn):
    """Run the graph's upper half over shards: write the values of the waist and the analyzers' sums."""

    def __init__(self, upper: graph.UpperHalf, feature_spec: FeatureSpec, temporary: str):
        self._upper = upper
        self._spec = {name: feature_spec[name] for name in (*upper.piece.feeds, *upper.travellers)}
        self._temporary = temporary
        self._mapped: Mapped | None = None
        self._notes = beam.metrics.Metrics.counter("transform", "notes_measured")

    def start_bundle(self) -> None:
        """Start to collect shards."""
        self._shards: list[Shard] = []

    def process(self, shard: Shard) -> None:
        """Add a shard."""
        self._shards.append(shard)

    def finish_bundle(self) -> Iterator[Any]:
        """Yield each shard after it has been measured, now or in an earlier run."""
        unmeasured = [shard for shard in self._shards if not shard.is_measured]
        if unmeasured and self._mapped is None:
            self._mapped = _traced(self._upper_half, tf.TensorSpec([None], tf.string))
        for notes in cores.each(partial(self._measure, threads=_threads(unmeasured)), unmeasured):
            self._notes.inc(notes)
        yield from map(GlobalWindows.windowed_value, self._shards)

    def _measure(self, shard: Shard, threads: int) -> int:
        """Measure a shard and return its number of notes."""
        assert self._mapped is not None
        sums, beside = Sums(self._upper.analysis.analyzers), waist.Beside(self._upper.travellers)
        records = tf.data.TFRecordDataset(shard.notes, buffer_size=_READ_BUFFER_BYTES).batch(BATCH_NOTES)
        with _name_file_in_errors(shard.notes), self._file(shard.middle) as middle:
            for batch in _parallel_map(records, self._mapped, threads).as_numpy_iterator():
                spectrograms = batch[self._upper.waist]
                middle.write(waist.numbers(spectrograms))
                beside.add(batch)
                sums.add(batch, len(spectrograms))
        for path, content in ((shard.beside, beside.serialize()), (shard.sums, sums.store())):
            with self._file(path) as file:
                file.write(content)
        return sums.notes

    @contextmanager
    def _file(self, path: str) -> Iterator[tf.io.gfile.GFile]:
        with (
            atomic.remote_file(path, self._temporary) as unfinished,
            tf.io.gfile.GFile(unfinished, "wb") as file,
        ):
            file.write(b"")  # or there is no file where there is no note
            yield file

    def _upper_half(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = tf.io.parse_example(serialized, self._spec)
        return {**self._upper.piece.apply(raw), **{name: raw[name] for name in self._upper.travellers}}


class Analyse(beam.DoFn):
    """Merge the sums of all analysed shards and let TFT write the transform graph."""

    def __init__(
        self,
        upper: graph.UpperHalf,
        preprocessing_fn: Callable[..., Any],
        type_specs: graph.TypeSpecs,
        folder: str,
        temporary: str,
    ):
        self._analysis = upper.analysis
        self._preprocessing_fn = preprocessing_fn
        self._type_specs = type_specs
        self._folder = folder
        self._temporary = temporary

    def process(self, _: None, measured: Iterable[Shard]) -> Iterator[str]:
        """Yield the folder of the SavedModel, which does not depend on the order of the shards."""
        sums = Sums(self._analysis.analyzers)
        for shard in sorted(measured, key=lambda shard: shard.place):
            if shard.analysed:
                with tf.io.gfile.GFile(shard.sums, "rb") as file:
                    sums.merge(file.read())
        if not sums.notes:
            raise nsynth.UserError("There are no notes to analyse. Check ingest's output for train.")
        temporary = os.path.join(self._temporary, uuid.uuid4().hex)
        tf.io.gfile.makedirs(temporary)
        yield write_transform_graph(
            self._folder, self._preprocessing_fn, self._type_specs, self._analysis, sums.results(), temporary
        )


class Finish(beam.DoFn):
    """Run the transform graph's lower half over measured shards and write the transformed notes."""

    def __init__(self, upper: graph.UpperHalf, feature_spec: FeatureSpec, temporary: str):
        self._waist, self._shape = upper.waist, upper.waist_shape
        self._types = {name: feature_spec[name].dtype for name in upper.travellers}
        self._temporary = temporary
        self._mapped: Mapped | None = None
        self._notes = beam.metrics.Metrics.counter("transform", "notes_transformed")

    def start_bundle(self) -> None:
        """Start to collect shards."""
        self._shards: list[Shard] = []

    def process(self, shard: Shard, transform_fn: str) -> None:
        """Add a shard, to be transformed by the graph in the folder `transform_fn`."""
        if self._mapped is None:
            self._mapped = self._lower_half(transform_fn)
        self._shards.append(shard)

    def finish_bundle(self) -> Iterator[Any]:
        """Yield the files of transformed notes."""
        for notes in cores.each(partial(self._finish, threads=_threads(self._shards)), self._shards):
            self._notes.inc(notes)
        yield from (GlobalWindows.windowed_value(shard.transformed) for shard in self._shards)

    def _finish(self, shard: Shard, threads: int) -> int:
        """Write a shard's transformed notes and return their number."""
        assert self._mapped is not None
        written = 0
        with (
            _name_file_in_errors(shard.middle),
            atomic.remote_file(shard.transformed, self._temporary) as path,
            tf.io.TFRecordWriter(path) as writer,
        ):
            notes = waist.read(shard.middle, shard.beside, self._types, self._shape, BATCH_NOTES)
            for batch in _parallel_map(notes, self._mapped, threads).as_numpy_iterator():
                for note in codec.encode_batch(batch):
                    writer.write(note)
                written += len(batch[features.LOG_MEL])
        return written

    def _lower_half(self, transform_fn: str) -> Mapped:
        lower = graph.load_lower_half(transform_fn, self._waist)

        def decode_and_finish(spectrograms: tf.Tensor, beside: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            outputs = lower({self._waist: waist.decode(spectrograms, self._shape), **beside})
            return {**outputs, features.LOG_MEL: tf.cast(outputs[features.LOG_MEL], tf.float16)}

        beside = {name: tf.TensorSpec([None], kind) for name, kind in self._types.items()}
        return _traced(decode_and_finish, tf.TensorSpec([None], tf.string), beside)


def _traced(function: Mapped, *specs: Any) -> Mapped:
    """Trace a function once for many files: tracing costs as much as hundreds of notes."""
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    return tf.autograph.experimental.do_not_convert(lambda *notes: concrete(*notes))


def _threads(shards: Sequence[Shard]) -> int:
    """Return the number of threads for each of several shards that are processed in parallel.

    At least two, so that a core stays busy while its shard is being written. More if there are fewer shards than cores.
    """
    return max(min(cores.count(), 2), -(-cores.count() // max(1, len(shards))))


def _parallel_map(records: tf.data.Dataset, function: Mapped, threads: int) -> tf.data.Dataset:
    """Map in order on some threads, each op on one of them."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    return (
        records.map(function, num_parallel_calls=threads, deterministic=True)
        .prefetch(1)
        .with_options(options)
    )


@contextmanager
def _name_file_in_errors(path: str) -> Iterator[None]:
    """Turn TensorFlow's error about a bad file into a message for the user."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        said = str(error.message).splitlines()[0][:300]
        raise nsynth.UserError(
            f"{path}: {said}. Remove that artifact and run the step that writes it again."
        ) from error
