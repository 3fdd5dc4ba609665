"""The preparation of data on a real Flink, beside the same within this process: the same comes out.

Once the steps run here and Flink within the job server; once the pipeline is compiled for Kubeflow, its steps run in
pods of the step runner, with artifacts on the claim, on a session cluster that loses a task manager in the middle.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable
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
from components.claim import Claim, place_of
from components.tfrecord import frame
from kubeflow.compile import compile_pipeline
from pipeline.config import Config
from pipeline.data_steps import prepare
from pipeline.history.past_runs import Run, load_run, open_store
from tests.flink.conftest import JobServer, Session
from tests.kubeflow.step_runner import Cluster
from transform.executor import Executor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

NOTES = 352

Outputs = Callable[[str, str], Path]
"""Step, output → its folder."""


def settings(workspace: Path, data: Path, engine: dict) -> Config:
    return Config.model_validate(
        {
            "workspace": workspace,
            "data": str(data),
            "ingest": {"max_quarantine_fraction": 0.1, "min_shards": 6},
            "data_gate": {"quarantined_share": {"limit": 0.1}},
            "engine": engine,
            "kubeflow": {"steps": {"default": {"retries": 0}}},
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
def local(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    workspace = tmp_path_factory.mktemp("local") / "workspace"
    return outputs_of(run_preparation(settings(workspace, data, {"runner": "local"})))


@pytest.fixture(scope="module", params=["job server", "Kubeflow on a session cluster"])
def flink(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    folder = tmp_path_factory.mktemp("flink")
    if request.param == "job server":
        server = request.getfixturevalue("job_server")
        return outputs_of(run_preparation(settings(folder / "workspace", data, on_flink(server))))
    return run_on_kubeflow(
        folder, data, *(request.getfixturevalue(name) for name in ("session_cluster", "image", "lacking"))
    )


def outputs_of(run: Run) -> Outputs:
    def output(step: str, key: str) -> Path:
        found = run.steps[step].output(key)
        assert found
        return found.path

    return output


def run_on_kubeflow(folder: Path, data: Path, session: Session, image: Path, lacking: set[str]) -> Outputs:
    """The same steps, compiled, in the step runner's pods; a task manager is killed in the middle of Transform."""
    shutil.copytree(image, folder / "app")
    worker = folder / "app" / "pipeline" / "engines" / "beam_worker"
    worker.chmod(0o755)
    workers = {"environment": "process", "command": str(worker), "python": sys.executable}
    engine = {"job_endpoint": session.endpoint, "version": "1.19", "workers": workers}
    config = settings(folder / "claim" / "nsynth", data, {"runner": "flink", "flink": engine})
    pipeline = Pipeline(
        pipeline_name="preparation",
        pipeline_root="minio://mlpipeline/nsynth",
        components=prepare(config).steps,
        beam_pipeline_args=config.engine.beam_args(),
        enable_cache=True,
    )
    compile_pipeline(pipeline, config.kubeflow, workspace=str(config.workspace)).write(folder / "p.yaml")
    wheels = {"NSYNTH_WHEEL_FOLDER": str(image.parent)}
    # Steps and workers have to be the same user: here the one that runs the tests.
    cluster = Cluster(folder / "app", folder / "cluster", lacking, wheels, isolated=False)
    claim = Claim(config.workspace)
    with Killer(session.busy, session.workers, claim.runs, "*/.Transform.draft-*") as killer:
        done = cluster.run(folder / "p.yaml")
    killer.check()

    def output(step: str, key: str) -> Path:
        return claim.folder("/".join(place_of(done[step].artifacts[key]["uri"])))

    return output


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def moments(transform_graph: Path) -> list[np.ndarray]:
    """Mean and variance, as the exported graph holds them."""
    transformed = tft.TFTransformOutput(str(transform_graph))
    function = tf.saved_model.load(transformed.transform_savedmodel_dir).transform_fn
    return [constant.numpy() for constant in function.captured_inputs]


def test_the_same_records_in_the_same_files(flink: Outputs, local: Outputs):
    found = files(flink("ExampleGen", "examples"))
    assert found == files(local("ExampleGen", "examples"))
    assert len([name for name in found if name.startswith("Split-train/")]) == 6


def test_the_same_record_in_quarantine(flink: Outputs, local: Outputs):
    found, expected = (files(run("ExampleGen", "quarantine")) for run in (flink, local))
    assert found == expected
    assert any(b"no note" in content for content in found.values())


def test_the_same_statistics(flink: Outputs, local: Outputs):
    one, other = (
        tfdv.load_stats_binary(str(run("StatisticsGen", "statistics") / "Split-train" / "FeatureStats.pb"))
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


def test_the_same_transform_graph(flink: Outputs, local: Outputs):
    ours, theirs = (run("Transform", "transform_graph") for run in (flink, local))
    assert files(ours).keys() == files(theirs).keys()
    for one, other in zip(moments(ours), moments(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    graphs = [tft.TFTransformOutput(str(folder)) for folder in (ours, theirs)]
    assert graphs[0].transformed_metadata.schema == graphs[1].transformed_metadata.schema


def test_the_same_transformed_notes(flink: Outputs, local: Outputs):
    found, expected = (files(run("Transform", "transformed_examples")) for run in (flink, local))
    assert found == expected


class Killer(threading.Thread):
    """Kills the first process that has something to show, while there is more to do."""

    def __init__(
        self,
        victims: Callable[[], list[psutil.Process]],
        workers: Callable[[], list[psutil.Process]],
        root: Path,
        draft: str,
    ):
        """Watch the folders `draft`, a pattern below `root`, for what Transform's first and second pass leave."""
        super().__init__(daemon=True)
        self.victims, self.workers, self.root, self.draft = victims, workers, root, draft
        self.killed: psutil.Process | None = None
        self.before: set[int] = set()
        self.after: set[int] = set()
        self.left_to_do = False
        self.stop = threading.Event()

    def run(self):
        while not self.stop.wait(0.01):
            if self.killed:
                time.sleep(0.5)
                self.after |= {worker.pid for worker in self.workers()}
            elif self._left("sums-*") and (victims := self.victims()):
                self.before = {worker.pid for worker in self.workers()}
                victims[0].kill()
                self.left_to_do = not self._left("transformed_examples-*")
                self.killed = victims[0]

    def _left(self, name: str) -> bool:
        return next(self.root.glob(f"{self.draft}/**/{name}"), None) is not None

    def __enter__(self) -> "Killer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.join()

    def check(self) -> None:
        """Make sure that it came in the middle, and that other workers took over."""
        assert self.killed
        assert self.left_to_do
        assert self.after - self.before, "no other worker took over"


def test_a_worker_killed_in_the_middle_is_made_up_for(local: Outputs, job_server: JobServer, tmp_path: Path):
    config = settings(tmp_path, tmp_path, on_flink(job_server))
    notes = local("ExampleGen", "examples")
    with Killer(job_server.workers, job_server.workers, tmp_path, ".") as killer:
        run_executor(Executor, tmp_path, [notes], beam_args=config.engine.beam_args())()
    killer.check()
    assert files(tmp_path / "examples") == files(local("Transform", "transformed_examples"))
    for one, other in zip(
        moments(tmp_path / "graph"), moments(local("Transform", "transform_graph")), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)
