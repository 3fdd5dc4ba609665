"""The ledger: what is appended is read back, and a line cut short by a crash harms no other."""

import datetime
import errno
import os

import pytest

import nsynth
from pipeline.history import ledger
from pipeline.history.ledger import Ledger, Outcome, Round, Span

NOON = datetime.datetime(2025, 6, 1, 12, tzinfo=datetime.UTC)


def a_round(number: int, outcome: Outcome = Outcome.PUSHED, **more) -> Round:
    ended = NOON + datetime.timedelta(minutes=5)
    return Round(number=number, outcome=outcome, words="ü", started=NOON, ended=ended, **more)


def test_rounds_are_read_back_as_they_were(tmp_path):
    book = Ledger(tmp_path / "new folder" / "rounds.jsonl")
    assert book.rounds() == []
    lines = [a_round(1, window=(1, 2), accuracy=0.5), a_round(2, Outcome.KEPT)]
    for line in lines:
        book.append(line)
    assert book.rounds() == lines
    assert lines[0].seconds == 300


def test_a_line_cut_short_at_any_byte_is_dropped_and_written_over(tmp_path):
    book = Ledger(tmp_path / "rounds.jsonl")
    book.append(a_round(1))
    whole = book.file.read_bytes()
    for cut in range(1, len(whole)):
        book.file.write_bytes(whole + whole[:cut])
        assert [line.number for line in book.rounds()] == [1]
    book.append(a_round(2))
    assert [line.number for line in book.rounds()] == [1, 2]


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path, monkeypatch):
    book = Ledger(tmp_path / "rounds.jsonl")
    book.append(a_round(1))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        book.append(a_round(2))
    assert [line.number for line in book.rounds()] == [1]


def test_on_a_full_disk_the_line_takes_the_room_that_was_kept(tmp_path, monkeypatch):
    book = Ledger(tmp_path / "rounds.jsonl")
    book.append(a_round(1))
    pwrite = os.pwrite

    def full(descriptor: int, content: bytes, offset: int) -> int:
        if (tmp_path / "reserve").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(
            descriptor, content[:100], offset
        )  # a part at a time, as a disk that is nearly full does

    monkeypatch.setattr(os, "pwrite", full)
    book.append(a_round(2))
    assert [line.number for line in book.rounds()] == [1, 2]


@pytest.mark.parametrize("theirs", [b"a note without a newline", b"a note\n", b'{"a": "line"}'])
def test_a_file_that_is_not_the_ledger_is_told_and_left_as_it_is(tmp_path, theirs):
    book = Ledger(tmp_path / "rounds.jsonl")
    book.file.write_bytes(theirs)
    with pytest.raises(nsynth.UserError, match="damaged"):
        book.rounds()
    if not theirs.endswith(b"\n"):
        with pytest.raises(nsynth.UserError, match="damaged"):
            book.append(a_round(1))
    assert book.file.read_bytes().startswith(theirs)


def test_nobody_but_its_owner_reads_it(tmp_path):
    book = Ledger(tmp_path / "rounds.jsonl")
    book.append(a_round(1))
    assert book.file.stat().st_mode & 0o777 == 0o600


def test_damage_in_the_middle_is_told(tmp_path):
    book = Ledger(tmp_path / "rounds.jsonl")
    book.append(a_round(1))
    book.file.write_bytes(b"scribble\n" + book.file.read_bytes())
    with pytest.raises(nsynth.UserError, match="damaged"):
        book.rounds()


def test_only_a_round_that_trained_settles_its_spans():
    one, two, three = (Span(number=n, fingerprint="f") for n in (1, 2, 3))
    rounds = [
        a_round(1, Outcome.PUSHED, new=(one,)),
        a_round(2, Outcome.REFUSED, new=(two, three), refused=two),
        a_round(3, Outcome.FAILED, new=(three,)),
    ]
    assert ledger.settled(rounds) == {one}
    assert ledger.refused(rounds) == {two}


def test_the_last_word_on_a_span_decides():
    one, two = (Span(number=n, fingerprint="f") for n in (1, 2))
    rounds = [
        a_round(1, Outcome.REFUSED, new=(one, two), refused=one),
        a_round(2, Outcome.KEPT, new=(one, two)),
        a_round(3, Outcome.REFUSED, refused=two),
    ]
    assert ledger.refused(rounds[:1]) == {one}
    assert (ledger.settled(rounds[:2]), ledger.refused(rounds[:2])) == ({one, two}, set())
    assert (ledger.settled(rounds), ledger.refused(rounds)) == ({one}, {two})
