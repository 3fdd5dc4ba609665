"""Compares the probe's measurements with the requirements."""

from collections.abc import Sequence
from typing import Any

import nsynth
from components.canary.options import CanaryOptions
from components.documents.models import CanaryReport, Check, ServerAnswer

SUM_TOLERANCE = 1e-4
OUTPUTS: dict[str, tuple[str, int | None]] = {
    "probabilities": ("float32", len(nsynth.CLASSES)),
    nsynth.LABEL.word: ("string", None),
    f"{nsynth.LABEL.word}_id": ("int64", None),
}
"""Output of every signature → its type and, where it is fixed, its last dimension."""

SIGNATURES = {"serving_default": {"examples": "string"}, "serving_waveform": {"audio": "float32"}}


def judge(measured: dict[str, Any], options: CanaryOptions) -> list[Check]:
    """Check the output of the probe against the requirements."""
    return [*_signatures(measured), *_answers(measured, options), *_behaviour(measured, options)]


def refused(reason: str) -> Check:
    """Return the failed check of a model whose probe gave no result."""
    return Check("load and predict", "succeeds in a fresh process", reason, False)


def report_of(
    checks: Sequence[Check], measured: dict[str, Any], server: ServerAnswer, digest: str = ""
) -> CanaryReport:
    """Combine the checks and the model server's answer into a report with a verdict."""
    if server.present:
        checks = [*checks, Check("TensorFlow Serving", "same predictions", server.detail, server.passed)]
    failed = [check for check in checks if not check.passed]
    words = "; ".join(f"{check.name}: {check.measured}, required: {check.asked}" for check in failed)
    return CanaryReport(
        blessed=not failed,
        verdict=f"not fit to serve: {words}" if failed else f"fit to serve; {server.detail}",
        checks=tuple(checks),
        measured=measured,
        server=server,
        digest=digest,
    )


def markdown(report: CanaryReport) -> str:
    """Write the report in Markdown."""
    lines = [
        f"# Canary: {report.verdict}",
        "",
        "| check | requirement | measured | passed |",
        "|---|---|---|---|",
    ]
    for check in report.checks:
        passed = "yes" if check.passed else "**no**"
        lines.append(f"| {check.name} | {check.asked} | {check.measured} | {passed} |")
    server = f"\nModel server: {report.server.detail}" if report.server else ""
    return "\n".join([*lines, server]) + "\n"


def _signatures(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for name, inputs in SIGNATURES.items():
        seen = measured["signatures"].get(name)
        if not seen:
            checks.append(Check(f"signature {name}", "exists", "missing", False))
            continue
        faults = [
            f"input {k}: {seen['inputs'].get(k)}"
            for k in inputs
            if seen["inputs"].get(k, [None])[0] != inputs[k]
        ]
        for key, (kind, width) in OUTPUTS.items():
            found, shape = seen["outputs"].get(key, [None, []])
            if found != kind or (width and (not shape or shape[-1] != width)):
                faults.append(f"output {key}: {found} {shape}")
        checks.append(
            Check(
                f"signature {name}",
                "names, types and shapes",
                ", ".join(faults) or "as specified",
                not faults,
            )
        )
    if measured["transform_finite"] is not None:
        checks.append(
            Check(
                "signature transform_features",
                "finite",
                str(measured["transform_finite"]),
                measured["transform_finite"],
            )
        )
    return checks


def _answers(measured: dict[str, Any], options: CanaryOptions) -> list[Check]:
    checks = []
    for name, answer in measured["answers"].items():
        difference = answer["max_difference"]
        unknown = set(answer["families"]) - set(nsynth.CLASSES)
        checks += [
            Check(
                f"{name}: difference from the gate's predictions",
                f"≤ {options.max_difference:g}",
                f"{difference:.1e}, n = {answer['notes']}"
                if difference is not None
                else f"shape {answer['shape']}",
                difference is not None and difference <= options.max_difference,
            ),
            Check(
                f"{name}: probabilities",
                f"sum to 1, highest for the predicted {nsynth.LABEL.word}",
                f"sum error {answer['max_sum_error']:.1e}"
                + (f", unknown {sorted(unknown)}" if unknown else ""),
                answer["max_sum_error"] <= SUM_TOLERANCE
                and answer["family_is_the_likeliest"]
                and not unknown,
            ),
        ]
    return checks


def _behaviour(measured: dict[str, Any], options: CanaryOptions) -> list[Check]:
    checks = []
    for name, outcome in measured["hostile"].items():
        harmless = outcome.startswith("error") or outcome in (
            "0 answers",
            "finite",
            "not a number, for that note alone",
        )
        checks.append(
            Check(f"malformed input: {name}", "an error or a valid answer, no crash", outcome, harmless)
        )
    for size, limit in options.latency.items():
        seen = measured["latency"][str(size)]
        checks.append(
            Check(
                f"latency, batch size {size}",
                f"p50 ≤ {limit.p50_ms:g} ms, p95 ≤ {limit.p95_ms:g} ms",
                f"p50 {seen['p50_ms']:.1f} ms, p95 {seen['p95_ms']:.1f} ms",
                seen["p50_ms"] <= limit.p50_ms and seen["p95_ms"] <= limit.p95_ms,
            )
        )
    peak = measured["memory_mb"]["peak"]
    checks.append(
        Check(
            "peak memory", f"≤ {options.max_memory_mb:g} MB", f"{peak:.0f} MB", peak <= options.max_memory_mb
        )
    )
    foreign = measured["foreign_modules"]
    imported = ", ".join(["TensorFlow", *foreign])
    checks.append(Check("dependencies", "TensorFlow only", imported, not foreign))
    return checks
