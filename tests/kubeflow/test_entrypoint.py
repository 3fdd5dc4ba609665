"""The container's command: each thing that it mends in what it is handed and in what it answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kubeflow import entrypoint
from kubeflow import executor_input as handed

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
    monkeypatch.setattr(handed, "STAGED", staged)
    return tmp_path


def test_the_types_of_input_artifacts_come_from_the_compiled_interface(staging: Path) -> None:
    given = executor_input()
    handed.fix_input(given, INPUTS_SPEC)
    schema = given["inputs"]["artifacts"]["schema"]["artifacts"][0]
    assert schema["type"] == INPUTS_SPEC["artifacts"]["schema"]["artifactType"]


def test_a_type_that_kfp_made_up_is_replaced(staging: Path) -> None:
    given = executor_input()
    given["inputs"]["artifacts"]["schema"]["artifacts"][0]["type"] = {"schemaTitle": "system.Artifact"}
    handed.fix_input(given, INPUTS_SPEC)
    assert "instanceSchema" in given["inputs"]["artifacts"]["schema"]["artifacts"][0]["type"]


def test_the_output_for_logs_is_left_to_the_launcher(staging: Path) -> None:
    given = executor_input()
    handed.fix_input(given, INPUTS_SPEC)
    assert list(given["outputs"]["artifacts"]) == ["examples"]


def test_a_step_can_tell_where_its_input_lies(staging: Path) -> None:
    given = executor_input()
    handed.fix_input(given, INPUTS_SPEC)
    schema = given["inputs"]["artifacts"]["schema"]["artifacts"][0]
    assert schema["uri"] == f"{staging}/minio/bucket/root/Schema/schema"
    assert schema["metadata"]["address"] == "minio://bucket/root/Schema/schema"


def test_files_of_an_output_name_addresses_too(staging: Path) -> None:
    out = staging / "minio" / "bucket" / "report"
    (out / "deep").mkdir(parents=True)
    (out / "deep" / "report.json").write_text(
        json.dumps({"model": [f"{staging}/minio/bucket/model"], "none": None})
    )
    other = f"{{ no JSON {staging}/minio/bucket/model"
    (out / "other.json").write_text(other)
    handed.fix_files(out, handed.staged_places())
    mended = json.loads((out / "deep" / "report.json").read_text())
    assert mended == {"model": ["minio://bucket/model"], "none": None}
    assert (out / "other.json").read_text() == other


@pytest.mark.parametrize(("scheme", "folder"), [("minio", "minio"), ("s3", "s3"), ("gs", "gcs")])
def test_addresses_become_staged_folders_and_back(staging: Path, scheme: str, folder: str) -> None:
    uri = f"{scheme}://bucket/a/b"
    assert handed.to_staged(uri) == f"{staging}/{folder}/bucket/a/b"
    assert handed.to_addresses(handed.to_staged(uri)) == uri


def test_other_addresses_stay(staging: Path) -> None:
    assert handed.to_staged("/data/notes") == "/data/notes"
    assert handed.to_staged("hdfs://host/a") == "hdfs://host/a"
    assert handed.to_addresses({"n": 1.5, "text": "minio/", "list": ["/s3"]}) == {
        "n": 1.5, "text": "minio/", "list": ["/s3"],
    }  # fmt: skip


def test_by_default_the_staged_folders_are_those_of_the_launcher() -> None:
    assert handed.to_staged("minio://b/k") == "/minio/b/k"
    assert handed.to_staged("s3://b/k") == "/s3/b/k"
    assert handed.to_staged("gs://b/k") == "/gcs/b/k"


def test_an_empty_artifact_is_an_empty_folder(staging: Path) -> None:
    given = executor_input()
    handed.fix_input(given, INPUTS_SPEC)
    folder = Path(given["inputs"]["artifacts"]["schema"]["artifacts"][0]["uri"])
    assert folder.is_dir()
    assert not list(folder.iterdir())


def test_the_folders_of_outputs_are_made_but_not_those_of_values(staging: Path) -> None:
    given = executor_input()
    value = {"uri": "minio://bucket/count", "type": {"instanceSchema": "title: tfx.Integer\ntype: object\n"}}
    given["outputs"]["artifacts"]["count"] = {"artifacts": [value]}
    handed.fix_input(given, INPUTS_SPEC)
    folder = Path(given["outputs"]["artifacts"]["examples"]["artifacts"][0]["uri"])
    assert folder.is_dir()
    assert folder.is_relative_to(staging)
    assert not (staging / "minio/bucket/count").exists()


def test_a_single_staged_file_is_left_alone(staging: Path) -> None:
    file = staging / "minio/bucket/root/Schema/schema"
    file.parent.mkdir(parents=True)
    file.write_text("x")
    handed.fix_input(executor_input(), INPUTS_SPEC)
    assert file.read_text() == "x"


def test_lists_and_dicts_are_unwrapped(staging: Path) -> None:
    given = executor_input()
    handed.fix_input(given, INPUTS_SPEC)
    metadata = given["inputs"]["artifacts"]["schema"]["artifacts"][0]["metadata"]
    del metadata["address"]
    assert metadata == {"display_name": "schema", "names": ["a", "b"], "by_split": {"train": 1.0}}


def test_properties_without_value_are_left_out_of_the_answer() -> None:
    assert handed.to_addresses({"metadata": {"version": None, "span": 0.0}}) == {"metadata": {"span": 0.0}}


def test_the_command_imports_nothing_heavy() -> None:
    program = (
        "import sys; import kubeflow.entrypoint; print(len({'tfx', 'tensorflow', 'yaml'} & set(sys.modules)))"
    )
    root = Path(entrypoint.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "0"
