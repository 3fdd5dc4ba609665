"""The process that runs the pipeline for a round: started, watched, ended in time.

It is a process of its own so that its memory is given back, a time limit can end it, and a crash in native code
takes nobody else down. It inherits the lock, and ends when the one that started it does.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import pydantic

from pipeline.config import Config
from pipeline.history.own_files import closing, open_own, write

_LOOK_EVERY_S = 0.1
_END_WITHIN_S = 10.0  # between SIGTERM and SIGKILL
_RESULT_BYTES = 1 << 16
_DONE = ("pushed", "kept", "refused")  # stands, though the child was ended on its way out

Ending = Literal["pushed", "kept", "no new data", "refused", "failed", "passing", "timed out", "interrupted"]


class Request(pydantic.BaseModel, frozen=True):
    """What the child is to do."""

    config: Config
    window: tuple[int, ...]
    """Spans to train on, the newest last."""
    judge: tuple[int, ...]
    """Spans of the window whose data is to be judged first."""
    new: tuple[int, ...] = ()
    """Those of them that no round has used."""
    log_file: Path
    result_file: Path


class Result(pydantic.BaseModel, frozen=True):
    """How the run ended."""

    ending: Ending
    """`passing` is a failure that may pass by itself."""
    words: str
    step: str = ""
    """The step that failed."""
    refused: int | None = None
    """The span whose data were refused."""
    run: str = ""
    version: int = 0
    accuracy: float | None = None
    champion_accuracy: float | None = None
    facts: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    late: tuple[int, ...] = ()
    """Spans of an earlier run whose push nobody has written down: this result is that run's."""


class Process(Protocol):
    """What is asked of a started child (subprocess.Popen does it)."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""


Starter = Callable[[Path, int, int], Process]
"""Starts a child with the request's file, as leader of a process group; it keeps the two descriptors given: the
end of a pipe to read, which closes when the starter is gone, and the lock."""


def spawn(request_file: Path, alive: int, lock: int) -> Process:
    """Start a fresh interpreter."""
    command = [sys.executable, "-m", "pipeline.retrain.child_main", str(request_file)]
    return subprocess.Popen(command, stdin=alive, pass_fds=(lock,), start_new_session=True)


def run_child(
    request: Request,
    lock: int,
    deadline: float,
    stop: threading.Event,
    start: Starter = spawn,
) -> Result:
    """Run the pipeline in a child process.

    Args:
      request: what to run; it and the result pass through files beside `request.result_file`.
      lock: descriptor of the lock that is held.
      deadline: when the child is ended, by time.monotonic().
      stop: once set, the child is ended.
      start: how to start it.

    Raises:
      OSError: the request cannot be written, or the child not be started.
    """
    request_file = request.result_file.with_suffix(".request.json")
    request_file.parent.mkdir(parents=True, exist_ok=True)
    files = (request_file, draft_of(request.result_file), request.result_file)
    for file in files:
        file.unlink(missing_ok=True)
    try:
        # Its owner's alone: the address of the history may hold a password.
        _write_new(request_file, request.model_dump_json().encode())
        _write_new(draft_of(request.result_file), b" " * _RESULT_BYTES)
        exit_code, ended_by = _run_to_its_end(request_file, lock, deadline, stop, start)
        try:
            result = Result.model_validate_json(request.result_file.read_text())
        except FileNotFoundError:
            result = _without_result(exit_code, request.log_file)
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    if ended_by is None or result.ending in _DONE:
        return result
    limit_s = request.config.retrain.time_limit_s
    limit = f"stopped after {limit_s:g} s, the time limit of a round (retrain.time_limit_s)"
    words = limit if ended_by == "timed out" else "told to stop"
    return result.model_copy(update={"ending": ended_by, "words": words})


def draft_of(result_file: Path) -> Path:
    """Return where the child writes its result: over blanks, so that a full disk does not silence it."""
    return result_file.with_suffix(".draft")


def _write_new(file: Path, content: bytes) -> None:
    with closing(open_own(file, os.O_RDWR | os.O_CREAT | os.O_EXCL)) as descriptor:
        write(descriptor, content)


def _run_to_its_end(
    request_file: Path, lock: int, deadline: float, stop: threading.Event, start: Starter
) -> tuple[int | None, Ending | None]:
    """Return the exit code of the child, and why it was ended if it did not end by itself."""
    alive, keep_alive = os.pipe()
    try:
        try:
            process = start(request_file, alive, lock)
        finally:
            os.close(alive)
        ended_by = _watch(process, deadline, stop)
        return process.poll(), ended_by
    finally:
        os.close(keep_alive)


def _watch(process: Process, deadline: float, stop: threading.Event) -> Ending | None:
    """Wait for the child to end, or end it and say why."""
    while process.poll() is None:
        if stop.wait(_LOOK_EVERY_S):
            end(process)
            return "interrupted"
        if time.monotonic() > deadline:
            end(process)
            return "timed out"
    return None


def end(process: Process) -> None:
    """End the child and all that it started: politely, then not."""
    for how, within_s in ((signal.SIGTERM, _END_WITHIN_S), (signal.SIGKILL, _END_WITHIN_S)):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + within_s
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)


def _without_result(exit_code: int | None, log_file: Path) -> Result:
    code = exit_code or 0
    if code < 0:
        why = f"was ended by signal {-code} ({signal.Signals(-code).name})"
        hint = "; out of memory?" if -code == signal.SIGKILL else ""
    else:
        why, hint = f"ended with code {code} and no result", ""
    return Result(ending="failed", words=f"the process that ran the pipeline {why}{hint}; see {log_file}")
