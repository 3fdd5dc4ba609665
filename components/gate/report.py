"""The verdict in words."""

from typing import Any

import nsynth
from components.documents import Figure, GateReport
from components.gate.checks import interval


def headline(report: GateReport) -> str:
    """The verdict in one sentence."""
    failed = report.failed()
    if not failed:
        accuracy = interval(report.overall["accuracy"])
        return f"blessed: {accuracy} of {report.notes} notes right, {_against(report)}"
    reasons = "; ".join(f"{check.name}: {check.measured}, asked: {check.asked}" for check in failed)
    return f"not blessed: {reasons}"


def markdown(report: GateReport) -> str:
    """The whole report for people."""
    percent = f"{report.confidence:.0%}"
    parts = [
        f"# {report.verdict[0].upper()}{report.verdict[1:]}",
        f"Judged on {report.notes:,} notes of {report.instruments} {nsynth.GROUP.plural} not trained on. "
        f"Intervals are at {percent} and drawn by {nsynth.GROUP.word}, since the notes of one are right or wrong "
        f"together. {_champion(report)}",
        _table(
            ("asked of", "bar", "measured", "passed", "by"),
            [(c.name, c.asked, c.measured, "yes" if c.passed else "**no**", c.by) for c in report.checks],
        ),
    ]
    advice = [f"- {check.advice}" for check in report.failed() if check.advice]
    if advice:
        parts += [
            "## What to do",
            "\n".join([*advice, "- To push it all the same: `nsynth models promote --reason ...`"]),
        ]
    parts += [
        "## Figures",
        _figures(report),
        "## Slices",
        _slices(report),
        f"## {nsynth.LABEL.plural.capitalize()}",
        _families(report),
    ]
    parts += [f"Expected calibration error: {report.calibration.error:.3f}"]
    return "\n\n".join(parts) + "\n"


def _against(report: GateReport) -> str:
    if not report.difference:
        return "no champion yet"
    points = 100 * report.difference.value
    return f"{points:+.1f} points against version {report.champion.version}"


def _champion(report: GateReport) -> str:
    if not report.difference:
        return "Nothing is serving yet: the absolute bars alone decide."
    version = report.champion.version
    return f"The champion is version {version}; it was asked the same notes (policy `{report.policy}`)."


def _figures(report: GateReport) -> str:
    before = report.champion_overall or {}
    rows = [
        (name.replace("_", " "), _plain(value), _plain(before[name]) if before else "–")
        for name, value in report.overall.items()
    ]
    return _table(("measure", "candidate", "champion"), rows)


def _slices(report: GateReport) -> str:
    rows = []
    for part in report.slices:
        change = part.difference
        remark = "**fallen**" if part.fallen else "" if part.judged else "too small to mean anything"
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
    return _table(("slice", "notes", nsynth.GROUP.plural, "accuracy", "points won or lost", ""), rows)


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
    return _table((nsynth.LABEL.word, "notes", "precision", "recall", "F1", "most often taken for"), rows)


def _plain(value: Figure) -> str:
    return f"{value.value:.3f} ({value.low:.3f} – {value.high:.3f})"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
