"""Bad input at the command line: a clear message, an exit code, nothing half-written, good data never lost."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

import nsynth
from pipeline import exit_codes
from pipeline.cli import main

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TINY = str(Path(__file__).parents[2] / "configs" / "tiny.yaml")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """A good data folder; tests break copies of it."""
    from corpus.options import CorpusOptions
    from corpus.render import render_corpus

    folder = tmp_path_factory.mktemp("good") / "data"
    render_corpus(CorpusOptions(size="tiny"), folder)
    return folder


@pytest.fixture
def data(rendered, tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for file in rendered.glob("*.tfrecord"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture
def nsynth_run(tmp_path, monkeypatch, capfd) -> Callable[..., tuple[int, str]]:
    """Runs `nsynth run` in this process, so that TFX is imported once; answers exit code and stderr."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(
            sys, "argv", ["nsynth", "run", "--config", TINY, "--set", "workspace=workspace", *arguments]
        )
        with pytest.raises(SystemExit) as leave:
            main.main()
        return int(leave.value.code or 0), capfd.readouterr().err

    return run


def train_file(data: Path) -> Path:
    return data / "nsynth-train.tfrecord"


def rewrite(file: Path, change: Callable[[tf.train.Example], bytes]) -> None:
    """Applies `change` to every tenth record of a TFRecord."""
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for number, record in enumerate(records):
            writer.write(record if number % 10 else change(tf.train.Example.FromString(record)))


def without_pitch(example: tf.train.Example) -> bytes:
    del example.features.feature[nsynth.PITCH]
    return example.SerializeToString()


def one_sample_short(example: tf.train.Example) -> bytes:
    del example.features.feature[nsynth.AUDIO].float_list.value[-1]
    return example.SerializeToString()


def unknown_family(example: tf.train.Example) -> bytes:
    example.features.feature[nsynth.FAMILY].int64_list.value[:] = [11]
    return example.SerializeToString()


def no_example(example: tf.train.Example) -> bytes:
    return b"\xff" * 100


def nothing_visible(workspace: Path) -> bool:
    """Whether no step left an output, and no model was pushed."""
    shown = [*(workspace / "artifacts").glob("*/*/[0-9]*"), *(workspace / "models").glob("[0-9]*")]
    return not shown


def test_a_missing_folder(nsynth_run, tmp_path):
    code, message = nsynth_run("--data", "nowhere")
    assert code == exit_codes.ERROR
    assert "nowhere" in message
    assert nothing_visible(tmp_path / "workspace")


def test_an_empty_folder(nsynth_run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, message = nsynth_run("--data", "empty")
    assert code == exit_codes.ERROR
    assert "empty" in message
    assert nothing_visible(tmp_path / "workspace")


def test_a_file_that_is_no_tfrecord(nsynth_run, data, tmp_path):
    train_file(data).write_text("These are no notes.\n" * 1000)
    code, message = nsynth_run("--data", str(data))
    assert code == exit_codes.ERROR
    assert "nsynth-train.tfrecord" in message
    assert nothing_visible(tmp_path / "workspace")


def test_a_file_cut_short(nsynth_run, data, tmp_path):
    whole = train_file(data).read_bytes()
    train_file(data).write_bytes(whole[: len(whole) // 2 + 1000])
    code, message = nsynth_run("--data", str(data), "--set", "ingest.max_quarantine_fraction=0")
    assert code == exit_codes.ERROR
    assert "nsynth-train.tfrecord" in message
    assert "is truncated after" in message
    assert nothing_visible(tmp_path / "workspace")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_pitch, "pitch"),
        (one_sample_short, "63,999"),
        (unknown_family, "11"),
        (no_example, "Example"),
    ],
)
def test_bad_records_above_the_bar(nsynth_run, data, tmp_path, change, words):
    rewrite(train_file(data), change)
    code, message = nsynth_run("--data", str(data))
    assert code == exit_codes.ERROR
    assert words in message
    assert "max_quarantine_fraction" in message
    assert "Traceback" not in message
    assert nothing_visible(tmp_path / "workspace")


@pytest.mark.parametrize(
    ("size", "words", "stays"),
    [("20m", "The disk is too full", set()), ("100m", "No space left on device", {"ExampleGen"})],
    ids=["known before a note is written", "found out by a later step"],
)
def test_a_full_disk(data, tmp_path, size, words, stays):
    """In a mount namespace of its own the workspace is a small file system, which really fills up."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    script = (
        f"mount -t tmpfs -o size={size} none {workspace} && "
        f"{sys.executable} -m pipeline.cli.main run --config {TINY} --data {data} --set workspace={workspace}; "
        f"code=$?; find {workspace}/artifacts -name 'Split-*' ; exit $code"
    )
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run(
        [*namespace, "mount", "-t", "tmpfs", "none", str(workspace)], capture_output=True
    ).returncode:
        pytest.skip("this machine allows no mount in a user namespace")
    answer = subprocess.run([*namespace, "bash", "-c", script], capture_output=True, text=True)
    assert answer.returncode == exit_codes.ERROR, answer.stdout + answer.stderr
    assert words in answer.stderr
    visible = set(re.findall(r"/artifacts/(\w+)/", answer.stdout))
    assert visible & {"ExampleGen", "Transform"} == stays
