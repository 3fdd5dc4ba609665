"""Whether a candidate may be pushed, and why: bars, the comparison with the champion, and every slice."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.gate import figures
from components.gate.bootstrap import Figure, Resampling, figure
from components.gate.options import GateOptions
from components.predictions import Predictions, slices


@dataclass(frozen=True)
class Check:
    """One thing that was asked of the candidate."""

    name: str
    asked: str
    measured: str
    passed: bool
    advice: str = ""
    """What to do if it did not pass."""
    by: str = ""
    """By how much it passed (+) or failed (-), where that is a number."""


def judge(predictions: Predictions, options: GateOptions) -> dict[str, Any]:
    """Compares the candidate with every bar and with the champion.

    Returns:
      The content of gate.json, of which docs/trust.md tells the keys; the same notes and options give the same.
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
    return {
        "blessed": all(check.passed for check in checks),
        "policy": options.policy,
        "margin": options.margin,
        "confidence": options.confidence,
        "notes": len(predictions),
        "instruments": resampling.instruments,
        "overall": overall,
        "champion_overall": (
            figures.overall(predictions.champion, labels, resampling) if predictions.has_champion else None
        ),
        "difference": difference,
        "calibration": calibration,
        "families": figures.by_family(counts),
        "confusion": counts.tolist(),
        "slices": parts,
        "checks": [asdict(check) for check in checks],
    }


def _resampling(instruments: np.ndarray, options: GateOptions) -> Resampling:
    return Resampling.of(instruments, options.resamples, options.confidence, options.seed)


def _parts(predictions: Predictions, options: GateOptions):
    return slices(predictions, options.pitch_edges).items()


def _slice(name: str, inside: np.ndarray, predictions: Predictions, options: GateOptions) -> dict[str, Any]:
    resampling = _resampling(predictions.instrument_str[inside], options)
    labels = predictions.family[inside]
    right = predictions.candidate[inside].argmax(1) == labels
    result: dict[str, Any] = {
        "name": name,
        "notes": int(inside.sum()),
        "instruments": resampling.instruments,
        "judged": bool(
            inside.sum() >= options.min_notes and resampling.instruments >= options.min_instruments
        ),
        "accuracy": resampling.share(right),
        "champion": None,
        "difference": None,
        "fallen": False,
    }
    if predictions.has_champion:
        before = predictions.champion[inside].argmax(1) == labels
        change = right.astype(float) - before
        low, high = resampling.one_sided(change)
        result |= {
            "champion": resampling.share(before),
            "difference": figure(change.mean(), low, high),
            "fallen": bool(result["judged"] and change.mean() < -options.max_slice_loss and high < 0),
        }
    return result


def _difference(predictions: Predictions, resampling: Resampling) -> Figure:
    """Accuracy of the candidate less the champion's, paired by note, with one-sided bounds."""
    right = predictions.candidate.argmax(1) == predictions.family
    before = predictions.champion.argmax(1) == predictions.family
    change = right.astype(float) - before
    return figure(change.mean(), *resampling.one_sided(change))


def _absolute(overall: dict[str, Figure], calibration: dict[str, Any], options: GateOptions) -> list[Check]:
    checks = [
        _bar("accuracy", overall["accuracy"], options.min_accuracy),
        _bar("macro recall", overall["macro_recall"], options.min_macro_recall),
    ]
    if options.max_calibration_error is not None:
        checks.append(
            Check(
                "calibration error",
                f"at most {options.max_calibration_error:.3f}",
                f"{calibration['error']:.3f}",
                calibration["error"] <= options.max_calibration_error,
                "Its probabilities cannot be believed: train for fewer epochs or with label smoothing.",
                f"{options.max_calibration_error - calibration['error']:+.3f}",
            )
        )
    return checks


def _bar(name: str, measured: Figure, bar: float) -> Check:
    if measured["value"] >= bar:
        advice = (
            f"It may reach the bar, but {name} is not known well enough: judge on more instruments, "
            f"or train on more."
        )
    else:
        advice = "It is below the bar: look at the confusion matrix and the data, train longer or on more instruments."
    passed, by = measured["low"] >= bar, points(measured["low"] - bar)
    return Check(name, f"surely at least {bar:.1%}", interval(measured), passed, advice, by)


def _named_slices(parts: list[dict[str, Any]], options: GateOptions) -> list[Check]:
    checks, by_name = [], {part["name"]: part for part in parts}
    for name, bar in options.slice_bars.items():
        part, asked = by_name.get(name), f"at least {bar:.1%}"
        if not part or not part["judged"]:
            seen = f"{part['notes']} notes of {part['instruments']} instruments" if part else "no notes"
            advice = (
                f"{name} has too few notes to be judged: add some to the validation split, or drop its bar."
            )
            checks.append(Check(name, asked, seen, False, advice))
        else:
            advice = f"Add notes like these to the training data ({name})."
            value = part["accuracy"]["value"]
            measured = interval(part["accuracy"])
            checks.append(Check(name, asked, measured, value >= bar, advice, points(value - bar)))
    low = [p for p in parts if p["judged"] and p["accuracy"]["value"] < options.min_slice_accuracy]
    measured = ", ".join(f"{part['name']} {part['accuracy']['value']:.1%}" for part in low) or "all are"
    lowest = min((part["accuracy"]["value"] for part in parts if part["judged"]), default=None)
    checks.append(
        Check(
            "every slice",
            f"at least {options.min_slice_accuracy:.1%}",
            measured,
            not low,
            "It does not know these at all: look for their notes in the training data.",
            points(lowest - options.min_slice_accuracy) if lowest is not None else "",
        )
    )
    return checks


def _comparison(difference: Figure, options: GateOptions) -> Check:
    measured = (
        f"{100 * difference['value']:+.1f} points, at {options.confidence:.0%} confidence "
        f"no less than {100 * difference['low']:+.1f}"
    )
    if options.policy == "better":
        advice = (
            "It is not surely better than what serves now; with gate.policy=not_worse an equal model passes."
        )
        better, by = difference["low"] > 0, points(difference["low"])
        return Check("against the champion", "surely better", measured, better, advice, by)
    asked = f"surely not worse by more than {100 * options.margin:.1f} points"
    advice = "It may be worse than what serves now: keep the champion, or judge on more instruments."
    by = points(difference["low"] + options.margin)
    return Check("against the champion", asked, measured, difference["low"] >= -options.margin, advice, by)


def _fallen(parts: list[dict[str, Any]], options: GateOptions) -> Check:
    fallen = [part for part in parts if part["fallen"]]
    names = ", ".join(
        f"{part['name']} from {part['champion']['value']:.1%} to {part['accuracy']['value']:.1%}"
        for part in fallen
    )
    return Check(
        "no slice falls",
        f"none surely loses and by more than {100 * options.max_slice_loss:.1f} points",
        names or "none does",
        not fallen,
        f"What got better elsewhere was paid for by {', '.join(part['name'] for part in fallen)}: "
        "compare the training data of both models there.",
    )


def points(share: float) -> str:
    """For people: `+3.2 points`."""
    return f"{100 * share:+.1f} points"


def interval(measured: Figure) -> str:
    """For people: `71.2 % (61.0 – 80.1)`."""
    return f"{measured['value']:.1%} ({100 * measured['low']:.1f} – {100 * measured['high']:.1f})"
