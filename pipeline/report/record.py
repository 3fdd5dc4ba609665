"""What one run left behind, read from its artifacts. What is missing is said in words, for the reader."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from components.documents.data import DataGateVerdict, DriftVerdict
from components.documents.document import Document
from components.documents.ingest import IngestAccount
from components.documents.models import AnsweringModels, CanaryReport, GateReport
from components.gate_report import read_report
from components.predictions import Predictions
from pipeline.config import Config
from pipeline.history import past_runs
from pipeline.report.notes import Place, catalogue
from pipeline.step_names import without_span

Read = TypeVar("Read", bound=Document)
DONE = ("COMPLETE", "CACHED")
EVALUATED_SPLIT = "valid"  # where no gate says which split it judged on


class Absent(Exception):  # noqa: N818 - no error: an old or a failed run does not have everything
    """Something that a section shows is not there; the message tells the reader why."""


@dataclass(frozen=True)
class RunRecord:
    """One run and where its artifacts lie."""

    run: past_runs.Run
    config: Config

    @cached_property
    def ran_with(self) -> Config:
        """The configuration of the run; today's, if it was not kept."""
        try:
            return Config.model_validate_json(self.run.settings)
        except ValueError:  # none, or one of another version
            return self.config

    def steps(self, kind: str) -> list[past_runs.Step]:
        """Return all steps of this kind: `Gate` before `GateNewest`; of `ExampleGen-<span>` the newest span first."""
        found = (name for name in self.run.steps if without_span(name) in (kind, f"{kind}Newest"))
        names = sorted(found, reverse=True)
        return [self.run.steps[name] for name in sorted(names, key=lambda name: name != kind)]

    def step(self, kind: str) -> past_runs.Step | None:
        """Return the first of them."""
        return next(iter(self.steps(kind)), None)

    @property
    def failed(self) -> past_runs.Step | None:
        """The step that failed, if one did."""
        broken = (step for step in self.run.steps.values() if step.state not in (*DONE, "RUNNING"))
        return next(broken, None)

    @property
    def stopped(self) -> past_runs.Step | None:
        """The step in which the run stopped: it failed, or had not ended when the run did."""
        return self.failed or next((s for s in self.run.steps.values() if s.state == "RUNNING"), None)

    def finished(self, kind: str) -> past_runs.Step:
        """Return the step of this kind, if it came to its end.

        Raises:
          Absent: it did not.
        """
        step = self.step(kind)
        if step and step.state in DONE:
            return step
        if step:
            how = "was still running when this page was written" if step.state == "RUNNING" else "failed"
            raise Absent(f"{step.name} {how}.")
        if self.failed:
            raise Absent(f"{kind} did not start: {self.failed.name} failed before it.")
        raise Absent(f"This run has no step {kind}.")

    def artifact(self, kind: str, key: str) -> past_runs.Output:
        """Return what the step left under `key`.

        Raises:
          Absent: there is no such artifact.
        """
        found = self.finished(kind).output(key)
        if found is None:
            raise Absent(f"{kind} wrote no {key}.")
        return found

    def file(self, kind: str, key: str, name: str) -> Path:
        """Return a file of that artifact.

        Raises:
          Absent: the artifact or the file is not there.
        """
        return self.locate(self.artifact(kind, key), name)

    def locate(self, output: past_runs.Output, below: str = "") -> Path:
        """Return where an artifact, or what lies below it, is now: a workspace may have been moved as a whole.

        Raises:
          Absent: it is gone.
        """
        step, key, execution = output.path.parts[-3:]
        for folder in (output.path, self.config.artifacts / step / key / execution):
            if (folder / below).exists():
                return folder / below
        raise Absent(f"{output.path / below} no longer exists: it was removed or moved after the run.")

    def json(self, kind: str, key: str, name: str) -> dict[str, Any]:
        """Return the content of a JSON file of that artifact that has no model.

        Raises:
          Absent: the artifact or the file is not there.
        """
        return json.loads(self.file(kind, key, name).read_text())

    def account(self) -> IngestAccount:
        """Return the account of the ingest; of several, of the newest span. Raises Absent as the following ones do."""
        return self._document(IngestAccount, "ExampleGen", "quarantine")

    def data_verdict(self) -> DataGateVerdict:
        """Return what DataGate says of the newest span."""
        return self._verdict(DataGateVerdict, "DataGate")

    def drift_verdict(self) -> DriftVerdict:
        """Return what Drift says of the newest span."""
        return self._verdict(DriftVerdict, "Drift")

    def gate_report(self, step: str = "Gate") -> GateReport:
        """Return the report of this gate; of the first one, with what the Evaluator says of the same predictions."""
        gate = self.file(step, "report", GateReport.FILE).parent
        return read_report(gate, self._evaluated() if step == "Gate" else None)

    def _evaluated(self) -> Path | None:
        try:
            return self.file("Evaluator", "blessing", "")
        except Absent:  # it failed, or has no blessing of ours
            return None

    def canary_report(self) -> CanaryReport:
        """Return the canary's report."""
        return self._document(CanaryReport, "Canary", "report")

    def _verdict(self, document: type[Read], kind: str) -> Read:
        """Return what a step that judges data says; from the history if it refused the data."""
        if self.run.verdict and self.failed and self.failed == self.step(kind):
            return document.model_validate_json(self.run.verdict)
        return self._document(document, kind, "verdict")

    def _document(self, document: type[Read], kind: str, key: str) -> Read:
        return document.read(self.file(kind, key, document.FILE).parent)

    def predictions(self) -> Predictions:
        """Return what candidate and champion answer to the judged notes.

        Raises:
          Absent: it is not there.
        """
        return Predictions.load(self.file("Predictor", "predictions", AnsweringModels.FILE).parent)

    def setting(self, kind: str, key: str) -> dict[str, Any]:
        """Return a JSON setting of a step.

        Raises:
          Absent: the step did not finish or has no such setting.
        """
        value = self.finished(kind).properties.get(key)
        if not value:
            raise Absent(f"{kind} has no setting {key}.")
        return json.loads(str(value))

    def examples(self) -> Path:
        """Return the folder with the raw notes of the split that the model was judged on.

        Raises:
          Absent: there are none.
        """
        return self._split("Predictor", "examples", None)

    def sample(self, split: str | None = None) -> Path:
        """Return the folder with some raw notes of a split, by default the one that the model was judged on.

        Raises:
          Absent: there are none.
        """
        return self._split("Canary", "sample", split)

    def _split(self, reader: str, key: str, split: str | None) -> Path:
        """Return the folder of a split of what `reader` read; if it did not run, of the ExampleGen's output `key`."""
        step = self.step(reader)
        judged = step.inputs.get("examples") if step else None
        artifact = judged[0] if judged else self.artifact("ExampleGen", key)
        split = split or str((step.properties.get("split") if step else None) or EVALUATED_SPLIT)
        return self.locate(artifact, f"Split-{split}")

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where each note of the judged split lies, by note_str; found in one pass, about 200 bytes a note.

        Raises:
          Absent: the notes are gone.
        """
        return {place.note_str: place for place in catalogue(self.examples())}
