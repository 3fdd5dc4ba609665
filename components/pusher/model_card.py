"""The model card of each version, in the form that model hubs read: YAML front matter, then Markdown."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import yaml

import nsynth
from components.documents.ingest import TABLES, IngestAccount
from components.documents.models import CanaryReport, GateReport
from components.version import Record

LIMITS = f"""\
- The model has {len(nsynth.CLASSES)} classes and always predicts one of them, also for other sounds.
- Input: {nsynth.NOTE_SECONDS:g} s, mono, {nsynth.SAMPLE_RATE_HZ:,} Hz; the training data has single notes, no mixtures.
- The metrics apply to {nsynth.GROUP.plural} like those in the evaluation split; the intervals cover the variation
  between such {nsynth.GROUP.plural}.
- Slices marked "too small" were not checked."""

USE = f"""\
To predict the {nsynth.LABEL.word} of single sounds of {nsynth.NOTE_SECONDS:g} s, for search, sorting and as a baseline
for other models. Not for mixtures of several sounds, and not for decisions about people."""

LOADING = f"""\
The version's folder is a TensorFlow SavedModel. TensorFlow Serving and KServe can serve it directly. In Python:

```python
model = tf.saved_model.load("path/of/this/version")
samples = tf.zeros([1, {nsynth.NOTE_SAMPLES}])  # mono, {nsynth.SAMPLE_RATE_HZ:,} Hz, from -1 to 1
answer = model.signatures["serving_waveform"]({nsynth.AUDIO}=samples)
```

`nsynth classify FILE` classifies audio files of any sample rate with the serving version."""

LICENCE = """\
The code is under the Apache License 2.0. The weights were computed from the training data: check what its licences
allow before you distribute them. For the rendered demo notes, `LICENCES.md` beside the notes lists the licences."""


def model_card(
    record: Record,
    gate: GateReport | None,
    canary: CanaryReport | None,
    recipe: dict[str, Any],
    accounts: Sequence[IngestAccount] = (),
) -> str:
    """Write the card in Markdown; unknown facts are omitted.

    Args:
      record: the version's record.
      gate: the gate's report, if there is one.
      canary: likewise.
      recipe: the training recipe stored with the weights, or empty.
      accounts: the ingest accounts of its data.
    """
    parts = [
        _front_matter(gate),
        _head(record),
        f"## Intended use\n\n{USE}",
        f"## Limits\n\n{LIMITS}",
        _data(record, gate, accounts),
        _figures(gate),
        _slices(gate),
        _serving(canary),
        f"## How to load it\n\n{LOADING}",
        _recipe(recipe),
        f"## Licence\n\n{LICENCE}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(gate: GateReport | None) -> str:
    facts: dict[str, Any] = {
        "license": "other",
        "license_name": "as-the-training-data-allows",
        "library_name": "tensorflow",
        "pipeline_tag": "audio-classification",
        "tags": ["audio", nsynth.NAME.lower(), nsynth.LABEL.word],
    }
    if gate:
        results = {
            "task": {"type": "audio-classification"},
            "dataset": {"name": f"{nsynth.NAME} notes, split {gate.split}", "type": nsynth.NAME.lower()},
            "metrics": [
                {"type": name, "value": round(figure.value, 4)} for name, figure in gate.overall.items()
            ],
        }
        facts["model-index"] = [
            {"name": f"{nsynth.NAME} {nsynth.LABEL.word} classifier", "results": [results]}
        ]
    return f"---\n{yaml.safe_dump(facts, sort_keys=False)}---"


def _head(record: Record) -> str:
    lines = [f"# {nsynth.NAME} {nsynth.LABEL.word} classifier, version {record.version}", ""]
    lines.append(f"Predicts one of {', '.join(nsynth.CLASSES)}. Pushed {record.created}.")
    if record.verdict:
        lines.append(f"\nGate: {record.verdict}")
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
    lines += [f"- Origin: {origin}" for origin in dict.fromkeys(a.origin for a in accounts) if origin]
    if gate:
        lines.append(
            f"- Evaluated on {gate.notes:,} notes of {gate.instruments} {nsynth.GROUP.plural} not used in training."
        )
    number = f" (artifact {record.model_id})" if record.model_id else ""
    lines.append(f"- Model `{record.model_uri}`{number}, run {_run(record)}.")
    return "\n".join(lines)


def _run(record: Record) -> str:
    if not record.run_name:
        return f"`{record.run or 'unknown'}`"
    page = f", {record.run_page}" if record.run_page else ""
    return f"`{record.run_name}` (`{record.run}` on Kubeflow Pipelines{page})"


def _counted(accounts: Sequence[IngestAccount], spans: str) -> list[str]:
    """Count the training notes by family and by source, and the quarantined notes."""
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
    lines.append(f"- {refused:,} of {came:,} notes were quarantined.")
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
        "## Metrics",
        "",
        f"| metric | value | {percent} confidence interval |",
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
    lines = ["## Serving", "", "| check | measured | requirement |", "|---|---|---|"]
    for check in canary.checks:
        lines.append(f"| {check.name} | {check.measured} | {check.asked} |")
    return "\n".join(lines)
