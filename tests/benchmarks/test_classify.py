"""The arithmetic of the measurement, and that it can miss its bars."""

import pytest

from benchmarks.classify import FIRST_ANSWER_S, NOTES_PER_S, rate_of, tell
from pipeline.classify import FILES_AT_ONCE


def test_the_rate_counts_from_the_end_of_the_first_group():
    moments = [3.0] * FILES_AT_ONCE + [3.5] * FILES_AT_ONCE + [4.0] * FILES_AT_ONCE
    assert rate_of(moments) == pytest.approx(2 * FILES_AT_ONCE)


@pytest.mark.parametrize(
    ("first", "rate", "code"),
    [
        (FIRST_ANSWER_S, NOTES_PER_S, 0),
        (FIRST_ANSWER_S + 0.1, NOTES_PER_S, 1),
        (FIRST_ANSWER_S, NOTES_PER_S - 1, 1),
    ],
)
def test_a_missed_bar_is_told_by_the_exit_code(first, rate, code, capsys):
    measured = {"first_answer_s": [first] * 3, "notes_per_s": [rate] * 3}
    result = {"machine": {"cores": 2, "load_1_min": 0.1}}
    result |= dict.fromkeys(("WAV, 16 kHz, mono", "FLAC, 44.1 kHz, stereo"), measured)
    assert tell(result) == code
    assert capsys.readouterr().out.count("notes/s") == 3
