"""The preparation of data on a real Flink, beside the same within this process: the same comes out."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_transform as tft
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline

import nsynth
from benchmarks.synthetic import write_tfrecord
from benchmarks.transform_variants import run_executor
from components.tfrecord import frame
from pipeline.config import Config
from pipeline.data_steps import prepare
from pipeline.history.past_runs import Run, load_run, open_store
from tests.flink.conftest import JobServer
from transform.executor import Executor

pytestmark = pytest.mark.e2e

NOTES = 352


def settings(workspace: Path, data: Path, engine: dict) -> Config:
    return Config.model_validate(
        {
            "workspace": workspace,
            "data": str(data),
            "ingest": {"max_quarantine_fraction": 0.1, "min_shards": 6},
            "data_gate": {"quarantined_share": {"limit": 0.1}},
            "engine": engine,
        }
    )


def on_flink(server: JobServer) -> dict:
    return {"runner": "flink", "flink": {"job_endpoint": server.endpoint, "version": "1.19"}}


def run_preparation(config: Config) -> Run:
    """The steps of `nsynth run` up to Transform."""
    config.engine.check([str(config.workspace), config.input_base])
    config.workspace.mkdir()
    pipeline = Pipeline(
        pipeline_name="preparation",
        pipeline_root=str(config.artifacts),
        components=prepare(config).steps,
        beam_pipeline_args=config.engine.beam_args(),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(config.metadata)),
    )
    LocalDagRunner().run(pipeline)
    return load_run(open_store(config.metadata))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notes, and one record that is none."""
    folder = tmp_path_factory.mktemp("data")
    write_tfrecord(folder / "nsynth-train.tfrecord", NOTES)
    with (folder / "nsynth-train.tfrecord").open("ab") as file:
        file.write(frame(b"no note"))
    return folder


@pytest.fixture(scope="module")
def local(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_preparation(
        settings(tmp_path_factory.mktemp("local") / "workspace", data, {"runner": "local"})
    )


@pytest.fixture(scope="module")
def flink(job_server: JobServer, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    workspace = tmp_path_factory.mktemp("flink") / "workspace"
    return run_preparation(settings(workspace, data, on_flink(job_server)))


def output(run: Run, step: str, key: str) -> Path:
    found = run.steps[step].output(key)
    assert found
    return found.path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def moments(transform_graph: Path) -> list[np.ndarray]:
    """Mean and variance, as the exported graph holds them."""
    transformed = tft.TFTransformOutput(str(transform_graph))
    function = tf.saved_model.load(transformed.transform_savedmodel_dir).transform_fn
    return [constant.numpy() for constant in function.captured_inputs]


def test_the_same_records_in_the_same_files(flink: Run, local: Run):
    found = files(output(flink, "ExampleGen", "examples"))
    assert found == files(output(local, "ExampleGen", "examples"))
    assert len([name for name in found if name.startswith("Split-train/")]) == 6


def test_the_same_record_in_quarantine(flink: Run, local: Run):
    found, expected = (files(output(run, "ExampleGen", "quarantine")) for run in (flink, local))
    assert found == expected
    assert any(b"no note" in content for content in found.values())


def test_the_same_statistics(flink: Run, local: Run):
    one, other = (
        tfdv.load_stats_binary(
            str(output(run, "StatisticsGen", "statistics") / "Split-train" / "FeatureStats.pb")
        )
        for run in (flink, local)
    )
    assert one.datasets[0].num_examples == other.datasets[0].num_examples > 200
    assert {f.path.step[0] for f in one.datasets[0].features} >= {
        nsynth.PITCH,
        nsynth.RMS_DBFS,
        nsynth.FAMILY_STR,
    }
    for found, expected in zip(_features(one), _features(other), strict=True):
        for key in ("mean", "std_dev", "min", "max", "median", "num_zeros"):
            assert getattr(found.num_stats, key) == pytest.approx(getattr(expected.num_stats, key), rel=1e-9)
        assert found.string_stats == expected.string_stats


def _features(statistics) -> list:
    return sorted(statistics.datasets[0].features, key=lambda feature: feature.path.step[0])


def test_the_same_transform_graph(flink: Run, local: Run):
    ours, theirs = (output(run, "Transform", "transform_graph") for run in (flink, local))
    assert files(ours).keys() == files(theirs).keys()
    for one, other in zip(moments(ours), moments(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    graphs = [tft.TFTransformOutput(str(folder)) for folder in (ours, theirs)]
    assert graphs[0].transformed_metadata.schema == graphs[1].transformed_metadata.schema


def test_the_same_transformed_notes(flink: Run, local: Run):
    found, expected = (files(output(run, "Transform", "transformed_examples")) for run in (flink, local))
    assert found == expected


@dataclass
class Killer(threading.Thread):
    """Kills the first worker that has something to show, while there is more to do."""

    server: JobServer
    store: Path
    """Folder in which the first pass leaves sums, a file for each shard."""
    result: Path
    killed: psutil.Process | None = None
    left_to_do: bool = False
    seen: set[int] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        super().__init__(daemon=True)

    def run(self):
        while not self.stop.wait(0.01):
            if self.killed:
                time.sleep(0.5)
                self.seen |= {worker.pid for worker in self.server.workers()}
            elif next(self.store.rglob("sums-*"), None) and (workers := self.server.workers()):
                workers[0].kill()
                self.left_to_do = not list(self.result.rglob("transformed_examples-*"))
                self.killed = workers[0]


Killer.__hash__ = threading.Thread.__hash__


def test_a_worker_killed_in_the_middle_is_made_up_for(
    flink: Run, local: Run, job_server: JobServer, tmp_path: Path
):
    config = settings(tmp_path, tmp_path, on_flink(job_server))
    notes = output(local, "ExampleGen", "examples")
    killer = Killer(job_server, tmp_path / "graph", tmp_path / "examples")
    killer.start()
    try:
        run_executor(Executor, tmp_path, [notes], beam_args=config.engine.beam_args())()
    finally:
        killer.stop.set()
        killer.join()
    assert killer.killed
    assert killer.left_to_do
    assert killer.seen - {killer.killed.pid}, "no other worker took over"
    assert files(tmp_path / "examples") == files(output(local, "Transform", "transformed_examples"))
    for one, other in zip(
        moments(tmp_path / "graph"), moments(output(local, "Transform", "transform_graph")), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)
