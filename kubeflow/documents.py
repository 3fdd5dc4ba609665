"""What the steps of a run on a cluster leave for the step Report, and for whoever asks later.

    <workspace>/kubeflow/documents/<run>/<step>/step.json      how it ended, what it was told, what it cost, where its
                                                               artifacts are
    <workspace>/kubeflow/documents/<run>/<step>/error.json     why it failed, where our code knows
    <workspace>/kubeflow/documents/<run>/<step>/inputs/<key>/  the small files of an input: account, verdict, report
    <workspace>/kubeflow/documents/<run>/<step>/outputs/<key>/ those of an output
    <workspace>/kubeflow/documents/<run>/alive                 its age tells when a step last gave a sign of life

A step that is answered by the cache leaves nothing; so the inputs of those that run are kept too. Standard library
only, since every step's container starts with it.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import atomic
import nsynth
from components.claim import ALIVE_FILE, STEP_FILE, Claim, place_of
from components.staging import ADDRESS

ERROR_FILE = "error.json"
ERROR_VARIABLE = "NSYNTH_ERROR_FILE"
"""Names the file to the child that runs the step."""
RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"
_KEPT = (".json", ".md", ".txt")
_MAX_BYTES = 1 << 20  # of one file: what is larger is data, no document


def of_workspace(workspace: str | Path) -> Path:
    """Return the folder with the documents of all runs."""
    return Claim(workspace).documents


def run_of(addresses: Iterable[str]) -> str:
    """Kubeflow's id of the run, from the addresses of a step's outputs; empty if they do not tell it."""
    for address in addresses:
        with contextlib.suppress(nsynth.UserError):
            return place_of(address)[0]
    return ""


def last_sign_of_life(folder: Path) -> float:
    """When a step of the run last gave one, in unix seconds; 0 if none did.

    Args:
      folder: documents of the run.
    """
    try:
        return (folder / ALIVE_FILE).stat().st_mtime
    except FileNotFoundError:
        return 0.0


class StepDocuments:
    """Keeps the documents of one step while it runs. No fault of theirs fails the step: it is logged."""

    def __init__(self, folder: Path | None, step: str):
        """Set up for the step called `step`; `folder` holds the documents of its run, None keeps nothing."""
        self._run, self._step, self._started = folder, step, time.time()
        self.error_file = folder / step / ERROR_FILE if folder else None
        """Where the child says why it failed."""

    def begun(self) -> None:
        """Note that the step runs; what an earlier attempt left goes."""
        if self._run:
            shutil.rmtree(self._run / self._step, ignore_errors=True)
            self._write({"state": RUNNING})
        self.alive()

    def alive(self) -> None:
        """Give a sign of life."""
        if self._run:
            with _logged():
                (self._run / ALIVE_FILE).touch()

    def keep(self, side: str, key: str, folder: Path) -> None:
        """Keep the small files right in the folder of an artifact, also of a step that failed.

        Args:
          side: inputs or outputs.
          key: of the artifact.
          folder: where it lies.
        """
        if not self._run:
            return
        target = self._run / self._step / side / key
        with _logged():
            for file in sorted(folder.iterdir()) if folder.is_dir() else ():
                if file.suffix in _KEPT and file.is_file() and file.stat().st_size <= _MAX_BYTES:
                    target.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target / file.name)

    def failed(self, words: str) -> None:
        """Note why the step failed, where the child cannot."""
        if self.error_file:
            with _logged():
                atomic.write(self.error_file, json.dumps({"words": words}))

    def ended(
        self, exit_code: int, cost: dict[str, float], executor_input: dict[str, Any], answer: Any
    ) -> None:
        """Note how the step ended.

        Args:
          exit_code: 0 if it succeeded.
          cost: what it used.
          executor_input: as TFX's command got it, with parameters; each input tells its address.
          answer: the ExecutorOutput that goes to Kubeflow, with addresses; none if the step failed.
        """
        told = executor_input.get("inputs", {})
        self._write(
            {
                "state": FAILED if exit_code else SUCCEEDED,
                "exit_code": exit_code,
                **cost,
                "parameters": told.get("parameterValues", {}),
                "inputs": _entries(told),
                "outputs": _entries(answer or {}),
            }
        )
        self.alive()

    def _write(self, content: dict[str, Any]) -> None:
        if self._run:
            content = {"step": self._step, "started": self._started, **content}
            with _logged():
                atomic.write(self._run / self._step / STEP_FILE, json.dumps(content, indent=1))


NOWHERE = StepDocuments(None, "")
"""Of a step that keeps none."""


def _entries(told: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return address and metadata of each artifact, by key."""
    found: dict[str, list[dict[str, Any]]] = {}
    for key, entry in told.get("artifacts", {}).items():
        for artifact in entry.get("artifacts", []):
            metadata = dict(artifact.get("metadata") or {})
            address = metadata.pop(ADDRESS, "") or artifact.get("uri", "")
            found.setdefault(key, []).append({"address": address, "metadata": metadata})
    return found


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        print(f"documents of this step are not kept: {type(error).__name__}: {error}", flush=True)


def note_error(error: BaseException) -> None:
    """Write why a step fails to the file that its container named, if it did."""
    file = os.environ.get(ERROR_VARIABLE)
    if not file:
        return
    from pipeline.errors import explain
    from pipeline.retrain.faults import may_pass

    refused = refused_data(error)
    content = {
        "words": explain(error),
        "refused": refused is not None,
        "span": refused.span if refused else None,
        "passing": may_pass(error),
    }
    with _logged():
        atomic.write(Path(file), json.dumps(content, indent=1))


def refused_data(error: BaseException | None) -> nsynth.RefusedDataError | None:
    """Return the error that says that the data is at fault, if it or what it came from is one."""
    while error is not None and not isinstance(error, nsynth.RefusedDataError):
        error = error.__cause__ or error.__context__
    return error
