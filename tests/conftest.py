"""What all tests share: quiet TensorFlow, the real notes where they are present, how they are spread over cores."""

import gc
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline import on_demand

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytest_plugins = ["tests.stores", "tests.times"]
REPORTED = pytest.StashKey[bool]()
NOTEBOOKS = ("IPython", "ipywidgets")
"""Beam imports them if they are there; no fast test shows a notebook."""
MEMORY, ROOM_BYTES = Path("/dev/shm"), 2 << 30
"""Where the files of the fast tests lie if there is room: what goes to a disk takes CPU time, too."""
MAX_WORKERS, MEMORY_OF_WORKER = 4, 6 << 30
"""Each may hold several TensorFlows: its own and those of the processes under test."""


def _is_fast(config: pytest.Config) -> bool:
    """Whether the slow tests are left out: those that use TensorFlow are among them."""
    return "not slow" in config.option.markexpr.split(" and ")


def _has_room(folder: Path) -> bool:
    """Whether tests may work in a folder: with large files, and with programs."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize > ROOM_BYTES and not system.f_flag & os.ST_NOEXEC


def pytest_configure(config: pytest.Config) -> None:
    """Let TensorFlow wait where no test should use it: TFX imports it wherever TFX starts, for ten CPU seconds.

    Files are not forced onto the disk in this process, where it costs 10 ms each: no test cuts the power.
    """
    os.fsync = lambda descriptor: None
    if _is_fast(config):
        on_demand.defer()
        for name in NOTEBOOKS:
            sys.modules.setdefault(name, None)  # is not found
        if _has_room(MEMORY):
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for each core if the whole suite runs; none for a selection, which is over before they have started.

    With the slow tests one more, where memory allows it: these also wait for disks, servers and time limits.
    """
    if config.option.keyword or config.args_source is config.ArgsSource.ARGS:
        return 0
    workers = len(os.sched_getaffinity(0))
    if not _is_fast(config) and psutil.virtual_memory().total > (workers + 1) * MEMORY_OF_WORKER:
        workers += 1
    return min(workers, MAX_WORKERS)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over a file if `-m "not slow"` leaves out all its tests: what it imports takes seconds to load."""
    if not collection_path.name.startswith("test_") or " or " in config.option.markexpr:
        return None
    marker = re.search(r"^pytestmark = \[?pytest\.mark\.(\w+)", collection_path.read_text(), re.MULTILINE)
    return True if marker and f"not {marker[1]}" in config.option.markexpr.split(" and ") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with real pipelines come first: last, they would leave the other workers with nothing to do."""
    weight = {"e2e": 2, "slow": 1}
    of_file: dict[Path, int] = {}
    for item in items:
        marked = max((weight[mark.name] for mark in item.iter_markers() if mark.name in weight), default=0)
        of_file[item.path] = max(of_file.get(item.path, 0), marked)
    items.sort(key=lambda item: -of_file[item.path])


def pytest_collection_finish() -> None:
    """Let TFX do without TensorFlow's files, too; keep what is loaded by now out of garbage collection."""
    if "tfx" in sys.modules and on_demand.waits(on_demand.TENSORFLOW):
        from pipeline import local_files

        local_files.prefer()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _without_tensorflow(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the first fast test that loads TensorFlow."""
    yield
    loaded = _is_fast(request.config) and not on_demand.waits(on_demand.TENSORFLOW)
    if loaded and not request.config.stash.setdefault(REPORTED, False):
        request.config.stash[REPORTED] = True
        pytest.fail("this test, its fixtures or its file load TensorFlow: mark it slow")


@pytest.fixture(scope="session")
def real_notes() -> Path:
    """Folder with 114 original NSynth notes as `nsynth-train.tfrecord` and `nsynth-train/` (JSON/WAV)."""
    folder = os.environ.get("NSYNTH_REAL_NOTES")
    if not folder:
        pytest.skip("set NSYNTH_REAL_NOTES to a folder with original NSynth notes to run this")
    return Path(folder)
