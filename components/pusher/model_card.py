"""The model card beside each version: what it is, what it was made of, how good it is and where it fails."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import yaml

import nsynth
from components.documents import CanaryReport, GateReport, IngestAccount
from components.version import Record

LIMITS = f"""\
- It knows {len(nsynth.FAMILIES)} instrument families and always answers with one of them, also for speech or noise.
- It hears one note of {nsynth.NOTE_SECONDS} s at {nsynth.SAMPLE_RATE_HZ:,} Hz, mono;
  chords and mixtures were not in its data.
- The figures hold for instruments like those it was judged on; the intervals say how far other instruments
  of the same kind may lie.
- Slices marked "too small" were not judged."""


def model_card(
    record: Record,
    gate: GateReport | None,
    canary: CanaryReport | None,
    recipe: dict[str, Any],
    accounts: Sequence[IngestAccount] = (),
) -> str:
    """Writes the card in Markdown; what is not known is left out.

    Args:
      record: the version's record.
      gate: the gate's report, if there is one.
      canary: likewise.
      recipe: how the model was trained, as it lies beside its weights, or empty.
      accounts: of every ingest that its data came from.
    """
    parts = [
        _head(record),
        _data(record, gate, accounts),
        _recipe(recipe),
        _figures(gate),
        _slices(gate),
        _serving(canary),
    ]
    return "\n\n".join([*(part for part in parts if part), f"## Limits\n\n{LIMITS}"]) + "\n"


def _head(record: Record) -> str:
    lines = [f"# Instrument family classifier, version {record.version}", ""]
    lines.append(f"Tells which of {', '.join(nsynth.FAMILIES)} plays a note. Pushed {record.created}.")
    if record.verdict:
        lines.append(f"\nThe gate: {record.verdict}")
    if record.by_hand:
        lines.append(f"\n**Pushed by hand.** Reason: {record.reason}")
    return "\n".join(lines)


def _data(record: Record, gate: GateReport | None, accounts: Sequence[IngestAccount]) -> str:
    lines = ["## Data", ""]
    spans = f" of span {', '.join(map(str, record.spans))}" if any(record.spans) else ""
    if accounts:
        lines += _counted(accounts, spans)
    elif spans:
        lines.append(f"- Trained on NSynth-format notes{spans}.")
    if gate:
        lines.append(
            f"- Judged on {gate.notes:,} notes of {gate.instruments} instruments that it never heard."
        )
    lines.append(
        f"- Model `{record.model_uri}` (artifact {record.model_id}), run `{record.run or 'unknown'}`."
    )
    return "\n".join(lines)


def _counted(accounts: Sequence[IngestAccount], spans: str) -> list[str]:
    """What it was trained on, by family and by source, and what was left out."""
    train = [account.splits["train"] for account in accounts]
    instruments = f" of {train[0].instruments:,} instruments" if len(train) == 1 else ""
    lines = [f"- Trained on {sum(table.notes for table in train):,} NSynth-format notes{instruments}{spans}."]
    for what in ("families", "sources"):
        counts: Counter[str] = Counter()
        for table in train:
            counts.update(getattr(table, what))
        named = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        lines.append(f"- {what.capitalize()}: {named}.")
    refused = sum(account.quarantined for account in accounts)
    came = sum(account.notes_in for account in accounts)
    lines.append(f"- {refused:,} of {came:,} notes that came in were set aside as unfit.")
    return lines


def _recipe(recipe: dict[str, Any]) -> str:
    if not recipe:
        return ""
    return f"## Recipe\n\n```yaml\n{yaml.safe_dump(recipe, sort_keys=False)}```"


def _figures(gate: GateReport | None) -> str:
    if not gate:
        return ""
    percent = f"{gate.confidence:.0%}"
    lines = [
        "## How good it is",
        "",
        f"| measure | value | {percent} interval, by instrument |",
        "|---|---|---|",
    ]
    for name, figure in gate.overall.items():
        lines.append(
            f"| {name.replace('_', ' ')} | {figure.value:.3f} | {figure.low:.3f} – {figure.high:.3f} |"
        )
    return "\n".join(lines)


def _slices(gate: GateReport | None) -> str:
    if not gate:
        return ""
    lines = [
        "## By slice",
        "",
        "| slice | notes | instruments | accuracy | interval |",
        "|---|---|---|---|---|",
    ]
    for part in gate.slices:
        accuracy = part.accuracy
        interval = f"{accuracy.low:.2f} – {accuracy.high:.2f}" if part.judged else "too small"
        lines.append(
            f"| {part.name} | {part.notes} | {part.instruments} | {accuracy.value:.2f} | {interval} |"
        )
    return "\n".join(lines)


def _serving(canary: CanaryReport | None) -> str:
    if not canary:
        return ""
    lines = ["## As a served model", "", "| measure | value | bar |", "|---|---|---|"]
    for check in canary.checks:
        lines.append(f"| {check.name} | {check.measured} | {check.asked} |")
    return "\n".join(lines)
