"""What is refused at once: folders of this machine, cron lines that never fire, addresses that are none."""

import json
import re
from typing import Any

import pytest

import nsynth
from kubeflow.checks import check_config, check_cron, check_host


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


def test_engines_whose_workers_see_no_artifacts_are_refused() -> None:
    server = {"engine.runner": "flink", "engine.flink.job_endpoint": "beam-job-server:8099"}
    for target in ("kfp", "vertex"):
        with pytest.raises(nsynth.UserError, match=r"engine.runner = flink: .* set local or local-parallel"):
            check_config(config(**server), target)
    check_config(config(**{"engine.runner": "local-parallel"}), "kfp")


def test_folders_on_volumes_and_addresses_are_taken() -> None:
    check_config(config(), "kfp")
    check_config(config(data="gs://b/d", workspace="/models/x"), "kfp")
    with pytest.raises(
        nsynth.UserError, match="data = /data: the cluster needs a folder below /gcs or an address"
    ):
        check_config(config(), "vertex")
    on_vertex = {"data": "gs://b/d", "workspace": "/gcs/b/w", "kubeflow.pipeline_root": "gs://b/root"}
    check_config(config(**on_vertex), "vertex")


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 3 * * *",
        "0 */15 8-18 ? * MON-FRI",
        "30 0,30 3 1,15 jan-jun/2 0",
        "0 0 0 31 12 6",
        "0 5/10 * * * *",
    ],
)
def test_schedules(cron: str) -> None:
    check_cron(cron)


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 3 * * *", "six fields, seconds first"),
        ("", "six fields"),
        ("0 0 3 * * * 2026", "six fields"),
        ("60 0 3 * * *", "seconds is '60'; write *, 0-59,"),
        ("0 0 24 * * *", "hours is '24'"),
        ("0 0 3 0 * *", "day of the month is '0'"),
        ("0 0 3 * 13 *", "month is '13'; write *, 1-12 or JAN-DEC"),
        ("0 0 3 * * 7", "day of the week is '7'; write *, 0-6 or SUN-SAT"),
        ("0 0 3 * * FUNDAY", "FUNDAY"),
        ("0 0 5-3 * * *", "hours is '5-3'"),
        ("0 0 3/0 * * *", "hours is '3/0'"),
        ("0 0 1,,2 * * *", "hours is '1,,2'"),
        ("0 0 -3 * * *", "hours is '-3'"),
    ],
)
def test_schedules_that_never_fire_or_are_none(cron: str, expected: str) -> None:
    with pytest.raises(nsynth.UserError, match=re.escape(expected)):
        check_cron(cron)


@pytest.mark.parametrize("host", ["http://localhost:8080", "https://k.example/pipeline", "http://[::1]:80/"])
def test_addresses(host: str) -> None:
    check_host(host)


@pytest.mark.parametrize("host", ["localhost:8080", "ftp://x", "http://", "http://[::1", "http://a b", ""])
def test_what_is_no_address(host: str) -> None:
    with pytest.raises(nsynth.UserError, match="is no address"):
        check_host(host)
