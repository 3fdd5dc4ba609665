"""No instrument is trained on in one folder and judged on in another."""

import json

import pytest

import nsynth
from components.apart.executor import ApartExecutor, Ingested, Place, shared_instruments
from components.artifacts import QuarantinedNotes
from components.documents.ingest import IngestAccount


def content(path: str, **splits: list[str]) -> dict:
    return {
        "files": [{"path": path, "split": "train"}],
        "instruments": {split: splits.get(split, []) for split in nsynth.SPLITS},
    }


def account(path: str, **splits: list[str]) -> Ingested:
    return Ingested(0, IngestAccount.model_validate(content(path, **splits)))


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
    """Runs the step on accounts, each of a span; None is the held-out folder."""

    def check(*accounts: tuple[int | None, dict], new: tuple[int, ...] = ()) -> None:
        artifacts: dict[str, list[QuarantinedNotes]] = {"accounts": [], "held_out": []}
        for span, told in accounts:
            artifact = QuarantinedNotes()
            artifact.uri = str(tmp_path / str(span))
            artifact.set_int_custom_property(
                "span", span or 0
            )  # TFX's driver has 0 for a folder that is none
            (tmp_path / str(span)).mkdir(exist_ok=True)
            (tmp_path / str(span) / "summary.json").write_text(json.dumps(told))
            artifacts["accounts" if span is not None else "held_out"].append(artifact)
        ApartExecutor().Do(artifacts, {}, {"new": json.dumps(new)})

    return check


def test_the_run_stops_and_names_instrument_and_places(check):
    first, fixed = (1, content("span-1", train=["x_1"])), (2, content("span-2", valid=["x_1"]))
    with pytest.raises(
        nsynth.UserError, match=r"^1 instrument.*x_1, trained on in span-1, held out in span-2"
    ) as told:
        check(first, fixed)
    assert not isinstance(told.value, nsynth.RefusedDataError), "no new span has to do with it"
    check(first)


TRAINED, HELD_OUT = content("a", train=["x_1"]), content("b", valid=["x_1"])
BOTH = [content("c", train=["y_1"], valid=["x_1"]), content("d", train=["x_1"]), content("e", valid=["y_1"])]


OTHER = content("f", train=["z_1"])


@pytest.mark.parametrize(
    ("accounts", "new", "refused"),
    [
        ([(3, TRAINED), (4, OTHER), (None, HELD_OUT)], (3, 4), 3),  # the fixed notes stay
        ([(3, TRAINED), (4, HELD_OUT)], (3,), 3),  # as do spans that have been used
        ([(3, TRAINED), (4, HELD_OUT)], (3, 4), 4),  # of two new ones the later gives way
        ([(0, TRAINED), (4, OTHER), (None, HELD_OUT)], (0, 4), 0),  # span 0 is a span
        ([(4, HELD_OUT), (3, TRAINED), (None, HELD_OUT)], (3, 4), 3),  # and 4 goes with the fixed notes
        ([(3, BOTH[0]), (4, BOTH[1]), (None, BOTH[2])], (3, 4), 3),  # without 3, nothing speaks against 4
    ],
)
def test_a_new_span_that_does_not_go_with_the_others_is_refused(check, accounts, new, refused):
    with pytest.raises(nsynth.RefusedDataError, match=rf"^Span {refused} is left out: .* instrument") as told:
        check(*accounts, new=new)
    assert told.value.span == refused
    check(*(each for each in accounts if each[0] != refused), new=new)


@pytest.mark.parametrize(
    ("accounts", "new"),
    [
        ([(3, TRAINED), (4, TRAINED), (None, HELD_OUT)], (3, 4)),  # it goes with none
        ([(3, TRAINED), (None, HELD_OUT)], (3,)),  # nor does it here
        ([(2, TRAINED), (3, TRAINED), (4, OTHER), (None, HELD_OUT)], (3, 4)),  # with 2 it once went
        ([(2, TRAINED), (3, OTHER), (None, HELD_OUT)], ()),
    ],
)
def test_a_held_out_folder_that_does_not_suit_is_told_once_and_no_span_is_refused(check, accounts, new):
    with pytest.raises(nsynth.UserError, match=r"^retrain\.holdout conflicts with span \d.*x_1") as told:
        check(*accounts, new=new)
    assert not isinstance(told.value, nsynth.RefusedDataError)


@pytest.mark.parametrize(
    ("split", "file"),
    [
        ("train", "/s/nsynth-train.tfrecord"), ("dev", "/s/nsynth-train.tfrecord"),
        ("valid", "/s/nsynth-valid.tfrecord"), ("test", "one of 2 files (/s/nsynth-test.tfrecord-0 …)"),
    ],
)  # fmt: skip
def test_the_file_that_is_named_is_the_one_of_the_split(split, file):
    names = {
        "train": ["train.tfrecord"],
        "test": ["test.tfrecord-0", "test.tfrecord-1"],
        "valid": ["valid.tfrecord"],
    }
    both = content("", **{split: ["x_1"]})
    both["files"] = [
        {"path": f"/s/nsynth-{name}", "split": split} for split, group in names.items() for name in group
    ]
    other = account("/other.tfrecord", **{"valid" if split in ("train", "dev") else "train": ["x_1"]})
    [places] = shared_instruments([Ingested(0, IngestAccount.model_validate(both)), other]).values()
    assert file in {place.file for place in places}


def test_a_split_that_was_carved_is_named_by_the_file_that_it_was_carved_from():
    [places] = shared_instruments([account("a", valid=["x_1"]), account("b", train=["x_1"])]).values()
    assert places == (Place("b", 0), Place("a", 0))
