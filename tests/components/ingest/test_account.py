"""The account adds up, and stops the run where the data cannot be trusted."""

import numpy as np
import pytest

import nsynth
from components.ingest.account import Account, stop_if_unusable
from components.ingest.index import Index
from components.ingest.options import IngestOptions
from components.ingest.shard import Layout, Refused, Used
from components.ingest.sources import Form, Source
from components.tfrecord import Damage

LAYOUT = Layout("out/examples", "out/scalars", "out/sample", "out/quarantine")


def index_of(notes: int, damage: list[Damage] | None = None) -> Index:
    numbers = np.arange(notes, dtype=np.int64)
    return Index(Source("train", Form.TFRECORD, "a.tfrecord"), numbers, numbers * 0 + 1000, damage or [])


def used(split: str, instrument: str, pitch: int = 60, sound: str = "") -> Used:
    name = f"{instrument}-{pitch:03d}-100"
    family, source, _ = instrument.rsplit("_", 2)
    attributes = {
        "family": nsynth.FAMILIES.index(family),
        "source": nsynth.SOURCES.index(source),
        "pitch": pitch,
    }
    return Used(split, name, sound or name.encode().hex()[-32:], instrument, attributes)


def refused(note_str: str, reason: str = "silent") -> Refused:
    return Refused("a.tfrecord", 5, 1000, "train", note_str, reason, "peak 0", "q", 0)


def account_of(notes: list[Used], bad: list[Refused], damage: list[Damage] | None = None) -> dict:
    account = Account([index_of(len(notes) + len(bad), damage)], IngestOptions())
    account.add(notes, bad)
    return account.summary()


def test_in_is_used_and_quarantined() -> None:
    notes = [used("train", f"bass_acoustic_{i:03d}") for i in range(7)] + [
        used("dev", "synth_lead_synthetic_001")
    ]
    summary = account_of(notes, [refused("flute_acoustic_000-060-100"), refused("", "not_example")])
    assert (summary.notes_in, summary.used, summary.quarantined) == (10, 8, 2)
    assert summary.splits["train"].families["bass"] == 7
    assert summary.splits["dev"].table("sources") == {"acoustic": 0, "electronic": 0, "synthetic": 1}
    assert summary.splits["train"].instruments == 7
    assert summary.families["synth_lead"] == 1
    assert summary.quarantined_by_family == {"flute": 1, "unknown": 1}
    assert {row.reason: row.notes for row in summary.reasons} == {"silent": 1, "not_example": 1}


def test_too_many_bad_notes_stop_the_run_with_a_table() -> None:
    summary = account_of([used("train", "bass_acoustic_000")], [refused("flute_acoustic_000-060-100")])
    with pytest.raises(nsynth.UserError, match=r"50\.0% of the notes.*\n +1  audio is silent \(first: flute"):
        stop_if_unusable(summary, ["train"], LAYOUT)


def test_a_damaged_place_counts_as_the_notes_it_may_have_held() -> None:
    notes = [used("train", f"bass_acoustic_{i:03d}") for i in range(100)]
    summary = account_of(notes, [], [Damage(7, 3100), Damage(9000, 20)])
    assert summary.lost_to_damage_estimate == 4
    assert summary.damaged_bytes == 3120
    with pytest.raises(nsynth.UserError, match=r"3,100 bytes damaged at byte 7 of a\.tfrecord"):
        stop_if_unusable(summary, ["train"], LAYOUT)


@pytest.mark.parametrize("other", ["dev", "valid", "test"])
def test_an_instrument_in_train_and_elsewhere_stops_the_run_by_name(other: str) -> None:
    notes = [used("train", "bass_acoustic_001"), used(other, "bass_acoustic_001", 61)]
    with pytest.raises(nsynth.UserError, match=f"bass_acoustic_001 in train and {other}"):
        stop_if_unusable(account_of(notes, []), ["train", other], LAYOUT)


def test_valid_and_test_may_share_instruments_as_official_ones_do() -> None:
    notes = [used(split, "bass_acoustic_001", 60 + i) for i, split in enumerate(("valid", "test"))]
    summary = account_of(notes, [])
    stop_if_unusable(summary, ["valid", "test"], LAYOUT)
    assert [(row.warning, row.count) for row in summary.warnings] == [("valid_shares_test", 1)]


def test_identical_waveforms_and_odd_pitches_are_warned_of() -> None:
    same, other = "ab" * 16, "cd" * 16
    notes = [
        used("train", "bass_acoustic_001", 12, same),
        used("train", "bass_acoustic_002", 60, same),
        used("train", "bass_acoustic_003", 110, other),
        used("valid", "bass_acoustic_004", 60, other),
    ]
    warnings = {row.warning: row for row in account_of(notes, []).warnings}
    assert warnings["pitch_outside_piano"].count == 2
    assert warnings["identical_within_split"].examples == (
        ["train:bass_acoustic_001-012-100", "train:bass_acoustic_002-060-100"],
    )
    assert warnings["identical_across_splits"].count == 1
    stop_if_unusable(account_of(notes, []), ["train", "valid"], LAYOUT)


def test_a_note_that_is_there_twice_is_warned_of() -> None:
    twice = [used("train", "bass_acoustic_001"), used("train", "bass_acoustic_001", sound="ff" * 16)]
    warnings = {
        row.warning: row for row in account_of([*twice, used("train", "bass_acoustic_002")], []).warnings
    }
    assert warnings["repeated"].count == 1
    assert warnings["repeated"].examples == (twice[0].note_str,)


def test_an_empty_split_stops_the_run() -> None:
    summary = account_of([used("train", "bass_acoustic_001")], [])
    with pytest.raises(nsynth.UserError, match=r"No notes for dev.*Increase ingest\.dev_fraction"):
        stop_if_unusable(summary, ["train", "dev"], LAYOUT)
