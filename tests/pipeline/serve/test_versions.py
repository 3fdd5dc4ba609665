"""Which version serves while the folder changes. What is loaded is a stand-in."""

from pathlib import Path
from types import SimpleNamespace

import pytest

import nsynth
from components.registry import Registry
from components.version import Record
from pipeline.serve import versions as versions_module
from pipeline.serve.errors import ApiError
from pipeline.serve.versions import Versions


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "models")


def push(registry: Registry, words: str = "a model") -> int:
    return registry.publish(lambda f: Path(f, "saved_model.pb").write_text(words) and None, Record()).number


class Watched:
    """Versions of a folder; those in `broken` cannot be loaded."""

    def __init__(self, registry: Registry):
        self.told: list[str] = []
        self.broken: set[int] = set()
        self.loaded: list[int] = []
        self.versions = Versions("nsynth", registry, self.told.append, self.load)

    def load(self, version):
        if version.number in self.broken:
            raise nsynth.UserError(f"version {version.number} cannot be loaded: broken")
        self.loaded.append(version.number)
        return SimpleNamespace(number=version.number)

    def look(self) -> int:
        self.versions.look()
        return self.versions.serving.number if self.versions.serving else 0


@pytest.fixture
def watched(registry) -> Watched:
    return Watched(registry)


def test_an_empty_folder_serves_nothing_until_the_first_push(registry, watched):
    assert watched.look() == 0
    with pytest.raises(ApiError, match=r"Servable not found for request: Latest\(nsynth\)"):
        watched.versions.find("nsynth")
    number = push(registry)
    assert watched.look() == number
    assert watched.versions.find("nsynth").number == watched.versions.find("nsynth", number).number == number


def test_the_newest_serves_and_is_loaded_once(registry, watched):
    first = push(registry)
    assert watched.look() == first
    second = push(registry)
    assert watched.look() == watched.look() == second
    assert watched.loaded == [first, second]
    assert {n: s.state for n, s in watched.versions.states.items()} == {second: "AVAILABLE", first: "END"}
    with pytest.raises(ApiError, match=rf"Specific\(nsynth, {first}\)"):
        watched.versions.find("nsynth", first)
    with pytest.raises(ApiError, match=r"Latest\(other\)"):
        watched.versions.find("other")


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving(registry, watched, monkeypatch):
    first = push(registry)
    watched.look()
    second = push(registry)
    watched.broken.add(second)
    assert watched.look() == watched.look() == first
    assert watched.versions.failures == 1, "not tried every second"
    state = watched.versions.states[second]
    assert (state.state, state.error_code) == ("END", "FAILED_PRECONDITION")
    assert "broken" in state.error_message
    assert f"not served: version {second} cannot be loaded: broken" in watched.told
    watched.broken.clear()
    monkeypatch.setattr(versions_module, "time", SimpleNamespace(monotonic=lambda: float("inf")))
    assert watched.look() == second, "but after a while"


def test_at_the_start_the_newest_sound_version_serves(registry, watched):
    first, second = push(registry), push(registry)
    watched.broken.add(second)
    assert watched.look() == first


def test_an_emptied_folder_changes_nothing(registry, watched, tmp_path):
    number = push(registry)
    watched.look()
    (tmp_path / "models").rename(tmp_path / "gone")
    assert watched.look() == number


def test_a_folder_that_cannot_be_read_is_told_once(registry, watched, monkeypatch):
    number = push(registry)
    watched.look()

    def fail(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("components.registry.storage.children", fail)
    assert watched.look() == watched.look() == number
    assert [line for line in watched.told if "cannot be read: Permission denied" in line] == watched.told[-1:]


def test_altered_files_are_not_loaded(registry, tmp_path):
    """The real loader: it looks at the digest before it loads TensorFlow."""
    from components.version import model_digest

    source = tmp_path / "source"
    source.mkdir()
    (source / "saved_model.pb").write_text("judged")
    pushed = registry.publish(
        lambda f: Path(f, "saved_model.pb").write_text("judged") and None,
        Record(digest=model_digest(str(source))),
    )
    Path(pushed.path, "saved_model.pb").write_text("altered")
    told: list[str] = []
    versions = Versions("nsynth", registry, told.append)
    versions.look()
    assert versions.serving is None
    assert "differ from those that were evaluated" in told[0]
