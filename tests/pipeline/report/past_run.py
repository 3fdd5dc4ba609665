"""A whole run as the pipeline would leave it: the files of every step, from made-up notes."""

import dataclasses
import functools
import json
import tempfile
from pathlib import Path

import numpy as np

import nsynth
from components.canary.checks import judge as judge_canary
from components.canary.checks import report_of
from components.canary.options import CanaryOptions
from components.documents.document import Figure
from components.documents.models import CandidateArtifact, ChampionArtifact, ServerAnswer
from components.gate.checks import judge
from components.gate.markdown import markdown
from components.gate.options import GateOptions
from components.gate_report import headline
from components.predictions import Predictions
from components.registry import Registry
from components.version import Record
from tests.components.canary.measured import MEASURED
from tests.components.conftest import Note, make_notes, predictions_of, write_notes, write_predictions
from tests.pipeline.report.workspace import RUN, Workspace

CLASSES = len(nsynth.FAMILIES)
EVIL = "<script>alert('evil')</script>"
"""Text of a file that somebody sent us; it must never become part of the page as it is."""


@dataclasses.dataclass(frozen=True)
class Told:
    """What a test asks for."""

    blessed: bool = True
    champion: bool = False
    canary: bool = True
    pushed: bool = True
    until: str = "Pusher"
    """The last step, which failed if `failed`."""
    failed: bool = False


def write_run(workspace: Workspace, told: Told = Told(), run: str = RUN) -> Path:
    """A whole run; returns the folder of the pushed version, or the workspace."""
    notes = _notes()
    ids: dict[str, int] = {}
    steps = {
        "ExampleGen": _example_gen,
        "StatisticsGen": _statistics,
        "DataGate": _data_gate,
        "Transform": _transform,
        "Trainer": _trainer,
        "Predictor": _predictor,
        "Gate": _gate,
        "Canary": _canary,
        "Pusher": _pusher,
    }
    for name, write in steps.items():
        last = name == told.until
        if last and told.failed:
            workspace.step(name, {}, {}, state="FAILED", run=run)
        else:
            write(workspace, ids, notes, told, run)
        if last:
            break
    return workspace.config.workspace


@functools.cache
def _notes() -> list[Note]:
    return make_notes(range(CLASSES), range(2), pitches=(40, 60))


@functools.cache
def _tfrecord(count: int) -> bytes:
    """The first notes as a file."""
    with tempfile.TemporaryDirectory() as folder:
        write_notes(Path(folder, "notes"), _notes()[:count])
        return Path(folder, "notes").read_bytes()


def _example_gen(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    examples, sample, quarantine = (
        workspace.folder("ExampleGen", key) for key in ("examples", "sample", "quarantine")
    )
    for split, count in (("train", CLASSES), ("valid", len(notes))):
        for artifact in (examples, sample):
            (artifact / f"Split-{split}").mkdir(exist_ok=True)
            (artifact / f"Split-{split}" / "data_tfrecord-00000-of-00001").write_bytes(_tfrecord(count))
    table = {
        "notes": len(notes),
        "instruments": 2 * CLASSES,
        "families": dict.fromkeys(nsynth.FAMILIES, 4),
        "sources": dict.fromkeys(nsynth.SOURCES, 14),
    }
    nothing = {**table, "notes": 0, "instruments": 0, "families": dict.fromkeys(nsynth.FAMILIES, 0)}
    refused = {"note_str": "bass_synthetic_000-040-025", "offset": 7, "file": "x.tfrecord", "detail": EVIL}
    summary = {
        "in": len(notes) + 1,
        "used": len(notes),
        "quarantined": 1,
        "quarantined_fraction": 1 / len(notes),
        "max_quarantine_fraction": 0.05,
        "files": [{"path": "data/nsynth-train.tfrecord", "form": "tfrecord", "split": "train", "notes": 45}],
        "splits": {"train": table, "dev": nothing, "valid": table, "test": nothing},
        "families": dict.fromkeys(nsynth.FAMILIES, 8),
        "sources": dict.fromkeys(nsynth.SOURCES, 28),
        "reasons": [{"reason": "length", "words": "not 64,000 samples", "notes": 1, "examples": [refused]}],
        "damage": [],
        "leaks": {},
        "warnings": [{"words": "identical sounds", "count": 2, "examples": [["train:a", "train:b"]]}],
    }
    (quarantine / "summary.json").write_text(json.dumps(summary))
    ids["examples"] = workspace.artifact("Examples", examples, span=3)
    ids["sample"] = workspace.artifact("Examples", sample, span=3)
    ids["quarantine"] = workspace.artifact("QuarantinedNotes", quarantine)
    made = {key: [ids[key]] for key in ("examples", "sample", "quarantine")}
    settings = {"input_base": "data", "input_fingerprint": "split:x,num_files:1", "span": 3, "code": "0" * 16}
    workspace.step("ExampleGen", {}, made, run=run, peak_memory_mb=700, **settings)


def _statistics(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    folder = workspace.folder("StatisticsGen", "statistics")
    for split, shift in (("train", 0.0), ("valid", 5.0)):
        (folder / f"Split-{split}").mkdir(exist_ok=True)
        (folder / f"Split-{split}" / "FeatureStats.pb").write_bytes(statistics(shift))
    ids["statistics"] = workspace.artifact("ExampleStatistics", folder)
    made = {"statistics": [ids["statistics"]]}
    workspace.step("StatisticsGen", {"examples": [ids["examples"]]}, made, run=run)


def statistics(shift: float) -> bytes:
    """A histogram of the pitch: a quarter of the notes below 60 + shift, the others above."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = statistics_pb2.DatasetFeatureStatisticsList()
    feature = found.datasets.add().features.add()
    feature.path.step.append(nsynth.PITCH)
    histogram = feature.num_stats.histograms.add()
    for low, high, count in ((40, 60, 25), (60, 80, 75)):
        histogram.buckets.add(low_value=low + shift, high_value=high + shift, sample_count=count)
    return found.SerializeToString()


def _data_gate(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    accepted = Path(workspace.config.accepted)
    for number, span in ((1, 2), (2, 3)):
        (accepted / f"{number:06}-span-{span}").mkdir(parents=True, exist_ok=True)
        (accepted / f"{number:06}-span-{span}" / "FeatureStats.pb").write_bytes(statistics(float(span)))
        record = {"span": span, "digest": str(span), "accepted_at": "2026-02-01"}
        (accepted / f"{number:06}-span-{span}" / "accepted.json").write_text(json.dumps(record))
    check = {
        "name": "drift of pitch",
        "measured": 0.02,
        "limit": 0.1,
        "outcome": "ok",
        "words": "0.02 from span 2",
    }
    verdict = {"accepted": True, "span": 3, "compared_with_span": 2, "checks": [check], "family_shares": {}}
    folder = workspace.folder("DataGate", "verdict")
    (folder / "verdict.json").write_text(json.dumps(verdict))
    ids["verdict"] = workspace.artifact("DataVerdict", folder)
    read = {key: [ids[key]] for key in ("examples", "statistics", "quarantine")}
    workspace.step("DataGate", read, {"verdict": [ids["verdict"]]}, run=run, accepted_folder=str(accepted))


def _transform(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    from transform.options import SpectrogramOptions

    options = SpectrogramOptions()
    folder = workspace.folder("Transform", "transformed_examples")
    ids["transformed"] = workspace.artifact("Examples", folder)
    ids["graph"] = workspace.artifact("TransformGraph", workspace.folder("Transform", "transform_graph"))
    made = {"transformed_examples": [ids["transformed"]], "transform_graph": [ids["graph"]]}
    custom = {"code": "1" * 16, "spectrogram": options.model_dump(mode="json")}
    workspace.step("Transform", {"examples": [ids["examples"]]}, made, run=run, custom_config=custom)


def _trainer(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    from trainer.options import RecipeOptions

    epochs = [
        {"epoch": e, "loss": 2 / e, "dev_loss": 2.5 / e, "accuracy": e / 4, "dev_accuracy": e / 5,
         "learning_rate": 1e-3, "seconds": 2.0}
        for e in (1, 2, 3)
    ]  # fmt: skip
    recipe = RecipeOptions(size="tiny").model_dump(mode="json")
    history = {"kept_epoch": 3, "parameters": 21355, "multiply_accumulates_per_note": 10**6, "epochs": epochs,
               "recipe": recipe}  # fmt: skip
    model, model_run = workspace.folder("Trainer", "model"), workspace.folder("Trainer", "model_run")
    (model_run / "history.json").write_text(json.dumps(history))
    note = np.random.default_rng(1).normal(size=(4, 8)).astype(np.float16)
    varied = dict.fromkeys((*recipe["augment"], "together_1", "together_2"), note + 1)
    np.savez(
        model_run / "variations.npz", note=np.array("bass_acoustic_000-060-075"), original=note, **varied
    )
    ids["model"] = workspace.artifact("Model", model)
    ids["model_run"] = workspace.artifact("ModelRun", model_run)
    read = {"examples": [ids["transformed"]], "transform_graph": [ids["graph"]]}
    custom = {"code": "2" * 16, "recipe": recipe, "spectrogram": workspace.config.spectrogram.model_dump()}
    made = {"model": [ids["model"]], "model_run": [ids["model_run"]]}
    workspace.step("Trainer", read, made, run=run, custom_config=custom, peak_memory_mb=1500)


def predictions(notes: list[Note], champion: bool) -> Predictions:
    """The candidate knows all but basses, which it takes for reeds; the champion knows the even families."""
    families = np.array([note.family for note in notes])
    answers = np.where(families == 0, nsynth.FAMILIES.index("reed"), families)
    before = np.where(families % 2, (families + 1) % CLASSES, families)

    def sure(answer: np.ndarray) -> np.ndarray:
        return (0.8 * np.eye(CLASSES)[answer] + 0.2 / CLASSES).astype(np.float32)

    return predictions_of(notes, sure(answers), sure(before) if champion else None)


def _predictor(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    folder = workspace.folder("Predictor", "predictions")
    write_predictions(folder, predictions(notes, told.champion))
    ids["predictions"] = workspace.artifact("Examples", folder)
    read = {"examples": [ids["examples"]], "model": [ids["model"]]}
    made = {"predictions": [ids["predictions"]]}
    workspace.step("Predictor", read, made, run=run, split="valid", code="4" * 16)


def _gate(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    options = GateOptions(min_notes=4, min_slice_accuracy=0, min_accuracy=0.2 if told.blessed else 0.99)
    judged = predictions(notes, told.champion)
    report = judge(judged, options).model_copy(
        update={
            "split": "valid",
            "candidate": CandidateArtifact(uri="m", id=ids["model"]),
            "champion": ChampionArtifact(version=17 if told.champion else 0, uri="c"),
        }
    )
    report = report.model_copy(update={"verdict": headline(report)})
    folder = workspace.folder("Gate", "report")
    report.write(folder, markdown(report))
    ids["report"] = workspace.artifact("ModelEvaluation", folder)
    read, made = {"predictions": [ids["predictions"]]}, {"report": [ids["report"]]}
    settings = options.model_dump(mode="json")
    workspace.step("Gate", read, made, run=run, split="valid", options=settings, code="3" * 16)


def _canary(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    measured = MEASURED if told.canary else {**MEASURED, "foreign_modules": ["tfx"]}
    limits = {"latency": {1: {"p50_ms": 100, "p95_ms": 100, "calls": 3}}}
    server = ServerAnswer(present=False, passed=True, detail="TensorFlow Serving not found")
    report = report_of(judge_canary(measured, CanaryOptions.model_validate(limits)), measured, server)
    folder = workspace.folder("Canary", "report")
    report.write(folder)
    ids["canary"] = workspace.artifact("ModelEvaluation", folder)
    read = {"examples": [ids["sample"]], "model": [ids["model"]], "predictions": [ids["predictions"]]}
    workspace.step("Canary", read, {"report": [ids["canary"]]}, run=run, split="valid")


def _pusher(workspace: Workspace, ids: dict[str, int], notes: list[Note], told: Told, run: str) -> None:
    version = ""
    if told.pushed:
        uri = str(workspace.folder("Trainer", "model"))
        record = Record(
            model_uri=uri,
            model_id=ids["model"],
            run=run,
            spans=(3,),
            verdict="blessed: well",
            accuracy=Figure(value=0.9, low=0.8, high=1.0),
        )
        published = Registry(workspace.config.models).publish(
            lambda folder: Path(folder, "saved_model.pb").write_bytes(b"m") and None, record
        )
        version = str(published.number)
    told_of = (
        {"pushed": int(told.pushed), "pushed_version": version, "pushed_destination": "models"}
        if version
        else {"pushed": 0}
    )
    ids["pushed"] = workspace.artifact("PushedModel", workspace.folder("Pusher", "pushed_model"), **told_of)
    read = {"model": [ids["model"]], "gate_report": [ids["report"]]}
    workspace.step("Pusher", read, {"pushed_model": [ids["pushed"]]}, run=run)
