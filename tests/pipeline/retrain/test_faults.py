"""Which errors are worth another attempt."""

import errno
import sqlite3
import subprocess
import sys

import pytest
from ml_metadata import errors

import nsynth
from pipeline.history.metadata import connect
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
        sqlite3.OperationalError("database is locked"),
        sqlite3.OperationalError("database table is locked: Artifact"),
        errors.AbortedError("another writer"),
        wrapped(RuntimeError("Concurrent writes aborted after max number of retries.")),
        errors.UnavailableError("the server restarts"),
        RuntimeError("FATAL:  the database system is starting up"),
        RuntimeError("mysql: Deadlock found when trying to get lock; try restarting transaction"),
        RuntimeError("Lost connection to MySQL server during query"),
    ],
)
def test_disk_network_and_a_busy_database_may_pass(error):
    assert may_pass(error)


HOLD = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE'); print('held', flush=True)"


@pytest.mark.slow
def test_a_history_that_another_process_has_locked_may_pass(tmp_path):
    history = tmp_path / "metadata.sqlite"
    connect(history)
    hold = [sys.executable, "-c", f"{HOLD}; sys.stdin.read()", str(history)]
    with subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(nsynth.UserError, match="cannot be opened") as told:
            connect(history)
    assert may_pass(told.value)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "x"), ValueError("28"), nsynth.UserError("bad"), KeyError("x")]
)
def test_others_stay(error):
    assert not may_pass(error)
