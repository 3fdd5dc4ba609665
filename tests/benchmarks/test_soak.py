"""What the soak's forks need beyond what tests/soak shows."""

import os

import pytest

from benchmarks.soak import let_go_of


def test_a_fork_sees_the_end_of_a_pipe_whose_other_end_it_has_inherited() -> None:
    """Else a night that is killed would go on to its end."""
    reading, writing = os.pipe()
    inherited = os.dup(writing)
    let_go_of(reading)
    assert os.read(reading, 1) == b"", "it is closed, so that nothing is waited for"
    for closed in (writing, inherited):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(closed)
    os.close(reading)
