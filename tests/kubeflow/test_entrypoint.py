"""The container's command: each thing that it mends, with a stand-in for TFX's command and without KFP."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubeflow import entrypoint

STAND_IN = """
import argparse, json, os, signal, sys, time
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--json_serialized_invocation_args", type=json.loads)
parser.add_argument("--json_serialized_inputs_spec_args", type=json.loads)
parser.add_argument("--behave", default="")
args, rest = parser.parse_known_args()
given = args.json_serialized_invocation_args
with open(os.environ["SEEN"], "a") as seen:
    seen.write(json.dumps({"module": __spec__.name, "input": given, "rest": rest}) + "\\n")
if args.behave == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(40))
    print("ready", flush=True)
    time.sleep(60)
if args.behave == "memory":
    ballast = bytearray(300_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
if args.behave == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if args.behave.isdigit():
    sys.exit(int(args.behave))
outputs = given["outputs"]
uri = outputs["artifacts"]["examples"]["artifacts"][0]["uri"]
metadata = {"span": 7.0, "made_in": uri, "nothing": None}
answer = {"artifacts": {"examples": {"artifacts": [{"uri": uri, "metadata": metadata}]}}}
with open(outputs["outputFile"], "w") as file:
    json.dump(answer, file)
"""
INPUTS_SPEC = {
    "artifacts": {"schema": {"artifactType": {"instanceSchema": "title: tfx.Schema\ntype: object\n"}}},
    "parameters": {"n": {"parameterType": "NUMBER_INTEGER"}},
}


def executor_input(output_file: Path | str = "/tmp/out.json") -> dict:
    """What KFP's launcher puts in the place of {{$}}."""
    return {
        "inputs": {
            "parameterValues": {"n": 3.0},
            "artifacts": {
                "schema": {
                    "artifacts": [
                        {
                            "name": "12",
                            "uri": "minio://bucket/root/Schema/schema",
                            "metadata": {
                                "display_name": "schema",
                                "names": {"list": ["a", "b"]},
                                "by_split": {"struct": {"train": 1.0}},
                            },
                        }
                    ]
                }
            },
        },
        "outputs": {
            "artifacts": {
                "examples": {
                    "artifacts": [
                        {
                            "uri": "minio://bucket/root/ExampleGen/examples",
                            "type": {"instanceSchema": "title: tfx.Examples\n"},
                        }
                    ]
                },
                "executor-logs": {
                    "artifacts": [
                        {"uri": "minio://bucket/root/logs", "type": {"schemaTitle": "system.Artifact"}}
                    ]
                },
            },
            "outputFile": str(output_file),
        },
    }


@pytest.fixture
def staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A staging root of this test's own."""
    folders = {"minio://": "minio/", "s3://": "s3/", "gs://": "gcs/"}
    staged = {scheme: f"{tmp_path}/{folder}" for scheme, folder in folders.items()}
    monkeypatch.setattr(entrypoint, "STAGED", staged)
    return tmp_path


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules `stand_in` and `stand_in_driver`; the file answered holds what they were given."""
    for name in ("stand_in", "stand_in_driver"):
        (tmp_path / f"{name}.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(entrypoint.__file__).parents[1]}")
    monkeypatch.setenv("NSYNTH_STAGING_ROOT", str(tmp_path))
    seen = tmp_path / "seen.jsonl"
    monkeypatch.setenv("SEEN", str(seen))
    return seen


def start(tmp_path: Path, *args: str, output_file: str = "") -> subprocess.Popen:
    """Runs the command as a container would, with the stand-in for TFX's."""
    program = (
        "import sys, kubeflow.entrypoint as e; e.TFX_COMMAND = 'stand_in'; sys.exit(e.main(sys.argv[1:]))"
    )
    given = [entrypoint.EXECUTOR_INPUT, json.dumps(executor_input(output_file or tmp_path / "out.json"))]
    given += [entrypoint.INPUTS_SPEC, json.dumps(INPUTS_SPEC)]
    command = [sys.executable, "-c", program, "--step", "ExampleGen", *args, *given]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run(tmp_path: Path, *args: str, output_file: str = "") -> tuple[int, dict]:
    """Exit code and the line that was logged."""
    process = start(tmp_path, *args, output_file=output_file)
    output, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(output.splitlines()[-1])


def test_the_types_of_input_artifacts_come_from_the_compiled_interface(staging: Path) -> None:
    given = executor_input()
    entrypoint.mend_input(given, INPUTS_SPEC)
    schema = given["inputs"]["artifacts"]["schema"]["artifacts"][0]
    assert schema["type"] == INPUTS_SPEC["artifacts"]["schema"]["artifactType"]


def test_a_type_that_kfp_made_up_is_replaced(staging: Path) -> None:
    given = executor_input()
    given["inputs"]["artifacts"]["schema"]["artifacts"][0]["type"] = {"schemaTitle": "system.Artifact"}
    entrypoint.mend_input(given, INPUTS_SPEC)
    assert "instanceSchema" in given["inputs"]["artifacts"]["schema"]["artifacts"][0]["type"]


def test_the_output_for_logs_is_left_to_the_launcher(staging: Path) -> None:
    given = executor_input()
    entrypoint.mend_input(given, INPUTS_SPEC)
    assert list(given["outputs"]["artifacts"]) == ["examples"]


@pytest.mark.parametrize(("scheme", "folder"), [("minio", "minio"), ("s3", "s3"), ("gs", "gcs")])
def test_addresses_become_staged_folders_and_back(staging: Path, scheme: str, folder: str) -> None:
    uri = f"{scheme}://bucket/a/b"
    assert entrypoint.to_staged(uri) == f"{staging}/{folder}/bucket/a/b"
    assert entrypoint.to_addresses(entrypoint.to_staged(uri)) == uri


def test_other_addresses_stay(staging: Path) -> None:
    assert entrypoint.to_staged("/data/notes") == "/data/notes"
    assert entrypoint.to_staged("hdfs://host/a") == "hdfs://host/a"
    assert entrypoint.to_addresses({"n": 1.5, "text": "minio/", "list": ["/s3"]}) == {
        "n": 1.5, "text": "minio/", "list": ["/s3"],
    }  # fmt: skip


def test_by_default_the_staged_folders_are_those_of_the_launcher() -> None:
    assert entrypoint.to_staged("minio://b/k") == "/minio/b/k"
    assert entrypoint.to_staged("s3://b/k") == "/s3/b/k"
    assert entrypoint.to_staged("gs://b/k") == "/gcs/b/k"


def test_an_empty_artifact_is_an_empty_folder(staging: Path) -> None:
    given = executor_input()
    entrypoint.mend_input(given, INPUTS_SPEC)
    folder = Path(given["inputs"]["artifacts"]["schema"]["artifacts"][0]["uri"])
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_the_folders_of_outputs_are_made_but_not_those_of_values(staging: Path) -> None:
    given = executor_input()
    value = {"uri": "minio://bucket/count", "type": {"instanceSchema": "title: tfx.Integer\ntype: object\n"}}
    given["outputs"]["artifacts"]["count"] = {"artifacts": [value]}
    entrypoint.mend_input(given, INPUTS_SPEC)
    assert Path(given["outputs"]["artifacts"]["examples"]["artifacts"][0]["uri"]).is_dir()
    assert not (staging / "minio/bucket/count").exists()


def test_a_single_staged_file_is_left_alone(staging: Path) -> None:
    file = staging / "minio/bucket/root/Schema/schema"
    file.parent.mkdir(parents=True)
    file.write_text("x")
    entrypoint.mend_input(executor_input(), INPUTS_SPEC)
    assert file.read_text() == "x"


def test_lists_and_dicts_are_unwrapped(staging: Path) -> None:
    given = executor_input()
    entrypoint.mend_input(given, INPUTS_SPEC)
    metadata = given["inputs"]["artifacts"]["schema"]["artifacts"][0]["metadata"]
    assert metadata == {"display_name": "schema", "names": ["a", "b"], "by_split": {"train": 1.0}}


def test_properties_without_value_are_left_out_of_the_answer() -> None:
    assert entrypoint.to_addresses({"metadata": {"version": None, "span": 0.0}}) == {
        "metadata": {"span": 0.0}
    }


def test_the_answer_names_addresses_not_folders(tmp_path: Path, stand_in: Path) -> None:
    code, _ = run(tmp_path)
    answer = json.loads((tmp_path / "out.json").read_text())
    uri = "minio://bucket/root/ExampleGen/examples"
    artifact = answer["artifacts"]["examples"]["artifacts"][0]
    assert code == 0
    assert artifact == {"uri": uri, "metadata": {"span": 7.0, "made_in": uri}}


def test_the_answer_s_file_may_be_an_address_as_on_vertex_ai(tmp_path: Path, stand_in: Path) -> None:
    (tmp_path / "gcs/bucket").mkdir(parents=True)
    code, _ = run(tmp_path, output_file="gs://bucket/out.json")
    assert code == 0
    answer = json.loads((tmp_path / "gcs/bucket/out.json").read_text())
    assert answer["artifacts"]["examples"]["artifacts"][0]["uri"] == "minio://bucket/root/ExampleGen/examples"


def test_tfx_gets_the_arguments_that_are_not_ours(tmp_path: Path, stand_in: Path) -> None:
    run(tmp_path, "--executor_class_path", "a.B", "--runner=x")
    seen = json.loads(stand_in.read_text())
    assert seen["rest"] == ["--executor_class_path", "a.B", "--runner=x"]


def test_the_driver_runs_first_and_what_it_knows_of_the_artifacts_is_kept(
    tmp_path: Path, stand_in: Path
) -> None:
    run(tmp_path, "--driver", "stand_in_driver")
    driver, executor = map(json.loads, stand_in.read_text().splitlines())
    assert (driver["module"], executor["module"]) == ("stand_in_driver", "stand_in")
    assert executor["input"]["outputs"]["artifacts"]["examples"]["artifacts"][0]["metadata"]["span"] == 7.0


def test_a_failing_driver_ends_the_step_with_its_exit_code(tmp_path: Path, stand_in: Path) -> None:
    code, line = run(tmp_path, "--driver", "stand_in_driver", "--behave", "5")
    assert (code, line["exit_code"]) == (5, 5)
    assert len(stand_in.read_text().splitlines()) == 1  # the executor was not started


@pytest.mark.parametrize(("behave", "expected"), [("3", 3), ("killed", 128 + signal.SIGKILL)])
def test_exit_codes_are_kept(tmp_path: Path, stand_in: Path, behave: str, expected: int) -> None:
    code, line = run(tmp_path, "--behave", behave)
    assert (code, line["exit_code"]) == (expected, expected)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_child(tmp_path: Path, stand_in: Path, number: int) -> None:
    process = start(tmp_path, "--behave", "wait")
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert time.monotonic() - began < 20  # far less than what the child would have slept
    # SIGTERM is handled by the stand-in, SIGINT is Python's KeyboardInterrupt.
    assert process.returncode == (40 if number == signal.SIGTERM else 128 + signal.SIGINT)
    assert json.loads(output.splitlines()[-1])["exit_code"] == process.returncode


def test_one_line_tells_what_the_step_cost(tmp_path: Path, stand_in: Path) -> None:
    began = time.monotonic()
    _, line = run(tmp_path, "--behave", "memory")
    assert line["step"] == "ExampleGen"
    assert 300 < line["peak_memory_mb"] < 600
    assert 0 < line["seconds"] <= time.monotonic() - began + 0.1
    assert line["cpu_seconds"] > 0


def test_the_command_imports_nothing_heavy() -> None:
    program = (
        "import sys; import kubeflow.entrypoint; print(len({'tfx', 'tensorflow', 'yaml'} & set(sys.modules)))"
    )
    root = Path(entrypoint.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"
