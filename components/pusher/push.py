"""The push itself, shared by the component and by `nsynth models promote`."""

import json
from dataclasses import dataclass

import nsynth
from components import storage
from components.documents.ingest import IngestAccount
from components.documents.models import CanaryReport, GateReport
from components.pusher.model_card import model_card
from components.pusher.warmup import check_warmup
from components.registry import Registry
from components.version import Record, Version, check_model, model_digest

RECIPE_FILE = "assets.extra/recipe.json"


@dataclass(frozen=True)
class Evidence:
    """What the steps before said of a model, as far as it is known."""

    gate: GateReport | None = None
    canary: CanaryReport | None = None
    accounts: tuple[IngestAccount, ...] = ()


def push_model(destination: str, model_folder: str, record: Record, evidence: Evidence, keep: int) -> Version:
    """Publish an exported model with record and model card, then drop old versions.

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
        are not those that gate and canary judged; or, unless the record says that it is pushed by hand, another version
        serves than the model was compared with.
    """
    registry = Registry(destination)
    judged = _judged(evidence, model_folder)
    check_model(model_folder, judged, f"the model in {model_folder}")  # before anything in it is believed
    record = record.model_copy(update={"digest": judged})
    if gate := evidence.gate:
        figures = {
            "accuracy": gate.overall.get("accuracy"),
            "macro_recall": gate.overall.get("macro_recall"),
            "verdict": gate.verdict,
            "compared_with": gate.champion.version,
        }
        record = record.model_copy(update=figures)
    recipe_path = f"{model_folder}/{RECIPE_FILE}"
    recipe = json.loads(storage.read_bytes(recipe_path)) if storage.exists(recipe_path) else {}
    check_warmup(model_folder)
    version = registry.publish(
        lambda folder: storage.copy_folder(model_folder, folder),
        record,
        card=lambda complete: model_card(complete, evidence.gate, evidence.canary, recipe, evidence.accounts),
        compared_with=evidence.gate.champion.version if evidence.gate and not record.by_hand else None,
    )
    registry.retain(keep)
    return version


def _judged(evidence: Evidence, model_folder: str) -> str:
    """Return the digest of what gate and canary judged; of the model as it lies there, if neither did."""
    by_gate = evidence.gate.candidate.digest if evidence.gate else ""
    by_canary = evidence.canary.digest if evidence.canary else ""
    if by_gate and by_canary and by_gate != by_canary:
        raise nsynth.UserError(
            f"gate and canary evaluated different files: {model_folder} was changed in between; run them again"
        )
    return by_gate or by_canary or model_digest(model_folder)
