"""Where a sample looks: windows that do not overlap, exact numbers, and the instruments that they meet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsynth
from benchmarks.nsynth_server import instruments
from pipeline.download import official, sample
from pipeline.download.coverage import share_of_official

RECORD = 256_600


@given(st.integers(1, 40_000), st.integers(0, 50), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_windows_do_not_overlap_and_yield_the_exact_number(notes, seed, run):
    size = 289_205 * RECORD
    places = sample.plan(size, RECORD, notes, seed, run)
    assert places is not None
    assert sum(place.records for place in places) == notes
    ends = [place.segment.start + place.segment.length for place in places]
    assert all(end <= place.segment.start for end, place in zip(ends, places[1:], strict=False))
    assert ends[-1] <= size


def test_most_of_a_file_is_not_sampled():
    assert sample.plan(100 * RECORD, RECORD, 90, 0) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_default_sample_meets_every_family_and_nine_of_ten_instruments(seed):
    """The official file by its index, without the sound: ordered by family and instrument, with the official counts."""
    made = instruments("train", seed=seed)
    of_note = np.repeat(np.arange(len(made)), [instrument.notes for instrument in made])
    assert len(of_note) == official.NOTES["train"]
    places = sample.plan(len(of_note) * RECORD, RECORD, 12_000, seed)
    assert places is not None
    met = set()
    for place in places:
        first = -(-place.segment.start // RECORD)
        met.update(of_note[first : first + place.records].tolist())
    assert {made[number].family for number in met} == set(range(len(nsynth.FAMILIES)))
    assert len(met) >= 0.9 * len(made)


def test_the_official_counts_add_up():
    assert official.NOTES == {"train": 289_205, "valid": 12_678, "test": 4_096}


@pytest.fixture(scope="module")
def window(train_file):
    """A window that begins shortly before a record."""
    start = sum(map(len, sample.cut(train_file.read(0, 4 * RECORD), 2).records)) - 300
    return train_file.read(start, start + 5 * (RECORD + 4096))


def test_a_window_yields_the_records_that_begin_in_it(window, train_file):
    run = sample.cut(window, 4)
    assert (len(run.records), run.damaged) == (4, 0)
    assert b"".join(run.records) == window[run.gap : run.gap + sum(map(len, run.records))]
    assert sample.arrived(window, 4)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("where", ["header", "data", "checksum"])
def test_any_byte_that_is_lost_is_noticed(number, where, window):
    run = sample.cut(window, 4)
    begin = run.gap + sum(map(len, run.records[:number]))
    place = begin + {"header": 3, "data": 1000, "checksum": len(run.records[number]) - 2}[where]
    spoilt = window[:place] + bytes([window[place] ^ 1]) + window[place + 1 :]
    assert not sample.arrived(spoilt, 4)
    assert all(record in window for record in sample.cut(spoilt, 4).records)


def test_another_dataset_has_no_share_of_the_official_one(monkeypatch):
    assert share_of_official("train", 12_000, 900).startswith(": as many as 4.1% of the official notes")
    assert share_of_official("train", 300_000, 900) == ""
    assert share_of_official("dev", 10, 1) == ""
    monkeypatch.setattr(nsynth, "CLASSES", ("kick", "snare"))
    assert share_of_official("train", 12_000, 900) == ""
