"""A span in a store is new when anything in it is, and waits until nothing changes."""

import time

import pytest

from benchmarks.nsynth_server import Server, VirtualFile, instruments
from components.remote import bucket
from pipeline.history.ledger import Span
from pipeline.retrain.spans import Waiting, look_at
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
