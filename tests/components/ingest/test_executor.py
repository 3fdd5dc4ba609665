"""The whole of ingest through its executor: what goes wrong is told clearly, and nothing half-written is left."""

import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cores
import nsynth
from benchmarks.synthetic import make_note, make_notes
from components import tfrecord
from components.example_proto import serialize
from components.ingest.contract import check
from pipeline.retrain.faults import may_pass

OPTIONS = {"dev_fraction": 0.2, "valid_fraction": 0.3, "test_fraction": 0.2, "min_shards": 3}

RUN = """
import nsynth
from components.ingest.component import NSynthExampleGen
from components.ingest.executor import Executor
from components.ingest.options import IngestOptions
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from components.ingest.component import QuarantinedNotes
from tfx.utils import proto_utils

def run(data, out, options, pattern="*", beam_args=()):
    component = NSynthExampleGen(data, pattern, IngestOptions.model_validate_json(options))
    properties = {
        key: value if isinstance(value, str) else proto_utils.proto_to_json(value)
        for key, value in component.exec_properties.items()
        if key in ("input_base", "input_config", "options")
    }
    outputs = {name: standard_artifacts.Examples() for name in ("examples", "scalars", "sample")}
    outputs["quarantine"] = QuarantinedNotes()
    for name, artifact in outputs.items():
        artifact.uri = f"{out}/{name}/1"
    runner = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
    # Else TFX would build a source package each time.
    setup = "--setup_file=" + nsynth.__file__.replace("nsynth.py", "setup.py")
    executor = Executor(BaseBeamExecutor.Context(beam_pipeline_args=[runner, setup, *beam_args]))
    executor.Do({}, {name: [artifact] for name, artifact in outputs.items()}, properties)
    return outputs
"""

Folders = tuple[Path, Path]  # data, outputs


def ingest(folders: Folders, pattern: str = "*", beam_args: tuple[str, ...] = (), **options: Any) -> Any:
    scope: dict[str, Any] = {}
    exec(RUN, scope)
    return scope["run"](str(folders[0]), str(folders[1]), json.dumps(OPTIONS | options), pattern, beam_args)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "data").mkdir()
    return tmp_path / "data", tmp_path / "out"


def write(path: Path, contents: list[bytes]) -> None:
    path.write_bytes(b"".join(map(tfrecord.frame, contents)))


def no_fault_of_the_data(error: Exception) -> bool:
    return not isinstance(error, nsynth.RefusedDataError)


def shards(out: Path) -> dict[str, bytes]:
    """All that is left of the notes, by its path below `out`."""
    files = (path for name in ("examples", "scalars", "sample") for path in (out / name / "1").rglob("*"))
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.is_file()}


def summary(out: Path) -> dict[str, Any]:
    return json.loads((out / "quarantine" / "1" / "summary.json").read_text())


def names(out: Path) -> dict[str, list[str]]:
    """Names of the notes by split, in the order of shards and places."""
    found: dict[str, list[str]] = {}
    for path in sorted((out / "examples" / "1").glob("Split-*/*")):
        with path.open("rb") as file:
            for place in tfrecord.scan(file, path.stat().st_size):
                note = check(tfrecord.read_data(file, place)[0])
                found.setdefault(path.parent.name.removeprefix("Split-"), []).append(note.note_str)
    return found


FORMS = ["nsynth-train.tfrecord", "nsynth-train.jsonwav.tar.gz", "train-00000-of-00001.parquet"]
"""One that is read where it is, one that is unpacked first, one with sound in WAV files: test_shard.py has them all."""


@pytest.mark.parametrize("any_form", FORMS, indirect=True)
def test_all_notes_arrive_in_any_form(any_form: Path, notes: list[dict], tmp_path: Path) -> None:
    outputs = ingest((any_form, tmp_path))
    found = names(tmp_path)
    assert sorted(itertools.chain(*found.values())) == sorted(note[nsynth.NOTE_STR] for note in notes)
    for name in ("examples", "scalars"):
        assert json.loads(outputs[name].split_names) == list(nsynth.SPLITS)
    assert json.loads(outputs["sample"].split_names) == ["train", "valid"]
    assert {split: len(found[split]) for split in nsynth.SPLITS} == {
        split: table["notes"] for split, table in summary(tmp_path)["splits"].items()
    }
    instruments = {split: {name[:-8] for name in found[split]} for split in found}
    assert sum(map(len, instruments.values())) == len(set().union(*instruments.values())) == 11
    assert outputs["quarantine"].get_int_custom_property("notes_used") == len(notes)
    assert not list(tmp_path.rglob(".writing"))
    assert not list(tmp_path.rglob(".reports"))


@pytest.mark.slow
def test_the_account_says_where_the_notes_come_from(folders: Folders, notes: list[dict]) -> None:
    data, out = folders
    write(data / "notes.tfrecord", [serialize(note) for note in notes])
    (data / "origin.txt").write_text("rendered\nnobody reads on\n")
    ingest(folders)
    assert summary(out)["origin"] == "rendered"


@pytest.mark.slow
@pytest.mark.parametrize("any_form", FORMS, indirect=True)
def test_workers_runner_and_cache_do_not_change_a_byte(any_form: Path, tmp_path: Path) -> None:
    ingest((any_form, tmp_path / "a"))
    threads = ("--direct_num_workers=2", "--direct_running_mode=multi_threading")
    ingest((any_form, tmp_path / "b"), beam_args=threads, cache_dir=str(tmp_path / "cache"))
    ingest((any_form, tmp_path / "c"), cache_dir=str(tmp_path / "cache"))
    assert shards(tmp_path / "a") == shards(tmp_path / "b") == shards(tmp_path / "c")


@pytest.mark.slow
def test_worker_processes_do_not_change_a_byte(
    folders: Folders, notes: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        folders[0] / "notes.tfrecord",
        [*broken_notes(notes[:3], sample_rate=8000), *map(serialize, notes[3:])],
    )
    ingest(folders, max_quarantine_fraction=1)
    monkeypatch.setattr("components.ingest.executor._WORTH_PROCESSES", 0)
    monkeypatch.setattr(cores, "count", lambda: 2)
    other = folders[0], folders[1].parent / "processes"
    ingest(other, max_quarantine_fraction=1)
    assert shards(other[1]) == shards(folders[1])
    assert summary(other[1])["quarantined"] == 3


def test_official_splits_are_kept_and_dev_is_carved(folders: Folders) -> None:
    for number, split in enumerate(("train", "valid", "test")):
        contents = [serialize(note) for note in make_notes(44, number, first_number=100 * number)]
        write(folders[0] / f"nsynth-{split}.tfrecord", contents)
    ingest(folders)
    found = names(folders[1])
    assert len(found["valid"]) == len(found["test"]) == 44
    assert len(found["train"]) + len(found["dev"]) == 44
    assert len(found["dev"]) > 0


def test_a_few_bad_notes_are_put_aside_and_accounted_for(folders: Folders, notes: list[dict]) -> None:
    contents = [serialize(note) for note in notes]
    contents[3] = serialize(notes[3] | {nsynth.AUDIO: notes[3][nsynth.AUDIO][:-1]})
    contents[9] = serialize(notes[9] | {nsynth.FAMILY_STR: "kazoo"})
    write(folders[0] / "nsynth-train.tfrecord", contents)
    ingest(folders, max_quarantine_fraction=0.05)
    account = summary(folders[1])
    assert (account["in"], account["used"], account["quarantined"]) == (44, 42, 2)
    lines = (folders[1] / "quarantine" / "1" / "records.jsonl").read_text().splitlines()
    assert {json.loads(line)["note_str"] for line in lines} == {
        notes[3][nsynth.NOTE_STR],
        notes[9][nsynth.NOTE_STR],
    }
    assert sum(map(len, names(folders[1]).values())) == 42


def broken_notes(notes: list[dict], **change: Any) -> list[bytes]:
    return [serialize({k: v for k, v in (note | change).items() if v is not None}) for note in notes]


def _truncated(data: Path, notes: list[dict]) -> None:
    write(data / "nsynth-train.tfrecord", broken_notes(notes))
    os.truncate(data / "nsynth-train.tfrecord", 100_000 + 256_000 * 40)


BAD_INPUT = {
    "missing folder": (lambda data, notes: shutil.rmtree(data), "no such file or folder"),
    "empty folder": (lambda data, notes: None, "is empty"),
    "no TFRecord": (
        lambda data, notes: (data / "nsynth-train.tfrecord").write_bytes(b"<html>" * 9999),
        "is not a TFRecord",
    ),
    "empty file": (lambda data, notes: (data / "nsynth-train.tfrecord").touch(), "is empty"),
    "truncated": (_truncated, r"nsynth-train\.tfrecord is truncated after"),
    "no tf.Example": (
        lambda data, notes: write(data / "nsynth-train.tfrecord", [b"rubbish"] * 9),
        r"100\.0% of the notes.*\n +9  not a tf\.Example",
    ),
    "missing feature": (
        lambda data, notes: write(
            data / "nsynth-train.tfrecord", broken_notes(notes[:9], **{nsynth.PITCH: None})
        ),
        "a feature is missing .*: pitch",
    ),
    "63,999 samples": (
        lambda data, notes: write(
            data / "nsynth-train.tfrecord",
            broken_notes(notes[:9], **{nsynth.AUDIO: np.ones(63_999, np.float32) / 2}),
        ),
        "audio has 63,999 values, expected 64,000",
    ),
    "unknown family": (
        lambda data, notes: write(
            data / "nsynth-train.tfrecord", broken_notes(notes[:9], **{nsynth.FAMILY_STR: "kazoo"})
        ),
        "unknown family .*'kazoo'",
    ),
    "leak": (
        lambda data, notes: [
            write(data / f"nsynth-{split}.tfrecord", broken_notes(notes)) for split in ("train", "valid")
        ],
        "are in training data and in held-out data: bass_acoustic_000 in ",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_told_and_leaves_no_examples(case: str, folders: Folders, notes: list[dict]) -> None:
    make, told = BAD_INPUT[case]
    make(folders[0], notes)
    with pytest.raises(nsynth.UserError, match=told):
        ingest(folders)
    assert not folders[1].exists() or shards(folders[1]) == {}


def test_quarantine_outlives_a_run_that_it_stopped(folders: Folders, notes: list[dict]) -> None:
    write(folders[0] / "nsynth-train.tfrecord", [*broken_notes(notes[:20]), b"rubbish"])
    with pytest.raises(nsynth.RefusedDataError, match=r"4\.8% of the notes"):
        ingest(folders)
    assert summary(folders[1])["quarantined"] == 1
    assert len((folders[1] / "quarantine" / "1" / "records.jsonl").read_text().splitlines()) == 1


def test_a_disk_that_fills_up_is_told_in_one_line(folders: Folders, notes: list[dict], monkeypatch) -> None:
    write(folders[0] / "nsynth-train.tfrecord", broken_notes(notes))
    fsync, calls = os.fsync, []

    def fills_up(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fills_up)
    with pytest.raises(
        nsynth.UserError, match=r"^The disk is full: .*examples/1\. Make room and run again\.$"
    ) as told:
        ingest(folders)
    assert shards(folders[1]) == {}
    assert no_fault_of_the_data(told.value)
    assert may_pass(told.value)


def test_a_disk_that_is_too_small_is_told_beforehand(folders: Folders, notes, monkeypatch) -> None:
    write(folders[0] / "nsynth-train.tfrecord", broken_notes(notes))
    usage = shutil.disk_usage(folders[0])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(nsynth.UserError, match=r"needs \d+ MB, 1 MB are free") as told:
        ingest(folders)
    assert shards(folders[1]) == {}
    assert no_fault_of_the_data(told.value)
    assert may_pass(told.value)


def test_a_file_that_may_not_be_read_and_a_folder_that_is_gone_are_no_fault_of_the_data(
    folders: Folders, notes, monkeypatch
) -> None:
    write(folders[0] / "nsynth-train.tfrecord", broken_notes(notes))

    def denied(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    with monkeypatch.context() as patched:
        patched.setattr("components.ingest.files.open_to_read", denied)
        with pytest.raises(nsynth.UserError, match=r"train\.tfrecord: Permission denied") as told:
            ingest(folders)
    assert no_fault_of_the_data(told.value)
    shutil.rmtree(folders[0])
    for there in (False, True):  # and as it is where its disk is not mounted
        if there:
            folders[0].mkdir()
        with pytest.raises(nsynth.UserError) as told:
            ingest(folders, pattern="span-000001/*")
        assert no_fault_of_the_data(told.value)


MANY = {"min_shards": 40}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A data folder with 330 notes, and what ingest makes of it."""
    generator = np.random.default_rng(5)
    notes = [
        make_note(generator, place % 11, number=place // 33, pitch=40 + place // 11 % 3)
        for place in range(330)
    ]
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("undisturbed")
    write(data / "nsynth-train.tfrecord", [serialize(note) for note in notes])
    ingest((data, out), **MANY)
    return data, shards(out)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_after_an_interruption_a_second_run_writes_the_same_bytes(
    how: int, undisturbed: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    data, wanted = undisturbed
    light = "from pipeline import on_demand\non_demand.defer()"  # ingest needs no TensorFlow
    call = f"run({str(data)!r}, {str(tmp_path)!r}, {json.dumps(OPTIONS | MANY)!r})"
    victim = subprocess.Popen([sys.executable, "-c", f"{light}\n{RUN}\n{call}"], stderr=subprocess.DEVNULL)
    train = tmp_path / "examples" / "1" / "Split-train"
    deadline = time.monotonic() + 300
    while not train.exists() or not list(train.iterdir()):
        assert victim.poll() is None, "the run ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    victim.send_signal(how)
    assert victim.wait(60) != 0

    left = {name: content for name, content in shards(tmp_path).items() if "/Split-" in name}
    assert len(left) < len(wanted), "nothing was left to do"
    assert all(content == wanted[name] for name, content in left.items()), "a half-written shard is visible"
    if how == signal.SIGINT:
        assert left == {}
    ingest((data, tmp_path), **MANY)
    assert shards(tmp_path) == wanted


@pytest.mark.slow
@pytest.mark.needs_real_notes
def test_real_notes_pass(real_notes: Path, tmp_path: Path) -> None:
    ingest((real_notes, tmp_path), dev_fraction=0.05, valid_fraction=0.1, test_fraction=0.1)
    account = summary(tmp_path)
    assert (account["in"], account["used"], account["quarantined"]) == (114, 114, 0)
    assert all(count > 0 for count in account["splits"]["train"]["families"].values())


def test_beam_counts_what_went_in_and_out(folders: Folders, notes: list[dict]) -> None:
    import apache_beam as beam

    from components.ingest.executor import WriteShard
    from components.ingest.index import load_or_scan
    from components.ingest.options import IngestOptions
    from components.ingest.shard import Layout, put_aside
    from components.ingest.shuffle import plan
    from components.ingest.sources import find

    write(folders[0] / "nsynth-train.tfrecord", [*broken_notes(notes[:9]), b"rubbish"])
    indexes = [load_or_scan(source, str(folders[1] / "cache")) for source in find(str(folders[0]))]
    pipeline = beam.Pipeline(runner="FnApiRunner")
    layout = Layout(*(str(folders[1] / name) for name in Layout._fields))
    shards = put_aside(plan(indexes, IngestOptions()), layout)
    _ = pipeline | beam.Create(shards) | beam.ParDo(WriteShard(layout))
    result = pipeline.run()
    result.wait_until_finish()
    counters = {
        counter.key.metric.name: counter.committed for counter in result.metrics().query()["counters"]
    }
    assert counters == {"notes_in": 10, "notes_used": 9, "notes_quarantined": 1}
