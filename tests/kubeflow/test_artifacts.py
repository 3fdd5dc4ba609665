"""A step whose artifacts stay on the claim, as a process; with a stand-in for TFX's command."""

import json
import subprocess
from pathlib import Path

import pytest
from test_entrypoint_process import run, stand_in, start  # noqa: F401 (a fixture)

from components.claim import POINTER, Claim, Listing, Output, lift

SCHEMA, EXAMPLES = "minio/bucket/root/Schema/schema", "minio/bucket/root/ExampleGen/examples"


@pytest.fixture
def claim(tmp_path: Path, stand_in: Path) -> Claim:  # noqa: F811
    """A claim with an input of the step, and the pointer to it as the launcher has staged it."""
    found = Claim(tmp_path / "workspace")
    with found.publish("root", "Schema") as draft:
        (draft / "schema").mkdir()
        (draft / "schema/schema.pbtxt").write_text("feature {}")
    output = Output("root/Schema/schema", "Schema", Listing.of(found.folder("root/Schema/schema")))
    (tmp_path / SCHEMA).mkdir(parents=True)
    (tmp_path / SCHEMA / POINTER).write_text(output.text())
    return found


def arguments(claim: Claim) -> list[str]:
    return ["--workspace", str(claim.root.parent), "--artifacts", "claim"]


def test_outputs_stay_on_the_claim_and_pointers_go_to_the_store(tmp_path: Path, claim: Claim) -> None:
    code, _ = run(tmp_path, *arguments(claim))
    assert code == 0
    assert [path.name for path in (tmp_path / EXAMPLES).iterdir()] == [POINTER]
    output = Output.read((tmp_path / EXAMPLES / POINTER).read_text())
    assert (output.place, output.type, output.listing.files) == ("root/ExampleGen/examples", "Examples", 1)
    assert claim.check(output) == claim.runs / "root/ExampleGen/examples"
    assert sorted(path.name for path in (claim.runs / "root").iterdir()) == [
        "ExampleGen", "ExampleGen.json", "Schema",
    ]  # fmt: skip
    assert [path.name for path in (claim.runs / "root/ExampleGen").iterdir()] == ["examples"]


def test_answer_and_files_name_addresses_not_folders_of_the_claim(tmp_path: Path, claim: Claim) -> None:
    run(tmp_path, *arguments(claim))
    documents = claim.root / "documents/root/ExampleGen/outputs"
    for kept in (claim.runs / "root/ExampleGen", documents):
        assert json.loads((kept / "examples/made.json").read_text()) == {
            "folder": "minio://bucket/root/ExampleGen/examples",
            "read": "minio://bucket/root/Schema/schema",
        }
    answer = json.loads((tmp_path / "out.json").read_text())["artifacts"]["examples"]["artifacts"][0]
    assert answer["uri"] == answer["metadata"]["made_in"] == "minio://bucket/root/ExampleGen/examples"


def test_the_step_reads_its_input_on_the_claim_and_its_record_says_so(
    tmp_path: Path, claim: Claim, stand_in: Path  # noqa: F811
) -> None:  # fmt: skip
    run(tmp_path, *arguments(claim))
    given = json.loads(stand_in.read_text())["input"]
    schema = given["inputs"]["artifacts"]["schema"]["artifacts"][0]
    assert schema["uri"] == str(claim.runs / "root/Schema/schema")
    assert schema["metadata"]["address"] == "minio://bucket/root/Schema/schema"
    (record,) = claim.records()
    assert (record.run, record.step, record.inputs) == ("root", "ExampleGen", ("root/Schema/schema",))


def test_temporary_files_lie_on_the_claim_where_other_machines_see_them(
    tmp_path: Path, claim: Claim, stand_in: Path  # noqa: F811
) -> None:  # fmt: skip
    run(tmp_path, *arguments(claim))
    given = json.loads(stand_in.read_text())["input"]
    assert Path(given["outputs"]["outputFile"]).is_relative_to(claim.runs / "root")


@pytest.mark.parametrize("behave", ["3", "killed"])
def test_of_a_failing_step_nothing_is_seen(tmp_path: Path, claim: Claim, behave: str) -> None:
    code, _ = run(tmp_path, *arguments(claim), "--behave", behave)
    assert code == (3 if behave == "3" else 137)
    assert [path.name for path in (claim.runs / "root").iterdir()] == ["Schema"]
    assert not list((tmp_path / EXAMPLES).iterdir())
    assert claim.records() == []


def test_an_input_that_was_removed_is_an_error_and_lifts_the_cache(tmp_path: Path, claim: Claim) -> None:
    before = lift(claim.root.parent)
    (claim.runs / "root/Schema/schema/schema.pbtxt").unlink()
    process = start(tmp_path, *arguments(claim), stderr=subprocess.PIPE)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "schema holds 0 files" in errors
    assert "Start the run again" in errors
    assert lift(claim.root.parent) != before


def test_by_store_a_pointer_is_followed_and_outputs_are_uploaded(tmp_path: Path, claim: Claim) -> None:
    code, _ = run(tmp_path, "--workspace", str(claim.root.parent))
    assert code == 0
    assert [path.name for path in (tmp_path / EXAMPLES).iterdir()] == ["made.json"]
    process = start(tmp_path, stderr=subprocess.PIPE)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "compiled without a workspace" in errors
