"""What came of a run on a cluster, from the documents that its steps left on the claim; and the line of the ledger."""

import json
from typing import Any

from components.claim import Claim
from kubeflow.documents import ERROR_FILE, FAILED, RUNNING, SUCCEEDED
from kubeflow.rounds import ClusterRetraining, Found, HoldingRun
from pipeline.history import past_runs
from pipeline.history.cluster_runs import steps_of, told_by
from pipeline.history.ledger import Outcome, Round
from pipeline.retrain import lock
from pipeline.retrain.child import Result
from pipeline.retrain.result import result_of
from pipeline.retrain.spans import Work

_TOLD_TO_STOP, _KILLED = (130, 143), 137
PUSH_STEP = "Pusher"


def load(retraining: ClusterRetraining) -> past_runs.Run:
    """Read the run as its steps have documented it; steps that the cache answered are known by what others read."""
    steps = steps_of(Claim(retraining.config.workspace), retraining.run)
    settings, told = retraining.config.without_secrets(), told_by(retraining.documents)
    return past_runs.Run(retraining.run, steps, settings=settings, **_ending(retraining, told))


def _ending(retraining: ClusterRetraining, told: list[dict[str, Any]]) -> dict[str, str]:
    failed = next((step for step in told if step["state"] == FAILED), None)
    if failed is None:
        return {}
    interrupted = failed["exit_code"] in _TOLD_TO_STOP
    return {"ending": "interrupted" if interrupted else "failed", "reason": _why(retraining, failed)["words"]}


def _why(retraining: ClusterRetraining, failed: dict[str, Any]) -> dict[str, Any]:
    """Tell why a step failed, as far as our code or its exit code tell."""
    try:
        return json.loads((retraining.documents / failed["step"] / ERROR_FILE).read_bytes())
    except FileNotFoundError:
        pass
    name, code = failed["step"], failed["exit_code"]
    if code == _KILLED:
        return {"words": f"{name} was killed; out of memory? (kubeflow.steps.{name}.memory)"}
    if code in _TOLD_TO_STOP:
        return {"words": f"{name} was told to stop"}
    return {"words": f"{name} failed with exit code {code}; its log says why"}


def result(retraining: ClusterRetraining, found: Found | None, status: str = "") -> Result:
    """Tell how the run ended.

    Args:
      retraining: of the run.
      found: what Look found.
      status: what Kubeflow says of the run, if anything.
    """
    if found is None:
        return Result(ending="failed", words=f"the step Look did not end: {status or 'its log says why'}")
    if found.ending != "work":
        return Result(ending="no new data" if found.ending == "nothing" else "failed", words=found.words)
    told = told_by(retraining.documents)
    facts = {
        "seconds": round(sum(step.get("seconds", 0.0) for step in told), 1),
        "steps": {step["step"]: step.get("seconds", 0.0) for step in told},
        "cpu_seconds": {step["step"]: step.get("cpu_seconds", 0.0) for step in told},
        "peak_memory_mb": max((step.get("peak_memory_mb", 0) for step in told), default=0),
    }
    ended = _ended(retraining, found.work, told, status)
    return ended.model_copy(update={"run": retraining.run, "facts": {**ended.facts, **facts}})


def _ended(retraining: ClusterRetraining, work: Work, told: list[dict[str, Any]], status: str) -> Result:
    states = {step["step"]: step["state"] for step in told}
    if failed := next((step for step in told if step["state"] == FAILED), None):
        why = _why(retraining, failed)
        if why.get("refused"):
            span = work.newest.number if why["span"] is None else why["span"]
            return Result(ending="refused", words=why["words"], step=failed["step"], refused=span)
        interrupted = failed["exit_code"] in _TOLD_TO_STOP
        ending: Any = "interrupted" if interrupted else "failed"
        return Result(ending=ending, words=why["words"], step=failed["step"])
    if states.get(PUSH_STEP) == SUCCEEDED:
        return result_of(load(retraining))
    if running := next((step["step"] for step in told if step["state"] == RUNNING), None):
        words = f"{running} did not end: its pod was killed or the run was canceled"
        return Result(ending="failed", words=words, step=running)
    return Result(ending="failed", words=f"the run ended before {PUSH_STEP}: {status or 'its page says why'}")


def conclude(retraining: ClusterRetraining, status: str = "", dead: HoldingRun | None = None) -> Round | None:
    """Write the run's line into the ledger, once, and call the hooks; the caller holds the workspace's lock.

    Args:
      retraining: of the run.
      status: what Kubeflow says of it.
      dead: set by the run that found it dead.

    Returns:
      The line; None if there is none, since the run only waited for another one.
    """
    known = [line for line in retraining.ledger.rounds() if line.run == retraining.run]
    if known:
        return known[-1]
    found = Found.read(retraining.documents)
    if found and found.ending == "locked":
        return None
    came = result(retraining, found, status)
    work = found.work if found else Work((), ())
    started = found.started if found else dead.started if dead else lock.now()
    attempts = 0 if came.ending == "no new data" else 1
    line = retraining.line(work, came, started, attempts, found.unheard if found else ())
    line = line.model_copy(update={"run": retraining.run})
    if dead and not line.outcome.settles:
        words = f"{dead} gave no sign of life any more; this run goes on. {came.words}"
        line = line.model_copy(update={"outcome": Outcome.CRASHED, "words": words})
    return retraining.write_down(line)
