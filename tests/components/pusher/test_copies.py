"""Pushed versions are copied to a bucket, complete or recognisably not, and a failure of it is only told."""

from pathlib import Path

import pytest

from components import storage
from components.pusher.copies import copy_versions
from components.pusher.options import PushOptions
from components.registry import Registry
from components.remote import bucket
from components.version import RECORD_FILE, Record, model_digest
from tests.stores import Store


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PATIENCE", bucket.PATIENCE._replace(attempts=1))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


def push(registry: Registry, content: str, tmp_path: Path) -> int:
    def fill(folder: str) -> None:
        for name in ("saved_model.pb", "variables/variables.index"):
            storage.write_bytes(f"{folder}/{name}", content.encode())

    fill(str(tmp_path / content))
    return registry.publish(fill, Record(digest=model_digest(str(tmp_path / content)))).number


def copied(to: str) -> dict[str, bytes]:
    entries = [entry for entry in bucket.children(to, recursive=True) if not entry.is_folder]
    objects = {entry.address: bucket.BucketObject(entry.address) for entry in entries}
    return {address.removeprefix(f"{to}/"): found.read(0, found.size) for address, found in objects.items()}


def in_folder(registry: Registry) -> dict[str, bytes]:
    root = Path(registry.destination)
    return {
        f"{version.number}/{name}": (root / str(version.number) / name).read_bytes()
        for version in registry.versions()
        for name in storage.file_names(version.path)
    }


def test_the_bucket_holds_what_the_folder_holds(registry: Registry, any_store: Store, tmp_path: Path) -> None:
    to = f"{any_store.root}/models"
    assert copy_versions(registry.destination, to) == ""
    push(registry, "a", tmp_path)
    push(registry, "b", tmp_path)
    assert copy_versions(registry.destination, f"{to}/") == ""
    assert copied(to) == in_folder(registry)
    bucket.write(f"{to}/0000000001/saved_model.pb", b"somebody else's")
    push(registry, "c", tmp_path)
    registry.retain(2)
    assert copy_versions(registry.destination, to) == ""
    assert copied(to) == {**in_folder(registry), "0000000001/saved_model.pb": b"somebody else's"}


def test_the_record_comes_last_and_a_copy_without_one_is_made_again(
    registry: Registry, s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, write = f"{s3.root}/models", bucket.write
    number = push(registry, "a", tmp_path)
    written: list[str] = []

    def breaks(address: str, content: bytes) -> None:
        if address.endswith("saved_model.pb") and not written.count(address):
            written.append(address)
            raise OSError(5, "the connection failed", address)
        written.append(address)
        write(address, content)

    monkeypatch.setattr(bucket, "write", breaks)
    fault = copy_versions(registry.destination, to)
    why = f"the connection failed ({to}/{number}/saved_model.pb)"
    assert fault == f"not all versions are copied to {to}: {why}. The next run tries again"
    assert f"{to}/{number}/{RECORD_FILE}" not in written
    assert copy_versions(registry.destination, to) == ""
    assert written[-2:] == [f"{to}/{number}/saved_model.pb", f"{to}/{number}/{RECORD_FILE}"]
    before = list(written)
    assert copy_versions(registry.destination, to) == ""
    assert written == before


def test_a_missing_bucket_or_wrong_key_is_told(
    registry: Registry, s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(registry, "a", tmp_path)
    assert "no such bucket: nowhere" in copy_versions(registry.destination, "s3://nowhere/models")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert "the store refuses the credentials" in copy_versions(registry.destination, f"{s3.root}/models")


def test_what_was_altered_is_not_copied(registry: Registry, s3: Store, tmp_path: Path) -> None:
    number = push(registry, "a", tmp_path)
    Path(registry.destination, str(number), "saved_model.pb").write_bytes(b"altered")
    fault = copy_versions(registry.destination, f"{s3.root}/models")
    assert f"the files of version {number} differ from those that were evaluated" in fault
    assert bucket.entry(f"{s3.root}/models/{number}") is None


@pytest.mark.parametrize(
    "wrong", ["/models", "https://host/models", "s3://", "s3://user:secret@bucket/models"]
)
def test_where_copies_cannot_go(wrong: str) -> None:
    with pytest.raises(ValueError, match="copy_to"):
        PushOptions(copy_to=wrong)
