"""Spans in a store: which are there, which are new, and that rounds treat them as those on a disk."""

import time

import pydantic
import pytest

import nsynth
from benchmarks.nsynth_server import Server, VirtualFile, instruments
from components.ingest import files
from components.remote import bucket
from pipeline.config import Config
from pipeline.history.ledger import Outcome, Span
from pipeline.retrain import gc
from pipeline.retrain.options import RetrainOptions
from pipeline.retrain.round import Retraining
from pipeline.retrain.spans import Waiting, find_spans, look_at, within_spans
from tests.pipeline.retrain.results import KEPT, PUSHED, refuse
from tests.stores import Store

LATER = time.time() + 3600


def test_a_span_is_another_one_when_anything_in_it_changes(any_store: Store) -> None:
    place = f"{any_store.root}/data"
    bucket.write(f"{place}/nsynth-train.tfrecord", b"notes")
    first = look_at(place, 0, LATER, 60)
    assert isinstance(first, Span)
    assert look_at(place, 0, LATER, 60) == first
    bucket.write(f"{place}/.hidden", b"x")
    assert look_at(place, 0, LATER, 60) == first
    bucket.write(f"{place}/more/nsynth-valid.tfrecord", b"more notes")
    assert look_at(place, 0, LATER, 60) != first


def test_it_waits_while_it_is_young_and_where_nothing_is(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"{s3.root}/data"
    assert str(look_at(place, 0, LATER, 60)) == f"{place}: cannot be read: no such file or folder"
    bucket.write(f"{place}/nsynth-train.tfrecord", b"notes")
    young = look_at(place, 0, time.time(), 600)
    assert isinstance(young, Waiting)
    assert young.until
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert "the store refuses the credentials" in str(look_at(place, 0, LATER, 60))


def test_of_a_web_server_the_etags_tell() -> None:
    with Server({"nsynth-valid.tfrecord": VirtualFile(instruments("valid", share=0.002))}) as server:
        first = look_at(server.url, 0, LATER, 60)
        assert isinstance(first, Span)
        assert look_at(server.url, 0, LATER, 60) == first
        server.behaviour.etag = '"second"'
        assert look_at(server.url, 0, LATER, 60) != first


def deliver(folder: str, name: str, content: bytes = b"notes") -> None:
    bucket.write(f"{folder}/{name}/nsynth-train.tfrecord", content)


def test_spans_in_a_bucket_are_found_as_those_in_a_folder(any_store: Store) -> None:
    folder = f"{any_store.root}/spans"
    with pytest.raises(nsynth.UserError, match="no such folder"):
        find_spans(folder)
    for name in ("span-000010", "span-000002", "notes", "Span_5"):
        deliver(folder, name)
    bucket.write(f"{folder}/span-000003", b"a file")
    bucket.write(f"{folder}/span-000004/.hidden", b"x")
    found = find_spans(folder)
    assert [span.number for span in found.spans] == [2, 10]
    assert found.others == ("notes",)
    assert {waiting.name: waiting.why for waiting in found.waiting} == {
        "span-000003": "not a folder: a span is a folder with the files of its notes",
        "span-000004": "no files in it yet",
        "Span_5": "call it span-000005, spans have six digits",
    }


def test_a_span_in_a_bucket_settles(s3: Store) -> None:
    deliver(f"{s3.root}/spans", "span-000001")
    [waiting] = find_spans(f"{s3.root}/spans", settle_s=600).waiting
    assert str(waiting).startswith(
        "span-000001: changed recently: it must not change for 600 s (retrain.settle_s); ready"
    )


@pytest.mark.parametrize("each", [files.ASKED_EACH, 0])
def test_other_content_makes_another_span(s3: Store, monkeypatch: pytest.MonkeyPatch, each: int) -> None:
    monkeypatch.setattr(files, "ASKED_EACH", each)
    folder = f"{s3.root}/spans"
    deliver(folder, "span-000001", b"notes")
    before = find_spans(folder).spans
    deliver(folder, "span-000001", b"other notes")
    assert find_spans(folder).spans != before


def test_the_same_content_uploaded_again_is_the_same_span(s3: Store) -> None:
    folder = f"{s3.root}/spans"
    deliver(folder, "span-000001")
    before = find_spans(folder).spans
    time.sleep(1.1)  # the store tells the time in seconds
    deliver(folder, "span-000001")
    assert find_spans(folder).spans == before


def test_rounds_use_each_span_of_a_bucket_once_and_leave_refused_ones_out(
    s3: Store, config: Config, stand_in
) -> None:
    folder = f"{s3.root}/spans"
    retrain = config.retrain.model_copy(update={"spans": folder})
    retraining = Retraining(
        config.model_copy(update={"retrain": retrain}), stand_in.will(refuse(2), PUSHED).start
    )
    assert "no such folder" in retraining.retrain("me").words
    deliver(folder, "span-000001")
    deliver(folder, "span-000002")
    assert retraining.retrain("me").outcome is Outcome.PUSHED
    assert [request["window"] for request in stand_in.asked] == [[1, 2], [1]]
    quiet = retraining.retrain("me")
    assert (quiet.outcome, "span-000002: its data was refused" in quiet.words) == (Outcome.NO_NEW_DATA, True)
    deliver(folder, "span-000002", b"mended")
    stand_in.will(KEPT)
    assert retraining.retrain("me").outcome is Outcome.KEPT
    assert [span.number for span in retraining.ledger.rounds()[-1].new] == [2]


def test_a_store_that_refuses_fails_the_round(
    s3: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(f"{s3.root}/spans", "span-000001")
    retrain = config.retrain.model_copy(update={"spans": f"{s3.root}/spans"})
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    done = Retraining(config.model_copy(update={"retrain": retrain})).retrain("me")
    assert done.outcome is Outcome.FAILED
    assert "the store refuses the credentials" in done.words


def test_clean_up_keeps_what_the_window_needs_or_nothing_is_removed(
    s3: Store, past, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, _ = past
    local = gc.clean(history.config, "test", remove=False)
    folder = s3.upload(history.config.workspace.parent / "spans", "spans")
    retrain = history.config.retrain.model_copy(update={"spans": folder})
    config = history.config.model_copy(update={"retrain": retrain})
    assert gc.clean(config, "test", remove=False) == local
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(nsynth.UserError, match=r"nothing was removed: s3://.* cannot be read"):
        gc.clean(config, "test", remove=True)


def test_held_out_notes_must_not_lie_in_a_span_of_the_bucket() -> None:
    assert within_spans("s3://bucket/spans/span-000001/more", "s3://bucket/spans")
    assert within_spans("s3://bucket/spans", "s3://bucket/spans")
    assert not within_spans("s3://bucket/held-out", "s3://bucket/spans")
    assert not within_spans("/spans/span-000001", "s3://bucket/spans")


def test_addresses_of_spans_and_held_out_notes_are_checked() -> None:
    options = RetrainOptions(spans="s3://bucket/spans/", holdout="gs://bucket/held-out")
    assert (options.spans, options.holdout) == ("s3://bucket/spans", "gs://bucket/held-out")
    assert RetrainOptions(spans="spans//").spans == "spans"
    for place, words in (
        ("https://host/spans", "a web server cannot list folders"),
        ("ftp://host/spans", "ftp:// is not known here"),
        ("s3://key@bucket/spans", "must hold no password"),
    ):
        with pytest.raises(pydantic.ValidationError, match=words):
            RetrainOptions(spans=place)
