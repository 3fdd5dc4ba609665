"""From trained to serving, for real: labels that mean nothing are not blessed, and a person may overrule the gate."""

import json
import random
import re
from pathlib import Path

import pytest
import tensorflow as tf

import nsynth
from components.registry import Registry
from pipeline import exit_codes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

BARS = "--set=gate.min_accuracy=0.3"
FAMILY_FEATURES = (nsynth.FAMILY, nsynth.FAMILY_STR)


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory) -> Path:
    """Rendered notes whose train instruments bear the families of others; those that are judged on are right."""
    from corpus.options import CorpusOptions
    from corpus.render import render_corpus

    folder = tmp_path_factory.mktemp("shuffled") / "data"
    render_corpus(CorpusOptions(size="tiny"), folder)
    for other in folder.iterdir():
        if other.suffix != ".tfrecord":
            other.unlink()
    train = folder / "nsynth-train.tfrecord"
    examples = [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(train))]
    families = list(range(len(nsynth.FAMILIES)))
    chosen = random.Random(0)
    with tf.io.TFRecordWriter(str(train)) as writer:
        for number, example in enumerate(examples):
            relabel(example, chosen.choice(families), number)
            writer.write(example.SerializeToString())
    return folder


def relabel(example: tf.train.Example, family: int, number: int) -> None:
    """Another family, and a name to go with it, so that nothing but the sound tells the truth."""
    feature = example.features.feature
    source = nsynth.SOURCES[feature[nsynth.SOURCE].int64_list.value[0]]
    instrument = f"{nsynth.FAMILIES[family]}_{source}_{900 + number // 20:03}"
    pitch, velocity = (feature[key].int64_list.value[0] for key in (nsynth.PITCH, nsynth.VELOCITY))
    feature[nsynth.FAMILY].int64_list.value[:] = [family]
    feature[nsynth.FAMILY_STR].bytes_list.value[:] = [nsynth.FAMILIES[family].encode()]
    feature[nsynth.INSTRUMENT_STR].bytes_list.value[:] = [instrument.encode()]
    feature[nsynth.NOTE_STR].bytes_list.value[:] = [f"{instrument}-{pitch:03}-{velocity:03}".encode()]


@pytest.fixture(scope="module")
def refused(project, shuffled):
    """A run on them."""
    settings = ("--set", "workspace=refused", BARS, "--set", f"bulk.data={shuffled}")
    return project.run("--data", str(shuffled), *settings)


@pytest.fixture
def nsynth_in(project):
    """Calls a command in that workspace; answers what it printed."""

    def call(*arguments: str) -> str:
        answer = project.nsynth(*arguments, "--config", "configs/tiny.yaml", "--set", "workspace=refused")
        assert answer.returncode == exit_codes.OK, answer.stdout + answer.stderr
        return answer.stdout

    return call


def test_shuffled_labels_are_not_blessed_and_the_exit_code_says_so(project, refused):
    assert refused.returncode == exit_codes.NOT_BLESSED, refused.stdout + refused.stderr
    assert "not blessed: accuracy" in refused.stdout
    assert "nsynth models promote --reason" in refused.stdout
    assert not Registry(project.folder / "refused" / "models").versions()


def test_the_report_lies_where_the_summary_says(project, refused):
    report = re.search(r"report +(\S+\.html)", refused.stdout)
    assert report, refused.stdout
    text = (project.folder / report[1]).read_text()
    assert "✗ not pushed" in text
    assert "could not be read" not in text
    assert len(text) < 8_000_000
    peaks = re.findall(r'<td class="n">([\d,]+) MB</td>', text)
    assert len(peaks) >= 10, "each step has its peak memory"
    assert all(100 < int(peak.replace(",", "")) < 10_000 for peak in peaks)


def test_a_refused_model_answers_no_notes(project, refused):
    folder = project.folder / "refused" / "artifacts" / "BulkInferrer"
    assert not list(folder.rglob("examples_tfrecord*"))
    assert list((project.folder / "refused" / "artifacts" / "BulkNotes").rglob("data_tfrecord*"))


def test_runs_promotion_lineage_and_the_way_back(project, refused, nsynth_in):
    [run] = json.loads(nsynth_in("runs", "--json"))
    assert (run["outcome"], run["version"]) == ("not pushed", None)

    nsynth_in("models", "promote", "--reason", "to see what it says")
    [version] = json.loads(nsynth_in("models", "--json"))
    assert (version["by_hand"], version["reason"], version["serving"]) == (True, "to see what it says", True)
    assert version["run"] == run["run"]

    told = json.loads(nsynth_in("lineage", str(version["version"]), "--json"))
    assert [step["step"] for step in told["steps"]] == ["ExampleGen", "Schema", "Transform", "Trainer"]
    assert all(step["unchanged"] for step in told["steps"])
    assert sum(file["notes"] for source in told["sources"] for file in source["files"]) == 220
    assert {"Predictor", "Canary", "BulkInferrer", "Pusher"} <= set(told["read_by"])
    assert "/refused/artifacts/Trainer/model/" in told["artifact"]["uri"]


def test_it_is_asked_about_a_recording(project, refused, nsynth_in, tmp_path):
    import numpy as np
    import soundfile

    if not Registry(project.folder / "refused" / "models").versions():
        nsynth_in("models", "promote", "--reason", "to ask it")
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(3 * 44_100) / 44_100)
    soundfile.write(tmp_path / "tone.flac", tone, 44_100)
    answer = json.loads(nsynth_in("classify", str(tmp_path / "tone.flac"), "--json"))
    assert answer["windows"] == 1
    assert len(answer["families"]) == 3
