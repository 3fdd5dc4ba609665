"""Push for real models: blessings, record, card, warm-up requests, and readers that never see half a version."""

import json
import multiprocessing
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import nsynth
from components import storage
from components.documents.ingest import IngestAccount
from components.documents.models import GateReport
from components.pusher.executor import PushExecutor
from components.pusher.model_card import model_card
from components.pusher.push import Evidence, push_model
from components.pusher.warmup import WARMUP_FILE, read_requests
from components.registry import Registry
from components.version import Record, model_digest
from tests.components.conftest import write_warmup_requests

pytestmark = pytest.mark.slow

GATE = {
    "verdict": "blessed: 91.0 % of notes right",
    "confidence": 0.95,
    "notes": 132,
    "instruments": 44,
    "overall": {"accuracy": {"value": 0.91, "low": 0.85, "high": 0.96}},
    "slices": [
        {
            "name": "family=bass",
            "notes": 12,
            "instruments": 4,
            "judged": False,
            "accuracy": {"value": 1.0, "low": 0.4, "high": 1.0},
        }
    ],
}

ACCOUNT = {
    "in": 1300,
    "quarantined": 7,
    "splits": {
        "train": {
            "notes": 1225,
            "instruments": 49,
            "families": {"bass": 1200, "reed": 25},
            "sources": {"acoustic": 1225},
        }
    },
}


@pytest.fixture
def push(new_artifact, good_model, tmp_path):
    """Runs the executor; returns the PushedModel artifact."""

    def run(
        blessed: int = 1,
        infra: int | None = 1,
        model: Path = good_model,
        keep: int = 5,
        judged: str = "",
        tried: str = "",
        told: dict[str, str] | None = None,
        address: str = "",
        champion: int | None = None,
        **more: Any,
    ):
        if champion is None:
            champion = max((v.number for v in Registry(tmp_path / "models").versions()), default=0)
        report = new_artifact("ModelEvaluation", "gate")
        Path(report.uri, "gate.json").write_text(
            json.dumps(GATE | {"candidate": {"digest": judged}, "champion": {"version": champion}})
        )
        canary = new_artifact("ModelEvaluation", "canary")
        Path(canary.uri, "canary.json").write_text(
            json.dumps({"digest": tried, "checks": [], "blessed": True})
        )
        candidate = new_artifact("Model", "model")
        candidate.uri = str(model)
        account = new_artifact(
            "Examples", "quarantine"
        )  # stands in for QuarantinedNotes: only its place counts
        Path(account.uri, "summary.json").write_text(json.dumps(ACCOUNT))
        inputs = {
            "quarantine": [account],
            "model": [candidate],
            "model_blessing": [new_artifact("ModelBlessing", "blessing", blessed=blessed)],
            "gate_report": [report],
            "canary_report": [canary],
            **{name: [blessing] for name, blessing in more.items()},
        }
        if infra is not None:
            inputs["infra_blessing"] = [new_artifact("InfraBlessing", "infra", blessed=infra)]
        pushed = new_artifact("PushedModel", f"pushed-{time.monotonic_ns()}")
        properties = {
            "push_destination": str(tmp_path / "models"),
            "options": json.dumps({"keep": keep}),
            "code": "abc",
            **(told or {}),
        }
        if address:
            candidate.set_string_custom_property("address", address)
        PushExecutor().Do(inputs, {"pushed_model": [pushed]}, properties)
        return pushed

    return run


def test_on_a_cluster_the_record_names_its_run_and_the_address_of_the_model(push, tmp_path):
    address = "minio://mlpipeline/nsynth/Trainer/model"
    push(told={"run": "1f2e", "run_name": "night", "host": "http://kubeflow.example/"}, address=address)
    version = Registry(tmp_path / "models").serving()
    record = version.record
    assert (record.model_uri, record.model_id) == (address, 0)
    assert (record.run, record.run_name) == ("1f2e", "night")
    assert record.run_page == "http://kubeflow.example/#/runs/details/1f2e"
    for expected in (address, "`night`", record.run_page):
        assert expected in version.card


def test_a_cluster_without_a_known_host_has_no_page(push, tmp_path):
    push(told={"run": "1f2e", "run_name": "night", "host": ""})
    record = Registry(tmp_path / "models").serving().record
    assert (record.run, record.run_page) == ("1f2e", "")


@pytest.mark.parametrize(("blessed", "infra"), [(0, 1), (1, 0), (0, None)])
def test_never_unblessed(push, tmp_path, blessed, infra):
    pushed = push(blessed, infra)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("judge", ["evaluator_blessing", "newest_blessing"])
def test_whoever_judges_has_to_bless(push, new_artifact, tmp_path, judge):
    assert (
        push(**{judge: new_artifact("ModelBlessing", judge, blessed=0)}).get_int_custom_property("pushed")
        == 0
    )
    assert not (tmp_path / "models").exists()
    assert (
        push(**{judge: new_artifact("ModelBlessing", judge, blessed=1)}).get_int_custom_property("pushed")
        == 1
    )


def test_never_without_a_blessing_at_all(new_artifact, good_model, tmp_path):
    candidate, pushed = new_artifact("Model", "model"), new_artifact("PushedModel", "pushed")
    candidate.uri = str(good_model)
    properties = {"push_destination": str(tmp_path / "models"), "options": "{}", "code": ""}
    PushExecutor().Do({"model": [candidate]}, {"pushed_model": [pushed]}, properties)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "models").exists()


def serve_another(folder: Path) -> int:
    """Publish what stands for a model that served before; return its number."""
    return Registry(folder).publish(lambda f: Path(f, "saved_model.pb").touch(), Record()).number


def test_a_blessed_model_is_pushed_whole_with_record_and_card(push, good_model, tmp_path):
    before = serve_another(tmp_path / "models")
    pushed = push()
    version = Registry(tmp_path / "models").serving()
    assert pushed.get_string_custom_property("pushed_version") == str(version.number)
    assert pushed.get_string_custom_property("pushed_destination") == version.path
    for file in (good_model / "Format-Serving").rglob("*"):
        if file.is_file():
            copy = Path(version.path, file.relative_to(good_model / "Format-Serving"))
            assert copy.read_bytes() == file.read_bytes()
    record = version.record
    assert (record.model_uri, record.model_id, record.code) == (str(good_model), 7, "abc")
    assert (record.run_name, record.run_page) == ("", "")
    assert (record.accuracy.value, record.accuracy.low) == (0.91, 0.85)
    assert (record.verdict, record.compared_with) == (GATE["verdict"], before)
    for expected in (
        f"version {version.number}",
        "0.850 – 0.960",
        "| family=bass | 12 | 4 | 1.00 | too small |",
        "Limits",
        "Trained on 1,225 notes of 49 instruments.",
        "Families: bass 1,200, reed 25.",
        "7 of 1,300 notes were quarantined",
    ):
        assert expected in version.card


def test_the_card_begins_with_what_hubs_read():
    front, _, rest = model_card(Record(version=3), None, None, {}).removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(front)["pipeline_tag"] == "audio-classification"
    headings = [line for line in rest.splitlines() if line.startswith("## ")]
    assert headings == ["## Intended use", "## Limits", "## Data", "## How to load it", "## Licence"]


def test_the_card_says_once_what_the_notes_are():
    accounts = [IngestAccount.model_validate({**ACCOUNT, "origin": "rendered notes"}) for _ in range(2)]
    assert model_card(Record(version=3), None, None, {}, accounts).count("- Origin: rendered notes\n") == 1
    assert "Origin" not in model_card(
        Record(version=3), None, None, {}, [IngestAccount.model_validate(ACCOUNT)]
    )


def test_the_card_adds_up_several_spans():
    account = IngestAccount.model_validate(ACCOUNT)
    card = model_card(
        Record(version=3, spans=(4, 5)), GateReport.model_validate(GATE), None, {}, [account, account]
    )
    assert "Trained on 2,450 notes of span 4, 5." in card, "an instrument may be in both"
    assert "Families: bass 2,400, reed 50." in card
    assert "14 of 2,600 notes" in card


def test_the_same_model_is_reported_and_not_pushed_twice(push, tmp_path, good_model):
    first, second = push(), push()
    moved = tmp_path / "moved"
    shutil.copytree(good_model, moved)
    third = push(model=moved)
    for again in (second, third):
        assert again.get_int_custom_property("pushed") == 1
        assert again.get_string_custom_property("pushed_version") == first.get_string_custom_property(
            "pushed_version"
        )
    assert len(Registry(tmp_path / "models").versions()) == 1


def test_a_model_is_pushed_only_if_what_it_was_compared_with_serves_still(push, tmp_path, good_model):
    """A push or a rollback may come between the comparison and the push."""
    models = Registry(tmp_path / "models")
    with pytest.raises(nsynth.UserError, match=r"compared with version 3, but no version serves now"):
        push(champion=3)
    serving = serve_another(tmp_path / "models")
    with pytest.raises(
        nsynth.UserError, match=rf"compared with no version, but version {serving} serves now"
    ):
        push(champion=0)
    assert [v.number for v in models.versions()] == [serving]
    push(champion=serving)
    saved = Path(models.serving().path, "saved_model.pb")
    saved.write_bytes(saved.read_bytes()[:-1])
    push(champion=serving)
    assert len(models.versions()) == 3, "a damaged version of itself is no other model"


def test_only_the_files_that_gate_and_canary_judged_are_pushed(push, tmp_path, good_model):
    digest = model_digest(str(good_model / "Format-Serving"))
    for judged, tried, says in (
        ("0" * 32, "0" * 32, "differ from those that were evaluated"),
        (digest, "0" * 32, "evaluated different files"),
    ):
        with pytest.raises(nsynth.UserError, match=says):
            push(judged=judged, tried=tried)
        assert Registry(tmp_path / "models").versions() == []
    push(judged=digest, tried=digest)
    assert Registry(tmp_path / "models").serving().record.digest == digest


def test_old_versions_go(tmp_path, good_model):
    model = tmp_path / "model"
    for index in range(4):
        shutil.copytree(good_model / "Format-Serving", model, dirs_exist_ok=True)
        (model / "other").write_text(str(index))
        push_model(str(tmp_path / "models"), str(model), Record(), Evidence(), keep=2)
    assert [Path(v.path, "other").read_text() for v in Registry(tmp_path / "models").versions()] == ["2", "3"]


def test_warm_up_requests_are_pushed_and_can_be_replayed(push, tmp_path):
    """As TF Serving does: each request through the signature that it names."""
    import tensorflow as tf

    push()
    version = Registry(tmp_path / "models").serving()
    model = tf.saved_model.load(version.path)
    for request in read_requests(Path(version.path, WARMUP_FILE).read_bytes(), WARMUP_FILE):
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        answer = model.signatures[request.model_spec.signature_name](**inputs)
        assert answer["probabilities"].shape == (1, len(nsynth.FAMILIES))


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "no warm-up requests"),
        (damage, "not a file of warm-up requests"),
        (lambda path: path.write_bytes(b""), "holds 0 requests"),
        (
            lambda path: write_warmup_requests(path, signature="serving_missing"),
            "which the model does not have",
        ),
        (
            lambda path: write_warmup_requests(path, signature="serving_default"),
            "gives serving_default the inputs",
        ),
    ],
)
def test_warm_up_requests_that_a_server_could_not_replay_are_refused(tmp_path, good_model, spoil, says):
    model = tmp_path / "model"
    shutil.copytree(good_model / "Format-Serving", model)
    spoil(model / WARMUP_FILE)
    with pytest.raises(nsynth.UserError, match=says):
        push_model(str(tmp_path / "models"), str(model), Record(), Evidence(), keep=5)
    assert not (tmp_path / "models").exists()


def _read_in_a_loop(folder: str, stop, loads, result) -> None:
    """Lists the versions and loads the newest, as a server does, until told to stop."""
    import tensorflow as tf

    silence = np.zeros((1, nsynth.NOTE_SAMPLES), np.float32)
    result.put("ready")
    try:
        while not stop.is_set():
            numbers = (
                [int(p.name) for p in Path(folder).iterdir() if p.name.isdecimal()]
                if Path(folder).exists()
                else []
            )
            if numbers:
                model = tf.saved_model.load(f"{folder}/{max(numbers)}")
                assert model.signatures["serving_waveform"](audio=tf.constant(silence))[
                    "probabilities"
                ].shape == (1, 11)
                loads.value += 1
        result.put("no failure")
    except BaseException as error:
        result.put(repr(error))


def test_a_reader_never_fails_during_a_hundred_pushes(tmp_path, good_model):
    context = multiprocessing.get_context("spawn")
    stop, loads, result = context.Event(), context.Value("i", 0), context.Queue()
    reader = context.Process(target=_read_in_a_loop, args=(str(tmp_path / "models"), stop, loads, result))
    reader.start()
    assert result.get(timeout=600) == "ready"
    registry, model = Registry(tmp_path / "models"), str(good_model / "Format-Serving")
    pushes = 0
    # The reader may be slower than all of them.
    while pushes < 100 or (loads.value < 3 and reader.is_alive()):
        registry.publish(lambda folder: storage.copy_folder(model, folder), Record(run=str(pushes)))
        pushes += 1
        time.sleep(0 if pushes < 100 else 0.1)
    stop.set()
    assert result.get(timeout=600) == "no failure"
    reader.join()
    assert loads.value >= 3
    assert len(registry.versions()) == pushes


def test_a_copy_that_fails_loses_no_push(push, tmp_path, monkeypatch):
    monkeypatch.setattr("components.pusher.executor.copy_versions", lambda *_: "the bucket is gone")
    pushed = push()
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("copy_fault") == "the bucket is gone"
    assert Registry(tmp_path / "models").serving()
