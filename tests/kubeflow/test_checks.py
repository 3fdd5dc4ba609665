"""What is refused at once: folders of this machine, addresses that are none."""

import json
from typing import Any

import pytest

import nsynth
from kubeflow.checks import check_config, check_host
from kubeflow.package import Target


def config(**changes: Any) -> Any:
    """A configuration for the cluster."""
    from pipeline.config import load_config

    content = {"data": "/data", "workspace": "/models/nsynth", **changes}
    return load_config(overrides=[f"{key}={json.dumps(value)}" for key, value in content.items()])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data": "workspace/data"}, "data = workspace/data: the cluster needs a folder below /data or"),
        ({"workspace": "workspace"}, "push.destination = workspace/models"),
        ({"push.destination": "/srv/models"}, "push.destination = /srv/models"),
        ({"data": "/data/../etc"}, "data = /data/../etc"),
        ({"data": "minio://bucket/data"}, "data = minio://bucket/data"),
        ({"workspace": "gs://b/w", "push.destination": "gs://b/m"}, "below /data or a folder below /models$"),
    ],
)
def test_folders_that_the_cluster_lacks_are_refused(changes: dict, expected: str) -> None:
    with pytest.raises(nsynth.UserError, match=expected):
        check_config(config(**changes), "kfp")


def test_a_web_server_has_no_span_folders() -> None:
    check_config(config(data="https://host/data"), "kfp")
    check_config(config(data="s3://bucket/data", **{"kubeflow.pattern": "span-{SPAN:6}/*"}), "kfp")
    with pytest.raises(nsynth.UserError, match="a web server cannot list folders"):
        check_config(config(data="https://host/data", **{"kubeflow.pattern": "span-{SPAN:6}/*"}), "kfp")


FLINK = {
    "engine.runner": "flink",
    "engine.flink.job_endpoint": "beam-job-server:8099",
    "engine.flink.workers": {"environment": "external", "pool": "localhost:50000"},
}


def test_flink_is_taken_where_its_workers_see_the_claim() -> None:
    check_config(config(**FLINK), "kfp")
    check_config(config(**FLINK, **{"kubeflow.artifacts": "claim"}), "kfp")
    own = {"environment": "process", "command": "/opt/worker", "python": "/opt/python"}
    check_config(config(**{**FLINK, "engine.flink.workers": own}), "kfp")
    check_config(config(**{"engine.runner": "local-parallel"}), "kfp")


@pytest.mark.parametrize(
    ("target", "changes", "expected"),
    [
        ("kfp", {"kubeflow.artifacts": "store"}, r"engine.runner = flink: .* kubeflow\.artifacts = claim"),
        ("vertex", {}, r"engine.runner = flink: .* Set local or local-parallel"),
        ("kfp", {"engine.flink.workers": {}}, "environment = process: .* path of this machine"),
        ("kfp", {"engine.flink.workers": {"environment": "loopback"}}, "environment = loopback: .* no claim"),
        (
            "kfp",
            {"engine.flink.job_endpoint": None, "engine.flink.job_server_jar": "/opt/server.jar"},
            "image has no Java",
        ),
    ],
)
def test_engines_whose_workers_see_no_artifacts_are_refused(
    target: Target, changes: dict, expected: str
) -> None:
    with pytest.raises(nsynth.UserError, match=expected):
        check_config(config(**{**FLINK, **changes}), target)


def test_folders_on_volumes_and_addresses_are_taken() -> None:
    check_config(config(), "kfp")
    check_config(config(data="gs://b/d", workspace="/models/x"), "kfp")
    with pytest.raises(
        nsynth.UserError, match="data = /data: the cluster needs a folder below /gcs or an address"
    ):
        check_config(config(), "vertex")
    on_vertex = {"data": "gs://b/d", "workspace": "/gcs/b/w", "kubeflow.pipeline_root": "gs://b/root"}
    check_config(config(**on_vertex), "vertex")


def test_vertex_ai_has_no_claims() -> None:
    on_vertex = {"data": "gs://b/d", "workspace": "/gcs/b/w", "kubeflow.pipeline_root": "gs://b/root"}
    check_config(config(**on_vertex, **{"kubeflow.artifacts": "store"}), "vertex")
    with pytest.raises(nsynth.UserError, match=r"set kubeflow\.artifacts to store"):
        check_config(config(**on_vertex, **{"kubeflow.artifacts": "claim"}), "vertex")


@pytest.mark.parametrize("host", ["http://localhost:8080", "https://k.example/pipeline", "http://[::1]:80/"])
def test_addresses(host: str) -> None:
    check_host(host)


@pytest.mark.parametrize("host", ["localhost:8080", "ftp://x", "http://", "http://[::1", "http://a b", ""])
def test_what_is_no_address(host: str) -> None:
    with pytest.raises(nsynth.UserError, match="is not the address"):
        check_host(host)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"retrain.window": 3}, "retrain.window = 3: a run on the cluster trains on one span"),
        ({"retrain.fresh_every": 1}, "retrain.fresh_every: training on a cluster"),
        ({"retrain.holdout": "/data/held-out"}, "retrain.holdout: .* Remove it"),
        (
            {"retrain.spans": "/data/spans"},
            "retrain.spans = /data/spans: on the cluster spans are read from data",
        ),
        (
            {"retrain.hooks": {"pushed": ["https://hooks.example/abc"]}},
            "set its Secret in kubeflow.secrets.NAME",
        ),
        (
            {"retrain.watcher": {"fail": "https://watch.example/abc"}},
            "set its Secret in kubeflow.secrets.NAME",
        ),
        (
            {"kubeflow.pattern": "day-{SPAN}/*"},
            r"kubeflow.pattern = day-\{SPAN\}/\*: span folders are found by",
        ),
    ],
)
def test_what_a_run_on_the_cluster_would_leave_out_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(nsynth.UserError, match=expected):
        check_config(config(**changes), "kfp")


def test_what_it_does_by_the_same_rules_is_accepted() -> None:
    hooks = {"pushed": ["https://hooks.example/${HOOK}", "logger pushed"]}
    changes = {"retrain.window": 1, "retrain.settle_s": 5, "retrain.hooks": hooks}
    check_config(config(**changes, **{"kubeflow.pattern": "span-{SPAN:6}/*"}), "kfp")
