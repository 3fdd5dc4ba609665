"""Nothing is collected while packages are imported, and what they leave is not looked at afterwards."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.collector import at_rest


@pytest.fixture
def collections() -> Iterator[list[str]]:
    """Phases of the collector's work from here on."""
    seen: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        seen.append(phase)

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a module that makes many objects."""
    (tmp_path / "many_objects_for_a_test.py").write_text("objects = [[] for _ in range(100_000)]\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "many_objects_for_a_test"
    sys.modules.pop("many_objects_for_a_test", None)


def test_what_is_imported_is_neither_collected_nor_looked_at(module: str, collections: list[str]) -> None:
    frozen = gc.get_freeze_count()
    with at_rest():
        objects = __import__(module).objects
    assert not collections
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(objects)


def test_a_block_that_imports_nothing_keeps_no_garbage() -> None:
    with at_rest():
        frozen = gc.get_freeze_count()
    assert gc.get_freeze_count() <= frozen  # fewer if something was freed


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with at_rest():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_import_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ModuleNotFoundError), at_rest():
        __import__("there_is_no_such_module_for_a_test")
    assert gc.isenabled()
