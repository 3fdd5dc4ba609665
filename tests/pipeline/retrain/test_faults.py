"""Which errors are worth another attempt."""

import errno
import sqlite3

import pytest

import nsynth
from pipeline.retrain.faults import may_pass


def wrapped(inner: BaseException) -> BaseException:
    try:
        try:
            raise inner
        except BaseException as error:
            raise nsynth.UserError("cannot push") from error
    except nsynth.UserError as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        wrapped(OSError(errno.ENOSPC, "No space left on device")),
        ConnectionResetError(),
        TimeoutError(),
        RuntimeError("OSError: [Errno 28] No space left on device [while running 'Write']"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_disk_and_network_may_pass(error):
    assert may_pass(error)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "x"), ValueError("28"), nsynth.UserError("bad"), KeyError("x")]
)
def test_others_stay(error):
    assert not may_pass(error)
