"""A step's artifacts on the claim: inputs are found by pointers in the object store, outputs leave pointers there.

Like the entrypoint it imports the standard library and modules of names.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import atomic
import nsynth
from components.claim import POINTER, Claim, Listing, Output, Record, place_of
from components.staging import ADDRESS

_TYPE_NAME = re.compile(r"title: tfx\.(\w+)")
_TASK = ".task"

Artifact = dict[str, Any]


def located(folder: str, claim: Claim | None) -> str:
    """Return the folder in which an input lies: `folder` itself, or that on the claim which the pointer in it names.

    Raises:
      nsynth.UserError: what the pointer names is not there as it was published, or the step knows no claim.
    """
    pointer = Path(folder, POINTER)
    if not pointer.is_file():
        return folder
    if claim is None:
        raise nsynth.UserError(
            f"{pointer} names a folder on the claim, but this step was compiled without a workspace there: compile "
            "the pipeline again with that workspace"
        )
    return str(claim.check(Output.read(pointer.read_text())))


@contextlib.contextmanager
def on_claim(
    claim: Claim, step: str, executor_input: dict[str, Any], outputs: Mapping[str, tuple[Artifact, str]]
) -> Iterator[dict[str, str]]:
    """Let a step write on the claim; when the block ends without an error, its outputs are published and recorded.

    TFX keeps temporary files beside its answer, so that goes to the claim too, where an engine's workers see it.

    Args:
      claim: where the outputs go.
      step: name of the step.
      executor_input: changed in place: the folders of `outputs`, and the file of the answer.
      outputs: the output artifacts that are folders, staged, and their addresses; by name.

    Yields:
      Folder on the claim → address, of inputs and outputs.
    """
    entries = executor_input.get("inputs", {}).get("artifacts", {}).values()
    given = [artifact for entry in entries for artifact in entry.get("artifacts", [])]
    inputs = [artifact for artifact in given if Path(artifact["uri"]).is_relative_to(claim.runs)]
    staged = {name: artifact["uri"] for name, (artifact, _) in outputs.items()}
    run, _, _ = place_of(next(address for _, address in outputs.values()))
    with claim.publish(run, step) as draft:
        (draft / _TASK).mkdir()
        executor_input["outputs"]["outputFile"] = str(draft / _TASK / "output_metadata.json")
        places = {artifact["uri"]: artifact["metadata"][ADDRESS] for artifact in inputs}
        for name, (artifact, address) in outputs.items():
            (draft / name).mkdir()
            artifact["uri"] = str(draft / name)
            places[artifact["uri"]] = address
        yield places
        shutil.rmtree(draft / _TASK)
    made = tuple(_published(claim, f"{run}/{step}/{name}", outputs[name][0]) for name in outputs)
    read = tuple(str(Path(artifact["uri"]).relative_to(claim.runs)) for artifact in inputs)
    claim.record(Record(run, step, read, made))
    for output, folder in zip(made, staged.values(), strict=True):
        atomic.write(Path(folder, POINTER), output.text())


def _published(claim: Claim, place: str, artifact: Artifact) -> Output:
    title = _TYPE_NAME.search(artifact["type"].get("instanceSchema", ""))
    return Output(place, title[1] if title else "", Listing.of(claim.folder(place)))
