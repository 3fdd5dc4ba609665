"""Classifying recordings: what is heard of a file, and what is said of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import nsynth
from components import storage
from components.registry import Registry
from components.version import Record
from pipeline import classify as classify_module
from pipeline.classify import Classifier, audio_files
from pipeline.cli import main
from tests.components.conftest import fit, make_notes, save_model

RATE = nsynth.SAMPLE_RATE_HZ


@pytest.fixture(scope="module")
def notes():
    return make_notes(range(11), range(0, 3))


@pytest.fixture(scope="module")
def model(tmp_path_factory, notes) -> Path:
    folder = tmp_path_factory.mktemp("classify") / "model"
    save_model(folder, *fit(notes))
    return folder


def read_windows(path: Path) -> np.ndarray:
    return np.stack(list(classify_module.read_windows(path)))


def tone(seconds: float, rate: int, hz: float = 440) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_a_note_of_the_dataset_is_heard_as_it_is(tmp_path, notes):
    soundfile.write(tmp_path / "note.wav", notes[0].audio, RATE, subtype="FLOAT")
    windows = read_windows(tmp_path / "note.wav")
    np.testing.assert_array_equal(windows, notes[0].audio[None])


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_any_rate_and_channels_give_the_same_tone(tmp_path, rate, suffix):
    path = tmp_path / f"tone.{suffix}"
    left, right = tone(4, rate), np.zeros(4 * rate, np.float32)
    soundfile.write(path, np.stack([left, right], axis=1), rate)
    windows = read_windows(path)
    assert windows.shape == (1, nsynth.NOTE_SAMPLES)
    inside = slice(RATE // 2, -RATE // 2)
    np.testing.assert_allclose(windows[0, inside], tone(4, RATE)[inside] / 2, atol=0.02)


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.01, 1), (3.9, 1), (4, 1), (4.4, 1), (4.6, 2), (8, 2), (30, 8), (30.4, 8)]
)
def test_windows(tmp_path, seconds, count):
    audio = tone(seconds, RATE)
    soundfile.write(tmp_path / "a.wav", audio, RATE, subtype="FLOAT")
    windows = read_windows(tmp_path / "a.wav")
    assert windows.shape == (count, nsynth.NOTE_SAMPLES)
    heard = min(len(audio), windows.size)
    np.testing.assert_array_equal(windows.ravel()[:heard], audio[:heard])
    assert not windows.ravel()[heard:].any()


def write_wav_header(path: Path, rate: int, data: bytes) -> None:
    import struct

    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    path.write_bytes(
        struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
        + form
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


def make_unsuitable(folder: Path) -> dict[Path, str]:
    """Files that must not be classified, with what is said of each."""
    sound = tone(1, RATE)
    (folder / "text.wav").write_text("no sound")
    (folder / "samples.raw").write_bytes(sound.tobytes())
    os.mkfifo(folder / "pipe.wav")
    soundfile.write(folder / "empty.wav", np.zeros(0), RATE)
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(folder / "opposite.wav", np.stack([sound, -sound], axis=1), RATE, subtype="FLOAT")
    soundfile.write(folder / "nan.wav", np.array([0, np.nan, 0]), RATE, subtype="FLOAT")
    soundfile.write(folder / "swapped.wav", sound.byteswap(), RATE, subtype="FLOAT")
    write_wav_header(folder / "slow.wav", 1, b"\x00\x40" * 64_000)
    return {
        folder / name: says
        for name, says in {
            "text.wav": "cannot be read as audio: Format not recognised",
            "samples.raw": "cannot be read as audio",
            "missing.wav": "No such file",
            "pipe.wav": "not a regular file",
            "empty.wav": "holds no sound",
            "silent.wav": "silent",
            "opposite.wav": "silent once mixed to mono",
            "nan.wav": "not finite numbers",
            "swapped.wav": "full scale is 1|not finite",
            "slow.wav": "the sample rate is 1 Hz",
        }.items()
    }


def test_what_cannot_be_read_is_said(tmp_path):
    for path, says in make_unsuitable(tmp_path).items():
        with pytest.raises(nsynth.UserError, match=says):
            read_windows(path)


def test_silent_windows_are_not_heard(tmp_path):
    audio = np.concatenate([tone(4, RATE), np.zeros(9 * RATE, np.float32), tone(4, RATE)])
    soundfile.write(tmp_path / "a.wav", audio, RATE, subtype="FLOAT")
    assert len(read_windows(tmp_path / "a.wav")) == 3  # of five: the last tone lies in two


@pytest.mark.slow
def test_a_decoder_s_fault_is_that_file_s(tmp_path, notes, model, monkeypatch):
    soundfile.write(tmp_path / "a.wav", notes[0].audio, RATE)
    (tmp_path / "bad.wav").touch()
    read = classify_module.read_windows

    def fails(path: Path):
        if path.name == "bad.wav":
            raise OverflowError("of the decoder")
        yield from read(path)

    monkeypatch.setattr(classify_module, "read_windows", fails)
    bad, good = Classifier(model).answers([tmp_path / "bad.wav", tmp_path / "a.wav"])
    assert "bad.wav: cannot be read as audio: OverflowError" in bad.error
    assert good.probabilities


@pytest.mark.slow
def test_a_model_that_answers_nan_is_an_error(tmp_path, notes, model, monkeypatch):
    soundfile.write(tmp_path / "a.wav", notes[0].audio, RATE)
    classifier = Classifier(model)
    monkeypatch.setattr(classifier, "ask", lambda windows: (np.full((len(windows), 11), np.nan), None))
    [answer] = classifier.answers([tmp_path / "a.wav"])
    assert "not finite" in answer.error


@pytest.mark.slow
def test_answers_are_the_model_s_and_means_over_windows(tmp_path, notes, model):
    soundfile.write(tmp_path / "one.wav", notes[3].audio, RATE, subtype="FLOAT")
    soundfile.write(
        tmp_path / "two.wav", np.concatenate([notes[3].audio, notes[20].audio]), RATE, subtype="FLOAT"
    )
    classifier = Classifier(model)
    one, two = classifier.answers([tmp_path / "one.wav", tmp_path / "two.wav"])
    rows = classifier.probabilities(np.stack([notes[3].audio, notes[20].audio]))
    np.testing.assert_allclose(one.probabilities, rows[0], atol=1e-6)
    np.testing.assert_allclose(two.probabilities, rows.mean(0), atol=1e-6)
    assert (one.windows, two.windows) == (1, 2)
    assert one.top()[0][0] == nsynth.FAMILIES[notes[3].family]
    assert [p for _, p in one.top()] == sorted(one.probabilities, reverse=True)[:3]


@pytest.mark.slow
def test_many_files_keep_their_order_across_batches(tmp_path, notes, model):
    files = []
    for index in range(70):
        files.append(tmp_path / f"{index}.wav")
        if index % 10 == 9:
            files[-1].write_text("broken")
        else:
            soundfile.write(files[-1], notes[index % len(notes)].audio, RATE, subtype="FLOAT")
    for index, answer in enumerate(Classifier(model).answers(files)):
        assert answer.file == files[index]
        assert bool(answer.error) == (index % 10 == 9)
        if not answer.error:
            assert answer.top()[0][0] == nsynth.FAMILIES[notes[index % len(notes)].family]


def test_folders(tmp_path):
    for name in (
        "a.wav",
        "b.FLAC",
        "sub/c.ogg",
        "d.txt",
        "e.aiff",
        "f.mp3",
        "g.m4a",
        "._a.wav",
        ".git/h.wav",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = audio_files([tmp_path], folders=True)
    assert [f.name for f in found.files] == ["a.wav", "b.FLAC", "e.aiff", "f.mp3", "c.ogg"]
    assert found.skipped == {".txt": 1, ".m4a": 1}
    with pytest.raises(nsynth.UserError, match="add --batch"):
        audio_files([tmp_path], folders=False)
    (tmp_path / "none").mkdir()
    with pytest.raises(nsynth.UserError, match=r"No audio files in"):
        audio_files([tmp_path / "none"], folders=True)


@pytest.mark.slow
def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(nsynth.UserError, match="holds no model"):
        Classifier(tmp_path)


@pytest.fixture
def call(tmp_path, model, monkeypatch):
    """Runs `nsynth classify` in a folder where the model is serving; returns exit code, output, error output."""
    monkeypatch.chdir(tmp_path)
    destination = tmp_path / "workspace" / "models"
    Registry(destination).publish(lambda folder: storage.copy_folder(str(model), folder), Record())

    def run(*arguments: str):
        result = CliRunner().invoke(
            main.cli, ["classify", *arguments], obj={"verbose": False}, standalone_mode=False
        )
        if result.exception:
            raise result.exception
        return result.return_value, result.stdout, result.stderr

    return run


@pytest.mark.slow
def test_the_command_answers_what_it_can_and_tells_of_the_rest(call, tmp_path, notes):
    soundfile.write(tmp_path / "reed.flac", notes[21].audio, 44_100)
    (tmp_path / "broken.wav").write_text("no sound")
    code, output, errors = call("broken.wav", "reed.flac", "--json")
    broken, reed = map(json.loads, output.splitlines())
    assert code == 1
    assert "cannot be read as audio" in broken["error"]
    assert (reed["file"], reed["windows"], len(reed["families"])) == ("reed.flac", 1, 3)
    code, output, errors = call("broken.wav", "reed.flac")
    assert code == 1
    assert "reed.flac" in output
    assert reed["families"][0]["family"] in output
    assert "broken.wav: cannot be read as audio" in errors
    assert call("reed.flac")[0] == 0


@pytest.mark.slow
def test_the_command_answers_the_good_one_among_unsuitable_files(call, tmp_path, notes):
    unsuitable = make_unsuitable(tmp_path)
    soundfile.write(tmp_path / "tele.wav", notes[21].audio, RATE, subtype="GSM610")
    soundfile.write(tmp_path / "g721.wav", notes[21].audio, RATE, subtype="G721_32")
    names = [os.fsencode(path.name) for path in (*unsuitable, tmp_path / "tele.wav", tmp_path / "g721.wav")]
    os.rename(tmp_path / "tele.wav", os.path.join(os.fsencode(tmp_path), b"caf\xe9.wav"))
    names[names.index(b"tele.wav")] = b"caf\xe9.wav"
    code, output, _ = call(*map(os.fsdecode, names), "--json")
    answers = [json.loads(line, parse_constant=pytest.fail) for line in output.splitlines()]
    assert code == 1
    assert [answer["file"] for answer in answers if "families" in answer] == ["caf\\xe9.wav", "g721.wav"]
    assert call(*map(os.fsdecode, names))[0] == 1


@pytest.mark.slow
def test_the_command_takes_folders_and_versions(call, tmp_path, notes):
    soundfile.write(tmp_path / "a.wav", notes[0].audio, RATE)
    number = Registry(tmp_path / "workspace" / "models").serving().number
    code, output, _ = call("--batch", ".", "--json", "--model-version", str(number))
    assert code == 0
    assert json.loads(output)["families"][0]["family"] == "bass"
    with pytest.raises(nsynth.UserError, match="there is no version 5"):
        call("a.wav", "--model-version", "5")


def test_without_a_model_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", tone(1, RATE), RATE)
    result = CliRunner().invoke(
        main.cli, ["classify", "a.wav"], obj={"verbose": False}, standalone_mode=False
    )
    assert isinstance(result.exception, nsynth.UserError)
    assert "nsynth run" in str(result.exception)


@pytest.mark.slow
def test_it_starts_without_keras_and_tfx(model, tmp_path, notes):
    """These take longer to import than all the rest; the answer is the same without."""
    soundfile.write(tmp_path / "a.wav", notes[0].audio, RATE, subtype="FLOAT")
    script = (
        "import sys; from pathlib import Path; from pipeline.classify import Classifier\n"
        f"answer, = Classifier({str(model)!r}).answers([Path({str(tmp_path / 'a.wav')!r})])\n"
        "print(answer.top()[0][0], [m for m in ('keras', 'tfx', 'apache_beam') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(main.__file__).parents[2]
    )
    assert done.stdout.split("\n")[0] == "bass []", done.stderr


@pytest.mark.slow
def test_a_sound_unlike_the_training_data_is_named(call, tmp_path, notes):
    """By a model that tells novelty; of one without that output nothing is said."""
    quiet, loud = notes[0].audio / 4, notes[0].audio / np.abs(notes[0].audio).max()
    soundfile.write(tmp_path / "quiet.wav", quiet, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "loud.wav", np.concatenate([loud, loud]), RATE, subtype="FLOAT")
    save_model(tmp_path / "novel", *fit(notes), novelty=True)
    asked = ("quiet.wav", "loud.wav", "--model", "novel")
    found = [json.loads(line) for line in call(*asked, "--json")[1].splitlines()]
    assert [f["unlike_training_data"] for f in found] == [False, True]
    assert found[1]["novelty"] == pytest.approx(1 / 0.6, abs=1e-3)
    assert "Unlike the training data: loud.wav\n" in call(*asked)[1]
    assert "nlike" not in "".join(call("quiet.wav", "loud.wav")[1:])
    assert "novelty" not in call("loud.wav", "--json")[1]
