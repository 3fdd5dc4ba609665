"""Objects are read by ranges; what goes wrong is told as a disk's errors are, without a credential in the words."""

import errno
import random
from collections.abc import Callable

import pytest

from components.remote import address, bucket
from components.remote.errors import ChangedError
from tests.stores import CuttingProxy, Store

CONTENT = random.Random(1).randbytes(1_500_000)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PATIENCE", bucket.PATIENCE._replace(first_wait_s=0.01))


def test_any_range_of_an_object_is_read(any_store: Store) -> None:
    place = f"{any_store.root}/notes.bin"
    bucket.write(place, CONTENT)
    draw = random.Random(2)
    with address.open_to_read(place) as file:
        for _ in range(60):
            if draw.random() < 0.5:
                file.seek(draw.randrange(len(CONTENT) + 10))
            start, wanted = file.tell(), draw.choice([1, 12, 5000, 300_000])
            assert file.read(wanted) == CONTENT[start : start + wanted]
        file.seek(-3, 2)
        assert file.read() == CONTENT[-3:]


def test_folders_are_listed(any_store: Store) -> None:
    for name in ("a/x", "a/y", "b"):
        bucket.write(f"{any_store.root}/{name}", b"12")
    found = bucket.children(any_store.root)
    assert [(e.address.removeprefix(any_store.root), e.is_folder, e.size) for e in found] == [
        ("/a", True, 0),
        ("/b", False, 2),
    ]
    assert sum(not entry.is_folder for entry in bucket.children(any_store.root, recursive=True)) == 3
    bucket.remove(f"{any_store.root}/a")
    assert bucket.entry(f"{any_store.root}/a/x") is None
    assert bucket.entry(f"{any_store.root}/b") is not None


def failure(do: Callable[[], object]) -> OSError:
    with pytest.raises(OSError) as raised:  # noqa: PT011
        do()
    return raised.value


def test_what_is_missing(any_store: Store) -> None:
    error = failure(lambda: address.opened(f"{any_store.root}/none"))
    assert (error.errno, error.filename) == (errno.ENOENT, f"{any_store.root}/none")
    elsewhere = any_store.root.partition("://")[0] + "://no-such-bucket/x"
    assert bucket.entry(elsewhere) is None
    assert failure(lambda: bucket.children(elsewhere)).errno == errno.ENOENT
    assert failure(lambda: bucket.write(elsewhere, b"x")).errno == errno.ENOENT


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_SECRET_ACCESS_KEY", "wrong-secret"), ("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")]
)
def test_wrong_credentials_are_told_and_not_shown(
    name: str, value: str, s3: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.write(f"{s3.root}/notes.bin", b"x")
    monkeypatch.setenv(name, value)
    for do in (
        lambda: bucket.children(s3.root),
        lambda: address.opened(f"{s3.root}/notes.bin"),
        lambda: bucket.write(f"{s3.root}/other", b"x"),
    ):
        error = failure(do)
        assert error.errno == errno.EACCES
        assert "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in error.strerror
        assert not any(secret in str(error) for secret in (value, *s3.environment.values()))


def test_an_object_that_is_replaced_or_removed_while_it_is_read(any_store: Store) -> None:
    place = f"{any_store.root}/notes.bin"
    bucket.write(place, CONTENT)
    opened = bucket.BucketObject(place)
    bucket.write(place, CONTENT[::-1])
    assert bucket.BucketObject(place).version != opened.version
    bucket.write(place, b"short")
    assert isinstance(failure(lambda: opened.read(1000, 2000)), ChangedError)
    bucket.remove(place)
    assert failure(lambda: opened.read(1000, 2000)).errno == errno.ENOENT


@pytest.mark.slow
def test_a_connection_that_is_cut_is_taken_up_again(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"{s3.root}/notes.bin"
    bucket.write(place, CONTENT)
    with CuttingProxy(s3.environment["AWS_ENDPOINT_URL"], cuts=3) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        assert bucket.BucketObject(place).read(10, 1_400_000) == CONTENT[10:1_400_000]
        assert proxy.cuts == 0


@pytest.mark.slow
def test_a_store_that_does_not_answer(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    error = failure(lambda: bucket.entry(f"{s3.root}/x"))
    assert error.errno == errno.EIO
    assert "4 attempts in a row failed, the last one with: NETWORK_CONNECTION" in error.strerror


@pytest.mark.parametrize(
    "wrong",
    ["minio://b/x", "ftp://host/x", "https://user:secret@host/x", "https://host/x?token=secret", "file:///x"],
)
def test_what_no_address_may_be(wrong: str) -> None:
    words = address.fault(wrong)
    assert "not known here" in words or "credentials into the environment" in words
    assert "secret" not in words


@pytest.mark.parametrize("good", ["/folder", "s3://b/x", "gs://b", "http://host:1/x", "https://host/x@y"])
def test_what_an_address_may_be(good: str) -> None:
    assert address.fault(good) == ""
