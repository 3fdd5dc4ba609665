import csv
import errno
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import corpus.render
import nsynth
from components import tfrecord
from components.example_proto import Example
from corpus.note import Note
from corpus.options import CorpusOptions
from corpus.render import render_corpus
from corpus.splits import SPLITS


def _records(folder, split):
    content = (folder / f"nsynth-{split}.tfrecord").read_bytes()
    return [Example.FromString(record).features.feature for record in tfrecord.records(content)]


def _contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def records(tiny_corpus):
    return {split: _records(tiny_corpus, split) for split in SPLITS}


@pytest.fixture
def options(small_font) -> CorpusOptions:
    """Seven instruments of a hand-made font, two notes each."""
    return CorpusOptions(soundfonts=(str(small_font),), size=2)


@pytest.mark.slow
def test_every_record_keeps_the_datasets_contract(records):
    for features in (features for split in SPLITS for features in records[split]):
        assert set(features) == set(nsynth.FEATURES)
        value = {}
        for name, (kind, length, *_) in nsynth.FEATURES.items():
            assert features[name].WhichOneof("kind") == f"{kind}_list"
            values = getattr(features[name], f"{kind}_list").value
            assert length in (None, len(values))
            value[name] = values[0] if length == 1 else values
        family, source = value["instrument_family_str"].decode(), value["instrument_source_str"].decode()
        assert nsynth.FAMILIES[value["instrument_family"]] == family
        assert nsynth.SOURCES[value["instrument_source"]] == source
        instrument = value["instrument_str"].decode()
        assert instrument.startswith(f"{family}_{source}_")
        assert value["note_str"].decode() == f"{instrument}-{value['pitch']:03d}-{value['velocity']:03d}"
        assert value["sample_rate"] == nsynth.SAMPLE_RATE_HZ
        named = [name.encode() for name, one in zip(nsynth.QUALITIES, value["qualities"], strict=True) if one]
        assert list(value["qualities_str"]) == named


@pytest.mark.slow
def test_no_note_is_silent_or_clipped(records):
    for split in SPLITS:
        for features in records[split]:
            audio = np.array(features["audio"].float_list.value)
            assert 0.69 < np.abs(audio).max() < 0.96
            assert np.sqrt((audio**2).mean()) > 10 ** (-50 / 20)
            assert (np.abs(audio) == np.abs(audio).max()).sum() < 100  # a clipped note has flat tops


@pytest.mark.slow
def test_files_are_ordered_by_family_and_notes_are_numbered_once(records):
    numbers = [features["note"].int64_list.value[0] for split in SPLITS for features in records[split]]
    assert len(set(numbers)) == len(numbers)
    for split in SPLITS:
        families = [features["instrument_family"].int64_list.value[0] for features in records[split]]
        assert families == sorted(families)
        assert set(families) == set(range(len(nsynth.FAMILIES)))


@pytest.mark.slow
def test_splits_share_no_instrument_and_no_recording(records, tiny_corpus):
    group = {}
    with (tiny_corpus / "corpus.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            group[row["instrument_str"]] = row["recording_group"]
    heard = defaultdict(set)
    for split in SPLITS:
        for features in records[split]:
            instrument = features["instrument_str"].bytes_list.value[0].decode()
            heard[instrument].add(split)
            heard[f"group {group[instrument]}"].add(split)
    assert all(len(splits) == 1 for splits in heard.values())


@pytest.mark.slow
def test_the_summary_counts_what_the_files_hold(records, tiny_summary):
    assert tiny_summary.notes == {split: len(records[split]) for split in SPLITS}
    assert tiny_summary.total_notes == 220
    assert tiny_summary.missing == {}
    assert sum(tiny_summary.instruments.values()) == 55


@pytest.mark.slow
def test_equal_options_give_equal_bytes_whatever_the_workers(options, tmp_path):
    options = options.model_copy(update={"json_wav": True})
    for name, workers in (("one", 1), ("again", 1), ("two", 2)):
        render_corpus(options, tmp_path / name, workers=workers)
    one = _contents(tmp_path / "one")
    assert len(one) == 7 + 3 + 14  # TFRecords and tables, examples.json, a WAV file for each note
    assert _contents(tmp_path / "again") == one
    assert _contents(tmp_path / "two") == one


@pytest.mark.slow
def test_the_default_soundfont_is_rendered_alike_by_one_process_and_by_two(tiny_corpus, tmp_path):
    render_corpus(CorpusOptions(size="tiny"), tmp_path / "one", workers=1)
    for split in SPLITS:
        name = f"nsynth-{split}.tfrecord"
        assert (tmp_path / "one" / name).read_bytes() == (tiny_corpus / name).read_bytes()


def test_another_seed_gives_other_notes(options, tmp_path):
    render_corpus(options, tmp_path / "zero", workers=1)
    render_corpus(options.model_copy(update={"seed": 1}), tmp_path / "one", workers=1)
    assert _contents(tmp_path / "zero")["corpus.csv"] != _contents(tmp_path / "one")["corpus.csv"]


def test_the_same_call_again_does_nothing(options, tmp_path, monkeypatch):
    first = render_corpus(options, tmp_path / "out", workers=1)
    monkeypatch.setattr(corpus.render, "render_notes", lambda *_: pytest.fail("rendered again"))
    again = render_corpus(options, tmp_path / "out", workers=1)
    assert first.rendered
    assert not again.rendered
    assert again.model_dump() == first.model_dump()


def test_a_corpus_with_a_damaged_file_is_not_taken_for_finished(options, tmp_path):
    render_corpus(options, tmp_path / "out", workers=1)
    (tmp_path / "out" / "nsynth-train.tfrecord").write_bytes(b"")
    with pytest.raises(nsynth.UserError, match="or is damaged"):
        render_corpus(options, tmp_path / "out", workers=1)
    assert render_corpus(options, tmp_path / "out", workers=1, force=True).rendered


def test_other_options_replace_a_corpus_only_by_force(options, tmp_path):
    out = tmp_path / "out"
    render_corpus(options, out, workers=1)
    other = options.model_copy(update={"seed": 1})
    with pytest.raises(
        nsynth.UserError, match=r"other options or is damaged\. .* replace it with `nsynth corpus --force`"
    ):
        render_corpus(other, out, workers=1)
    assert render_corpus(other, out, workers=1, force=True).rendered
    assert not render_corpus(other, out, workers=1).rendered


def test_a_folder_with_other_things_is_never_replaced(options, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "nsynth-train.tfrecord").write_bytes(b"74 GB, downloaded overnight")
    with pytest.raises(nsynth.UserError, match="is not a rendered corpus"):
        render_corpus(options, tmp_path / "out", workers=1, force=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["nsynth-train.tfrecord"]


def test_silent_notes_are_left_out_and_counted(make_soundfont, tmp_path):
    silence = np.zeros(1000)
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 16_000)
    font = make_soundfont([(0, 0, "piano", [(0, 60, 0), (61, 127, 1)])], [silence, noise])
    options = CorpusOptions(soundfonts=(str(font),), size=10, velocities_per_pitch=1)
    summary = render_corpus(options, tmp_path / "out", workers=1)
    pitches = [r["pitch"].int64_list.value[0] for split in SPLITS for r in _records(tmp_path / "out", split)]
    assert min(pitches) > 60
    assert summary.silent == 10 - len(pitches) > 0
    assert summary.missing == {"keyboard": ["valid", "test"]}


def test_a_full_disk_is_foreseen(options, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    with pytest.raises(nsynth.UserError, match=r"disk of .*out is full: the corpus needs 0\.00 GB"):
        render_corpus(options, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(options, tmp_path, monkeypatch):
    def no_space(_: Note) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Note, "example", no_space)
    with pytest.raises(nsynth.UserError, match=r"disk of .* is full"):
        render_corpus(options, tmp_path / "data" / "out", workers=1)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".out.lock"]


@pytest.mark.slow
def test_an_interrupted_rendering_leaves_nothing_visible(options, tmp_path):
    def interrupt(done: int, _total: int) -> None:
        if done > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_corpus(options, tmp_path / "data" / "out", progress=interrupt, workers=2)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".out.lock"]


@pytest.mark.slow
@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_leaves_no_corpus_and_the_next_one_makes_it_whole(options, tmp_path, deadly):
    out = tmp_path / "data" / "out"
    call = [
        sys.executable,
        "-m",
        "pipeline.cli.main",
        "corpus",
        "--out",
        str(out),
        "--soundfont",
        *options.soundfonts,
    ]
    repository = Path(corpus.render.__file__).parents[1]
    process = subprocess.Popen([*call, "--size", "640"], cwd=repository, start_new_session=True)

    def drafts() -> list[Path]:
        return list((tmp_path / "data").glob(".out.draft-*/nsynth-train.tfrecord"))

    deadline = time.monotonic() + 60
    while not any(draft.stat().st_size for draft in drafts()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, deadly)  # the terminal sends Ctrl-C to the whole group
    assert process.wait(timeout=120) != 0
    assert not out.exists()
    assert bool(drafts()) == (deadly == signal.SIGKILL)

    assert render_corpus(options, out, workers=1).rendered
    assert sorted(path.name for path in out.parent.iterdir()) == [".out.lock", "out"]


def test_progress_is_told_and_ends_at_the_total(options, tmp_path):
    told = []
    render_corpus(options, tmp_path / "out", progress=lambda *counts: told.append(counts), workers=1)
    assert told[-1] == (14, 14)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
