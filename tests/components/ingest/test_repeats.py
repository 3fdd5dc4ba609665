"""What repeats is found and named, in the order in which it is met."""

import tracemalloc

import numpy as np
import pytest

from components.ingest import repeats
from components.ingest.repeats import Repeats


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_groups_come_in_the_order_of_their_second_notes_with_their_names(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "_CHUNK", chunk)
    found = Repeats()
    for place, key in enumerate("abcbadb"):
        found.add(key, f"{key}\n{place}")
    groups = found.groups()
    assert [group.tolist() for group in groups] == [[1, 3, 6], [0, 4]]
    assert found.labels([6, 0, 3]) == {0: "a\n0", 3: "b\n3", 6: "b\n6"}


def test_nothing_repeats_in_nothing() -> None:
    assert Repeats().groups() == []


def test_they_agree_with_a_dictionary_and_keep_nothing_of_a_note_in_memory() -> None:
    keys = np.random.default_rng(0).integers(0, 15_000_000, 100_000).astype(str).tolist()
    seen: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        seen.setdefault(key, []).append(place)
    expected = sorted((places for places in seen.values() if len(places) > 1), key=lambda places: places[1])
    tracemalloc.start()
    found = Repeats()
    for key in keys:
        found.add(key, f"a note with a name of some length {key}")
    found._put_away()  # the last chunk waits in full
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert [group.tolist() for group in found.groups()] == expected
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(expected) > 100
    assert kept < 5 * len(keys)
    assert most < 8 * len(keys)
