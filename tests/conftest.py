"""What all tests share: quiet TensorFlow, the real notes where they are present, how they are spread over cores."""

import gc
import os
import re
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytest_plugins = ["tests.stores", "tests.times"]
MAX_WORKERS = 4  # each may hold two TensorFlows, its own and that of a process under test


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for each core if the whole suite runs; none for a selection, which is over before they have started."""
    selected = config.option.keyword or config.args_source is config.ArgsSource.ARGS
    return 0 if selected else min(len(os.sched_getaffinity(0)), MAX_WORKERS)


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
    """Keep what is loaded by now out of garbage collection: TensorFlow's objects are many, and they stay anyway."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def real_notes() -> Path:
    """Folder with 114 original NSynth notes as `nsynth-train.tfrecord` and `nsynth-train/` (JSON/WAV)."""
    folder = os.environ.get("NSYNTH_REAL_NOTES")
    if not folder:
        pytest.skip("set NSYNTH_REAL_NOTES to a folder with original NSynth notes to run this")
    return Path(folder)
