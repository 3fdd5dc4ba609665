"""`nsynth inspect`: right counts, the first problems, an exit code to build on, and a light start."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import nsynth
from components import tfrecord
from components.example_proto import serialize
from pipeline.cli.inspect import inspect


def run(*arguments: object) -> Result:
    return CliRunner().invoke(inspect, [str(argument) for argument in arguments])


def test_good_data_is_counted_nothing_is_written_and_it_exits_with_0(
    any_form: Path, notes: list[dict]
) -> None:
    before = sorted(any_form.rglob("*"))
    result = run(any_form, "--json")
    assert result.exit_code == 0
    assert sorted(any_form.rglob("*")) == before
    account = json.loads(result.stdout)
    assert account["used"] == account["in"] == len(notes)
    assert set(account["families"].values()) == {4}
    assert account["sources"]["acoustic"] == 44
    assert account["splits"]["train"]["instruments"] == 11
    assert account["stops"] == []


@pytest.mark.parametrize("any_form", ["nsynth-train.tfrecord"], indirect=True)
def test_the_tables_are_for_people(any_form: Path) -> None:
    result = run(any_form)
    assert result.exit_code == 0
    assert "synth_lead" in result.stdout
    assert "44 notes read, 44 valid, 0 invalid; 0 bytes damaged." in result.stdout


def test_problems_are_named_and_exit_with_1(notes: list[dict], tmp_path: Path) -> None:
    silent = serialize(notes[0] | {nsynth.AUDIO: np.zeros(64_000, np.float32)})
    good = [serialize(note) for note in notes[1:6]]
    file = b"".join(map(tfrecord.frame, [silent, b"rubbish", *good]))
    (tmp_path / "nsynth-train.tfrecord").write_bytes(file + b"half a rec")
    (tmp_path / "nsynth-valid.tfrecord").write_bytes(tfrecord.frame(good[-1]))
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "1 × audio is silent" in result.stdout
    assert "nsynth-train.tfrecord byte 0 bass_acoustic_000" in result.stdout
    assert "1 × not a tf.Example" in result.stdout
    assert "10 bytes damaged" in result.stdout
    assert "A run would stop: 33.3% of the notes are invalid" in result.stdout.replace("\n", " ")
    assert "is in train and in valid" in result.stdout
    assert "1 × byte-identical waveforms in more than one split" in result.stdout


def test_a_missing_folder_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(nsynth.UserError, match="no such file or folder"):
        CliRunner().invoke(inspect, [str(tmp_path / "nowhere")], catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import pipeline.cli.inspect", {"numpy", "google.protobuf", "rich", "tensorflow", "tfx"}),
        ("import components.ingest.options", {"numpy", "tensorflow", "tfx"}),
        (
            "from pipeline.cli.inspect import examine\nfor data in sys.argv[1:]: examine(data)",
            {"tensorflow", "tfx", "apache_beam"},
        ),
    ],
)
def test_heavy_libraries_stay_away(code: str, unwanted: set[str], notes, writers, tmp_path: Path) -> None:
    """Whatever the form of the notes."""
    folders = [tmp_path / name / "data" for name in writers]
    for folder in folders:
        folder.mkdir(parents=True)
        writers[folder.parent.name](folder / folder.parent.name, notes[:11])
    program = f"import sys\n{code}\nprint(*sys.modules)"
    command = [sys.executable, "-c", program, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not unwanted & set(done.stdout.split())
