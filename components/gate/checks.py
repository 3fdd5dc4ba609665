"""Whether a candidate may be pushed, and why: bars, the comparison with the champion, and every slice."""

from collections.abc import Iterable

import numpy as np

from components.documents import Calibration, Figure, GateCheck, GateReport, Slice
from components.gate import figures
from components.gate.bootstrap import Resampling, figure
from components.gate.options import GateOptions
from components.predictions import Predictions, slices


def judge(predictions: Predictions, options: GateOptions) -> GateReport:
    """Compares the candidate with every bar and with the champion.

    Returns:
      The report, without what the caller knows (split and models); the same notes and options give the same.
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
    """Accuracy of the candidate less the champion's, paired by note, with one-sided bounds."""
    right = predictions.candidate.argmax(1) == predictions.family
    before = predictions.champion.argmax(1) == predictions.family
    change = right.astype(float) - before
    return figure(change.mean(), *resampling.one_sided(change))


def _absolute(overall: dict[str, Figure], calibration: Calibration, options: GateOptions) -> list[GateCheck]:
    checks = [
        _bar("accuracy", overall["accuracy"], options.min_accuracy),
        _bar("macro recall", overall["macro_recall"], options.min_macro_recall),
    ]
    if options.max_calibration_error is not None:
        checks.append(
            GateCheck(
                "calibration error",
                f"at most {options.max_calibration_error:.3f}",
                f"{calibration.error:.3f}",
                calibration.error <= options.max_calibration_error,
                "Its probabilities cannot be believed: train for fewer epochs or with label smoothing.",
                f"{options.max_calibration_error - calibration.error:+.3f}",
            )
        )
    return checks


def _bar(name: str, measured: Figure, bar: float) -> GateCheck:
    if measured.value >= bar:
        advice = (
            f"It may reach the bar, but {name} is not known well enough: judge on more instruments, "
            f"or train on more."
        )
    else:
        advice = "It is below the bar: look at the confusion matrix and the data, train longer or on more instruments."
    passed, by = measured.low >= bar, points(measured.low - bar)
    return GateCheck(name, f"surely at least {bar:.1%}", interval(measured), passed, advice, by)


def _named_slices(parts: list[Slice], options: GateOptions) -> list[GateCheck]:
    checks, by_name = [], {part.name: part for part in parts}
    for name, bar in options.slice_bars.items():
        part, asked = by_name.get(name), f"at least {bar:.1%}"
        if not part or not part.judged:
            seen = f"{part.notes} notes of {part.instruments} instruments" if part else "no notes"
            advice = (
                f"{name} has too few notes to be judged: add some to the validation split, or drop its bar."
            )
            checks.append(GateCheck(name, asked, seen, False, advice))
        else:
            advice = f"Add notes like these to the training data ({name})."
            value = part.accuracy.value
            measured = interval(part.accuracy)
            checks.append(GateCheck(name, asked, measured, value >= bar, advice, points(value - bar)))
    low = [p for p in parts if p.judged and p.accuracy.value < options.min_slice_accuracy]
    measured = ", ".join(f"{part.name} {part.accuracy.value:.1%}" for part in low) or "all are"
    lowest = min((part.accuracy.value for part in parts if part.judged), default=None)
    checks.append(
        GateCheck(
            "every slice",
            f"at least {options.min_slice_accuracy:.1%}",
            measured,
            not low,
            "It does not know these at all: look for their notes in the training data.",
            points(lowest - options.min_slice_accuracy) if lowest is not None else "",
        )
    )
    return checks


def _comparison(difference: Figure, options: GateOptions) -> GateCheck:
    measured = (
        f"{100 * difference.value:+.1f} points, at {options.confidence:.0%} confidence "
        f"no less than {100 * difference.low:+.1f}"
    )
    if options.policy == "better":
        advice = (
            "It is not surely better than what serves now; with gate.policy=not_worse an equal model passes."
        )
        better, by = difference.low > 0, points(difference.low)
        return GateCheck("against the champion", "surely better", measured, better, advice, by)
    asked = f"surely not worse by more than {100 * options.margin:.1f} points"
    advice = "It may be worse than what serves now: keep the champion, or judge on more instruments."
    by = points(difference.low + options.margin)
    return GateCheck("against the champion", asked, measured, difference.low >= -options.margin, advice, by)


def _fallen(parts: list[Slice], options: GateOptions) -> GateCheck:
    fallen = [part for part in parts if part.fallen]
    names = ", ".join(
        f"{part.name} from {_percent(part.champion)} to {part.accuracy.value:.1%}" for part in fallen
    )
    return GateCheck(
        "no slice falls",
        f"none surely loses and by more than {100 * options.max_slice_loss:.1f} points",
        names or "none does",
        not fallen,
        f"What got better elsewhere was paid for by {', '.join(part.name for part in fallen)}: "
        "compare the training data of both models there.",
    )


def _percent(figure: Figure | None) -> str:
    return f"{figure.value:.1%}" if figure else "–"


def points(share: float) -> str:
    """For people: `+3.2 points`."""
    return f"{100 * share:+.1f} points"


def interval(measured: Figure) -> str:
    """For people: `71.2 % (61.0 – 80.1)`."""
    return f"{measured.value:.1%} ({100 * measured.low:.1f} – {100 * measured.high:.1f})"
