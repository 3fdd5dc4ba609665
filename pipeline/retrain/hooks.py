"""Tells others how a round ended: commands and webhooks. A hook that fails never changes the round."""

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

import nsynth
from pipeline import web
from pipeline.history.metadata import PASSWORD_VARIABLE

_SHOWN = 300  # characters of a failed hook's own words
_SECRET = 8  # characters from which on a part of a hook may be a secret
_BETWEEN_PIECES = re.compile(r"[^\w.~+-]+")
_LAST_WORDS_S = 1.0  # for them to come through once the hook has ended


def call_hooks(hooks: Iterable[str], event: str, line: str, timeout_s: float) -> list[str]:
    """Call every hook.

    Args:
      hooks: commands, run without a shell with NSYNTH_EVENT in the environment and the line on standard
        input; or http(s) addresses, to which the line is posted.
      event: pushed, kept, refused or failed.
      line: the round's line of the ledger, JSON.
      timeout_s: for each hook.

    Returns:
      What went wrong, a sentence for each hook that failed. A hook is named by its number and its program or host:
      the rest of it may be a secret.
    """
    failures = []
    for number, hook in enumerate(hooks, 1):
        try:
            (_post if is_address(hook) else _run)(hook, event, line, timeout_s)
        except Exception as error:  # nothing that a hook does may cost the round its line in the ledger
            words = str(error) if isinstance(error, nsynth.UserError) else f"{type(error).__name__}: {error}"
            failures.append(f"hook {number} for {event} ({_shown(hook)}): {_without(hook, words)}")
    return failures


def is_address(hook: str) -> bool:
    """Return whether a hook is posted to; else it is a command."""
    return hook.lower().startswith(("http://", "https://"))


def _shown(hook: str) -> str:
    """As much of a hook as everybody may read."""
    return web.host_of(hook) if is_address(hook) else Path(_words(hook)[0]).name


def _without(hook: str, words: str) -> str:
    """Return the words without arguments of the hook, or parts of its address, that may be secrets; paths are none."""
    arguments = (
        [hook] if is_address(hook) else [word for word in _words(hook)[1:] if not word.startswith("/")]
    )
    pieces = [piece for word in arguments for piece in _BETWEEN_PIECES.split(word)]
    hidden = {part for part in (*arguments, *pieces) if len(part) >= _SECRET and part not in _shown(hook)}
    for part in sorted(hidden, key=len, reverse=True):
        words = words.replace(part, "…")
    return words


def _words(command: str) -> list[str]:
    """Return the command taken apart; one that is blank or cannot be is a single word, which cannot be run."""
    with contextlib.suppress(ValueError):
        return shlex.split(command) or [""]
    return ["…"]


def _run(command: str, event: str, line: str, timeout_s: float) -> None:
    environment = {**os.environ, "NSYNTH_EVENT": event}
    environment.pop(PASSWORD_VARIABLE, None)
    environment.pop(
        "PYTHONSAFEPATH", None
    )  # set for our own processes; a hook may import what lies beside it
    try:
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise nsynth.UserError(f"cannot be run: {error.strerror}") from error
    said = bytearray()
    assert process.stdin
    assert process.stderr
    # Threads, since a hook may neither read nor end its output, or leave that to a process of its own.
    listening = threading.Thread(target=_listen, args=(process.stderr, said), daemon=True)
    listening.start()
    threading.Thread(target=_tell, args=(process.stdin, line), daemon=True).start()
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired as error:
        raise nsynth.UserError(f"took longer than {timeout_s:g} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it has started goes with it
        process.wait()
        listening.join(_LAST_WORDS_S)
    if code:
        words = bytes(said).decode(errors="replace").strip()[-_SHOWN:] or "it said nothing"
        raise nsynth.UserError(f"exit code {code}: {words}")


def _listen(stream: io.BufferedIOBase, said: bytearray) -> None:
    """Keep the end of what comes."""
    with contextlib.suppress(OSError, ValueError), stream:
        while piece := stream.read1(1 << 16):
            said += piece
            del said[: -4 * _SHOWN]


def _tell(stream: io.BufferedIOBase, line: str) -> None:
    with contextlib.suppress(OSError, ValueError), stream:
        stream.write(line.encode())


def _post(address: str, event: str, line: str, timeout_s: float) -> None:
    headers = {"Content-Type": "application/json", "X-Nsynth-Event": event}
    web.request(address, timeout_s, line.encode(), headers)
