"""Tells others how a round ended: commands and webhooks. A hook that fails never changes the round."""

import http.client
import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable

import nsynth

_SHOWN = 300  # characters of a failed hook's own words


def call_hooks(hooks: Iterable[str], event: str, line: str, timeout_s: float) -> list[str]:
    """Calls every hook.

    Args:
      hooks: commands, run without a shell with NSYNTH_EVENT in the environment and the line on standard
        input; or http(s) addresses, to which the line is posted.
      event: pushed, kept, refused or failed.
      line: the round's line of the ledger, JSON.
      timeout_s: for each hook.

    Returns:
      What went wrong, a sentence for each hook that failed.
    """
    failures = []
    for hook in hooks:
        try:
            (_post if hook.startswith(("http://", "https://")) else _run)(hook, event, line, timeout_s)
        except nsynth.UserError as error:
            failures.append(f"hook {hook!r} for {event}: {error}")
        except Exception as error:  # nothing that a hook does may cost the round its line in the ledger
            failures.append(f"hook {hook!r} for {event}: {type(error).__name__}: {error}")
    return failures


def _run(command: str, event: str, line: str, timeout_s: float) -> None:
    try:
        done = subprocess.run(
            shlex.split(command),
            input=line,
            env={**os.environ, "NSYNTH_EVENT": event},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise nsynth.UserError(f"took longer than {timeout_s:g} s") from error
    except OSError as error:
        raise nsynth.UserError(f"cannot be run: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.strip()[-_SHOWN:] or "it said nothing"
        raise nsynth.UserError(f"exit code {done.returncode}: {said}")


def _post(address: str, event: str, line: str, timeout_s: float) -> None:
    headers = {"Content-Type": "application/json", "X-Nsynth-Event": event}
    request = urllib.request.Request(address, line.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            pass
    except urllib.error.HTTPError as error:
        raise nsynth.UserError(f"answered {error.code} {error.reason}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise nsynth.UserError(f"cannot be reached: {error}") from error
