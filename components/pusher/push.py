"""The push itself, shared by the component and by `nsynth models promote`."""

import json
from dataclasses import dataclass, field
from typing import Any

import nsynth
from components import storage
from components.pusher.model_card import model_card
from components.pusher.warmup import check_warmup
from components.registry import Registry
from components.version import Interval, Record, Version, check_model, model_digest

RECIPE_FILE = "assets.extra/recipe.json"


@dataclass(frozen=True)
class Evidence:
    """What the steps before said of a model: contents of gate.json, canary.json and of every ingest's summary.json;
    empty if unknown."""

    gate: dict[str, Any] = field(default_factory=dict)
    canary: dict[str, Any] = field(default_factory=dict)
    accounts: tuple[dict[str, Any], ...] = ()


def push_model(destination: str, model_folder: str, record: Record, evidence: Evidence, keep: int) -> Version:
    """Publishes an exported model with record and model card, then drops old versions.

    Args:
      destination: the folder that the model server watches.
      model_folder: the SavedModel as the Trainer left it.
      record: what the caller knows of the model; figures are taken from `evidence`.
      evidence: what gate and canary found.
      keep: how many versions stay.

    Returns:
      The new version, or the present one if the same model was pushed before.

    Raises:
      nsynth.UserError: no room or no right to write, warm-up requests that a server could not replay, or files that
        are not those that gate and canary judged.
    """
    registry = Registry(destination)
    judged = _judged(evidence, model_folder)
    check_model(model_folder, judged, f"the model in {model_folder}")  # before anything in it is believed
    overall = evidence.gate.get("overall", {})
    record = record.model_copy(
        update={
            "digest": judged,
            "accuracy": _interval(overall.get("accuracy")),
            "macro_recall": _interval(overall.get("macro_recall")),
            "verdict": evidence.gate.get("verdict", ""),
            "compared_with": int((evidence.gate.get("champion") or {}).get("version", 0)),
        }
    )
    recipe_path = f"{model_folder}/{RECIPE_FILE}"
    recipe = json.loads(storage.read_bytes(recipe_path)) if storage.exists(recipe_path) else {}
    check_warmup(model_folder)
    version = registry.publish(
        lambda folder: storage.copy_folder(model_folder, folder),
        record,
        card=lambda complete: model_card(complete, evidence.gate, evidence.canary, recipe, evidence.accounts),
    )
    registry.retain(keep)
    return version


def _judged(evidence: Evidence, model_folder: str) -> str:
    """Digest of what gate and canary judged; of the model as it lies there, if neither did."""
    by_gate = evidence.gate.get("candidate", {}).get("digest")
    by_canary = evidence.canary.get("digest")
    if by_gate and by_canary and by_gate != by_canary:
        raise nsynth.UserError(
            f"gate and canary did not judge the same files: {model_folder} was altered in between; run them again"
        )
    return by_gate or by_canary or model_digest(model_folder)


def _interval(value: dict[str, float] | None) -> Interval | None:
    return Interval.model_validate(value) if value else None
