"""The canary on real models in real processes: what is fit to serve, and what is not."""

import json
import shutil
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import nsynth
from components.canary import run_probe
from components.canary.checks import judge
from components.canary.executor import CanaryExecutor
from components.canary.options import CanaryOptions
from components.canary.run_probe import ProbeError
from components.canary.server import ask_server
from components.version import model_digest
from tests.components.canary.measured import MEASURED
from tests.components.conftest import predictions_of, write_predictions

pytestmark = pytest.mark.slow

FAST = {"notes": 40, "latency": {1: {"p50_ms": 10_000, "p95_ms": 10_000, "calls": 3}}}


@pytest.fixture
def canary(new_artifact, valid_examples, valid_notes, good_model):
    """Runs the executor on a model with the gate's predictions of the good one; returns report and blessing."""

    def run(model: Path = good_model, off_by: float = 0.0, **options):
        serve = tf.saved_model.load(str(good_model / "Format-Serving")).signatures["serving_waveform"]
        answers = (
            serve(audio=tf.constant(np.stack([n.audio for n in valid_notes])))["probabilities"].numpy()
            + off_by
        )
        predictions = new_artifact("Examples", "predictions")
        write_predictions(predictions.uri, predictions_of(valid_notes, answers))
        candidate = new_artifact("Model", "model")
        candidate.uri = str(model)
        blessing, report = (
            new_artifact("InfraBlessing", "blessing"),
            new_artifact("ModelEvaluation", "report"),
        )
        CanaryExecutor().Do(
            {"examples": [valid_examples], "model": [candidate], "predictions": [predictions]},
            {"blessing": [blessing], "report": [report]},
            {"options": json.dumps(FAST | options), "split": "valid", "code": ""},
        )
        result = json.loads(Path(report.uri, "canary.json").read_text())
        return result | {"text": Path(report.uri, "canary.md").read_text()}, blessing

    return run


def failed(report) -> set[str]:
    return {check["name"] for check in report["checks"] if not check["passed"]}


def test_a_sound_model_is_blessed(canary, good_model):
    report, blessing = canary()
    assert report["blessed"], report["verdict"]
    assert blessing.get_int_custom_property("blessed") == 1
    assert Path(blessing.uri, "INFRA_BLESSED").exists()
    assert report["digest"] == model_digest(str(good_model / "Format-Serving"))
    measured = report["measured"]
    assert {name: answer["notes"] for name, answer in measured["answers"].items()} == {
        "serving_default": 40,
        "serving_waveform": 40,
    }
    assert len(measured["answers"]["serving_default"]["families"]) > 5, "notes from all over the file"
    assert measured["hostile"]["one sample short"].startswith("error")
    assert measured["hostile"]["bytes that are no Example"].startswith("error")
    assert measured["foreign_modules"] == []
    assert 100 < measured["memory_mb"]["before"] <= measured["memory_mb"]["peak"]
    assert "TensorFlow Serving not found" in report["text"]


def test_other_answers_than_the_judged_ones_too_slow_and_too_large(canary):
    limits = {"latency": {1: {"p50_ms": 0.001, "p95_ms": 0.001, "calls": 3}}, "max_memory_mb": 1}
    report, blessing = canary(off_by=0.01, **limits)
    assert failed(report) == {
        "serving_default: difference from the gate's predictions",
        "serving_waveform: difference from the gate's predictions",
        "latency, batch size 1",
        "peak memory",
    }
    assert blessing.get_int_custom_property("blessed") == 0
    assert Path(blessing.uri, "INFRA_NOT_BLESSED").exists()


def test_a_model_that_cannot_be_loaded(canary, tmp_path, good_model):
    broken = tmp_path / "broken"
    shutil.copytree(good_model, broken)
    (broken / "Format-Serving" / "variables" / "variables.index").unlink()
    report, blessing = canary(broken)
    assert failed(report) == {"load and predict"}
    assert "process failed" in report["verdict"]
    assert blessing.get_int_custom_property("blessed") == 0


def test_a_model_that_only_python_can_load(canary, tmp_path, good_model):
    """Variables of Keras that are tracked through a tf.Module are saved twice; a server fills the wrong ones."""
    network = keras.Sequential([keras.Input([nsynth.NOTE_SAMPLES]), keras.layers.Dense(len(nsynth.CLASSES))])
    module = tf.Module()
    module.network = network

    @tf.function(input_signature=[tf.TensorSpec([None, nsynth.NOTE_SAMPLES], tf.float32, name=nsynth.AUDIO)])
    def answer(audio):
        return {"probabilities": tf.nn.softmax(network(audio))}

    module.answer = answer
    folder = str(tmp_path / "twice" / "Format-Serving")
    tf.saved_model.save(module, folder, signatures={"serving_waveform": answer})
    silence = tf.zeros([1, nsynth.NOTE_SAMPLES])
    assert tf.saved_model.load(folder).signatures["serving_waveform"](silence)["probabilities"].shape[1] > 1
    report, blessing = canary(tmp_path / "twice")
    assert failed(report) == {"load and predict"}
    assert "process failed" in report["verdict"]
    assert blessing.get_int_custom_property("blessed") == 0


def test_a_process_that_never_ends_is_ended(canary):
    report, _ = canary(timeout_s=0.5)
    assert "had not come to an end after 0.5 s" in report["verdict"]


def test_a_crash_is_told_from_a_failure(tmp_path, monkeypatch):
    script = tmp_path / "probe.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(run_probe, "PROBE", script)
    with pytest.raises(ProbeError, match=r"crashed.*SIGSEGV"):
        run_probe.run_probe({}, timeout_s=60)


@pytest.fixture
def tells_its_id(tmp_path, monkeypatch):
    """A probe that answers with the id of its process."""
    script = tmp_path / "probe.py"
    script.write_text("import json, os, sys; json.load(sys.stdin); print(os.getpid())")
    monkeypatch.setattr(run_probe, "PROBE", script)
    yield
    run_probe.end_unused()


def test_a_process_that_was_started_ahead_is_asked_once(tells_its_id):
    run_probe.start_ahead()
    run_probe.start_ahead()
    [ahead] = run_probe._ahead
    assert run_probe.run_probe({}, timeout_s=60) == ahead.pid
    assert run_probe.run_probe({}, timeout_s=60) != ahead.pid


def test_a_process_that_was_started_ahead_for_nothing_is_ended(tells_its_id):
    run_probe.start_ahead()
    [ahead] = run_probe._ahead
    run_probe.end_unused()
    assert ahead.returncode is not None
    assert run_probe.run_probe({}, timeout_s=60) != ahead.pid


def test_memory_is_not_that_of_the_process_that_starts_the_probe(tmp_path, monkeypatch):
    script = tmp_path / "probe.py"
    source = run_probe.PROBE.read_text().replace("import tensorflow as tf", "tf = None")
    script.write_text(source.partition("\nif __name__")[0] + "\njson.dump(_peak_memory_mb(), sys.stdout)\n")
    monkeypatch.setattr(run_probe, "PROBE", script)
    ballast = np.ones(50_000_000)  # 400 MB
    assert 10 < run_probe.run_probe({}, timeout_s=60) < ballast.nbytes / 2e6


def test_the_probe_knows_nothing_of_this_project(tmp_path, monkeypatch):
    """Neither the folder we are in, nor PYTHONPATH, nor our variables reach it."""
    script = tmp_path / "probe.py"
    script.write_text(
        "import json, os, sys; print(json.dumps({'path': sys.path, 'variables': dict(os.environ)}))"
    )
    monkeypatch.setattr(run_probe, "PROBE", script)
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    seen = run_probe.run_probe({}, timeout_s=60)
    assert "/somewhere" not in seen["path"]
    assert str(Path.cwd()) not in seen["path"]
    assert "TF_USE_LEGACY_KERAS" not in seen["variables"]


def spoiled(**changes) -> set[str]:
    measured = json.loads(json.dumps(MEASURED))
    for path, value in changes.items():
        *parents, leaf = path.split("__")
        place = measured
        for parent in parents:
            place = place[parent]
        place[leaf] = value
    checks = judge(measured, CanaryOptions.model_validate({"latency": FAST["latency"]}))
    return {check.name for check in checks if not check.passed}


def test_every_fault_is_seen():
    assert spoiled() == set()
    assert spoiled(signatures={}) == {"signature serving_default", "signature serving_waveform"}
    assert spoiled(signatures__serving_waveform__inputs={"sound": ["float32", [None]]}) == {
        "signature serving_waveform"
    }
    assert spoiled(signatures__serving_default__outputs__probabilities=["float32", [None, 10]]) == {
        "signature serving_default"
    }
    assert spoiled(answers__serving_waveform__max_sum_error=0.1) == {"serving_waveform: probabilities"}
    assert spoiled(answers__serving_waveform__families=["tuba"]) == {"serving_waveform: probabilities"}
    assert spoiled(answers__serving_waveform__family_is_the_likeliest=False) == {
        "serving_waveform: probabilities"
    }
    assert spoiled(answers__serving_waveform__max_difference=None) == {
        "serving_waveform: difference from the gate's predictions"
    }
    assert spoiled(hostile={"a sample that is not a number": "spoiled: ..."}) == {
        "malformed input: a sample that is not a number"
    }
    assert spoiled(hostile={"one sample short": "1 answers"}) == {"malformed input: one sample short"}
    assert spoiled(transform_finite=False) == {"signature transform_features"}
    assert spoiled(foreign_modules=["tfx"]) == {"dependencies"}


SERVER = """
    # `nsynth serve` in the place of TensorFlow Serving's binary.
    import os, sys
    options = dict(a.lstrip("-").split("=", 1) for a in sys.argv[1:])
    asked = {"--models": "model_base_path", "--name": "model_name", "--port": "rest_api_port"}
    words = [word for option, name in asked.items() for word in (option, options[name])]
    os.execv(sys.executable, [sys.executable, "-m", "pipeline.cli.main", "serve", *words])
"""


def test_where_there_is_a_model_server_it_is_asked_too(tmp_path, monkeypatch, good_model, valid_examples):
    """The server is one of our own, a second implementation of the protocol."""
    import tensorflow as tf

    binary = tmp_path / "bin" / "tensorflow_model_server"
    binary.parent.mkdir()
    binary.write_text(f"#!{sys.executable}\n{textwrap.dedent(SERVER)}")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(binary.parent), prepend=":")
    model = str(good_model / "Format-Serving")
    [file] = Path(valid_examples.uri, "Split-valid").iterdir()
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(file)).shard(20, 0).take(4)]
    served = tf.saved_model.load(model).signatures["serving_default"]
    expected = served(examples=tf.constant(records))["probabilities"].numpy()
    same = ask_server(model, records, expected, tolerance=1e-4)
    assert same.detail.startswith("4 notes, largest difference")
    assert (same.present, same.passed) == (True, True)
    other = ask_server(model, records, expected[::-1], tolerance=1e-4)
    assert (other.present, other.passed) == (True, False)
    broken = ask_server(model, [b"no example"], expected[:1], tolerance=1e-4)
    assert not broken.passed
    assert "no answer: HTTP Error 400" in broken.detail
