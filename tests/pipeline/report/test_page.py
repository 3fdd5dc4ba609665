"""The page as a whole: everything is on it, it needs nothing else, and what is missing is said."""

import contextlib
import csv
import io
import json
import re
import shutil
from collections import Counter
from urllib.parse import unquote

import pytest

import nsynth
from components.documents.data import DataGateVerdict, DriftVerdict
from pipeline.config import Config
from pipeline.history import past_runs
from pipeline.history.endings import record_ending
from pipeline.report import report_path, write_if_possible, write_report
from pipeline.report.outcome import outcome_of
from pipeline.report.page import SECTIONS, render
from pipeline.report.record import RunRecord
from tests.pipeline.report.past_run import EVIL, Told, write_run
from tests.pipeline.report.workspace import RUN, Workspace

pytestmark = pytest.mark.slow

MAX_BYTES = 8_000_000


@pytest.fixture(scope="module")
def text(page) -> str:
    return page.read_text()


def sections(text: str) -> dict[str, str]:
    """Id → HTML of each section."""
    return dict(re.findall(r'<section id="(\w+)"[^>]*>(.*?)</section>', text, re.S))


def test_every_section_is_there_and_none_is_empty(text):
    found = sections(text)
    assert list(found) == [section.id for section in SECTIONS]
    empty = {name for name, body in found.items() if 'class="absent"' in body and len(body) < 1000}
    assert empty <= {"drift", "runs", "changes"}, "of rounds, and where there are other runs"


def test_what_each_section_has_to_tell(text):
    found = sections(text)
    wanted = {
        "data": (
            "not 64,000 samples",
            "drift of pitch",
            "span 2, last accepted",
            "train",
            "identical sounds",
        ),
        "gallery": (
            "<audio",
            "data:audio/flac;base64,",
            "data:image/png;base64,",
            "bass_acoustic_000-060-075",
        ),
        "augmentation": ("mixup", "mask frames", "all together"),
        "training": ("21,355 parameters", "Learning rate", "epoch 3", "Time of the Trainer", "history.csv"),
        "gate": (
            "lower 95% bound &gt; 0",
            "version 17",
            "Expected calibration error",
            "Macro recall",
            "checks passed",
        ),
        "slices": ("family=bass: accuracy fell from", "champion (version 17)", "Velocity, MIDI"),
        "confusion": ("predicted as <strong>reed</strong>", "precision"),
        "mistakes": ("predicted reed", "<audio"),
        "canary": ("latency, batch size 1", "peak memory", "TensorFlow Serving not found"),
        "lineage": ("source files", "ExampleGen", "PushedModel"),
        "steps": ("1,500 MB", "Trainer", "Timeline of the steps"),
        "versions": ("2222222222222222", "changed since", "tensorflow"),
    }
    missing = [(name, word) for name, words in wanted.items() for word in words if word not in found[name]]
    assert missing == []


def test_the_headline_has_verdict_and_number_with_interval(text):
    head = text[text.index("<header>") : text.index("</header>")]
    assert "✗ not pushed" in head
    assert "slice regressions: family=bass from 100.0% to 0.0%" in head
    assert re.search(r"90\.9%.*confidence interval \d+\.\d% – \d+\.\d%", head, re.S)


def test_it_needs_no_network_and_no_other_file(text):
    linked = re.findall(r'(?:src|href|action|xlink:href)="([^"]*)"', text)
    assert [link[:60] for link in linked if not link.startswith(("data:", "#"))] == []
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert [url for url in re.findall(r"url\(([^)]*)\)", text) if not url.strip("\"'").startswith("#")] == []
    assert "@import" not in text
    assert "fetch(" not in text


def test_it_is_small(page):
    assert page.stat().st_size < MAX_BYTES


def test_ids_are_unique_and_every_link_has_its_target(text):
    ids = Counter(re.findall(r'\sid="([^"]+)"', text))
    assert [name for name, count in ids.items() if count > 1] == []
    assert set(re.findall(r'href="#(\w+)"', text)) <= set(ids)


def test_text_from_files_is_never_taken_for_html(text):
    assert EVIL not in text
    assert "&lt;script&gt;alert" in text


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        (Told(), "pushed", "Pushed as version"),
        (Told(until="Transform", failed=True), "failed", "The run failed in Transform."),
        (Told(blessed=False, pushed=False), "not pushed", "Not blessed: accuracy"),
        (
            Told(canary=False, pushed=False),
            "not pushed",
            "Blessed by the gate, but not fit to serve: dependencies",
        ),
        (Told(until="Trainer"), "running", "was still running"),
    ],
)
def test_what_came_of_a_run(tmp_path, told, kind, words):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace, told)
    outcome = outcome_of(RunRecord(past_runs.load_run(workspace.store), workspace.config))
    assert outcome.kind == kind
    assert words in outcome.words


def stopped_run(tmp_path, error: BaseException) -> Workspace:
    """A run that the error ended in Transform, as the local runner leaves it."""
    workspace = Workspace(tmp_path / "workspace")
    settings = Config(workspace=workspace.config.workspace, name="other", data="/then").without_secrets()

    def stop() -> None:
        with record_ending(workspace.config.metadata, settings):
            write_run(workspace, Told(until="Transform", failed=True))
            raise error

    with pytest.raises(type(error)):
        stop()
    return workspace


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ValueError("the mel matrix has no rows"), "failed", "Transform. Unexpected ValueError: the mel matrix"),
        (nsynth.UserError("disk full"), "failed", "The run failed in Transform. Disk full"),
        (RuntimeError("mysql://me:GEHEIM@host went away"), "failed", "mysql://…@host went away"),
        (KeyboardInterrupt(), "interrupted", "The run was interrupted in Transform."),
    ],
)  # fmt: skip
def test_of_a_run_that_stopped_it_is_told_why(tmp_path, error, kind, words):
    workspace = stopped_run(tmp_path, error)
    outcome = outcome_of(RunRecord(past_runs.load_run(workspace.store), workspace.config))
    assert (outcome.kind, words in outcome.words) == (kind, True), outcome.words


def test_the_page_shows_the_reason_and_the_configuration_of_then(tmp_path):
    workspace = stopped_run(tmp_path, nsynth.UserError("the disk is full"))
    text = write_report(workspace.config).read_text()
    assert "The disk is full" in text
    assert "<title>other, run" in text
    assert list(sections(text))[:2] == ["failure", "gate"]
    assert "Configuration of the run" in text
    assert "/then" in text


@pytest.mark.parametrize(
    ("told", "shown", "hidden"),
    [
        (
            Told(until="ExampleGen", failed=True),
            "✗ failed",
            {"data", "gallery", "gate", "slices", "mistakes"},
        ),
        (Told(canary=False, pushed=False), "TensorFlow, tfx", set()),
    ],
)
def test_a_run_that_did_not_push_has_a_page_too(tmp_path, told, shown, hidden):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace, told)
    text = write_report(workspace.config).read_text()
    assert shown in text
    assert "could not be read" not in text
    assert hidden <= set(re.findall(r'<section id="(\w+)" class="missing">', text))


def test_a_damaged_artifact_hides_no_other(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    (workspace.folder("Trainer", "model_run") / "history.json").write_text("{")
    (workspace.folder("Predictor", "predictions") / "models.json").unlink()
    found = sections(render(RunRecord(past_runs.load_run(workspace.store), workspace.config)))
    assert "This section could not be read: JSONDecodeError" in found["training"]
    assert "no longer exists: it was removed or moved" in found["mistakes"]
    assert "lower 95% bound" in found["gate"]
    assert "<audio" in found["gallery"]


def test_a_run_whose_artifacts_were_cleaned_up_is_over_all_the_same(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace, Told(blessed=False, pushed=False))
    shutil.rmtree(workspace.config.artifacts)
    outcome = outcome_of(RunRecord(past_runs.load_run(workspace.store), workspace.config))
    assert (outcome.kind, outcome.words) == (
        "not pushed",
        "Not pushed; the gate's report has been removed since.",
    )


def test_a_workspace_that_was_moved_as_a_whole(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    write_run(workspace)
    moved = workspace.config.workspace.rename(tmp_path / "elsewhere")
    config = workspace.config.model_copy(update={"workspace": moved})
    path = write_report(config)
    assert path == report_path(config, RUN) == moved / "reports" / "2026-03-01T100000.000000.html"
    assert "no longer exists" not in path.read_text()


def test_a_report_that_cannot_be_written_fails_no_run_and_leaves_nothing(workspace, tmp_path):
    (tmp_path / "workspace").mkdir()
    config = workspace.config.model_copy(update={"workspace": tmp_path / "workspace"})
    assert write_if_possible(config) is None, "there is no run"
    assert list((tmp_path / "workspace").iterdir()) == []


def test_failing_checks_are_open_with_advice_and_passing_ones_folded(text):
    gate = sections(text)["gate"]
    folded = re.search(r'<details class="passed">.*?</details>', gate, re.S)[0]
    assert re.search(r"✓ \d+ checks passed", folded)
    assert "✗ failed" not in folded
    shown = gate.replace(folded, "")
    assert "✗ failed" in shown
    assert "What to do: " in shown
    assert "✓ passed" not in shown


def test_shares_are_percent_with_their_n_and_dates_have_a_zone(text):
    found = sections(text)
    assert re.search(r"Metrics, n = 44.*?Accuracy</td><td>90\.9%", found["gate"], re.S)
    assert "bass, n = 4" in found["slices"]
    assert re.search(r"run of 1 Mar 2026, 10:00 \w+</span>", text)
    assert re.search(r"Written \d+ \w+ \d{4}, \d\d:\d\d \w+ from", text)


def test_type_in_charts_is_at_least_11_px(text):
    sizes = {float(size) for size in re.findall(r'font-size="([\d.]+)px"', text)}
    assert sizes
    assert min(sizes) >= 11


def test_data_can_be_taken_along(text):
    files = dict(re.findall(r'<a href="(data:[^"]*)" download="([^"]+)">', text))
    found = {name: uri for uri, name in files.items()}
    assert {"gate.json", "confusion.csv", "recall.csv", "slices.csv", "history.csv", "steps.csv"} <= set(
        found
    )
    rows = list(csv.DictReader(io.StringIO(unquote(found["confusion.csv"].partition(",")[2]))))
    assert rows[0]["true family"] == "bass"
    assert (rows[0]["reed"], rows[0]["bass"]) == ("4", "0")
    assert json.loads(unquote(found["gate.json"].partition(",")[2]))["notes"] == 44


def test_the_page_of_a_failed_run_shows_the_end_of_its_log_without_passwords(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    log = tmp_path / "workspace" / "logs" / "run.log"
    log.parent.mkdir()
    log.write_text("\n".join([*map(str, range(100)), f"mysql://me:GEHEIM@host {EVIL}", "the disk is full"]))
    with contextlib.suppress(nsynth.UserError), record_ending(workspace.config.metadata, "{}", str(log)):
        write_run(workspace, Told(until="Transform", failed=True))
        raise nsynth.UserError("the disk is full")
    record = RunRecord(past_runs.load_run(workspace.store), workspace.config)
    shown = sections(render(record))["failure"]
    assert "the disk is full</pre>" in shown
    assert ">62\n" in shown, "40 lines of 102"
    assert "61\n" not in shown
    assert "GEHEIM" not in shown
    assert EVIL not in shown
    log.rename(log.with_name("elsewhere"))
    assert "no longer exists" in sections(render(record))["failure"]


@pytest.mark.parametrize("step", ["DataGate", "Drift"])
def test_the_page_of_a_refused_run_shows_the_verdict_although_tfx_deleted_it(tmp_path, step):
    workspace = Workspace(tmp_path / "workspace")
    stop = {"name": "labels", "measured": 0.5, "limit": 0.4, "outcome": "stop", "words": "check the labels"}
    kind = DataGateVerdict if step == "DataGate" else DriftVerdict
    verdict = kind.model_validate({"accepted": False, "span": 3, "checks": [stop]})
    with contextlib.suppress(nsynth.RefusedDataError), record_ending(workspace.config.metadata, "{}"):
        write_run(workspace, Told(until="DataGate", failed=step == "DataGate"))
        if step == "Drift":
            workspace.step("Drift", {}, {}, state="FAILED")
        verdict.enforce("data_gate")
    record = RunRecord(past_runs.load_run(workspace.store), workspace.config)
    assert (record.data_verdict if step == "DataGate" else record.drift_verdict)() == verdict
    shown = sections(render(record))["failure"]
    assert "check the labels" in shown
