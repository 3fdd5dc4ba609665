"""No instrument is trained on in one folder and judged on in another."""

import json

import pytest

import nsynth
from components.apart.executor import ApartExecutor, Place, shared_instruments
from components.artifacts import QuarantinedNotes


def account(path: str, **splits: list[str]) -> dict:
    return {
        "span": 0,
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
    assert shared_instruments([span, fixed]) == {
        "bass_acoustic_000": (Place("span-1", 0), Place("holdout", 0))
    }


def test_valid_and_test_may_share_as_the_official_files_do():
    assert (
        shared_instruments(
            [account("a", valid=["bass_acoustic_000"]), account("b", test=["bass_acoustic_000"])]
        )
        == {}
    )


@pytest.fixture
def check(tmp_path):
    """Runs the step on accounts, each of a span; 0 is the held-out folder."""

    def check(*accounts: tuple[int, dict], new: tuple[int, ...] = ()) -> None:
        artifacts = []
        for span, content in accounts:
            artifact = QuarantinedNotes()
            artifact.uri = str(tmp_path / str(span))
            if span:
                artifact.set_int_custom_property("span", span)
            (tmp_path / str(span)).mkdir(exist_ok=True)
            (tmp_path / str(span) / "summary.json").write_text(json.dumps(content))
            artifacts.append(artifact)
        ApartExecutor().Do({"accounts": artifacts}, {}, {"new": json.dumps(new)})

    return check


def test_the_run_stops_and_names_instrument_and_places(check):
    first, fixed = (1, account("span-1", train=["x_1"])), (0, account("holdout", valid=["x_1"]))
    with pytest.raises(
        nsynth.UserError, match=r"^1 instrument.*x_1, trained on in span-1, held out in holdout"
    ) as told:
        check(first, fixed)
    assert not isinstance(told.value, nsynth.RefusedDataError), "no new span has to do with it"
    check(first)


TRAINED, HELD_OUT = account("a", train=["x_1"]), account("b", valid=["x_1"])
BOTH = [account("c", train=["y_1"], valid=["x_1"]), account("d", train=["x_1"]), account("e", valid=["y_1"])]


@pytest.mark.parametrize(
    ("accounts", "new", "refused"),
    [
        ([(3, TRAINED), (0, HELD_OUT)], (3,), 3),  # the fixed notes stay
        ([(3, TRAINED), (4, HELD_OUT)], (3,), 3),  # as do spans that have been used
        ([(3, TRAINED), (4, HELD_OUT)], (3, 4), 4),  # of two new ones the later gives way
        ([(4, HELD_OUT), (3, TRAINED), (0, HELD_OUT)], (3, 4), 3),  # and 4 goes with the fixed notes
        ([(3, BOTH[0]), (4, BOTH[1]), (0, BOTH[2])], (3, 4), 3),  # without 3, nothing speaks against 4
    ],
)
def test_a_new_span_that_does_not_go_with_the_others_is_refused(check, accounts, new, refused):
    with pytest.raises(nsynth.RefusedDataError, match=rf"^Span {refused} is left out: .* instrument") as told:
        check(*accounts, new=new)
    assert told.value.span == refused
    check(*(each for each in accounts if each[0] != refused), new=new)
