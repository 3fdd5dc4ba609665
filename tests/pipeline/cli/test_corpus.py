import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import nsynth
from pipeline.cli.corpus import corpus
from pipeline.retrain.spans import find_spans, folder_name


@pytest.fixture
def call(small_font, tmp_path):
    """Runs `nsynth corpus` on the hand-made font and returns what it printed, line breaks undone."""

    def run(*arguments: str) -> str:
        fixed = ["--soundfont", str(small_font), "--out", str(tmp_path / "out"), "--workers", "1"]
        result = CliRunner().invoke(corpus, [*fixed, *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    return run


def test_the_command_renders_once_and_then_says_so(call):
    first = call("--size", "2")
    assert "Rendered 14 notes of 7 instruments" in first
    assert "No brass in valid and test: too few independent recordings." in first
    assert "Already rendered: 14 notes" in call("--size", "2")


def test_every_option_reaches_the_renderer(call, tmp_path):
    call("--size", "10", "--velocities", "1", "--extra-semitones", "3", "--seed", "5", "--json-wav")
    text = (tmp_path / "out" / "corpus.json").read_text()
    for line in (
        '"size": 10',
        '"velocities_per_pitch": 1',
        '"extra_semitones": 3',
        '"seed": 5',
        '"json_wav": true',
    ):
        assert line in text
    assert (tmp_path / "out" / "nsynth-train" / "examples.json").is_file()


def test_spans_are_folders_that_retraining_takes(call, tmp_path):
    printed = call("--size", "4", "--spans", "2")
    spans, held_out = tmp_path / "out" / "spans", tmp_path / "out" / "held-out"
    assert f"nsynth retrain --spans {spans} --set retrain.holdout={held_out}" in printed
    assert [folder_name(span.number) for span in find_spans(spans).spans] == ["span-000001", "span-000002"]
    assert "Already rendered" in call("--size", "4", "--spans", "2")


@pytest.mark.parametrize("size", ["huge", "0", "-5", "2.5"])
def test_a_size_that_is_none_names_the_sizes(size):
    with pytest.raises(click.BadParameter, match="neither one of tiny, small, medium, large nor a number"):
        corpus.main(["--size", size], standalone_mode=False)


def test_bad_input_passes_through_as_a_user_error(tmp_path):
    with pytest.raises(nsynth.UserError, match="Unknown SoundFont 'x'"):
        corpus.main(["--soundfont", "x", "--out", str(tmp_path / "out")], standalone_mode=False)
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_heavy_import():
    program = (
        "import sys, pipeline.cli.corpus\n"
        "print(sorted({'numpy', 'tensorflow', 'tinysoundfont'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
