"""Stand-in for TFX's command in the tests of nights: each step does what its span's `kind.txt` says, in no time.

`TRAININGS` names a file to which each training adds a character. Gate and account are written as the real ones.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import nsynth
from components.documents.data import DataCheck, DataGateVerdict
from components.documents.document import Figure
from components.documents.ingest import IngestAccount
from components.documents.models import CandidateArtifact, GateReport
from components.registry import Registry
from components.storage import copy_folder
from components.version import Record, model_digest
from kubeflow import entrypoint
from kubeflow.documents import note_error

STEPS = ("ExampleGen", "DataGate", "Trainer", "Gate", "Pusher")
FIGURE = Figure(value=0.5, low=0.4, high=0.6)


def kind_of(folder: Path) -> str:
    """good, refused, broken or drifting."""
    return (folder / "kind.txt").read_text().strip()


def perform(step: str, given: dict[str, Any]) -> dict[str, Any]:
    """Do the step; answer the metadata of its output."""
    folder = {
        key: Path(entry["artifacts"][0]["uri"])
        for side in ("inputs", "outputs")
        for key, entry in given[side].get("artifacts", {}).items()
    }
    told = given["inputs"]["parameterValues"]
    if step == "ExampleGen":
        static = json.loads(told["range_config"] or "{}").get("staticRange", {})
        pattern = json.loads(told["input_config"])["splits"][0]["pattern"].partition("/")[0]
        width = pattern.partition(":")[2].rstrip("}") or "1"
        name = f"span-{static['startSpanNumber']:0{width}d}" if "{SPAN" in pattern else "."
        kind = kind_of(Path(told["input_base"]) / name)
        if kind == "broken":
            raise nsynth.UserError(f"{name} cannot be read")
        IngestAccount(notes_in=10, used=9, quarantined=1).write(folder["quarantine"])
        (folder["quarantine"] / "kind.txt").write_text(kind)
        return {"span": static.get("startSpanNumber", 0)}
    if step == "DataGate":
        kind = kind_of(folder["quarantine"])
        moved = DataCheck("drift of pitch", 0.4, 0.2, "warn", "pitch has drifted")
        checks = (moved,) if kind == "drifting" else ()
        DataGateVerdict(accepted=kind != "refused", checks=checks).write(folder["verdict"])
        if kind == "refused":
            raise nsynth.RefusedDataError("the data was refused: 2 families are missing")
    if step == "Trainer":
        with open(os.environ["TRAININGS"], "a") as trainings:
            trainings.write("x")
        (folder["model"] / "saved_model.pb").write_text(os.environ.get("MODEL") or str(folder["model"]))
    if step == "Gate":
        confusion = tuple(tuple(int(row == column) for column in range(11)) for row in range(11))
        overall = {"accuracy": FIGURE, "macro_recall": FIGURE, "top_3_accuracy": FIGURE}
        candidate = CandidateArtifact(digest=model_digest(str(folder["model"])))
        GateReport(
            blessed=True, confidence=0.95, notes=11, instruments=3, overall=overall, confusion=confusion,
            candidate=candidate, verdict="blessed",
        ).write(folder["report"])  # fmt: skip
    if step == "Pusher":
        report = GateReport.read(folder["gate_report"])
        registry = Registry(told["push_destination"])
        record = Record(digest=report.candidate.digest, run=told["run"], verdict=report.verdict)
        version = registry.publish(lambda draft: copy_folder(str(folder["model"]), draft), record)
        return {"pushed": 1, "pushed_version": str(version.number)}
    return {}


def main() -> None:
    """The child that the entrypoint starts."""
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    given = json.loads(arguments[entrypoint.EXECUTOR_INPUT])
    try:
        metadata = perform(arguments["--step-name"], given)
    except Exception as error:
        note_error(error)
        raise
    outputs = {
        key: {"artifacts": [{"uri": entry["artifacts"][0]["uri"], "metadata": metadata}]}
        for key, entry in given["outputs"].get("artifacts", {}).items()
    }
    Path(given["outputs"]["outputFile"]).write_text(json.dumps({"artifacts": outputs}))


if __name__ == "__main__":
    if "--step" in sys.argv:
        entrypoint.TFX_COMMAND = "night_steps"
        sys.exit(entrypoint.main(sys.argv[1:]))
    main()
