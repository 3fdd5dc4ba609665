"""The final accuracy of a published model on the test split.

Valid and test of NSynth share their instruments, and a metric that is measured repeatedly starts to influence choices.
Therefore every evaluation (look) is recorded beside the versions, in `evaluations.json`. A second evaluation of the
same model on the same notes shows the result of the first.
"""

import datetime
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import nsynth
from components import storage, tfrecord
from components.ingest.contract import ContractError
from components.ingest.files import stat
from components.ingest.index import open_indexes
from components.ingest.readers import Readers
from components.ingest.sources import Source, find
from components.registry import Registry
from components.tfrecord import Record
from components.version import Version, model_digest

SPLIT = "test"
NOTED = "evaluations.json"
RESAMPLES, CONFIDENCE, SEED = 10_000, 0.95, 0


def looks(destination: str) -> list[dict[str, Any]]:
    """Return all evaluations that were recorded beside the versions of a folder, oldest first."""
    path = f"{destination.rstrip('/')}/{NOTED}"
    return json.loads(storage.read_bytes(path)) if storage.exists(path) else []


def looks_at(version: Version, destination: str) -> list[dict[str, Any]]:
    """Return the evaluations of the model of one version, also under other version numbers."""
    noted = looks(destination)
    digest = version.record.digest or (model_digest(version.path) if noted else "")
    return [look for look in noted if look["digest"] == digest]


def evaluate(registry: Registry, version: Version, data: str, scratch: Path) -> tuple[dict[str, Any], bool]:
    """Evaluate a version on the test notes of a folder and record the result, or return the recorded one.

    Args:
        registry: the folder of models.
        version: one of its versions.
        data: folder or file with the test split, in any format that ingest reads.
        scratch: folder for temporary files.

    Returns:
        The evaluation, and whether it is new. Its `number` counts the evaluations of any model on these notes.

    Raises:
        nsynth.UserError: there are no test notes, or the files of the version differ from those that the gate
          evaluated.
    """
    version.check()
    sources = [source for source in find(data) if source.split == SPLIT]
    if not sources:
        raise nsynth.UserError(
            f"{data} holds no {SPLIT} split: fetch it with `nsynth download --splits {SPLIT}`, or give a file that has "
            f"{SPLIT} in its name."
        )
    files = [{"file": Path(s.path).name, "bytes": stat(s.path).size} for s in sources]
    digest = version.record.digest or model_digest(version.path)
    same_notes = [look for look in looks(registry.destination) if look["test"] == files]
    for look in same_notes:
        if look["digest"] == digest:
            return look, False
    measured = _measure(sources, version.path, scratch)
    look = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "number": len(same_notes) + 1,
        "version": version.number,
        "digest": digest,
        "test": files,
        **measured,
    }
    noted = json.dumps([*looks(registry.destination), look], indent=1)
    storage.write_bytes(f"{registry.destination}/{NOTED}", noted.encode())
    return look, True


def _measure(sources: list[Source], model: str, scratch: Path) -> dict[str, Any]:
    from components.gate import figures
    from components.gate.bootstrap import Resampling
    from components.predictions import predict

    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="evaluate-", dir=scratch) as folder:
        notes = Path(folder, f"{SPLIT}.tfrecord")
        refused = _write_valid_notes(sources, notes, folder)
        predictions = predict([str(notes)], model, None)
    resampling = Resampling.of(predictions.instrument_str, RESAMPLES, CONFIDENCE, SEED)
    counts = figures.confusion(predictions.candidate.argmax(1), predictions.family)
    overall = figures.overall(predictions.candidate, predictions.family, resampling)
    return {
        **{name: figure.model_dump() for name, figure in overall.items()},
        "notes": len(predictions),
        "instruments": resampling.instruments,
        "refused": dict(refused),
        "by_family": [row.model_dump() for row in figures.by_family(counts)],
        "confusion": counts.tolist(),
    }


def _write_valid_notes(sources: list[Source], target: Path, cache: str) -> Counter[str]:
    """Write the notes that keep the contract; answer how many did not, by reason."""
    refused: Counter[str] = Counter()
    with target.open("wb") as file, open_indexes(sources, cache) as indexes:
        for index in indexes:
            with Readers([index.source]) as readers:
                for place in zip(index.offsets.tolist(), index.lengths.tolist(), strict=True):
                    try:
                        file.write(tfrecord.frame(readers.note(0, Record(*place))[0]))
                    except ContractError as error:
                        refused[error.reason] += 1
    return refused
