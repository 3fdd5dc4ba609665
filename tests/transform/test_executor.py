"""The Transform step as a whole, beside TFX's own on the same notes."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.transform import executor as stock
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.proto import transform_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

import nsynth
import transform
from benchmarks import synthetic
from components.example_proto import serialize
from pipeline.engines.engine import EngineOptions
from transform import codec, features
from transform.executor import Executor
from transform.log_mel import log_mel
from transform.options import SpectrogramOptions
from transform.schema import make_schema

pytestmark = pytest.mark.slow

OPTIONS = SpectrogramOptions(n_mels=24, hop_length=1000)
RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
HALF_PRECISION = {
    "rtol": 2**-11,
    "atol": 2e-4,
}  # of a value that one graph computed in batches of other sizes


def write_notes(folder: Path, counts: dict[str, Sequence[int]], seed: int) -> Path:
    """An Examples artifact in ingest's layout: a file for each count."""
    for split, sizes in counts.items():
        (folder / f"Split-{split}").mkdir(parents=True)
        notes = iter(synthetic.make_notes(sum(sizes), seed))
        for i, size in enumerate(sizes):
            name = f"Split-{split}/data_tfrecord-{i:05}-of-{len(sizes):05}"
            with tf.io.TFRecordWriter(str(folder / name)) as writer:
                for note in (next(notes) for _ in range(size)):
                    writer.write(serialize(note))
    return folder


def artifact(kind: type, folder: Path, splits: Sequence[str] = ()):
    result = kind()
    result.uri = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if splits:
        result.split_names = artifact_utils.encode_split_names(list(splits))
    return result


def run(
    out: Path,
    *notes: Path,
    executor: type[stock.Executor] = Executor,
    cache: Path | None = None,
    keep: bool = False,
    options: SpectrogramOptions = OPTIONS,
    engine: Sequence[str] = (RUNNER,),
) -> Path:
    """Runs a Transform executor over Examples artifacts, as the launcher would."""
    schema = artifact(standard_artifacts.Schema, out / "schema")
    (out / "schema" / "schema.pbtxt").write_text(str(make_schema()))
    inputs = {
        "examples": [artifact(standard_artifacts.Examples, folder, ["dev", "train"]) for folder in notes],
        "schema": [schema],
    }
    outputs = {
        "transform_graph": [artifact(standard_artifacts.TransformGraph, out / "graph")],
        "transformed_examples": [artifact(standard_artifacts.Examples, out / "examples")],
    }
    if cache:
        inputs["analyzer_cache"] = [artifact(standard_artifacts.TransformCache, cache)]
    if keep:
        outputs["updated_analyzer_cache"] = [artifact(standard_artifacts.TransformCache, out / "cache")]
    splits = transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "dev"])
    properties = {
        "preprocessing_fn": "transform.preprocessing.preprocessing_fn",
        "custom_config": json.dumps({"spectrogram": options.model_dump(), "code": "1"}),
        "splits_config": proto_utils.proto_to_json(splits),
        "disable_statistics": 1,
    }
    setup = Path(transform.__file__).parents[1] / "setup.py"  # keeps TFX from building a source package
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=[*engine, f"--setup_file={setup}"], tmp_dir=str(out / "tmp"), unique_id="1"
    )
    executor(context).Do(inputs, outputs, properties)
    return out


def graph_of(out: Path) -> tft.TFTransformOutput:
    return tft.TFTransformOutput(str(out / "graph"))


def moments_of(out: Path) -> list[np.ndarray]:
    """What the analyzers found: the mean and the variance, as constants of the exported graph."""
    function = tf.saved_model.load(graph_of(out).transform_savedmodel_dir).transform_fn
    return [constant.numpy() for constant in function.captured_inputs]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def transformed(file: Path) -> dict[str, np.ndarray]:
    records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    return {name: value.numpy() for name, value in codec.parse_batch(tf.constant(records), OPTIONS).items()}


def raw(file: Path, graph: tft.TFTransformOutput) -> dict[str, tf.Tensor]:
    records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    wanted = {nsynth.AUDIO, nsynth.FAMILY, nsynth.SOURCE, nsynth.PITCH, nsynth.VELOCITY}
    wanted |= {nsynth.INSTRUMENT_STR, nsynth.NOTE_STR}
    spec = {name: feature for name, feature in graph.raw_feature_spec().items() if name in wanted}
    return tf.io.parse_example(records, spec)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three train files of unequal size, one of them empty, and one dev file."""
    return write_notes(tmp_path_factory.mktemp("notes"), {"train": [19, 0, 11], "dev": [9]}, seed=1)


@pytest.fixture(scope="module")
def ours(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("ours"), notes, keep=True)


@pytest.fixture(scope="module")
def stocks(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("stocks"), notes, executor=stock.Executor)


def test_the_graph_is_that_of_tfx(ours: Path, stocks: Path):
    found, expected = moments_of(ours), moments_of(stocks)
    assert [m.shape for m in found] == [m.shape for m in expected] == [(OPTIONS.n_mels,)] * 2
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert graph_of(ours).transformed_metadata.schema == graph_of(stocks).transformed_metadata.schema
    assert graph_of(ours).raw_metadata.schema == graph_of(stocks).raw_metadata.schema
    assert files(ours / "graph").keys() == files(stocks / "graph").keys()


def test_only_train_is_analysed(ours: Path, notes: Path):
    paths = sorted((notes / "Split-train").glob("*"))
    audio = [note for path in (paths[0], paths[2]) for note in raw(path, graph_of(ours))[nsynth.AUDIO]]
    train = log_mel(tf.stack(audio), OPTIONS).numpy().astype(np.float64)
    mean, variance = moments_of(ours)
    np.testing.assert_allclose(mean, train.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(variance, train.var(axis=(0, 1)), rtol=1e-4)


def test_every_note_is_what_the_graph_computes_and_stays_in_its_place(ours: Path, notes: Path):
    serve = graph_of(ours).transform_features_layer()
    for file in sorted(notes.rglob("data_tfrecord-*")):
        target = (
            ours / "examples" / file.parent.name / file.name.replace("data_tfrecord", "transformed_examples")
        )
        if file.stat().st_size == 0:
            assert target.read_bytes() == b""
            continue
        stored, expected = transformed(target), serve(raw(file, graph_of(ours)))
        np.testing.assert_allclose(stored[features.LOG_MEL], expected[features.LOG_MEL], **HALF_PRECISION)
        for name in (*features.INT_FEATURES, *features.BYTES_FEATURES):
            np.testing.assert_array_equal(stored[name], expected[name])


def test_the_notes_are_those_that_tfx_writes(ours: Path, stocks: Path):
    spec = graph_of(stocks).transformed_feature_spec()
    for split in ("train", "dev"):
        theirs = {}
        for file in (stocks / "examples" / f"Split-{split}").glob("*"):
            for record in tf.data.TFRecordDataset(str(file), compression_type="GZIP"):
                note = tf.io.parse_single_example(record, spec)
                theirs[note[features.NOTE].numpy(), note[features.OPTIONAL["velocity"]].numpy()] = note[
                    features.LOG_MEL
                ]
        found = 0
        for file in (ours / "examples" / f"Split-{split}").glob("*"):
            if file.stat().st_size:
                batch = transformed(file)
                keys = zip(batch[features.NOTE], batch[features.OPTIONAL["velocity"]], strict=True)
                for key, stored in zip(keys, batch[features.LOG_MEL], strict=True):
                    np.testing.assert_allclose(stored, theirs[key], rtol=2**-11, atol=1e-3)
                    found += 1
        assert found == {"train": 30, "dev": 9}[split]


def test_the_same_notes_give_the_same_bytes(ours: Path, notes: Path, tmp_path: Path):
    again = run(tmp_path, notes)
    assert files(again / "examples") == files(ours / "examples")


def test_workers_side_by_side_give_the_same_bytes(ours: Path, notes: Path, tmp_path: Path):
    engine = EngineOptions(runner="local-parallel").beam_args()
    assert "--direct_num_workers=0" in engine
    parallel = run(tmp_path, notes, engine=engine)
    assert files(parallel / "examples") == files(ours / "examples")


def test_nothing_but_the_result_is_left(ours: Path):
    assert {path.name for path in (ours / "graph").iterdir()} == {
        "metadata",
        "transform_fn",
        "transformed_metadata",
    }
    names = sorted(path.name for path in (ours / "examples" / "Split-train").iterdir())
    assert names == [f"transformed_examples-{i:05}-of-00003" for i in range(3)]


@pytest.fixture
def new_span(tmp_path: Path) -> Path:
    return write_notes(tmp_path / "span-2", {"train": [7], "dev": [5]}, seed=2)


@pytest.fixture
def unreadable(notes: Path) -> Iterator[None]:
    """While it lasts, the notes of the first span cannot be read; their files are there."""
    kept = {path: path.read_bytes() for path in notes.rglob("data_tfrecord-*")}
    for path in kept:
        path.write_bytes(b"no record " * 100)
    yield
    for path, content in kept.items():
        path.write_bytes(content)


def test_a_new_span_is_added_without_reading_the_old(
    ours: Path, notes: Path, new_span: Path, tmp_path: Path, request: pytest.FixtureRequest
):
    afresh = run(tmp_path / "afresh", notes, new_span)
    request.getfixturevalue("unreadable")
    added = run(tmp_path / "added", notes, new_span, cache=ours / "cache", keep=True)
    assert files(added / "examples") == files(afresh / "examples")
    assert {path.name for path in (added / "examples").iterdir()} == {"0", "1"}
    for one, other in zip(moments_of(added), moments_of(afresh), strict=True):
        np.testing.assert_array_equal(one, other)
    # The cache that it keeps holds both spans.
    later = run(tmp_path / "later", notes, new_span, cache=added / "cache")
    assert files(later / "examples") == files(afresh / "examples")


def test_what_another_front_end_left_in_the_cache_is_not_used(
    ours: Path, notes: Path, tmp_path: Path, unreadable: None
):
    other = SpectrogramOptions(n_mels=24, hop_length=1000, fmax_hz=7_000)
    with pytest.raises(nsynth.UserError, match="data_tfrecord-00000-of-0000"):
        run(tmp_path, notes, cache=ours / "cache", options=other)


def test_a_truncated_file_is_named_and_leaves_no_transformed_notes(tmp_path: Path):
    notes = write_notes(tmp_path / "notes", {"train": [3], "dev": [1]}, seed=3)
    broken = notes / "Split-train" / "data_tfrecord-00000-of-00001"
    broken.write_bytes(broken.read_bytes()[:-1000])
    with pytest.raises(nsynth.UserError, match=str(broken)):
        run(tmp_path / "out", notes)
    assert not list((tmp_path / "out" / "examples").rglob("transformed*"))


def test_a_train_split_without_notes_is_refused(tmp_path: Path):
    notes = write_notes(tmp_path / "notes", {"train": [0], "dev": [1]}, seed=3)
    with pytest.raises(nsynth.UserError, match="There are no notes to analyse"):
        run(tmp_path / "out", notes)


def test_a_split_without_files_is_refused(tmp_path: Path):
    notes = write_notes(tmp_path / "notes", {"train": [1], "dev": []}, seed=3)
    with pytest.raises(nsynth.UserError, match="Split-dev: no files"):
        run(tmp_path / "out", notes)
