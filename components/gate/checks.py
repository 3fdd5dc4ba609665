"""The gate's checks: thresholds, slices, and the comparison with the champion."""

from collections.abc import Iterable

import numpy as np

from components.documents.document import Figure
from components.documents.models import Calibration, GateCheck, GateReport, Slice
from components.gate import figures
from components.gate.bootstrap import Resampling, figure
from components.gate.options import GateOptions
from components.gate_report import interval
from components.predictions import Predictions, slices


def judge(predictions: Predictions, options: GateOptions) -> GateReport:
    """Compare the candidate with every threshold and with the champion.

    Returns:
      The report without split and models, which the caller adds. Deterministic for the same notes and options.
    """
    resampling = _resampling(predictions.instrument_str, options)
    labels = predictions.family
    overall = figures.overall(predictions.candidate, labels, resampling)
    calibration = figures.calibration(predictions.candidate, labels, options.calibration_bins)
    parts = [_slice(name, inside, predictions, options) for name, inside in _parts(predictions, options)]
    difference = _difference(predictions, resampling) if predictions.has_champion else None
    checks = [*_absolute(overall, calibration, options), *_named_slices(parts, options)]
    if difference:
        checks += [_comparison(difference, options), _fallen(parts, options)]
    counts = figures.confusion(predictions.candidate.argmax(1), labels)
    return GateReport(
        blessed=all(check.passed for check in checks),
        policy=options.policy,
        margin=options.margin,
        confidence=options.confidence,
        notes=len(predictions),
        instruments=resampling.instruments,
        overall=overall,
        champion_overall=(
            figures.overall(predictions.champion, labels, resampling) if predictions.has_champion else None
        ),
        difference=difference,
        calibration=calibration,
        families=figures.by_family(counts),
        confusion=counts.tolist(),
        slices=tuple(parts),
        checks=tuple(checks),
    )


def _resampling(instruments: np.ndarray, options: GateOptions) -> Resampling:
    return Resampling.of(instruments, options.resamples, options.confidence, options.seed)


def _parts(predictions: Predictions, options: GateOptions) -> Iterable[tuple[str, np.ndarray]]:
    return slices(predictions, options.edges).items()


def _slice(name: str, inside: np.ndarray, predictions: Predictions, options: GateOptions) -> Slice:
    resampling = _resampling(predictions.instrument_str[inside], options)
    labels = predictions.family[inside]
    right = predictions.candidate[inside].argmax(1) == labels
    judged = bool(inside.sum() >= options.min_notes and resampling.instruments >= options.min_instruments)
    result = Slice(
        name=name,
        notes=int(inside.sum()),
        instruments=resampling.instruments,
        judged=judged,
        accuracy=resampling.share(right),
    )
    if not predictions.has_champion:
        return result
    before = predictions.champion[inside].argmax(1) == labels
    change = right.astype(float) - before
    low, high = resampling.one_sided(change)
    compared = {
        "champion": resampling.share(before),
        "difference": figure(change.mean(), low, high),
        "fallen": bool(judged and change.mean() < -options.max_slice_loss and high < 0),
    }
    return result.model_copy(update=compared)


def _difference(predictions: Predictions, resampling: Resampling) -> Figure:
    """Compute candidate minus champion accuracy, paired by note, with one-sided bounds."""
    right = predictions.candidate.argmax(1) == predictions.family
    before = predictions.champion.argmax(1) == predictions.family
    change = right.astype(float) - before
    return figure(change.mean(), *resampling.one_sided(change))


def _absolute(overall: dict[str, Figure], calibration: Calibration, options: GateOptions) -> list[GateCheck]:
    checks = [
        _threshold("accuracy", overall["accuracy"], options.min_accuracy, options.confidence),
        _threshold("macro recall", overall["macro_recall"], options.min_macro_recall, options.confidence),
    ]
    if options.max_calibration_error is not None:
        checks.append(
            GateCheck(
                "calibration error",
                f"≤ {options.max_calibration_error:.3f}",
                f"{calibration.error:.3f}",
                calibration.error <= options.max_calibration_error,
                "The probabilities are poorly calibrated: train for fewer epochs or with label smoothing.",
                f"{options.max_calibration_error - calibration.error:+.3f}",
            )
        )
    return checks


def _threshold(name: str, measured: Figure, threshold: float, confidence: float) -> GateCheck:
    if measured.value >= threshold:
        advice = "The estimate reaches the threshold, but the interval is too wide: evaluate or train on more data."
    else:
        advice = "Below the threshold: check the confusion matrix and the data, train longer or on more instruments."
    passed, by = measured.low >= threshold, points(measured.low - threshold)
    asked = f"{_lower_bound(confidence)} ≥ {threshold:.1%}"
    return GateCheck(name, asked, interval(measured), passed, advice, by)


def _lower_bound(confidence: float) -> str:
    return f"lower {confidence:.0%} bound"


def _named_slices(parts: list[Slice], options: GateOptions) -> list[GateCheck]:
    checks, by_name = [], {part.name: part for part in parts}
    for name, threshold in options.slice_thresholds.items():
        part, asked = by_name.get(name), f"accuracy ≥ {threshold:.1%}"
        if not part or not part.judged:
            seen = f"{part.notes} notes of {part.instruments} instruments" if part else "no notes"
            advice = f"Too few notes to evaluate {name}: add some to the validation split, or remove its threshold."
            checks.append(GateCheck(name, asked, seen, False, advice))
        else:
            advice = f"Add notes of this slice to the training data ({name})."
            value = part.accuracy.value
            measured = interval(part.accuracy)
            checks.append(
                GateCheck(name, asked, measured, value >= threshold, advice, points(value - threshold))
            )
    return [*checks, _worst_slice(parts, options.min_slice_accuracy)]


def _worst_slice(parts: list[Slice], threshold: float) -> GateCheck:
    ranked = sorted((part for part in parts if part.judged), key=lambda part: part.accuracy.value)
    low = [part for part in ranked if part.accuracy.value < threshold]
    shown = [f"{part.accuracy.value:.1%} ({part.name}, n = {part.notes})" for part in low or ranked[:1]]
    return GateCheck(
        "worst slice",
        f"accuracy ≥ {threshold:.1%}",
        ", ".join(shown) or "no slice is large enough",
        not low,
        "Check whether the training data contains notes of these slices.",
        points(ranked[0].accuracy.value - threshold) if ranked else "",
    )


def _comparison(difference: Figure, options: GateOptions) -> GateCheck:
    bound = _lower_bound(options.confidence)
    measured = f"{points(difference.value)}, {bound} {100 * difference.low:+.1f}"
    if options.policy == "better":
        advice = (
            "No significant improvement over the champion; with gate.policy=not_worse an equal model passes."
        )
        better, by = difference.low > 0, points(difference.low)
        return GateCheck("improvement", f"{bound} > 0", measured, better, advice, by)
    asked = f"{bound} ≥ {points(-options.margin)}"
    advice = "It may be worse than the champion: keep the champion, or evaluate on more instruments."
    by = points(difference.low + options.margin)
    return GateCheck("improvement", asked, measured, difference.low >= -options.margin, advice, by)


def _fallen(parts: list[Slice], options: GateOptions) -> GateCheck:
    fallen = [part for part in parts if part.fallen]
    names = ", ".join(
        f"{part.name} from {_percent(part.champion)} to {part.accuracy.value:.1%}" for part in fallen
    )
    return GateCheck(
        "slice regressions",
        f"no significant loss > {100 * options.max_slice_loss:.1f} points",
        names or "none",
        not fallen,
        f"Accuracy fell on {', '.join(part.name for part in fallen)}: "
        "compare the training data of both models for these slices.",
    )


def _percent(figure: Figure | None) -> str:
    return f"{figure.value:.1%}" if figure else "–"


def points(share: float) -> str:
    """Format a difference of shares: `+3.2 points`."""
    return f"{100 * share:+.1f} points"
