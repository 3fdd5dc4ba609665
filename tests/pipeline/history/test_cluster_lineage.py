"""`nsynth lineage` of what a cluster made, from what its steps left on the claim."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import nsynth
from components.claim import Claim, Listing, Output, Record
from components.documents.ingest import IngestAccount
from components.registry import Registry
from components.staging import ADDRESS
from components.version import Record as VersionRecord
from kubeflow.documents import StepDocuments
from pipeline.cli import main

SALT = "0c9f8ad5-7d3e-4d0a-9b6e-1f6c9d2f0b11"
COST = {"seconds": 2.0}


def address(place: str) -> str:
    run, step, name = place.split("/")
    return f"minio://mlpipeline/nsynth/nsynth/{run}/{step}/{SALT}/{name}"


class OnClaim:
    """A workspace on a claim, in which steps leave documents, and records of their artifacts if these stay there."""

    def __init__(self, folder: Path, records: bool = True):
        self.claim, self.records = Claim(folder / "workspace"), records
        self.registry = Registry(folder / "workspace" / "models")

    def step(
        self, run: str, step: str, inputs: dict[str, str], outputs: dict[str, str], **parameters: Any
    ) -> None:
        """Inputs by key, each a place; outputs by name, each with its type."""
        documents = StepDocuments(self.claim.documents / run, step)
        documents.begun()
        given = {
            key: {"artifacts": [{"uri": "/minio/x", "metadata": {ADDRESS: address(place)}}]}
            for key, place in inputs.items()
        }
        made = {
            name: {"artifacts": [{"uri": address(f"{run}/{step}/{name}"), "metadata": {"custom:span": 7.0}}]}
            for name in outputs
        }
        kept = self.claim.documents / run / step / "outputs"
        if "quarantine" in outputs:
            (kept / "quarantine").mkdir(parents=True)
            IngestAccount(notes_in=10, used=9, quarantined=1).write(kept / "quarantine")
        told = {"inputs": {"artifacts": given, "parameterValues": parameters}}
        documents.ended(0, COST, told, {"artifacts": made})
        if self.records:
            with self.claim.publish(run, step) as draft:
                for name in outputs:
                    if (kept / name).is_dir():
                        shutil.copytree(kept / name, draft / name)
                    else:
                        (draft / name).mkdir()
            places = {name: f"{run}/{step}/{name}" for name in outputs}
            listed = [
                Output(place, outputs[name], Listing.of(self.claim.folder(place)))
                for name, place in places.items()
            ]
            self.claim.record(Record(run, step, tuple(inputs.values()), tuple(listed)))

    def two_runs(self) -> None:
        """The notes are of the first, and the second has taken them from the cache; its model was pushed."""
        made = {"examples": "Examples", "quarantine": "File"}
        self.step("r0", "ExampleGen", {}, made, input_base="/data", code="c1")
        self.step(
            "r1", "Transform", {"examples": "r0/ExampleGen/examples"}, {"transformed_examples": "Examples"}
        )
        recipe = json.dumps({"recipe": {"epochs": 3}, "code": "c2"})
        read = {"examples": "r1/Transform/transformed_examples"}
        self.step("r1", "Trainer", read, {"model": "Model"}, custom_config=recipe)
        self.step("r1", "Evaluator", {"model": "r1/Trainer/model"}, {"evaluation": "ModelEvaluation"})
        self.push(
            "r1/Trainer/model", run="r1", run_name="nightly-1", run_page="http://host/#/runs/details/r1"
        )

    def push(self, place: str, **record: Any) -> None:
        self.registry.publish(
            lambda folder: Path(folder, "saved_model.pb").write_bytes(b"model"),
            VersionRecord(model_uri=address(place), **record),
        )

    @property
    def version(self) -> str:
        return str(self.registry.versions()[-1].number)


@pytest.fixture(params=[True, False], ids=["claim", "store"])
def on_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> OnClaim:
    monkeypatch.chdir(tmp_path)
    made = OnClaim(tmp_path, request.param)
    made.two_runs()
    return made


def call(*arguments: str) -> str:
    result = CliRunner().invoke(main.cli, [*arguments], obj={"verbose": False}, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def test_a_version_is_followed_back_to_its_data_through_the_cache(on_claim: OnClaim) -> None:
    told = json.loads(call("lineage", on_claim.version, "--json"))
    assert told["artifact"]["uri"] == address("r1/Trainer/model")
    assert told["run"] == "r1"
    assert told["version"]["run_name"] == "nightly-1"
    assert [(step["step"], step["run"]) for step in told["steps"]] == [
        ("ExampleGen", "r0"), ("Transform", "r1"), ("Trainer", "r1"),
    ]  # fmt: skip
    [source] = told["sources"]
    assert isinstance(source["span"], int)
    assert (source["folder"], source["span"], source["notes"], source["used"]) == ("/data", 7, 10, 9)
    assert told["recipe"] == {"epochs": 3}
    assert [step["code"] for step in told["steps"]] == ["c1", None, "c2"]
    assert told["read_by"] == ["Evaluator"]
    shown = call("lineage", on_claim.version)
    for expected in ("from Trainer", "from Transform", "from ExampleGen", "files in /data, span 7"):
        assert expected in shown


def test_an_artifact_is_named_by_its_address_or_its_folder_on_the_claim(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = OnClaim(tmp_path)
    made.two_runs()
    for named in (
        address("r1/Transform/transformed_examples"),
        str(made.claim.folder("r1/Transform/transformed_examples")),
    ):
        told = json.loads(call("lineage", named, "--json"))
        assert [step["step"] for step in told["steps"]] == ["ExampleGen", "Transform"]
        assert told["artifact"]["type"] == "Examples"
        assert told["read_by"] == ["Trainer"]


def test_what_has_gone_from_the_claim_is_said_to_be_cleaned_up(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = OnClaim(tmp_path)
    made.two_runs()
    shutil.rmtree(made.claim.folder("r0/ExampleGen/examples"))
    made.claim.forget(["r0/ExampleGen/examples"])
    assert "from ExampleGen, removed" in call("lineage", made.version)


def test_without_documents_the_records_of_the_claim_still_tell_the_way(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = OnClaim(tmp_path)
    made.two_runs()
    shutil.rmtree(made.claim.documents)
    told = json.loads(call("lineage", made.version, "--json"))
    assert [step["step"] for step in told["steps"]] == ["ExampleGen", "Transform", "Trainer"]
    assert told["sources"] == []


def test_a_version_of_another_claim_names_its_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = OnClaim(tmp_path)
    made.push("r9/Trainer/model", run="r9", run_name="nightly-9", run_page="http://host/#/runs/details/r9")
    with pytest.raises(
        nsynth.UserError, match=r"run nightly-9, id r9 \(http://host/#/runs/details/r9\), from minio://"
    ):
        call("lineage", made.version)


def test_models_show_names_run_page_address_and_data(
    on_claim: OnClaim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = call("models", "show")
    page, data = "http://host/#/runs/details/r1", "/data: span 7, 9 of 10 notes used"
    for expected in ("nightly-1, id r1", page, address("r1/Trainer/model"), data):
        assert expected in shown.replace("\n", "")
