"""The model card beside each version: what it is, what it was made of, how good it is and where it fails."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import yaml

import nsynth
from components.documents import TABLES, CanaryReport, GateReport, IngestAccount
from components.version import Record

LIMITS = f"""\
- It knows {len(nsynth.CLASSES)} {nsynth.LABEL.plural} and always answers with one of them, also for other sounds.
- It hears {nsynth.NOTE_SECONDS:g} s at {nsynth.SAMPLE_RATE_HZ:,} Hz, mono; mixtures were not in its data.
- The figures hold for {nsynth.GROUP.plural} like those it was judged on; the intervals say how far other
  {nsynth.GROUP.plural} of the same kind may lie.
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
    lines = [f"# {nsynth.NAME} {nsynth.LABEL.word} classifier, version {record.version}", ""]
    lines.append(f"Answers with one of {', '.join(nsynth.CLASSES)}. Pushed {record.created}.")
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
        lines.append(f"- Trained on notes{spans}.")
    if gate:
        lines.append(
            f"- Judged on {gate.notes:,} notes of {gate.instruments} {nsynth.GROUP.plural} that it never heard."
        )
    lines.append(
        f"- Model `{record.model_uri}` (artifact {record.model_id}), run `{record.run or 'unknown'}`."
    )
    return "\n".join(lines)


def _counted(accounts: Sequence[IngestAccount], spans: str) -> list[str]:
    """What it was trained on, by family and by source, and what was left out."""
    train = [account.splits["train"] for account in accounts]
    instruments = f" of {train[0].instruments:,} {nsynth.GROUP.plural}" if len(train) == 1 else ""
    lines = [f"- Trained on {sum(table.notes for table in train):,} notes{instruments}{spans}."]
    for key, category in TABLES.items():
        counts: Counter[str] = Counter()
        for table in train:
            counts.update(table.table(key))
        if not counts.total():  # of data that does not have it
            continue
        named = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        lines.append(f"- {category.plural.capitalize()}: {named}.")
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
        f"| measure | value | {percent} interval, by {nsynth.GROUP.word} |",
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
        f"| slice | notes | {nsynth.GROUP.plural} | accuracy | interval |",
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
