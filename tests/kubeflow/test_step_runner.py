"""The runner of compiled steps: does to a step what KFP does, and refuses what KFP refuses."""

import copy
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp_rules import Refused, copy_files, holds, order
from pod import SCRATCH, USER, why_not_isolated
from step_runner import Cluster
from test_lint import GOOD

# A step that writes what it was given into its output folder and answers as an executor would.
STEP = """
import json, os, sys
given = json.loads(sys.argv[1])
root = os.environ.get("NSYNTH_STAGING_ROOT", "") + "/minio/"
with open(os.environ["CALLS"], "a") as calls:
    calls.write(sys.argv[2] + " ")
if sys.argv[2] == "Use" and os.path.exists("trouble"):
    sys.exit(7)
answer = {"artifacts": {}, "parameterValues": {}}
for key, entry in given["outputs"]["artifacts"].items():
    uri = entry["artifacts"][0]["uri"]
    if key == "executor-logs":
        continue
    folder = uri.replace("minio://", root)
    os.makedirs(folder + "/empty")
    with open(folder + "/given.json", "w") as file:
        json.dump(given, file)
    entry = {"uri": uri, "metadata": {"number": 3, "list": [1], "dict": {"a": 1}}}
    answer["artifacts"][key] = {"artifacts": [entry]}
if "parameters" in given["outputs"] and given["outputs"]["parameters"]:
    answer["parameterValues"]["count"] = 5
with open(given["outputs"]["outputFile"], "w") as file:
    json.dump(answer, file)
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not in memory below /dev, all of which a pod sees."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    (tmp_path / "app").mkdir()
    environment = {"CALLS": str(tmp_path / "claim" / "calls")}
    return Cluster(tmp_path / "app", tmp_path / "cluster", set(), environment, {"notes": tmp_path / "claim"})


def mounts(spec: dict[str, Any]) -> dict[str, Any]:
    """The platform's part of a package: all its steps mount the claim."""
    mounted = {"pvcMount": [{"constant": "notes", "mountPath": "/notes"}]}
    executors = dict.fromkeys(spec["deploymentSpec"]["executors"], mounted)
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def pipeline(tmp_path: Path, **changes: Any) -> Path:
    """The good spec of the lint's tests, with steps that really run."""
    spec = copy.deepcopy(GOOD.spec)
    for label, name in (("gen", "Gen"), ("use", "Use")):
        container = spec["deploymentSpec"]["executors"][label]["container"]
        container.update(command=["python", "-c", STEP], args=["{{$}}", name])
    spec["root"]["dag"]["tasks"]["Use"].update(changes)
    for task in spec["root"]["dag"]["tasks"].values():
        task.setdefault("cachingOptions", {"enableCache": True})
    file = tmp_path / "pipeline.yaml"
    file.write_text(yaml.safe_dump_all([spec, mounts(spec)]))
    return file


def calls(cluster: Cluster) -> list[str]:
    return Path(cluster.environment["CALLS"]).read_text().split()


def test_inputs_arrive_as_kfp_leaves_them(tmp_path: Path, cluster: Cluster) -> None:
    done = cluster.run(pipeline(tmp_path), {"data": "/elsewhere"})
    made = done["Gen"].artifacts["examples"]
    assert made["metadata"]["number"] == 3.0
    assert made["metadata"]["list"] == {"list": [1]}
    assert made["metadata"]["dict"] == {"struct": {"a": 1}}
    assert "type" not in made
    given = yaml.safe_load((cluster.path(made["uri"]) / "given.json").read_text())
    assert given["inputs"]["parameterValues"] == {"input_base": "/elsewhere"}
    assert set(given["outputs"]["artifacts"]) == {"examples", "executor-logs"}
    assert not (cluster.path(made["uri"]) / "empty").exists()  # an object store has no folders
    assert done["Use"].state == "SUCCEEDED"
    stored = [path for path in (cluster.folder / "bucket").rglob("*") if path.is_file()]
    assert cluster.up_bytes == sum(path.stat().st_size for path in stored)
    assert cluster.down_bytes == (cluster.path(made["uri"]) / "given.json").stat().st_size


def test_a_second_run_is_cached_and_a_changed_parameter_is_not(tmp_path: Path, cluster: Cluster) -> None:
    file = pipeline(tmp_path)
    cluster.run(file)
    assert {name: task.state for name, task in cluster.run(file).items()} == {
        "Gen": "CACHED",
        "Use": "CACHED",
    }
    assert calls(cluster) == ["Gen", "Use"]
    changed = cluster.run(file, {"data": "/other"})
    assert changed["Gen"].state == changed["Use"].state == "SUCCEEDED"


def test_a_failing_step_is_retried_and_ends_the_run(tmp_path: Path, cluster: Cluster) -> None:
    (cluster.image / "trouble").write_text("")
    done = cluster.run(pipeline(tmp_path, retryPolicy={"maxRetryCount": 2}), stop_on_error=False)
    assert (done["Use"].state, done["Use"].attempts) == ("FAILED", 3)
    assert "exit code 7" in done["Use"].log
    assert calls(cluster) == ["Gen", "Use", "Use", "Use"]


@pytest.mark.parametrize(("wanted", "state"), [("3.0", "SUCCEEDED"), ("4.0", "SKIPPED")])
def test_conditions(tmp_path: Path, cluster: Cluster, wanted: str, state: str) -> None:
    condition = f"inputs.artifacts['examples'].artifacts[0].metadata['number'] == {wanted}"
    done = cluster.run(pipeline(tmp_path, triggerPolicy={"condition": condition}))
    assert done["Use"].state == state


def test_conditions_may_be_joined() -> None:
    inputs = {"artifacts": {"m": {"artifacts": [{"uri": "u", "metadata": {"a": 1.0}}]}}}
    one = "(inputs.artifacts['m'].artifacts[0].metadata['a'] == 1.0)"
    assert holds(f"{one} && !(inputs.artifacts['m'].artifacts[0].uri == 'v')", inputs)
    assert not holds(f"!({one}) || (inputs.artifacts['m'].artifacts[0].metadata['a'] > 2.0)", inputs)


def test_what_kfp_refuses(tmp_path: Path, cluster: Cluster) -> None:
    file = pipeline(tmp_path)
    with pytest.raises(Refused, match="parameter nonsense"):
        cluster.run(file, {"nonsense": "1"})
    with pytest.raises(Refused, match="type mismatch"):
        cluster.run(file, {"data": 5})
    file.write_text(file.read_text().replace("schemaVersion: 2.1.0", "schemaVersion: 2.0.0"))
    with pytest.raises(Refused, match="schema version"):
        cluster.run(file)


def test_a_module_that_the_image_lacks_is_not_found(tmp_path: Path, cluster: Cluster) -> None:
    cluster.lacking = {"yaml"}
    file = pipeline(tmp_path)
    file.write_text(file.read_text().replace("import json, os, sys", "import json, os, sys, yaml"))
    done = cluster.run(file, stop_on_error=False)
    assert done["Gen"].state == "FAILED"
    assert "the image has no yaml" in done["Gen"].log


def steps(tmp_path: Path, *programs: str) -> Path:
    """A pipeline of Python programs that need nothing of each other; their argument is the claim."""
    named = {f"step-{number}": program for number, program in enumerate(programs)}
    containers = {
        label: {
            "container": {"image": "i", "command": ["python", "-c", program], "args": [f"{tmp_path}/claim"]}
        }
        for label, program in named.items()
    }
    spec = {
        "pipelineInfo": {"name": "steps"},
        "schemaVersion": "2.1.0",
        "components": {label: {"executorLabel": label} for label in named},
        "deploymentSpec": {"executors": containers},
        "root": {"dag": {"tasks": {label: {"componentRef": {"name": label}} for label in named}}},
    }
    file = tmp_path / "steps.yaml"
    file.write_text(yaml.safe_dump_all([spec, mounts(spec)]))
    return file


WRITES = "import pathlib, sys; pathlib.Path({!r}, 'written').write_text('x')"
only_isolated = pytest.mark.skipif(bool(why_not_isolated()), reason=why_not_isolated() or "it can be")


@only_isolated
@pytest.mark.parametrize("place", ["/", "/usr", "/etc", "/var/tmp", "/root", "/home", "app", "other", "site"])
def test_a_step_that_writes_elsewhere_fails(tmp_path: Path, cluster: Cluster, place: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other").chmod(0o777)
    cluster.claims = {**cluster.claims, "not-mounted": tmp_path / "other"}
    places = {"app": cluster.image, "other": tmp_path / "other", "site": "/site"}
    done = cluster.run(steps(tmp_path, WRITES.format(str(places.get(place, place)))), stop_on_error=False)
    assert done["step-0"].state == "FAILED"
    assert re.search("PermissionError|Read-only file system|No such file", done["step-0"].log)


@only_isolated
def test_a_step_may_write_to_what_kfp_mounts_and_to_its_claim(tmp_path: Path, cluster: Cluster) -> None:
    places = [*(f"/{name}" for name in SCRATCH), str(tmp_path / "claim")]
    cluster.run(steps(tmp_path, "\n".join(WRITES.format(place) for place in places)))
    assert (tmp_path / "claim" / "written").stat().st_uid == USER


@only_isolated
def test_a_step_is_the_image_s_user_without_any_capability(tmp_path: Path, cluster: Cluster) -> None:
    log = cluster.run(steps(tmp_path, "print(open('/proc/self/status').read())"))["step-0"].log
    assert re.search(rf"^Uid:(\s+{USER}){{4}}$", log, re.MULTILINE)
    assert set(re.findall(r"^Cap\w+:\s+(\w+)$", log, re.MULTILINE)) == {"0" * 16}


def test_steps_that_do_not_wait_for_each_other_run_at_once(tmp_path: Path, cluster: Cluster) -> None:
    meets = """
import pathlib, sys, time
claim, end = pathlib.Path(sys.argv[1]), time.monotonic() + 300
(claim / "here-{0}").touch()
while not (claim / "here-{1}").exists():
    assert time.monotonic() < end, "the other one does not come"
    time.sleep(0.01)
"""
    done = cluster.run(steps(tmp_path, meets.format(0, 1), meets.format(1, 0)))
    assert [task.state for task in done.values()] == ["SUCCEEDED"] * 2


def test_an_unknown_producer_is_refused() -> None:
    spec = copy.deepcopy(GOOD.spec)
    source = spec["root"]["dag"]["tasks"]["Use"]["inputs"]["artifacts"]["examples"]["taskOutputArtifact"]
    source["producerTask"] = "Other"
    with pytest.raises(Refused, match="unknown producer"):
        order(spec["root"]["dag"]["tasks"])


# A step that notes its name, fails if a file of that name is there, and answers what it was told to.
LIGHT = """
import json, os, sys
given = json.loads(sys.argv[1])
with open(os.environ["CALLS"], "a") as calls:
    calls.write(sys.argv[2] + " ")
if os.path.exists("fail-" + sys.argv[2]):
    sys.exit(1)
told = given["inputs"]["parameterValues"]
with open(given["outputs"]["outputFile"], "w") as file:
    json.dump({"parameterValues": {"work": told["state"]} if sys.argv[2] == "look" else {}}, file)
"""


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Look, then two tasks if it says yes, then one that always runs; compiled by Kubeflow's own SDK."""
    from kfp import compiler, dsl

    def light(name: str) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="i", command=["python", "-c", LIGHT], args=["{{$}}", name])

    @dsl.container_component
    def look(state: str, work: dsl.OutputPath(str)):  # type: ignore[valid-type, no-untyped-def]
        return light("look")

    @dsl.container_component
    def train(state: str):  # type: ignore[no-untyped-def]
        return light("train")

    @dsl.container_component
    def push(run: str):  # type: ignore[no-untyped-def]
        return light("push")

    @dsl.container_component
    def report(run: str):  # type: ignore[no-untyped-def]
        return light("report")

    @dsl.pipeline(name="grouped")
    def pipeline(state: str = "yes") -> None:
        last = report(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
        with dsl.ExitHandler(last):
            looked = look(state=state).set_caching_options(False)
            with dsl.If(looked.outputs["work"] == "yes"):
                push(run=dsl.PIPELINE_JOB_ID_PLACEHOLDER).after(train(state=state))

    file = tmp_path_factory.mktemp("grouped") / "pipeline.yaml"
    compiler.Compiler().compile(pipeline, str(file))
    spec = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump_all([spec, mounts(spec)]))
    return file


def test_a_group_runs_if_its_condition_holds(grouped: Path, cluster: Cluster) -> None:
    done = cluster.run(grouped)
    assert calls(cluster) == ["look", "train", "push", "report"]
    assert {done[name].state for name in ("condition-2", "exit-handler-1", "push")} == {"SUCCEEDED"}


def test_of_a_group_whose_condition_does_not_hold_nothing_runs(grouped: Path, cluster: Cluster) -> None:
    done = cluster.run(grouped, {"state": "no"})
    assert calls(cluster) == ["look", "report"]
    assert (done["condition-2"].state, done["exit-handler-1"].state) == ("SKIPPED", "SUCCEEDED")
    assert "train" not in done


@pytest.mark.parametrize(
    ("failing", "called"),
    [("look", ["look", "report"]), ("train", ["look", "train", "report"])],
)
def test_what_always_runs_runs_after_a_failure(
    grouped: Path, cluster: Cluster, failing: str, called: list[str]
) -> None:
    (cluster.image / f"fail-{failing}").write_text("")
    done = cluster.run(grouped, stop_on_error=False)
    assert calls(cluster) == called
    assert (done[failing].state, done["exit-handler-1"].state) == ("FAILED", "FAILED")
    assert done["report"].state == "SUCCEEDED"
    if failing == "train":
        assert done["push"].state == "OMITTED"


def test_a_placeholder_of_the_run_makes_a_task_new_each_time(grouped: Path, cluster: Cluster) -> None:
    cluster.run(grouped)
    done = cluster.run(grouped)
    assert (done["train"].state, done["push"].state) == ("CACHED", "SUCCEEDED")


def test_only_files_are_copied(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/empty").mkdir()
    (tmp_path / "a/b/c").write_text("x")
    copy_files(tmp_path / "a", tmp_path / "z")
    copy_files(tmp_path / "nothing", tmp_path / "n")
    assert [p.relative_to(tmp_path / "z").as_posix() for p in sorted((tmp_path / "z").rglob("*"))] == [
        "b",
        "b/c",
    ]
    assert not (tmp_path / "n").exists()
