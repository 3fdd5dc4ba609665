"""The memory of accepted data: grows by what is new, never shows half an entry."""

import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from components import accepted


def statistics(mean: float):
    made = statistics_pb2.DatasetFeatureStatisticsList()
    made.datasets.add(num_examples=50).features.add().num_stats.mean = mean
    return made


@pytest.fixture(scope="module")
def first():
    return statistics(0)


@pytest.fixture(scope="module")
def second():
    return statistics(5)


def test_an_empty_or_missing_folder_has_no_entries(tmp_path):
    assert accepted.entries(tmp_path / "nowhere") == []


def test_entries_come_back_in_the_order_of_acceptance(tmp_path, first, second):
    accepted.remember(tmp_path, 7, first)
    accepted.remember(tmp_path, 8, second)
    assert [entry.span for entry in accepted.entries(tmp_path)] == [7, 8]
    assert accepted.entries(tmp_path)[0].statistics() == first


def test_the_same_notes_are_remembered_once(tmp_path, first):
    accepted.remember(tmp_path, 7, first)
    accepted.remember(tmp_path, 7, first)
    assert len(accepted.entries(tmp_path)) == 1


def test_a_span_that_two_steps_accept_is_remembered_once(tmp_path, first, second):
    for _ in range(2):
        accepted.remember(tmp_path, 7, first)
        accepted.remember(tmp_path, 8, second)
    assert [entry.span for entry in accepted.entries(tmp_path)] == [7, 8]


def test_without_spans_the_data_accepted_last_are_the_newest(tmp_path, first, second):
    for notes in (first, second, first):
        accepted.remember(tmp_path, 0, notes)
    assert accepted.entries(tmp_path)[-1].digest == accepted.digest_of(first)


def test_notes_are_never_compared_with_themselves(tmp_path, first, second):
    accepted.remember(tmp_path, 7, first)
    accepted.remember(tmp_path, 8, second)
    before = accepted.latest_other_than(tmp_path, accepted.digest_of(second))
    assert before is not None
    assert before.span == 7


def test_a_draft_left_by_a_crash_is_not_an_entry(tmp_path, first):
    (tmp_path / ".000001-span-7.123").mkdir()
    assert accepted.entries(tmp_path) == []
    accepted.remember(tmp_path, 7, first)
    assert [entry.path.name for entry in accepted.entries(tmp_path)] == ["000001-span-7"]


def test_what_a_later_step_refuses_is_taken_back(tmp_path, first, second):
    accepted.remember(tmp_path, 7, first)
    accepted.remember(tmp_path, 8, second)
    accepted.forget(tmp_path, second)
    accepted.forget(tmp_path, second)
    assert [path.name for path in tmp_path.iterdir()] == ["000001-span-7"]
