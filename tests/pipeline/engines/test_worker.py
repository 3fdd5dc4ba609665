"""A worker of an engine elsewhere: what it knows of this project came with the job."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from pipeline.engines import worker
from pipeline.engines.engine import CHECKOUT_SETUP, shipped
from pipeline.engines.options import WORKER_COMMAND

CHECKOUT = CHECKOUT_SETUP.parent
MODULES = ("nsynth", "components.ingest.shard", "transform.prepare")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Beam's worker pool, which starts our command for each worker: host:port."""
    monkeypatch.setenv("NSYNTH_PYTHON", sys.executable)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))  # which a worker must not heed
    address, server = BeamFnExternalWorkerPoolServicer.start(
        use_process=True, container_executable=str(WORKER_COMMAND)
    )
    yield address
    server.stop(0)


@pytest.mark.e2e
def test_a_worker_holds_only_what_was_shipped(pool: str, tmp_path: Path):
    options = [
        "--runner=PortableRunner",
        "--job_endpoint=embed",
        "--environment_type=EXTERNAL",
        f"--environment_config={pool}",
        shipped(),
    ]

    def file_and_path(module: str) -> str:
        import importlib
        import json
        import sys

        return json.dumps([importlib.import_module(module).__file__, sys.path])

    with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
        found = pipeline | beam.Create(MODULES) | beam.Map(file_and_path)
        _ = found | beam.io.WriteToText(str(tmp_path / "found"))
    answers = [json.loads(line) for file in tmp_path.glob("found*") for line in file.read_text().splitlines()]
    unpacked = tmp_path / f"nsynth-worker-{os.getuid()}"
    assert len(answers) == len(MODULES)
    for file, path in answers:
        assert Path(file).is_relative_to(unpacked)
        ours = [folder for folder in path if Path(folder).is_relative_to(CHECKOUT)]
        assert [folder for folder in ours if "site-packages" not in folder] == []


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder of workers."""
    return worker.private_folder(tmp_path / "cache")


def a_package(folder: Path, content: str, year: int = 2000) -> Path:
    """A wheel with the one module `shipped_by_test`, packed in that year."""
    packed = (year, 1, 1, 0, 0, 0)
    path = folder / "shipped_by_test-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        about = "shipped_by_test-1.dist-info"
        for name, text in (
            ("shipped_by_test.py", content),
            (f"{about}/METADATA", "Metadata-Version: 2.1\nName: shipped_by_test\nVersion: 1\n"),
            (f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            (f"{about}/RECORD", ""),
        ):
            wheel.writestr(zipfile.ZipInfo(name, packed), text)
    return path


@pytest.mark.slow
def test_each_version_of_a_package_is_installed_once(tmp_path: Path, cache: Path):
    first = worker.install([a_package(tmp_path, "VERSION = 1")], cache)
    assert worker.install([a_package(tmp_path, "VERSION = 1", year=2001)], cache) == first
    second = worker.install([a_package(tmp_path, "VERSION = 2")], cache)
    assert second != first
    assert len(list((cache).iterdir())) == 2
    assert (second[0] / "shipped_by_test.py").read_text() == "VERSION = 2"


@pytest.mark.slow
def test_a_package_that_cannot_be_installed_leaves_nothing_to_be_taken_for_it(tmp_path: Path, cache: Path):
    broken = tmp_path / "broken-1-py3-none-any.whl"
    with zipfile.ZipFile(broken, "w") as wheel:
        wheel.writestr("broken.py", "and nothing about it")
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            worker.install([broken], cache)
    assert [f for f in (cache).iterdir() if len(f.name) == 32] == []


def test_the_folder_of_workers_is_private_and_kept(cache: Path):
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert worker.private_folder(cache) == cache


@pytest.mark.parametrize("kind", ["theirs", "link", "file", "open", "group", "replaceable"])
def test_code_is_taken_from_no_folder_that_somebody_else_could_fill(tmp_path: Path, monkeypatch, kind: str):
    folder = tmp_path / "nsynth-worker"
    match kind:
        case "theirs":
            folder.mkdir(mode=0o700)
            monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
        case "link":
            (tmp_path / "mine").mkdir(mode=0o700)
            folder.symlink_to("mine")
        case "file":
            folder.touch(mode=0o600)
        case "open" | "group":
            folder.mkdir()
            folder.chmod(0o777 if kind == "open" else 0o770)
        case "replaceable":
            tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        worker.private_folder(folder)


def test_a_folder_that_everybody_writes_to_is_no_obstacle_where_each_keeps_his_own(tmp_path: Path):
    tmp_path.chmod(0o1777)  # as /tmp
    assert worker.private_folder(tmp_path / "nsynth-worker").is_dir()
