"""The gate's verdict as a Markdown report."""

from typing import Any

import nsynth
from components.documents.document import Figure
from components.documents.models import GateReport
from components.gate_report import interval


def markdown(report: GateReport) -> str:
    """Write the whole report in Markdown."""
    percent = f"{report.confidence:.0%}"
    parts = [
        f"# {report.verdict[0].upper()}{report.verdict[1:]}",
        f"Evaluated on {report.notes:,} notes of {report.instruments} {nsynth.GROUP.plural} not used in training. "
        f"{percent} confidence intervals, from a bootstrap over {nsynth.GROUP.plural}: errors on notes of the same "
        f"{nsynth.GROUP.word} are correlated. {_champion(report)}",
        _table(
            ("check", "requirement", "measured", "passed", "margin"),
            [(c.name, c.asked, c.measured, "yes" if c.passed else "**no**", c.by) for c in report.checks],
        ),
        "TFMA evaluates the same predictions in the step Evaluator: see `evaluator.json` beside its blessing.",
    ]
    advice = [f"- {check.advice}" for check in report.failed() if check.advice]
    if advice:
        parts += [
            "## What to do",
            "\n".join(
                [*advice, "- To push the model despite the verdict: `nsynth models promote --reason ...`"]
            ),
        ]
    parts += [
        "## Metrics",
        _figures(report),
        "## Slices",
        _slices(report),
        f"## {nsynth.LABEL.plural.capitalize()}",
        _families(report),
    ]
    parts += [f"Expected calibration error: {report.calibration.error:.3f}"]
    return "\n\n".join(parts) + "\n"


def _champion(report: GateReport) -> str:
    if not report.difference:
        return "There is no champion yet: only the absolute thresholds apply."
    version = report.champion.version
    return (
        f"The champion is version {version}; it was evaluated on the same notes (policy `{report.policy}`)."
    )


def _figures(report: GateReport) -> str:
    before = report.champion_overall or {}
    rows = [
        (name.replace("_", " "), _plain(value), _plain(before[name]) if before else "–")
        for name, value in report.overall.items()
    ]
    return _table(("metric", "candidate", "champion"), rows)


def _slices(report: GateReport) -> str:
    rows = []
    for part in report.slices:
        change = part.difference
        remark = "**regressed**" if part.fallen else "" if part.judged else "too small"
        rows.append(
            (
                part.name,
                part.notes,
                part.instruments,
                interval(part.accuracy),
                f"{100 * change.value:+.1f}" if change else "–",
                remark,
            )
        )
    return _table(("slice", "notes", nsynth.GROUP.plural, "accuracy", "difference, points", ""), rows)


def _families(report: GateReport) -> str:
    rows = []
    for row in report.families:
        shares = [
            f"{share:.1%}" if share is not None else "–" for share in (row.precision, row.recall, row.f1)
        ]
        most = max(
            (
                (n, nsynth.CLASSES[j])
                for j, n in enumerate(report.confusion[nsynth.CLASSES.index(row.family)])
                if nsynth.CLASSES[j] != row.family
            ),
        )
        rows.append((row.family, row.notes, *shares, f"{most[1]} ({most[0]})" if most[0] else "–"))
    return _table((nsynth.LABEL.word, "notes", "precision", "recall", "F1", "most often predicted as"), rows)


def _plain(value: Figure) -> str:
    return f"{value.value:.3f} ({value.low:.3f} – {value.high:.3f})"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
