"""Nights on a cluster: Look decides by the rules of one machine, Report writes down what came of it."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from nights import Nights
from step_runner import Task

from kubeflow import rounds
from kubeflow.lint import problems

pytestmark = pytest.mark.slow


@pytest.fixture
def nights(tmp_path: Path, image: Path, lacking: set[str]) -> Nights:
    return Nights(tmp_path, image, lacking)


def states(done: dict) -> dict[str, str]:
    return {name: task.state for name, task in done.items()}


def test_the_backend_would_take_it(nights: Nights) -> None:
    assert problems(nights.package) == [] or all(
        "path of this machine" in p for p in problems(nights.package)
    )


HEAVY = {"tensorflow", "tfx", "apache_beam", "keras", "tensorflow_data_validation"}


@dataclass(frozen=True)
class ThreeNights:
    """Without a span, with a first one, and once more without a new one; no pod has any of `HEAVY`."""

    nights: Nights
    done: tuple[dict[str, Task], ...]


@pytest.fixture(scope="module")
def three_nights(tmp_path_factory: pytest.TempPathFactory, image: Path, lacking: set[str]) -> ThreeNights:
    folder = tmp_path_factory.mktemp("nights") / "n"
    hooks = {"pushed": [f"sh -c 'cat > {folder}/claim/told-${{SECRET}}'"]}
    nights = Nights(folder, image, lacking | HEAVY, retrain={"hooks": hooks})
    nights.cluster.environment["SECRET"] = "hush"
    empty = nights.run()
    nights.deliver(1)
    return ThreeNights(nights, (empty, nights.run(), nights.run()))


def test_a_new_span_is_trained_on_once(three_nights: ThreeNights) -> None:
    nights, (empty, done, quiet) = three_nights.nights, three_nights.done
    assert set(states(done).values()) == {"SUCCEEDED"}, done["Report"].log + done["Look"].log
    for without in (empty, quiet):
        assert states(without) == {
            "Look": "SUCCEEDED", "NewData": "SKIPPED", "Retraining": "SUCCEEDED", "Report": "SUCCEEDED",
        }  # fmt: skip
    _, first, second = nights.rounds
    assert (first.outcome, first.window, first.accuracy) == ("pushed", (1,), 0.5)
    assert str(first.version) in nights.versions
    assert (second.outcome, second.attempts) == ("no new data", 0)
    assert "1 is the newest and was used before" in second.words
    assert (nights.trainings, len(nights.versions)) == (1, 1)
    assert not (nights.workspace / "retrain" / "cluster-run.json").exists()


def test_look_and_report_import_nothing_heavy(three_nights: ThreeNights) -> None:
    for done in three_nights.done:
        assert (done["Look"].state, done["Report"].state) == ("SUCCEEDED", "SUCCEEDED")


def test_report_shows_kubeflow_page_figures_and_confusion_matrix(three_nights: ThreeNights) -> None:
    nights, made = three_nights.nights, three_nights.done[1]["Report"].artifacts
    [pushed] = [line for line in nights.rounds if line.outcome == "pushed"]
    assert made["figures"]["metadata"]["accuracy"] == 0.5
    assert made["figures"]["metadata"]["notes_used"] == 9.0
    assert made["figures"]["metadata"]["pushed_version"] == pushed.version
    assert made["page"]["metadata"]["verdict"] == "pushed"
    assert made["page"]["metadata"]["why"] == pushed.words == "blessed"
    matrix = made["confusion"]["metadata"]["confusionMatrix"]["struct"]
    assert [len(row["row"]) for row in matrix["rows"]] == [11] * 11
    assert matrix["annotationSpecs"][0] == {"displayName": "bass"}
    page = nights.cluster.path(made["page"]["uri"]).read_text()
    assert "Pushed as version" in page
    reports = nights.workspace / "reports"
    assert {"index.html", f"{pushed.run}.html"} <= {path.name for path in reports.iterdir()}


def test_hooks_are_called_with_secrets_from_the_environment(three_nights: ThreeNights) -> None:
    nights = three_nights.nights
    assert [line.warnings for line in nights.rounds] == [(), (), ()]
    assert json.loads((nights.folder / "claim" / "told-hush").read_text())["outcome"] == "pushed"


def test_a_push_that_its_run_could_not_write_down_is_written_down_by_the_next_one(
    three_nights: ThreeNights,
) -> None:
    """The last test of the three nights: it takes their records away."""
    nights = three_nights.nights
    [pushed] = [line for line in nights.rounds if line.outcome == "pushed"]
    Path(nights.workspace, "retrain", "rounds.jsonl").unlink()  # as if its Report had never run
    held = {"run": pushed.run, "name": "nightly", "started": "2026-01-01T03:00:00Z"}
    Path(nights.workspace, "retrain", "cluster-run.json").write_text(json.dumps(held))
    long_ago = time.time() - rounds.DEAD_AFTER_S - 60
    os.utime(nights.workspace / "kubeflow" / "documents" / pushed.run / "alive", (long_ago, long_ago))
    nights.run()
    assert [(line.outcome, line.run == pushed.run) for line in nights.rounds] == [
        ("pushed", True), ("no new data", False),
    ]  # fmt: skip
    assert nights.trainings == 1


def test_refused_data_is_left_out_until_forced(nights: Nights) -> None:
    nights.deliver(1, "refused")
    done = nights.run()
    assert (done["DataGate"].state, done["Retraining"].state, done["Report"].state) == (
        "FAILED", "FAILED", "SUCCEEDED",
    )  # fmt: skip
    assert nights.run()["NewData"].state == "SKIPPED"
    first, second = nights.rounds
    assert (first.outcome, first.words, second.outcome) == (
        "refused", "the data was refused: 2 families are missing", "no new data",
    )  # fmt: skip
    assert first.refused is not None
    assert "its data was refused" in second.words
    assert nights.run(force=True)["DataGate"].state == "FAILED"
    assert nights.trainings == 0


def test_a_broken_span_is_tried_each_night_until_another_comes(nights: Nights) -> None:
    nights.deliver(1, "broken")
    page = nights.run()["Report"].artifacts["page"]
    assert (page["metadata"]["verdict"], page["metadata"]["why"]) == ("failed", "span-000001 cannot be read")
    assert "cannot be read" in nights.cluster.path(page["uri"]).read_text()
    nights.run()
    nights.deliver(2)
    nights.run()
    assert [line.outcome for line in nights.rounds] == ["failed", "failed", "pushed"]
    assert nights.rounds[0].words == "span-000001 cannot be read"


def test_a_repeated_run_is_cached_up_to_the_push_which_adds_nothing(nights: Nights) -> None:
    nights.cluster.environment["MODEL"] = "the same each time"
    nights.deliver(1)
    nights.run()
    done = nights.run(force=True)
    assert {name: states(done)[name] for name in ("Trainer", "Gate", "Pusher")} == {
        "Trainer": "CACHED", "Gate": "CACHED", "Pusher": "SUCCEEDED",
    }  # fmt: skip
    assert done["ExampleGen"].state == "CACHED"
    assert nights.trainings == len(nights.versions) == 1
    assert nights.rounds[0].version == nights.rounds[1].version
    assert nights.rounds[1].accuracy == 0.5  # of the cached gate


def test_span_names_of_any_width_are_read_where_the_pattern_says_so(
    tmp_path: Path, image: Path, lacking: set[str]
) -> None:
    nights = Nights(tmp_path / "n", image, lacking, kubeflow={"pattern": "span-{SPAN}/*"})
    nights.deliver(7, name="span-7")
    assert nights.run()["Report"].state == "SUCCEEDED"
    nights.deliver(12, name="span-00012")
    nights.run()
    assert [line.window for line in nights.rounds] == [(7,), (12,)]
    assert {line.outcome for line in nights.rounds} == {"pushed"}


def test_a_misnamed_span_is_told_and_named_spans_can_be_asked_for(nights: Nights) -> None:
    nights.deliver(1, name="span-1")
    assert nights.run()["Look"].state == "FAILED"
    assert "call it span-000001" in nights.rounds[0].words
    nights.deliver(1)
    nights.deliver(2)
    nights.run(range_config=json.dumps({"staticRange": {"startSpanNumber": 1, "endSpanNumber": 1}}))
    assert nights.rounds[1].window == (1,)


def test_a_folder_without_spans_is_read_again_when_it_changes(
    tmp_path: Path, image: Path, lacking: set[str]
) -> None:
    nights = Nights(tmp_path / "n", image, lacking, kubeflow={"pattern": "*"})
    nights.deliver(0, name=".")
    nights.run()
    nights.run()
    nights.deliver(0, name=".")
    nights.run()
    assert [line.outcome for line in nights.rounds] == ["pushed", "no new data", "pushed"]
    assert "nothing in" in nights.rounds[1].words


def test_two_runs_at_once_do_not_train_the_same(nights: Nights) -> None:
    nights.deliver(1)
    other = {"run": "other", "name": "nightly", "started": "2026-01-01T03:00:00Z"}
    holder = nights.workspace / "retrain" / "cluster-run.json"
    holder.parent.mkdir(parents=True)
    holder.write_text(json.dumps(other))
    alive = nights.workspace / "kubeflow" / "documents" / "other" / "alive"
    alive.parent.mkdir(parents=True)
    alive.touch()
    done = nights.run()
    assert (done["Look"].state, done["Report"].state) == ("FAILED", "SUCCEEDED")
    assert "nightly (other)" in done["Look"].log
    assert nights.rounds == []
    assert json.loads(holder.read_text()) == other
    long_ago = time.time() - rounds.DEAD_AFTER_S - 60
    os.utime(alive, (long_ago, long_ago))
    assert nights.run()["Pusher"].state == "SUCCEEDED"
    assert [line.outcome for line in nights.rounds] == ["crashed", "pushed"]
    assert "gave no sign of life" in nights.rounds[0].words
