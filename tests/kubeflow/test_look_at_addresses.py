"""Look, where the data of a run on a cluster is in a bucket: spans are found there as on a claim."""

import json
from pathlib import Path
from typing import Any

import pytest

import nsynth
from components.remote import bucket
from kubeflow.look import answers, look
from kubeflow.rounds import ClusterRetraining
from pipeline.config import Config
from pipeline.retrain import lock
from pipeline.retrain.child import Result
from pipeline.retrain.spans import Work
from tests.stores import Store


def retraining(data: str, workspace: Path, pattern: str, run: str = "r1", span: int | None = None) -> Any:
    content = {
        "data": data, "workspace": str(workspace), "kubeflow": {"pattern": pattern}, "retrain": {"settle_s": 0},
    }  # fmt: skip
    return ClusterRetraining(Config.model_validate(content), run, "nightly", span)


def given(data: str, pattern: str, models: Path) -> dict[str, Any]:
    patterns = json.dumps({"splits": [{"name": "all", "pattern": pattern}]})
    return {
        "data": data, "models": str(models), "range_config": "", "input_config": patterns, "force": False,
    }  # fmt: skip


@pytest.fixture
def data(s3: Store) -> str:
    for number in (1, 2):
        bucket.write(f"{s3.root}/data/span-{number:06d}/nsynth-train.tfrecord", b"notes")
    return f"{s3.root}/data"


@pytest.mark.parametrize("pattern", ["span-{SPAN:6}/*", "span-{SPAN}/*"])
def test_the_newest_span_of_a_bucket_is_named_to_the_steps(data: str, tmp_path: Path, pattern: str) -> None:
    told, code = look(retraining(data, tmp_path, pattern), given(data, pattern, tmp_path / "models"))
    assert (code, told["go"]) == (0, "yes")
    assert json.loads(told["range_config"]) == {"staticRange": {"startSpanNumber": 2, "endSpanNumber": 2}}
    assert json.loads(told["input_config"])["splits"][0]["pattern"] == "span-{SPAN:6}/*"
    assert told["seen_data"]
    assert told["serving"] == 0


def test_a_span_of_a_bucket_that_was_used_makes_a_quiet_night(data: str, tmp_path: Path) -> None:
    pattern = "span-{SPAN:6}/*"
    first = retraining(data, tmp_path, pattern)
    work = first.work()
    assert [span.number for span in work.window] == [2]
    line = first.line(work, Result(ending="kept", words="not better"), lock.now(), 1)
    first.write_down(line)
    second = retraining(data, tmp_path, pattern, "r2")
    told, code = look(second, given(data, pattern, tmp_path / "models"))
    assert (code, told["go"]) == (0, "no")
    bucket.write(f"{data}/span-000003/nsynth-train.tfrecord", b"notes")
    assert [span.number for span in second.work().new] == [3]


def test_a_span_that_is_named_is_taken_from_the_bucket(data: str, tmp_path: Path) -> None:
    named = retraining(data, tmp_path, "span-{SPAN:6}/*", span=1)
    assert [span.number for span in named.work().window] == [1]
    with pytest.raises(nsynth.UserError, match="span 7 is not in s3://"):
        retraining(data, tmp_path, "span-{SPAN:6}/*", span=7).work()


def test_a_bucket_without_spans_is_one_span_and_quiet_when_nothing_changed(data: str, tmp_path: Path) -> None:
    whole = retraining(data, tmp_path, "*")
    work = whole.work()
    assert [span.number for span in work.window] == [0]
    assert whole.nothing_to_do(work, force=False) is None
    used = whole.nothing_to_do(Work(work.window, ()), force=False)
    assert used is not None
    assert used.words.startswith(f"nothing in {data} has changed")
    assert answers(whole, given(data, "*", tmp_path / "models"), 0, "f")["range_config"] == ""
