"""The last step on a cluster, which always runs: the line in the ledger, hooks, pages, and what Kubeflow's page shows.

    python -m kubeflow.report --settings JSON --executor_input '{{$}}'

It is given no artifacts; it reads the documents that the steps left on the claim. No TensorFlow.
"""

import json
import logging
import resource
import sys
import time
from pathlib import Path
from typing import Any

from markupsafe import escape

import atomic
import nsynth
from components.documents.models import GateReport
from kubeflow.conclude import conclude, load
from kubeflow.entrypoint import cost
from kubeflow.executor_input import to_staged
from kubeflow.groups import REPORT
from kubeflow.rounds import ClusterRetraining, Found, read_arguments
from pipeline.history.ledger import Round
from pipeline.report import INDEX, report_path
from pipeline.report.facts import facts_of, facts_path
from pipeline.report.outcome import or_none
from pipeline.report.page import render
from pipeline.report.record import RunRecord
from pipeline.retrain.gc import clean_alone, remove
from pipeline.retrain.old_files import old_documents
from pipeline.retrain.round import telling
from pipeline.retrain.watcher import Watcher

_log = logging.getLogger(__name__)


def main(argv: list[str]) -> None:
    """Write down what came of the run."""
    started = time.monotonic()
    config, given, outputs = read_arguments(argv)
    retraining = ClusterRetraining(config, given["run"], given["run_name"])
    line = write_down(retraining, _words_of(given.get("status")))
    if line:
        print(f"round {line.number}: {line.outcome}: {line.words}", flush=True)
    answer = {"artifacts": artifacts(retraining, line, outputs["artifacts"])}
    atomic.write(Path(outputs["outputFile"]), json.dumps(answer))
    print(json.dumps({"step": REPORT, **cost(started, resource.RUSAGE_SELF), "exit_code": 0}), flush=True)


def _words_of(status: Any) -> str:
    """Return what Kubeflow says of the steps before (PipelineTaskFinalStatus), if they failed."""
    content = json.loads(status) if isinstance(status, str) and status else status or {}
    words = (content.get("error") or {}).get("message", "")
    state = content.get("state", "")
    return words or ("" if state in ("", "SUCCEEDED", "COMPLETE") else f"Kubeflow says {state}")


def write_down(retraining: ClusterRetraining, status: str) -> Round | None:
    """Write the line into the ledger, call hooks, lift the lock and clear old things; return the line, if any.

    Raises:
      nsynth.UserError: the ledger is damaged or has no room; hooks and watcher know of it.
    """
    config = retraining.config
    with telling(config), retraining.alone():
        line = conclude(retraining, status)
        retraining.release()
        _clear(retraining)
    if line:
        watcher = Watcher(config.retrain.watcher, config.retrain.hook_timeout_s)
        watcher.ended(line.outcome.as_it_should_be)
    return line


def _clear(retraining: ClusterRetraining) -> None:
    """Remove what the rules of the configuration leave of earlier runs; no fault of that changes the outcome."""
    try:
        if retraining.config.retrain.cleanup.after_round:
            clean_alone(retraining.config, remove=True)
        else:
            remove(old_documents(retraining.config))
    except (OSError, nsynth.UserError):
        _log.warning("not cleaned up", exc_info=True)


def artifacts(retraining: ClusterRetraining, line: Round | None, outputs: dict[str, Any]) -> dict[str, Any]:
    """Fill Report's output artifacts: the page as a file, verdict and figures as metadata.

    Args:
      retraining: of the run.
      line: of the ledger, if there is one.
      outputs: of the ExecutorInput.

    Returns:
      `artifacts` of the ExecutorOutput.
    """
    record = RunRecord(load(retraining), retraining.config)
    found = Found.read(retraining.documents)
    trained = bool(record.run.steps) and found is not None and found.ending == "work"
    gate = or_none(record.gate_report) if trained else None
    page = run_page(retraining, record) if trained else plain_page(line, found)
    verdict, why = told(line, found)
    metadata: dict[str, dict[str, Any]] = {
        "page": {"verdict": verdict, "why": why},
        "figures": figures(record, line, gate),
        "confusion": {},
    }
    if gate and gate.confusion:
        metadata["confusion"] = {"confusionMatrix": confusion(gate)}
    answer = {}
    for key in ("page", "figures", "confusion"):
        artifact = outputs[key]["artifacts"][0]
        if key == "page":
            atomic.write(Path(to_staged(artifact["uri"])), page)
        answer[key] = {"artifacts": [{"uri": artifact["uri"], "metadata": metadata.get(key, {})}]}
    return answer


def run_page(retraining: ClusterRetraining, record: RunRecord) -> str:
    """Render the page of the run, which also goes to the workspace's reports, with its facts."""
    path = report_path(retraining.config, record.run.name)
    atomic.write(facts_path(path.parent, record.run.name), facts_of(record).model_dump_json(indent=1))
    atomic.write(path, render(record, INDEX))
    return render(record)


def told(line: Round | None, found: Found | None) -> tuple[str, str]:
    """Return what came of the run in a word or two, and why."""
    if line:
        return str(line.outcome), line.words
    return "another run is at work", found.words if found else "the step Look left nothing"


def plain_page(line: Round | None, found: Found | None) -> str:
    """Render the page of a run that trained nothing: why."""
    heading, words = told(line, found)
    waiting = "".join(f"<li>{escape(one)}</li>" for one in (line.waiting if line else ()))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(heading)}</title>'
        f"<h1>{escape(heading.capitalize())}</h1><p>{escape(words)}</p><ul>{waiting}</ul></html>\n"
    )


def figures(record: RunRecord, line: Round | None, gate: GateReport | None) -> dict[str, float]:
    """Return the numbers that Kubeflow's page shows of the run, and compares with those of others."""
    numbers: dict[str, float | None] = {}
    if gate:
        numbers |= {name: figure.value for name, figure in gate.overall.items()}
        numbers |= {"judged_notes": gate.notes, "judged_instruments": gate.instruments}
        numbers["champion_accuracy"] = line.champion_accuracy if line else None
        numbers["margin"] = gate.difference.value if gate.difference else None
        numbers["margin_lower_bound"] = gate.difference.low if gate.difference else None
    if account := or_none(record.account):
        numbers |= {"notes_used": account.used, "notes_quarantined": account.quarantined}
    if line:
        numbers |= {"pushed_version": line.version or None}
    return {name: float(value) for name, value in numbers.items() if value is not None}


def confusion(gate: GateReport) -> dict[str, Any]:
    """Put the confusion matrix into the form that Kubeflow's page draws: a row for each true family."""
    return {
        "annotationSpecs": [{"displayName": name} for name in nsynth.CLASSES],
        "rows": [{"row": list(row)} for row in gate.confusion],
    }


if __name__ == "__main__":
    main(sys.argv[1:])
