"""The shuffle is a uniform permutation, told by statistics that a file's own order fails."""

from collections import Counter

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest import shuffle
from components.ingest.index import Index
from components.ingest.options import IngestOptions
from components.ingest.shuffle import Routes, permutation, plan, routes_of
from components.ingest.sources import Form, Source

FAMILIES = 11


def index_of(notes: int, split: str = "train", path: str = "a.tfrecord") -> Index:
    """An index of records of 1,000 bytes; no file is needed to make a plan."""
    lengths = np.full(notes, 1000, np.int64)
    return Index(Source(split, Form.TFRECORD, path), np.arange(notes, dtype=np.int64) * 1016, lengths, [])


def p_independent(row: np.ndarray, column: np.ndarray) -> float:
    """p of the chi-square test that two labellings of the same notes have nothing to do with each other."""
    table = np.zeros((row.max() + 1, column.max() + 1))
    np.add.at(table, (row, column), 1)
    return scipy.stats.chi2_contingency(table).pvalue


@given(st.lists(st.integers(1, 200), min_size=1, max_size=4), st.integers(1, 9), st.integers(0, 2**31))
def test_each_record_goes_to_just_one_place(notes: list[int], shards: int, seed: int) -> None:
    indexes = [index_of(count, path=f"{i}.tfrecord") for i, count in enumerate(notes)]
    planned = list(plan(indexes, IngestOptions(seed=seed, min_shards=shards)))
    placed = [
        (shard.sources[source].path, offset)
        for shard in planned
        for source, offset in zip(shard.source_ids.tolist(), shard.offsets.tolist(), strict=True)
    ]
    wanted = [(index.source.path, offset) for index in indexes for offset in index.offsets.tolist()]
    assert sorted(placed) == sorted(wanted)
    sizes = [len(shard.offsets) for shard in planned]
    assert len(sizes) == shards
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("notes", [1000, 70_000])
def test_the_order_is_numpys_whatever_type_it_is_kept_in(notes: int) -> None:
    generator = np.random.Generator(np.random.PCG64([17, 0]))
    order = permutation(notes, 17, "train")
    assert order.dtype.itemsize < 8
    np.testing.assert_array_equal(order, generator.permutation(notes))


def test_how_much_is_looked_up_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    indexes = [index_of(count, path=f"{i}.tfrecord") for i, count in enumerate((40, 1, 300, 7))]
    whole = list(plan(indexes, IngestOptions(min_shards=20)))
    monkeypatch.setattr(shuffle, "_BLOCK_NOTES", 50)
    blocks = list(plan(indexes, IngestOptions(min_shards=20)))
    for shard, same in zip(whole, blocks, strict=True):
        assert shard[:5] == same[:5]
        for column, other in zip(shard[5:], same[5:], strict=True):
            np.testing.assert_array_equal(column, other)


def test_shards_have_the_size_asked_for() -> None:
    planned = list(plan([index_of(10_000)], IngestOptions(shard_megabytes=1, min_shards=1)))
    assert len(planned) == 11  # 10.16 MB
    assert len({shard.name for shard in planned}) == 11


@pytest.mark.parametrize("seed", range(5))
def test_shards_and_places_tell_nothing_of_the_family(seed: int) -> None:
    notes = 22_000
    family = np.arange(notes) * FAMILIES // notes  # ordered by family, like the official file
    shards = list(plan([index_of(notes)], IngestOptions(seed=seed, min_shards=20)))
    shard_of, place_of = np.empty(notes, int), np.empty(notes, int)
    place = 0
    for shard in shards:
        records = shard.offsets // 1016
        shard_of[records] = shard.number
        place_of[records] = place + np.arange(len(records))
        place += len(records)
    assert p_independent(shard_of, family) > 1e-3
    assert p_independent(place_of * 50 // notes, family) > 1e-3
    assert p_independent(place_of * 30 // notes, np.arange(notes) * 30 // notes) > 1e-3
    assert p_independent(np.arange(notes) * 20 // notes, family) < 1e-9, "the test could not fail"


def test_every_order_of_few_notes_is_equally_likely() -> None:
    orders = Counter(tuple(permutation(4, seed, "train")) for seed in range(4_800))
    assert len(orders) == 24
    assert scipy.stats.chisquare(list(orders.values())).pvalue > 1e-3


def test_neighbours_are_torn_apart() -> None:
    order = permutation(20_000, 17, "train")
    runs = np.count_nonzero(np.diff(order) == 1)
    assert runs <= 8  # one is expected; more than eight have a chance of 1e-6


def test_the_seed_decides_and_splits_differ() -> None:
    first = permutation(1000, 17, "train")
    assert (first == permutation(1000, 17, "train")).all()
    assert (first != permutation(1000, 18, "train")).any()
    assert (first != permutation(1000, 17, "valid")).any()


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=30))
def test_an_instrument_is_in_one_split(instrument: str) -> None:
    routes = routes_of(["train"], IngestOptions())["train"]
    assert routes.split(instrument) == routes.split(instrument)
    assert routes.split(instrument) in ("train", "dev", "valid", "test")


def test_fractions_of_the_instruments_are_kept() -> None:
    routes = Routes("train", (("dev", 0.05), ("valid", 0.1), ("test", 0.2)))
    names = [f"bass_acoustic_{number:05d}" for number in range(20_000)]
    counts = Counter(map(routes.split, names))
    expected = {"train": 13_000, "dev": 1_000, "valid": 2_000, "test": 4_000}
    assert scipy.stats.chisquare([counts[s] for s in expected], list(expected.values())).pvalue > 1e-3


def test_given_splits_are_kept_as_they_are() -> None:
    routes = routes_of(["train", "valid", "test"], IngestOptions())
    assert routes["train"].splits == ("train", "dev")
    assert routes["valid"].splits == ("valid",)
    assert routes["test"].splits == ("test",)


def test_missing_splits_are_carved_from_train() -> None:
    assert routes_of(["train", "test"], IngestOptions())["train"].splits == ("train", "dev", "valid")
    assert routes_of(["train"], IngestOptions(test_fraction=0))["train"].splits == ("train", "dev", "valid")
