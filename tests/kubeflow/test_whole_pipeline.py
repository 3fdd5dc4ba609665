"""The real graph, compiled and run step by step as Kubeflow would: from TFRecords to a pushed version, and once more
with a new span, which warm-starts from the version that serves and is compared with it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from pod import SCRATCH
from step_runner import Cluster, Task

from components.claim import POINTER, Claim
from kubeflow import lint
from kubeflow.groups import LOOK, REPORT, all_tasks
from kubeflow.package import Package

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "golden.yaml"
ROOT = Path(__file__).parents[2]
SETTINGS = [
    "name=nsynth",
    "data=/data",
    "workspace=/models/nsynth",
    "recipe.warm_start=true",
    "kubeflow.pattern=span-{SPAN}/*",
    "kubeflow.image=registry.example/nsynth:1",
    "kubeflow.host=http://kubeflow.example",
    "retrain.settle_s=0",
]
Spec = dict[str, Any]
SCRATCH_PATH = re.compile(
    rb"/(?:%s)/[\w.\-]{2,}[\w./\-]*" % b"|".join(re.escape(name.encode()) for name in SCRATCH)
)
PICTURE = re.compile(rb"base64,[\w+/=]+")
WITHOUT_TENSORFLOW = ("Look", "Report", "WarmStart", "Schema", "DataGate", "Gate", "Pusher")
"""With TensorFlow each would take more than 800 MB."""
VERTEX_SETTINGS = [
    *SETTINGS,
    "data=gs://bucket/data",
    "workspace=/gcs/bucket/work",
    "push.destination=gs://bucket/models",
    "kubeflow.pipeline_root=gs://bucket/root",
]


@pytest.fixture(scope="module")
def package() -> Package:
    """The whole pipeline, with the smallest settings."""
    from kubeflow.compile import compile_config
    from pipeline.config import load_config

    return compile_config(load_config(ROOT / "configs" / "tiny.yaml", SETTINGS))


def test_the_backend_would_take_the_whole_pipeline(package: Package) -> None:
    assert lint.problems(package) == []
    assert package.parameters == {
        "data": "/data", "models": "/models/nsynth/models", "accepted": "/models/nsynth/accepted",
        "range_config": "", "force": False,
    }  # fmt: skip


def test_every_step_that_the_cache_may_answer_takes_what_lifts_it(package: Package) -> None:
    graphs = [component["dag"] for component in package.spec["components"].values() if "dag" in component]
    tasks = {name: task for graph in graphs for name, task in graph["tasks"].items()}
    cached = [task for task in tasks.values() if task.get("cachingOptions", {}).get("enableCache")]
    assert len(cached) > 5
    for task in cached:
        assert task["inputs"]["parameters"]["lift"]


def test_steps_that_compare_with_what_serves_are_told_by_look_what_that_was(package: Package) -> None:
    tasks = all_tasks(package.spec)
    for name in ("WarmStart", "Predictor"):
        channel = tasks[name]["inputs"]["parameters"]["version"]["componentInputParameter"]
        assert channel == "pipelinechannel--Look-serving"
        component = package.spec["components"][name]
        assert component["inputDefinitions"]["parameters"]["version"] == {"parameterType": "NUMBER_INTEGER"}
        args = package.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["args"]
        declared = json.loads(args[args.index("--json_serialized_inputs_spec_args") + 1])
        assert declared["parameters"]["version"] == {"parameterType": "NUMBER_INTEGER"}


def test_it_is_what_it_was(package: Package) -> None:
    """Shows what a change does to what is sent; `make golden` accepts it."""
    text = re.sub(r"\b[0-9a-f]{16}\b", "<code>", package.text())  # fingerprints change with every line
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), "what is compiled has changed: `make golden` accepts it"


def longest_path(spec: Spec, dag: Spec) -> list[str]:
    """Steps on the longest chain of a group of tasks; of a group within it, those of its own longest chain."""
    chains: dict[str, list[str]] = {}

    def chain(name: str) -> list[str]:
        if name not in chains:
            task = dag["tasks"][name]
            component = spec["components"][task["componentRef"]["name"]]
            own = longest_path(spec, component["dag"]) if "dag" in component else [name]
            before = max(map(chain, task.get("dependentTasks", [])), key=len, default=[])
            chains[name] = [*before, *own]
        return chains[name]

    return max(map(chain, dag["tasks"]), key=len, default=[])


def test_ten_steps_stand_one_behind_the_other_at_most(package: Package) -> None:
    """Each costs the start of two pods. The step Report, which comes last whatever happens, is not counted."""
    path = [step for step in longest_path(package.spec, package.spec["root"]["dag"]) if step != "Report"]
    assert (path[0], path[-1], len(path)) == ("Look", "Pusher", 10), path


def test_vertex_ai_takes_the_same_graph(package: Package, tmp_path: Path) -> None:
    """Vertex AI's SDK reads, checks and turns it into the request that it would send."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    from kubeflow.compile import compile_config
    from pipeline.config import load_config

    compiled = compile_config(load_config(ROOT / "configs" / "tiny.yaml", VERTEX_SETTINGS), "vertex")
    compiled.write(tmp_path / "job.yaml")
    job = aiplatform.PipelineJob(
        display_name="nsynth",
        template_path=str(tmp_path / "job.yaml"),
        parameter_values={"range_config": ""},
        project="p",
        location="europe-west4",
        credentials=AnonymousCredentials(),
    )._gca_resource
    tasks = dict(job.pipeline_spec)["root"]["dag"]["tasks"]
    assert set(tasks) == set(all_tasks(package.spec)) - {LOOK, REPORT}
    json_format.ParseDict(compiled.spec["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    assert list(lint.local_paths(compiled)) == []


def render(seed: int, folder: Path) -> None:
    """The smallest demo corpus."""
    program = "from pipeline.cli.main import main; main()"
    arguments = ["corpus", "--size", "tiny", "--seed", str(seed), "--out", str(folder)]
    subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, check=True, capture_output=True)


class Runs:
    """Two runs on one cluster, the second with a new span."""

    def __init__(self, package: Package, image: Path, lacking: set[str], folder: Path):
        claims = {"nsynth-data": folder / "data", "nsynth-models": folder / "claim"}
        self.package, self.cluster = package, Cluster(image, folder / "cluster", lacking, claims=claims)
        self.workspace = folder / "claim" / "nsynth"
        self.models = self.workspace / "models"
        # A folder of this test stands for the claim.
        (folder / "nsynth.yaml").write_text(package.text().replace("/models/nsynth", str(self.workspace)))
        self.done: list[dict[str, Task]] = []
        for span in (1, 2):
            render(span, folder / "data" / f"span-{span}")
            self.done.append(self.cluster.run(folder / "nsynth.yaml", {"data": str(folder / "data")}))

    def versions(self) -> list[int]:
        return sorted(int(entry.name) for entry in self.models.iterdir() if entry.name.isdecimal())

    def record(self, version: int) -> dict[str, Any]:
        return json.loads((self.models / str(version) / "assets.extra" / "nsynth.json").read_text())


@pytest.fixture(scope="module")
def runs(package: Package, image: Path, lacking: set[str], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(package, image, lacking, tmp_path_factory.mktemp("whole"))


@pytest.mark.e2e
@pytest.mark.timeout(3600)
def test_each_run_pushes_a_version(runs: Runs) -> None:
    first, second = runs.versions()
    assert first < second
    for version in (first, second):
        assert (runs.models / str(version) / "saved_model.pb").is_file()
    states = [{name: task.state for name, task in done.items()} for done in runs.done]
    assert set(states[0].values()) == {"SUCCEEDED"}
    assert set(states[1].values()) <= {"SUCCEEDED", "CACHED"}


@pytest.mark.e2e
def test_the_second_run_reads_the_new_span(runs: Runs) -> None:
    for number, done in enumerate(runs.done, start=1):
        assert done["ExampleGen"].artifacts["examples"]["metadata"]["input_fingerprint"].startswith("split:")
        assert done["ExampleGen"].artifacts["examples"]["metadata"]["custom:span"] == number


@pytest.mark.e2e
def test_the_second_run_starts_from_and_is_compared_with_the_first(runs: Runs) -> None:
    first, second = runs.versions()
    assert runs.done[0]["Predictor"].artifacts["champion"]["metadata"]["version"] == 0
    assert runs.done[1]["WarmStart"].artifacts["model"]["metadata"]["version"] == first
    assert runs.done[1]["Predictor"].artifacts["champion"]["metadata"]["version"] == first
    assert runs.record(second)["compared_with"] == first


def scratch_in(content: bytes, home: Path) -> set[bytes]:
    """Paths in a pod's scratch folders, such as /minio/…; the claim and the bucket lie in `home`, maybe below /tmp."""
    content = PICTURE.sub(b"", content.replace(str(home).encode(), b""))
    return set(SCRATCH_PATH.findall(content))


def test_a_path_in_a_scratch_folder_is_found() -> None:
    home = Path("/tmp/test")
    for path in (b"/minio/bucket/x", b"/tmp/tmpabc", b"/gcs/bucket/k", b"/.cache/x1"):
        assert scratch_in(b"\x0a\x41" + path + b"\x12 /tmp/test/claim/models", home) == {path}
    assert (
        scratch_in(b"minio://bucket/tmp.1 s3://bucket/k src=data:image/png;base64,AA/s3/BB+=", home) == set()
    )


@pytest.mark.e2e
def test_no_folder_of_a_pod_is_recorded(runs: Runs) -> None:
    home = runs.cluster.folder.parent
    for task in (task for done in runs.done for task in done.values()):
        assert scratch_in(json.dumps([task.artifacts, task.parameters]).encode(), home) == set()
    files = [file for kept in (runs.cluster.folder / "bucket", runs.workspace) for file in kept.rglob("*")]
    contents = {file: file.read_bytes() for file in files if file.is_file()}
    found = {file: paths for file, content in contents.items() if (paths := scratch_in(content, home))}
    assert found == {}
    assert [file for file, content in contents.items() if b".draft-" in content] == []


@pytest.mark.e2e
def test_artifacts_stay_on_the_claim(runs: Runs) -> None:
    files = [path for path in (runs.cluster.folder / "bucket").rglob("*") if path.is_file()]
    assert {path.name for path in files if "Report" not in path.parts} == {POINTER}
    assert [path for path in files if "Report" in path.parts]  # its page is read there by Kubeflow
    claim = Claim(runs.workspace)
    assert list(claim.runs.glob("*/.*")) == []
    assert list((claim.root / "cache").iterdir())
    for record in claim.records():
        for output in record.outputs:
            claim.check(output)


@pytest.mark.e2e
def test_the_record_names_the_run_and_the_address_of_the_model(runs: Runs) -> None:
    for version, done in zip(runs.versions(), runs.done, strict=True):
        record = runs.record(version)
        address = done["Trainer"].artifacts["model"]["uri"]
        assert record["model_uri"] == address
        assert f"/{record['run']}/" in address
        assert record["run_name"] == f"run {record['run'][:8]}"
        assert record["run_page"] == f"http://kubeflow.example/#/runs/details/{record['run']}"
        assert (
            f"`{record['run_name']}`"
            in (runs.models / str(version) / "assets.extra" / "MODEL_CARD.md").read_text()
        )


@pytest.mark.e2e
def test_lineage_follows_each_version_back_to_its_span(runs: Runs) -> None:
    for span, (version, done) in enumerate(zip(runs.versions(), runs.done, strict=True), start=1):
        command = [sys.executable, "-m", "pipeline.cli.main", "lineage", str(version), "--json"]
        command += ["--set", f"workspace={runs.workspace}"]
        answer = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        told = json.loads(answer.stdout)
        assert told["artifact"]["uri"] == done["Trainer"].artifacts["model"]["uri"]
        assert {"ExampleGen", "Transform", "Trainer"} <= {step["step"] for step in told["steps"]}
        [source] = told["sources"]
        assert source["span"] == span
        assert source["folder"] == str(runs.cluster.folder.parent / "data")
        assert source["notes"] > 0
        assert told["recipe"]["size"] == "tiny"
        assert told["version"]["run"] == runs.record(version)["run"]


@pytest.mark.e2e
def test_every_step_logs_what_it_cost(runs: Runs) -> None:
    print(f"\n{'step':<18} {'seconds':>7} {'CPU s':>6} {'MB':>5}")
    ran = {name: runs.done[0][name] for name in all_tasks(runs.package.spec)}
    for name, task in ran.items():
        cost = task.cost
        print(f"{name:<18} {cost['seconds']:7} {cost['cpu_seconds']:6} {cost['peak_memory_mb']:5}")
        assert cost["step"] == name
        assert cost["exit_code"] == 0
        assert 30 < cost["peak_memory_mb"] < (500 if name in WITHOUT_TENSORFLOW else 4000)
    print(f"{'all':<18} {sum(task.cost['cpu_seconds'] for task in ran.values()):14.1f}")
