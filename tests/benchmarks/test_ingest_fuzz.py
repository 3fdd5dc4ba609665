"""A short run of the fuzzer, and proof that its oracle can fail."""

import numpy as np
import pytest

import nsynth
from benchmarks import ingest_fuzz
from benchmarks.synthetic import make_note
from components.example_proto import serialize
from components.ingest.contract import Note


def test_mutated_records_neither_crash_nor_slip_through() -> None:
    outcomes = ingest_fuzz.run(600, seed=1)
    assert outcomes.total() == 600
    assert outcomes["accepted"] > 20, "mutations too wild to test what is accepted"
    assert len(outcomes) > 10, "mutations too tame to test the reasons"


def test_the_oracle_catches_a_validator_that_lets_things_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Note("", "", {}, (), np.zeros(0), b"")
    monkeypatch.setattr(ingest_fuzz, "check", lambda record: nothing)
    with pytest.raises(Exception, match=r"accepted although|Error parsing"):
        ingest_fuzz.run(200, seed=1)


def test_the_oracle_accepts_what_is_valid_and_names_what_is_not() -> None:
    note = make_note(np.random.default_rng(0), 4)
    assert ingest_fuzz.breaches(serialize(note)) == []
    assert ingest_fuzz.breaches(serialize(note | {nsynth.PITCH: 61})) == ["note_str"]
