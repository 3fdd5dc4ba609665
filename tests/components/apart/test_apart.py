"""No instrument is trained on in one folder and judged on in another."""

import json

import pytest

import nsynth
from components.apart.executor import ApartExecutor, shared_instruments
from components.artifacts import QuarantinedNotes


def account(path: str, **splits: list[str]) -> dict:
    return {
        "files": [{"path": path}],
        "instruments": {split: splits.get(split, []) for split in nsynth.SPLITS},
    }


def test_disjoint_folders_have_nothing_in_common():
    first = account("span-1", train=["bass_acoustic_000"], valid=["bass_acoustic_001"])
    second = account(
        "span-2", train=["bass_acoustic_000"], valid=["bass_acoustic_001"], dev=["reed_acoustic_000"]
    )
    assert shared_instruments([first, second]) == {}


@pytest.mark.parametrize("trained", ["train", "dev"])
@pytest.mark.parametrize("held_out", nsynth.HELD_OUT)
def test_training_in_one_folder_and_judging_in_another_is_found(trained, held_out):
    span = account("span-1", **{trained: ["bass_acoustic_000", "reed_acoustic_000"]})
    fixed = account("holdout", **{held_out: ["bass_acoustic_000"]})
    assert shared_instruments([span, fixed]) == {"bass_acoustic_000": ("span-1", "holdout")}


def test_valid_and_test_may_share_as_the_official_files_do():
    assert (
        shared_instruments(
            [account("a", valid=["bass_acoustic_000"]), account("b", test=["bass_acoustic_000"])]
        )
        == {}
    )


def test_the_run_stops_and_names_instrument_and_places(tmp_path):
    artifacts = []
    for number, content in enumerate((account("span-1", train=["x_1"]), account("holdout", valid=["x_1"]))):
        artifact = QuarantinedNotes()
        artifact.uri = str(tmp_path / str(number))
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "summary.json").write_text(json.dumps(content))
        artifacts.append(artifact)
    with pytest.raises(
        nsynth.UserError, match=r"^1 instrument.*x_1, trained on in span-1, held out in holdout"
    ):
        ApartExecutor().Do({"accounts": artifacts}, {}, {})
    ApartExecutor().Do({"accounts": artifacts[:1]}, {}, {})
