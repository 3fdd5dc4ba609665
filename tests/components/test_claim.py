"""Artifacts on the claim: published whole, found again, or reported as gone."""

import shutil
from pathlib import Path

import pytest

import nsynth
from components.claim import Claim, Listing, Output, Record, lift, place_of


def publish(workspace: Path, run: str = "run-1", step: str = "Make", content: str = "notes") -> Output:
    """One output, as a step publishes it."""
    claim = Claim(workspace)
    with claim.publish(run, step) as draft:
        (draft / "examples" / "empty").mkdir(parents=True)
        (draft / "examples" / "notes.txt").write_text(content)
    place = f"{run}/{step}/examples"
    output = Output(place, "Examples", Listing.of(claim.folder(place)))
    claim.record(Record(run, step, (), (output,)))
    return output


def test_what_was_published_is_found_by_what_its_pointer_says(tmp_path: Path) -> None:
    pointer = publish(tmp_path).text()
    folder = Claim(tmp_path).check(Output.read(pointer))
    assert folder == tmp_path / "kubeflow/runs/run-1/Make/examples"
    assert (folder / "notes.txt").read_text() == "notes"


def test_of_a_step_that_fails_nothing_is_seen_and_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half/link").symlink_to("nowhere")
    with pytest.raises(shutil.Error), Claim(tmp_path).publish("run-1", "Make") as draft:
        shutil.copytree(tmp_path / "half", draft, dirs_exist_ok=True)
    assert list((tmp_path / "kubeflow/runs/run-1").iterdir()) == []


def test_another_attempt_replaces_what_one_published_and_clears_what_a_killed_one_left(
    tmp_path: Path,
) -> None:
    publish(tmp_path, content="first")
    run = tmp_path / "kubeflow/runs/run-1"
    (run / ".Make.draft-killed").mkdir()
    (run / ".MakeMore.draft-busy").mkdir()
    publish(tmp_path, content="second")
    assert (run / "Make/examples/notes.txt").read_text() == "second"
    assert sorted(path.name for path in run.iterdir()) == [".MakeMore.draft-busy", "Make", "Make.json"]


@pytest.mark.parametrize("damage", ["folder", "file", "size", "more", "empty folder"])
def test_what_is_gone_or_changed_is_an_error_and_is_not_offered_again(tmp_path: Path, damage: str) -> None:
    output, claim = publish(tmp_path), Claim(tmp_path)
    before, folder = lift(tmp_path), claim.folder(output.place)
    match damage:
        case "folder":
            folder.rename(tmp_path / "away")
        case "file":
            (folder / "notes.txt").unlink()
        case "size":
            (folder / "notes.txt").write_text("other notes")
        case "more":
            (folder / "more.txt").write_text("")
        case "empty folder":
            (folder / "empty").rmdir()
    with pytest.raises(nsynth.UserError, match="Start the run again"):
        claim.check(output)
    assert claim.lifted() != before


def test_the_lift_changes_once_for_what_is_gone(tmp_path: Path) -> None:
    output = publish(tmp_path)
    publish(tmp_path, run="run-2")
    before = lift(tmp_path)
    assert lift(tmp_path) == before
    Claim(tmp_path).folder(output.place).rename(tmp_path / "away")
    after = lift(tmp_path)
    assert after != before
    assert lift(tmp_path) == after
    assert [len(record.outputs) for record in Claim(tmp_path).records()] == [0, 1]


def test_a_workspace_without_runs_is_never_lifted(tmp_path: Path) -> None:
    assert lift(tmp_path) == lift(tmp_path / "none")


@pytest.mark.parametrize("place", ["../../etc/x", "a/b", "a//b", "/a/b/c", "a/b/.."])
def test_a_pointer_leads_nowhere_else(place: str) -> None:
    text = Output(place, "Examples", Listing(0, 0, "")).text()
    with pytest.raises(nsynth.UserError, match="not a pointer"):
        Output.read(text)


def test_a_damaged_record_is_reported_with_its_name(tmp_path: Path) -> None:
    publish(tmp_path)
    file = tmp_path / "kubeflow/runs/run-1/Make.json"
    file.write_text("{}")
    with pytest.raises(nsynth.UserError, match=str(file)):
        lift(tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "minio://bucket/root/nsynth/run-1/Make/0c9f8ad5-7d3e-4d0a-9b6e-1f6c9d2f0b11/examples",
        "s3://bucket/nsynth/run-1/Make/examples",
    ],
)
def test_run_step_and_output_stand_in_the_address(address: str) -> None:
    assert place_of(address) == ("run-1", "Make", "examples")
    with pytest.raises(nsynth.UserError, match="contains no run"):
        place_of("minio://bucket/examples")
