"""What the benchmarks share."""

import click
import pytest

from benchmarks import harness


def test_a_function_answers_from_a_fresh_process():
    assert harness.fresh(harness.machine, "machine")["cores"] >= 1
    with pytest.raises(click.ClickException, match="unexpected keyword argument 'notes'"):
        harness.fresh(harness.machine, "machine", notes=1)


def test_what_a_run_takes_is_measured():
    took = harness.timed(lambda: sum(range(300_000)))
    assert took["cpu_s"] > 0
    assert took["wall_s"] > 0
    assert took["peak_rss_bytes"] > 1e6
    assert harness.slope({"notes": 10, "a": 1}, {"notes": 20, "a": 3}, "a") == 0.2


def test_a_table_has_one_line_for_each_row():
    text = harness.markdown(["", "notes"], [["ours", "3"]])
    assert text.splitlines() == ["|  | notes |", "| --- | --: |", "| ours | 3 |"]
