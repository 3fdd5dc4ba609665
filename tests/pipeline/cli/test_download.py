"""`nsynth download`: what it prints, and the questions that it asks."""

import pytest
from click.testing import CliRunner

import nsynth
from benchmarks.nsynth_server import Server, VirtualFile, instruments
from pipeline.cli import main


@pytest.fixture(scope="module")
def valid_file():
    return VirtualFile(instruments("valid", share=0.01))


@pytest.fixture(scope="module")
def mirror(valid_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "nsynth-valid.tfrecord").write_bytes(b"".join(valid_file.records()))
    return folder


def call(*arguments, **others):
    return CliRunner().invoke(
        main.cli, ["download", *map(str, arguments)], obj={"verbose": False}, standalone_mode=False, **others
    )


def test_what_came_is_told_against_the_official_counts(mirror, tmp_path):
    result = call("--mirror", mirror, "--splits", "valid", "--notes", 120, "--out", tmp_path)
    assert result.exception is None
    assert "valid: 20 of 12,678 notes (0.2%)" in result.stdout
    assert "(official 20.8%)" in result.stdout  # bass
    assert "CC BY 4.0" in result.stdout
    assert f"nsynth run --data {tmp_path}" in result.stdout


def test_a_family_that_was_not_met_is_named(mirror, tmp_path):
    result = call("--mirror", mirror, "--splits", "valid", "--notes", 24, "--out", tmp_path)
    assert "no notes of " in result.stdout
    assert "synth_lead" not in result.stdout.split("no notes of ")[1], "official valid has none either"


def test_an_unknown_split_is_a_usage_error(tmp_path):
    result = call("--splits", "train,dev", "--out", tmp_path)
    assert "'dev' is not one of train, valid, test" in str(result.exception)


def test_a_mirror_that_lacks_the_file_is_told(tmp_path):
    result = call("--mirror", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert isinstance(result.exception, nsynth.UserError)
    assert "nsynth-train.tfrecord: No such file or directory" in str(result.exception)


@pytest.mark.parametrize(
    ("answer", "more", "taken"),
    [("y\n", (), True), ("n\n", (), False), ("", (), False), ("", ("--yes",), True)],
)
def test_without_ranges_it_asks(answer, more, taken, valid_file, tmp_path):
    with Server({"nsynth-valid.tfrecord": valid_file}) as server:
        server.behaviour.ranges = False
        result = call(
            "--mirror", server.url, "--splits", "valid", "--notes", 60, "--out", tmp_path, *more, input=answer
        )
    assert (tmp_path / "nsynth-valid.tfrecord").exists() == taken
    if not taken:
        assert "does not support range requests" in str(result.exception)
