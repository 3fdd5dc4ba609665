"""The summary of a run in a few lines, read from its artifacts: works for any past run."""

import contextlib
import dataclasses
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import rich.console
import rich.markup
import rich.table
import soundfile

import nsynth
from components import storage
from components.documents.ingest import IngestAccount
from components.documents.models import GateReport
from components.registry import Registry
from pipeline.cli.console import short
from pipeline.config import Config
from pipeline.history import past_runs
from pipeline.report.lineages import LineageRow, by_lineage
from pipeline.report.notes import catalogue, read_audio
from pipeline.report.outcome import or_none, outcome_of, pushed_version
from pipeline.report.record import Absent, RunRecord

CONFIDENCE = 0.95  # of the intervals by lineage, as of the gate's


@dataclasses.dataclass(frozen=True)
class Summary:
    """The main facts of one run."""

    run: str
    account: IngestAccount
    gate: GateReport
    model: str
    """Path of the pushed model; empty if it was not pushed."""
    steps: dict[str, past_runs.Step]
    gate_text: Path
    """Path of the gate's report in Markdown."""
    outcome: str
    """How the run ended, in a sentence: includes the canary and the gate on the newest span."""
    lineages: list[LineageRow]
    """Accuracy by origin of the SoundFonts; empty unless the demo notes come from several."""
    cached: bool
    """Whether the verdict is cached: other models may have been pushed since."""
    serving: str
    """Number of the serving version; empty if there is none."""
    record: RunRecord

    @property
    def pushed(self) -> bool:
        """Whether the model of this run is among the pushed ones."""
        return bool(self.model)


def summarize(config: Config, run: str | None = None) -> Summary:
    """Read a run, by default the newest.

    Raises:
      UserError: there is no such run.
    """
    loaded = past_runs.load_run(past_runs.open_store(config.metadata), run)
    pushed = loaded.steps["Pusher"].output("pushed_model")
    report = _artifact(loaded, "Gate", "report")
    record = RunRecord(loaded, config)
    serving = Registry(config.models).serving()
    return Summary(
        run=loaded.name,
        account=IngestAccount.read(_artifact(loaded, "ExampleGen", "quarantine")),
        gate=record.gate_report(),
        model=str(pushed.properties.get("pushed_destination", "")) if pushed else "",
        steps=loaded.steps,
        gate_text=report / GateReport.TEXT_FILE,
        outcome=outcome_of(record).words,
        lineages=_lineages(record),
        cached=loaded.steps["Gate"].state == "CACHED",
        serving=str(serving.number) if serving else "",
        record=record,
    )


def _lineages(record: RunRecord) -> list[LineageRow]:
    predictions = or_none(record.predictions)
    if predictions is None:
        return []
    rows = by_lineage(predictions, Path(record.config.input_base), CONFIDENCE)
    return rows if len(rows) > 1 else []


def _artifact(run: past_runs.Run, step: str, key: str) -> Path:
    output = run.steps[step].output(key)
    assert output is not None, f"{step} wrote no {key}"
    return output.path


def print_summary(
    summary: Summary,
    console: rich.console.Console,
    seconds: float | None = None,
    report: Path | None = None,
    options: Sequence[str] = (),
) -> None:
    """Print notes, accuracy, verdict, model, times, the path of the report, and the next commands.

    Args:
      summary: the run.
      console: the output.
      seconds: duration of the run.
      report: path of its page.
      options: `--config` and `--set` of the run, repeated in the next commands.
    """
    account, gate = summary.account, summary.gate
    accuracy = gate.overall["accuracy"]
    splits = ", ".join(f"{name} {table.notes:,}" for name, table in account.splits.items())
    table = rich.table.Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("notes read", f"{account.notes_in:,} from {len(account.files)} file(s)")
    table.add_row("notes used", f"{account.used:,} ({splits}); {account.quarantined:,} quarantined")
    table.add_row(
        "accuracy",
        f"{accuracy.value:.1%} on {gate.notes:,} notes of {gate.instruments} unseen {nsynth.GROUP.plural} "
        f"({gate.confidence:.0%} interval {accuracy.low:.1%} – {accuracy.high:.1%})",
    )
    for row in summary.lineages:
        table.add_row(
            "",
            f"{row.accuracy.value:.1%} on {row.notes:,} notes of {row.instruments} instruments from {row.lineage} "
            f"({row.accuracy.low:.1%} – {row.accuracy.high:.1%})",
        )
    colour = "green" if summary.pushed else "red"
    table.add_row("verdict", f"[{colour}]{rich.markup.escape(_verdict(summary))}[/]")
    table.add_row("", _checks(gate))
    table.add_row("model", rich.markup.escape(_model(summary)))
    table.add_row("gate", short(summary.gate_text))
    if report:
        table.add_row("report", short(report))
    if seconds is not None:
        slowest = sorted(summary.steps.values(), key=lambda step: -step.seconds)[:3]
        named = ", ".join(f"{s.name} {s.seconds:.0f} s" for s in slowest if s.state == "COMPLETE")
        table.add_row(
            "time", f"{seconds:.0f} s in total" + (f"; longest: {named}" if named else "; all cached")
        )
    console.print()
    console.print(table)
    next_steps = "\n".join(_next(summary, shlex.join(options)))
    console.print(f"\nTry next:\n{next_steps}", highlight=False, markup=False, soft_wrap=True)


def _verdict(summary: Summary) -> str:
    """Return the gate's verdict; of a refused model only the failed checks, as the lines below give the details."""
    failed = [check.name for check in summary.gate.failed()]
    if failed:
        return f"not blessed: {', '.join(failed)}"
    return summary.gate.verdict if summary.pushed and not summary.cached else summary.outcome


def _model(summary: Summary) -> str:
    """Return the path of the model and whether it serves."""
    if not summary.pushed:
        return "not pushed"
    if pushed_version(summary.record) == summary.serving or not summary.serving:
        return short(summary.model)
    gone = "" if storage.exists(summary.model) else ", since removed"
    return f"{short(summary.model)}{gone}; version {summary.serving} serves now"


def _checks(gate: GateReport) -> rich.table.Table:
    """Make a row per check: outcome, name, requirement, measured value, margin."""
    lines = rich.table.Table.grid(padding=(0, 2))
    for check in gate.checks:
        mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
        cells = (check.name, check.asked, check.measured, check.by)
        lines.add_row(mark, *(rich.markup.escape(cell) for cell in cells))
    return lines


def _next(summary: Summary, options: str) -> list[str]:
    """Return the next commands, complete for a new terminal, each below its purpose."""

    def line(purpose: str, command: str) -> str:
        return f"  # {purpose}\n  {' '.join(part for part in (program(), command, options) if part)}"

    if summary.pushed:
        example = _example(summary)
        heard = [line("classify a note", f"classify {shlex.quote(short(example))}")] if example else []
        return [
            *heard,
            line("list the pushed models", "models"),
            line("list all runs", "runs"),
            *([f"  # download notes of the real NSynth\n  {program()} download"] if nsynth.HAS_DEMO else []),
        ]
    failed = summary.gate.failed()
    if not failed:
        return [line("see why it was not pushed", "report")]
    advice = [f"  {check.name}: {check.advice}" for check in failed if check.advice]
    promote = "push it despite the verdict"
    return [*advice, line(promote, "models promote --reason 'tried out by hand'")]


def program() -> str:
    """Return the command that starts this program in a new terminal."""
    script = Path(sys.executable).with_name("nsynth")
    activated = "VIRTUAL_ENV" in os.environ  # here, but not in a new terminal
    if not script.exists() or (shutil.which("nsynth") == str(script) and not activated):
        return "nsynth"
    below = script.parent != Path.cwd() and script.is_relative_to(Path.cwd())
    return shlex.quote(str(script.relative_to(Path.cwd()) if below else script))


def _example(summary: Summary) -> Path | None:
    """Write one of the notes as a WAV file."""
    path = summary.record.config.workspace / "example.wav"
    with contextlib.suppress(Absent, OSError, StopIteration):
        audio = read_audio(next(catalogue(summary.record.sample())))
        soundfile.write(path, audio, nsynth.SAMPLE_RATE_HZ)
        return path
    return None
