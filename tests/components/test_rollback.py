"""The way back to an earlier version, and which versions are kept."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nsynth
from components import storage
from components.registry import Registry
from components.version import CARD_FILE, Record
from tests.components.pushes import filler, model_of, push


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"m"), Path.unlink])
def test_a_version_that_was_cut_is_not_rolled_back_to_and_its_model_can_be_pushed_anew(registry, spoil):
    first, second = push(registry, "a"), push(registry, "b")
    spoil(Path(first.path, "variables", "variables.index"))
    for to in (None, first.number):
        with pytest.raises(nsynth.UserError, match=f"version {first.number} differ from"):
            registry.rollback(to)
    assert registry.serving().number == second.number
    again = push(registry, "a")
    assert again.number > second.number
    assert push(registry, "a").number == again.number


def test_a_rollback_that_races_with_retention_publishes_the_whole_version_or_none(registry):
    for turn in range(8):
        first = push(registry, f"{turn}-a")
        push(registry, f"{turn}-b")
        with ThreadPoolExecutor(2) as pool:
            back, gone = pool.submit(registry.rollback, first.number), pool.submit(registry.retain, 1)
            assert first.number in gone.result()
        if back.exception():
            assert isinstance(back.exception(), nsynth.UserError)
        for version in registry.versions():
            version.check()


def test_rollback_publishes_what_served_before_under_a_new_number(registry):
    first, second = push(registry, "a"), push(registry, "b")
    back = registry.rollback(reason="b hums")
    assert back.number > second.number
    assert model_of(registry.serving()) == "a"
    assert (back.record.restored_from, back.record.reason) == (first.number, "b hums")
    assert [model_of(v) for v in registry.versions()] == ["a", "b", "a"], "history stays"


def test_rolling_back_again_never_returns_to_what_was_rolled_back(registry):
    for name in "abc":
        push(registry, name)
    assert model_of(registry.rollback()) == "b"
    assert model_of(registry.rollback()) == "a"
    with pytest.raises(nsynth.UserError, match="to roll back to"):
        registry.rollback()
    push(registry, "d")
    assert model_of(registry.rollback()) == "a", "what served before d, not c"


def test_rollback_to_a_named_version(registry):
    first = push(registry, "a")
    push(registry, "b")
    serving = push(registry, "c")
    assert model_of(registry.rollback(first.number)) == "a"
    assert model_of(registry.rollback(serving.number)) == "c"
    with pytest.raises(nsynth.UserError, match="already serving"):
        registry.rollback(serving.number)
    with pytest.raises(nsynth.UserError, match="there is no version 7"):
        registry.rollback(7)


def test_rollback_with_nothing_to_go_back_to(registry):
    with pytest.raises(nsynth.UserError, match="no model"):
        registry.rollback()
    push(registry, "a")
    with pytest.raises(nsynth.UserError, match="to roll back to"):
        registry.rollback()


def test_a_restored_version_keeps_its_card_and_says_where_it_came_from(registry):
    first = registry.publish(filler("a"), Record(), card=lambda record: f"card of {record.version}")
    push(registry, "b")
    back = registry.rollback()
    assert Path(back.path, CARD_FILE).read_text() == f"card of {first.number}"
    assert registry.get(back.number).record.restored_from == first.number
    assert registry.get(first.number).record.restored_from is None


def test_retention_keeps_the_last_and_always_the_serving_one(registry):
    numbers = [push(registry, name).number for name in "abcde"]
    assert registry.retain(2) == numbers[:3]
    assert registry.retain(0) == numbers[3:4]
    assert registry.serving().number == numbers[4]
    assert not [
        p for p in Path(registry.destination).iterdir() if p.name.startswith(".") and "draft" in p.name
    ]


def test_of_a_linked_version_the_link_goes_and_the_folder_stays(registry, tmp_path):
    storage.write_bytes(f"{tmp_path}/elsewhere/saved_model.pb", b"linked")
    Path(registry.destination).mkdir()
    Path(registry.destination, "7").symlink_to(tmp_path / "elsewhere")
    Path(registry.destination, "8").symlink_to(tmp_path / "nowhere")
    assert push(registry, "a").number > 8
    assert registry.retain(1) == [7]
    assert (tmp_path / "elsewhere" / "saved_model.pb").exists()
    assert {p.name for p in Path(registry.destination).iterdir()} == {
        ".lock",
        "8",
        str(registry.serving().number),
    }


def test_a_version_that_cannot_be_removed_keeps_no_other(registry, monkeypatch, caplog):
    numbers = [push(registry, name).number for name in "abc"]
    real = storage.remove_folder

    def remove(path: str) -> None:
        if path.endswith(str(numbers[0])):
            raise PermissionError(errno.EACCES, "Permission denied")
        real(path)

    monkeypatch.setattr(storage, "remove_folder", remove)
    assert registry.retain(1) == [numbers[1]]
    assert f"{numbers[0]} cannot be removed: Permission denied" in caplog.text
