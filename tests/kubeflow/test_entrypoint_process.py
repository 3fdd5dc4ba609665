"""The container's command as a process: children, signals, exit codes, costs; with a stand-in for TFX's command."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_entrypoint import INPUTS_SPEC, executor_input

import nsynth
from kubeflow import entrypoint
from kubeflow.documents import last_sign_of_life, note_error

pytestmark = pytest.mark.slow

STAND_IN = """
import argparse, json, os, signal, sys, time
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--json_serialized_invocation_args", type=json.loads)
parser.add_argument("--json_serialized_inputs_spec_args", type=json.loads)
parser.add_argument("--behave", default="")
args, rest = parser.parse_known_args()
given = args.json_serialized_invocation_args
with open(os.environ["SEEN"], "a") as seen:
    seen.write(json.dumps({"input": given, "rest": rest}) + "\\n")
if args.behave == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(40))
    print("ready", flush=True)
    time.sleep(600)
if args.behave == "memory":
    ballast = bytearray(300_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
if args.behave == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
outputs = given["outputs"]
uri = outputs["artifacts"]["examples"]["artifacts"][0]["uri"]
with open(uri + "/made.json", "w") as file:
    json.dump({"folder": uri, "read": given["inputs"]["artifacts"]["schema"]["artifacts"][0]["uri"]}, file)
if args.behave.isdigit():
    sys.exit(int(args.behave))
metadata = {"span": 7.0, "made_in": uri, "nothing": None}
answer = {"artifacts": {"examples": {"artifacts": [{"uri": uri, "metadata": metadata}]}}}
with open(outputs["outputFile"], "w") as file:
    json.dump(answer, file)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Module `stand_in`; the file answered holds what it was given."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(entrypoint.__file__).parents[1]}")
    monkeypatch.setenv("NSYNTH_STAGING_ROOT", str(tmp_path))
    seen = tmp_path / "seen.jsonl"
    monkeypatch.setenv("SEEN", str(seen))
    return seen


def start(tmp_path: Path, *args: str, output_file: str = "", stderr: int | None = None) -> subprocess.Popen:
    """Runs the command as a container would, with the stand-in for TFX's."""
    program = (
        "import sys, kubeflow.entrypoint as e; e.TFX_COMMAND = 'stand_in'; sys.exit(e.main(sys.argv[1:]))"
    )
    given = [entrypoint.EXECUTOR_INPUT, json.dumps(executor_input(output_file or tmp_path / "out.json"))]
    given += [entrypoint.INPUTS_SPEC, json.dumps(INPUTS_SPEC)]
    command = [sys.executable, "-c", program, "--step", "ExampleGen", *args, *given]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)


def run(tmp_path: Path, *args: str, output_file: str = "") -> tuple[int, dict]:
    """Exit code and the line that was logged."""
    process = start(tmp_path, *args, output_file=output_file)
    output, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(output.splitlines()[-1])


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
    run(tmp_path, "--driver", "a.driver")
    driver, executor = map(json.loads, stand_in.read_text().splitlines())
    assert (driver["rest"], executor["rest"]) == (["--driver_module", "a.driver"], [])
    assert executor["input"]["outputs"]["artifacts"]["examples"]["artifacts"][0]["metadata"]["span"] == 7.0


def test_a_failing_driver_ends_the_step_with_its_exit_code(tmp_path: Path, stand_in: Path) -> None:
    code, line = run(tmp_path, "--driver", "a.driver", "--behave", "5")
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
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)  # half of what the child would have slept
    # SIGTERM is handled by the stand-in, SIGINT is Python's KeyboardInterrupt.
    assert process.returncode == (40 if number == signal.SIGTERM else 128 + signal.SIGINT)
    assert json.loads(output.splitlines()[-1])["exit_code"] == process.returncode


@pytest.fixture
def clean_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists of signals and children, of this test's own."""
    monkeypatch.setattr(entrypoint, "_received", [])
    monkeypatch.setattr(entrypoint, "_running", [])


def test_after_a_signal_no_other_child_is_started(clean_signals: None, stand_in: Path) -> None:
    entrypoint._forward(signal.SIGTERM, None)
    with pytest.raises(entrypoint.Failed) as failed:
        entrypoint._run("stand_in", executor_input(), INPUTS_SPEC, [])
    assert failed.value.code == 128 + signal.SIGTERM
    assert not stand_in.exists()


def test_a_signal_that_comes_while_a_child_is_started_reaches_it(
    clean_signals: None, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen

    def interrupted(command: list[str], **options: Any) -> subprocess.Popen:
        child = real(command, **options)
        entrypoint._forward(signal.SIGKILL, None)  # the child is not in the list yet
        return child

    monkeypatch.setattr(entrypoint.subprocess, "Popen", interrupted)
    given = executor_input()
    with pytest.raises(entrypoint.Failed) as failed:
        entrypoint._run("stand_in", given, INPUTS_SPEC, ["--behave", "wait"])
    assert failed.value.code == 128 + signal.SIGKILL


def test_one_line_tells_what_the_step_cost(tmp_path: Path, stand_in: Path) -> None:
    began = time.monotonic()
    _, line = run(tmp_path, "--behave", "memory")
    assert line["step"] == "ExampleGen"
    assert 300 < line["peak_memory_mb"] < 600
    assert 0 < line["seconds"] <= time.monotonic() - began + 0.1
    assert line["cpu_seconds"] > 0


def documents(tmp_path: Path) -> Path:
    """Of the step, whose address names the run `root`."""
    return tmp_path / "work" / "kubeflow" / "documents" / "root" / "ExampleGen"


def test_a_step_leaves_its_documents_on_the_claim(tmp_path: Path, stand_in: Path) -> None:
    account = tmp_path / "minio" / "bucket" / "root" / "Schema" / "schema"
    account.mkdir(parents=True)
    (account / "summary.json").write_text('{"in": 3}')
    (account / "data.tfrecord").write_text("sound")
    (account / "large.json").write_text("x" * (1 << 21))
    code, _ = run(tmp_path, "--workspace", str(tmp_path / "work"))
    told = json.loads((documents(tmp_path) / "step.json").read_text())
    assert (code, told["state"], told["exit_code"]) == (0, "succeeded", 0)
    assert told["inputs"]["schema"][0]["address"] == "minio://bucket/root/Schema/schema"
    assert told["outputs"]["examples"][0]["metadata"]["span"] == 7.0
    kept = documents(tmp_path) / "inputs" / "schema"
    assert [file.name for file in kept.iterdir()] == ["summary.json"]
    assert last_sign_of_life(documents(tmp_path).parent) > time.time() - 60


def test_a_step_that_fails_says_so_on_the_claim(tmp_path: Path, stand_in: Path) -> None:
    run(tmp_path, "--workspace", str(tmp_path / "work"), "--behave", "7")
    told = json.loads((documents(tmp_path) / "step.json").read_text())
    assert (told["state"], told["exit_code"]) == ("failed", 7)


def test_a_claim_without_room_fails_no_step(tmp_path: Path, stand_in: Path) -> None:
    (tmp_path / "work").write_text("no folder")
    assert run(tmp_path, "--workspace", str(tmp_path / "work"))[0] == 0


def test_what_is_only_for_the_cache_does_not_reach_tfx(tmp_path: Path, stand_in: Path) -> None:
    given = executor_input(tmp_path / "out.json")
    given["inputs"]["parameterValues"] |= {"seen": "span 7", "lift": "0"}
    program = "import sys, kubeflow.entrypoint as e; e.TFX_COMMAND = 'stand_in'; e.main(sys.argv[1:])"
    arguments = ["--step", "ExampleGen", entrypoint.EXECUTOR_INPUT, json.dumps(given)]
    arguments += [entrypoint.INPUTS_SPEC, json.dumps(INPUTS_SPEC)]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True)
    told = json.loads(stand_in.read_text().splitlines()[-1])["input"]
    assert told["inputs"]["parameterValues"] == {"n": 3.0}


def test_why_a_step_failed_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = nsynth.RefusedDataError("too few basses", span=3)
    note_error(error)  # nobody asked
    monkeypatch.setenv("NSYNTH_ERROR_FILE", str(tmp_path / "error.json"))
    note_error(error)
    told = json.loads((tmp_path / "error.json").read_text())
    assert told == {"words": "too few basses", "refused": True, "span": 3, "passing": False}
