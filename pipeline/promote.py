"""Pushes the model of a past run by hand, whatever its gate said."""

import nsynth
from components.documents.ingest import IngestAccount
from components.documents.models import CanaryReport
from components.gate_report import read_report
from components.pusher.push import Evidence, push_model
from components.registry import Registry
from components.version import Record, Version, model_digest
from pipeline.config import Config
from pipeline.history import past_runs


def promote_run(config: Config, reason: str, run_name: str | None = None) -> Version:
    """Push the model of a run, by default the last run, without the gate's blessing.

    Raises:
      nsynth.UserError: the run has no evaluated model, the canary rejected it, or it has already been pushed.
    """
    run = past_runs.load_run(past_runs.open_store(config.metadata), run_name)
    model, report = run.output("Trainer", "model"), run.output("Gate", "report")
    if not model or not report:
        raise nsynth.UserError(f"run {run.name} did not reach the gate: there is no model to promote")
    gate = read_report(report.path, run.folder("Evaluator", "blessing"))
    canary_report = run.output("Canary", "report")
    canary = CanaryReport.read(canary_report.path) if canary_report else None
    if canary and not canary.blessed:
        raise nsynth.UserError(f"the canary rejected the model of run {run.name}: {canary.verdict}")
    examples = run.output("ExampleGen", "examples")
    record = Record(
        model_uri=model.uri,
        model_id=model.id,
        run=run.name,
        spans=(int(examples.properties["span"]),) if examples and "span" in examples.properties else (),
        by_hand=True,
        reason=reason,
    )
    folder = str(model.path / "Format-Serving")
    pushed = Registry(config.models).find(model_digest(folder))
    if pushed:
        raise nsynth.UserError(
            f"the model of run {run.name} is already version {pushed.number}: see `nsynth models`"
        )
    evidence = Evidence(gate, canary, _accounts(run))
    return push_model(config.models, folder, record, evidence, config.push.keep)


def _accounts(run: past_runs.Run) -> tuple[IngestAccount, ...]:
    """Return the accounts of the run's ingest steps that still exist."""
    transform = run.steps.get("Transform")
    read = {o.id for o in transform.inputs.get("examples", ())} if transform else set()
    made = [
        s.output("quarantine")
        for s in run.steps.values()
        if {o.id for o in s.outputs.get("examples", ())} & read
    ]
    there = [output.path for output in made if output and (output.path / IngestAccount.FILE).exists()]
    return tuple(IngestAccount.read(path) for path in there)
