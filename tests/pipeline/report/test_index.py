"""The page about all runs: what it says, how large it is, how long it takes, and what must not stop it."""

import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser

import pytest

from pipeline.cli.main import cli
from pipeline.history import past_runs
from pipeline.report import write_report
from pipeline.report.facts import facts_of, facts_path
from pipeline.report.index import render, write_index
from pipeline.report.index_charts import champion_line
from pipeline.report.overview import overview
from pipeline.report.record import RunRecord
from pipeline.report.time_charts import nice, time_ticks
from pipeline.retrain.index import collect, write_index_if_possible
from tests.pipeline.report.past_rounds import FIRST, write_rounds
from tests.pipeline.report.past_run import EVIL, Told, write_run
from tests.pipeline.report.workspace import RUN, Workspace

LIMIT_S, LIMIT_BYTES = 2.0, 3_000_000


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """30 rounds: their configuration and what is known of them."""
    config = write_rounds(tmp_path_factory.mktemp("month") / "workspace", 30)
    return config, collect(config)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 30, 1000])
def test_however_many_rounds_it_is_small_and_made_at_once(tmp_path, count):
    config = write_rounds(tmp_path / "workspace", count)
    began = time.process_time()
    path = write_index(config, collect(config))
    assert time.process_time() - began < LIMIT_S
    text = path.read_text()
    assert len(text) < LIMIT_BYTES
    assert text.count('<th scope="row">') == count
    assert len(re.findall(r'<li><\w+ class="cell', text)) == count
    HTMLParser().feed(text)


@pytest.mark.slow
def test_it_imports_no_tensorflow(tmp_path):
    """In a process of its own, as at the end of a round."""
    config = write_rounds(tmp_path / "workspace", 3)
    script = (
        "import sys; from pathlib import Path; from pipeline.config import Config; "
        "from pipeline.retrain.index import write_index_if_possible; "
        "print(write_index_if_possible(Config(workspace=Path(sys.argv[1])))); "
        "print([m for m in ('tensorflow', 'tfx', 'apache_beam', 'altair', 'vl_convert') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(config.workspace)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == [str(config.workspace / "reports" / "index.html"), "[]"]


def test_it_tells_of_champion_rounds_data_and_the_next_round(month):
    config, found = month
    text = render(found)
    assert f"champion: version {found.champion.version}" in text
    assert "1,440 notes" in text
    assert [row.outcome for row in found.rows[:6]] == [
        "pushed",
        "kept",
        "kept",
        "no new data",
        "kept",
        "refused",
    ]
    assert found.rows[2].accuracy.high > found.rows[2].accuracy.value, "the interval comes from the run"
    assert (found.rows[2].notes_in, found.rows[2].quarantined) == (2003, 3)
    assert found.rows[1].drift.from_span == 1
    assert found.next_round is not None
    for title in (
        "Accuracy over time",
        "Drift by span",
        "Notes read and quarantined",
        "Duration",
        "disk full",
    ):
        assert title in text
    assert text.count(' href="2026-01-') >= 18, "each page is linked in the strip and in the table"
    assert set(re.findall(r'href="(2026[^"]*)"', text)) <= {
        path.name for path in (config.workspace / "reports").glob("*.html")
    }


def test_words_from_files_are_never_taken_for_html(month):
    text = render(month[1])
    assert EVIL not in text
    assert "&lt;script&gt;alert" in text


def test_it_needs_no_network_and_runs_no_foreign_script(month):
    text = render(month[1])
    links = re.findall(r'(?:src|href|action)="([^"]*)"', text)
    assert [link for link in links if not re.fullmatch(r"data:,|#\w+|[\w.-]+\.html", link)] == []
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_champions_line_follows_pushes_and_measurements(month):
    _, found = month
    line = champion_line(found)
    assert line == sorted(line)
    pushed = [row.accuracy.value for row in found.rows if row.outcome == "pushed"]
    assert [value for _, value in line if value in pushed]
    assert len(line) == sum(row.champion_accuracy is not None for row in found.rows) + len(pushed)


def test_a_run_alone_has_a_row_and_a_failed_one_says_why(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace, Told(until="Transform", failed=True), run="2026-02-28T10:00:00.000000")
    write_run(workspace, Told(champion=True, pushed=False))
    found = overview(workspace.config)
    assert [(row.outcome, row.round) for row in found.rows] == [("failed", None), ("not pushed", None)]
    assert found.rows[0].words.startswith("The run failed in Transform.")
    assert (found.rows[1].notes_in, found.rows[1].quarantined) == (45, 1)
    assert found.rows[1].drift.feature == "pitch"
    assert found.champion is None
    assert found.next_round is None
    assert "no champion yet" in render(found)


def test_facts_outlive_the_artifacts(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    before = overview(workspace.config).rows
    for step in workspace.config.artifacts.iterdir():
        step.rename(tmp_path / step.name)
    assert overview(workspace.config).rows == before
    facts_path(workspace.config.workspace / "reports", RUN).unlink()
    assert overview(workspace.config).rows[0].accuracy is None


def test_a_damaged_ledger_is_reported_and_hides_nothing_else(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    (workspace.config.workspace / "retrain").mkdir()
    (workspace.config.workspace / "retrain" / "rounds.jsonl").write_text("no round\n")
    found = overview(workspace.config)
    assert "is damaged" in found.troubles[0]
    assert len(found.rows) == 1
    assert "is damaged" in render(found)


def test_an_index_that_cannot_be_written_fails_nothing(tmp_path):
    config = write_rounds(tmp_path / "workspace", 1)
    (config.workspace / "reports" / "index.html").mkdir()
    assert write_index_if_possible(config) is None


def test_an_empty_workspace_has_an_index_too(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    assert "No run yet" in render(overview(workspace.config))


def test_facts_of_a_page(record):
    facts = facts_of(RunRecord(record.run, record.config))
    assert (facts.outcome, facts.champion, facts.notes) == ("not pushed", 17, 44)
    assert facts.failed_checks
    assert facts.accuracy.low < facts.accuracy.value < facts.accuracy.high


@pytest.mark.slow
def test_the_command_writes_page_and_index_and_prints_their_data(tmp_path, monkeypatch, capsys):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    given = ["report", "--set", f"workspace={workspace.config.workspace}"]
    cli.main([*given, "--json", "--open"], standalone_mode=False, obj={"verbose": False})
    told = json.loads(capsys.readouterr().out)
    assert told["run"]["outcome"] == "pushed"
    assert told["all"]["champion"]["version"] == told["run"]["version"]
    assert [row["outcome"] for row in told["all"]["rows"]] == ["pushed"]
    index = workspace.config.workspace / "reports" / "index.html"
    assert (told["index"], opened) == (str(index), [index.as_uri()])
    assert 'href="index.html"' in index.with_name(f"{RUN.replace(':', '')}.html").read_text()
    cli.main([*given, RUN[:12], "--open"], standalone_mode=False, obj={"verbose": False})
    assert opened[1].endswith("000000.html")


def test_axes():
    assert [nice(value) for value in (0, 0.07, 1, 1.1, 220, 9_000)] == [1.0, 0.08, 1.2, 1.2, 400, 12_000]
    for days in (0.1, 1, 30, 400, 1000):
        import datetime

        ticks = time_ticks(FIRST, FIRST + datetime.timedelta(days=days))
        assert 1 <= len(ticks) <= 9
        assert len({words for _, words in ticks}) == len(ticks)


@pytest.mark.slow
def test_pages_of_failed_runs_are_written_once_for_a_new_run(tmp_path):
    from pipeline.report import write_failed_if_possible

    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace, Told(until="ExampleGen", failed=True))
    assert write_failed_if_possible(workspace.config, RUN) is None, "that run was there before"
    assert write_failed_if_possible(workspace.config, "").name == "2026-03-01T100000.000000.html"
    assert past_runs.newest_run(workspace.config.metadata) == RUN
    assert write_report(workspace.config).exists()
