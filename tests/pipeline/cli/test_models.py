"""`nsynth models`: what it lists, and that rollback and promotion are on the record."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import nsynth
from components import storage
from components.documents.document import Figure
from components.registry import Registry
from components.version import RECORD_FILE, Record, model_digest
from pipeline.cli import main
from pipeline.history import past_runs
from pipeline.history.past_runs import Output, Run, Step
from tests.components.conftest import fit, make_notes, save_model


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Registry:
    monkeypatch.chdir(tmp_path)
    return Registry(tmp_path / "workspace" / "models")


def push(registry: Registry, name: str, **record):
    return registry.publish(
        lambda folder: storage.write_bytes(f"{folder}/saved_model.pb", name.encode()),
        Record(**record),
    )


def call(*arguments: str) -> str:
    result = CliRunner().invoke(
        main.cli, ["models", *arguments], obj={"verbose": False}, standalone_mode=False
    )
    if result.exception:
        raise result.exception
    return result.stdout


def test_the_list(registry):
    push(registry, "a", spans=(1,), accuracy=Figure(value=0.7, low=0.6, high=0.8), verdict="blessed: 70 %")
    serving = push(registry, "b", spans=(2,), by_hand=True, reason="for a demo")
    listed = json.loads(call("--json"))
    assert [(row["spans"], row["serving"]) for row in listed] == [([1], False), ([2], True)]
    assert listed[0]["accuracy"] == {"value": 0.7, "low": 0.6, "high": 0.8}
    lines = call().splitlines()
    first = next(line for line in lines if "70.0% (60–80)" in line)
    assert "blessed" in first
    assert "serving" not in first
    last = next(line for line in lines if str(serving.number) in line)
    assert "by hand" in last
    assert "serving" in last


def test_nothing_pushed_yet(registry):
    assert "start `nsynth run`" in call().replace("\n", " ")
    assert json.loads(call("--json")) == []
    with pytest.raises(nsynth.UserError, match="nsynth run"):
        call("show")


def test_show(registry):
    version = registry.publish(
        lambda folder: storage.write_bytes(f"{folder}/saved_model.pb", b"x"),
        Record(verdict="blessed: yes"),
        card=lambda record: "---\nlicense: other\n---\n\n# The card\n\nLimits",
    )
    for arguments in ((), (str(version.number),)):
        shown = call("show", *arguments)
        assert f"{version.number}, serving" in shown
        assert "blessed: yes" in shown
        assert "The card" in shown
        assert "license" not in shown, "what programs read is not for the terminal"
    told = json.loads(call("show", "--json"))
    assert (told["version"], told["serving"], told["evaluated"]) == (version.number, True, [])
    assert told["card"].startswith("---\nlicense: other")
    with pytest.raises(nsynth.UserError, match="there is no version 3"):
        call("show", "3")


def test_the_serving_folder_may_be_named_before_or_behind_the_subcommand(registry, tmp_path):
    number = push(Registry(tmp_path / "other"), "a", verdict="blessed: yes").number
    named = f"--set=push.destination={tmp_path / 'other'}"
    assert f"{number}" in call(named, "show")
    assert f"{number}" in call("show", named)
    assert json.loads(call(named, "--json"))[0]["version"] == number
    with pytest.raises(nsynth.UserError, match=r"cannot read the configuration nowhere\.yaml"):
        call("show", "--config", "nowhere.yaml")


def test_rollback(registry):
    first = push(registry, "a")
    push(registry, "b")
    said = call("rollback", "--reason", "b hums")
    assert f"the model of version {first.number}" in said
    assert Path(registry.serving().path, "saved_model.pb").read_text() == "a"
    assert "restored from" in " ".join(call().split())
    with pytest.raises(nsynth.UserError, match="to roll back to"):
        call("rollback")


@pytest.fixture
def refused_run(registry, tmp_path, monkeypatch):
    """The last run, as the history tells it: a real model that the gate did not bless; tells what the canary said."""

    def make(canary_blessed: bool = True, judged: bool = True) -> Run:
        save_model(tmp_path / "model" / "Format-Serving", *fit(make_notes(range(11), range(1))))
        report = {
            "verdict": "not blessed: accuracy: 30 %",
            "confidence": 0.95,
            "notes": 100,
            "instruments": 20,
            "champion": {"version": 0},
            "candidate": {"digest": model_digest(str(tmp_path / "model" / "Format-Serving"))},
            "overall": {"accuracy": {"value": 0.3, "low": 0.2, "high": 0.4}},
            "slices": [],
        }
        canary = {"blessed": canary_blessed, "verdict": "too slow", "checks": []}
        storage.write_bytes(str(tmp_path / "gate" / "gate.json"), json.dumps(report).encode())
        storage.write_bytes(str(tmp_path / "canary" / "canary.json"), json.dumps(canary).encode())

        def step(name: str, key: str, folder: str, **properties) -> Step:
            output = Output(4, "t", str(tmp_path / folder), properties)
            return Step(name, "COMPLETE", 1.0, 1, outputs={key: [output]})

        steps = {
            "ExampleGen": step("ExampleGen", "examples", "examples", span=3),
            "Trainer": step("Trainer", "model", "model"),
            "Gate": step("Gate", "report", "gate"),
            "Canary": step("Canary", "report", "canary"),
        }
        if not judged:
            del steps["Gate"]
        run = Run("2026-01-01T10:00:00", steps)
        monkeypatch.setattr(past_runs, "open_store", lambda _: None)
        monkeypatch.setattr(past_runs, "load_run", lambda *_: run)
        return run

    return make


@pytest.mark.slow
def test_promotion_is_on_the_record(registry, refused_run):
    run = refused_run()
    said = call("promote", "--reason", "customer demo on Friday")
    version = registry.serving()
    assert str(version.number) in said
    record = version.record
    assert (record.by_hand, record.reason, record.run, record.spans) == (
        True,
        "customer demo on Friday",
        run.name,
        (3,),
    )
    assert record.verdict.startswith("not blessed")
    assert "**Pushed by hand.** Reason: customer demo on Friday" in version.card
    with pytest.raises(nsynth.UserError, match=f"is already version {version.number}"):
        call("promote", "--reason", "again")


def test_a_promotion_shows_nothing_of_the_libraries(registry, refused_run, monkeypatch, capfd):
    def promote(*_):
        os.write(2, b"Could not find cuda drivers on your machine")
        print("Loading")
        return push(registry, "a")

    monkeypatch.setattr("pipeline.promote.promote_run", promote)
    said = call("promote", "--reason", "customer demo on Friday")
    assert said.startswith("version ")
    assert said.count("\n") == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_candidate_that_was_altered_after_the_gate_is_not_promoted(registry, refused_run, tmp_path):
    refused_run()
    (tmp_path / "model" / "Format-Serving" / "saved_model.pb").open("ab").write(b"\0")
    with pytest.raises(nsynth.UserError, match="differ from those that were evaluated"):
        call("promote", "--reason", "now")
    assert registry.versions() == []


def test_one_damaged_record_is_named_and_the_rest_is_listed(registry):
    push(registry, "a", verdict="blessed: yes")
    damaged = push(registry, "b")
    Path(damaged.path, RECORD_FILE).write_text("{")
    Path(registry.destination, "0999").mkdir()
    shown = call()
    assert f"{damaged.number}/{RECORD_FILE} is damaged" in shown
    assert "0999 is no version" in shown
    assert "record damaged" in shown
    assert [bool(row["fault"]) for row in json.loads(call("--json"))] == [False, True]
    assert "is serving" in call("rollback")


@pytest.mark.slow
def test_promotion_needs_a_reason_and_a_model_that_can_be_served(registry, refused_run):
    refused_run()
    with pytest.raises(nsynth.UserError, match="reason is empty"):
        call("promote", "--reason", "  ")
    refused_run(canary_blessed=False)
    with pytest.raises(nsynth.UserError, match=r"the canary rejected .* too slow"):
        call("promote", "--reason", "now")
    refused_run(judged=False)
    with pytest.raises(nsynth.UserError, match="did not reach the gate"):
        call("promote", "--reason", "now")
    assert registry.versions() == []
