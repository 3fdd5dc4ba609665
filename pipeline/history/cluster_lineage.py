"""Which data and code made what a cluster's step made: the way back through the documents on the claim.

Where the documents of a step have gone, the record of its artifacts on the claim still tells what it read.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import nsynth
from components.claim import STEP_FILE, Claim, place_of
from components.registry import Registry
from components.version import Version
from pipeline.history.cluster_runs import step_of
from pipeline.history.lineage import CACHE, Origin
from pipeline.history.past_runs import Output, Step

_ON_CLAIM = "claim://"
"""In place of an address in the object store where only the record on the claim tells of an artifact."""

Key = tuple[str, str]
"""Run and step."""


def find(registry: Registry, claim: Claim, named: str) -> tuple[str, Version | None] | None:
    """Return the address of what is meant, and the pushed version, if `named` is one's number.

    Args:
      registry: the serving folder.
      claim: of the workspace.
      named: number of a version, address of an artifact, or its folder on the claim.

    Returns:
      None if that is nothing that a cluster made.

    Raises:
      nsynth.UserError: a cluster made it, and the workspace has neither documents nor records of that.
    """
    version = next((version for version in registry.versions() if str(version.number) == named), None)
    address = version.record.model_uri if version else _address_of(claim, named)
    if "://" not in address:
        return None
    run, step, _ = place_of(address)
    if History(claim).step((run, step)) is None:
        record = version.record if version else None
        made = f", by Kubeflow's run {record.run_name}, id {record.run}" if record and record.run_name else ""
        page = f" ({record.run_page})" if record and record.run_page else ""
        raise nsynth.UserError(
            f"{f'version {named}' if version else named} was made on a cluster{made}{page}, from {address}, and "
            f"{claim.root} has no documents of that run: ask in the workspace on that cluster's claim"
        )
    return address, version


def _address_of(claim: Claim, named: str) -> str:
    path, runs = Path(named).resolve(), claim.runs.resolve()
    return _ON_CLAIM + path.relative_to(runs).as_posix() if path.is_relative_to(runs) else named


class History:
    """All that the steps of a cluster left on a claim."""

    def __init__(self, claim: Claim):
        """Read the records.

        Raises:
          nsynth.UserError: one cannot be read.
        """
        self._claim = claim
        self._records = {(record.run, record.step): record for record in claim.records()}
        self._types = {o.place: o.type for record in self._records.values() for o in record.outputs}

    def step(self, key: Key) -> Step | None:
        """Return a step; None if neither documents nor a record tell of it."""
        documents = self._claim.documents / key[0]
        with contextlib.suppress(FileNotFoundError):
            return step_of(self._claim, documents, json.loads((documents / key[1] / STEP_FILE).read_bytes()))
        record = self._records.get(key)
        if record is None:
            return None
        sides = {"inputs": record.inputs, "outputs": [output.place for output in record.outputs]}
        told = {
            side: {place: [{"address": _ON_CLAIM + place, "metadata": {}}] for place in places}
            for side, places in sides.items()
        }
        return step_of(
            self._claim, documents, {"step": key[1], "state": "succeeded", "started": record.ended, **told}
        )

    def behind(self, address: str) -> dict[Key, Step | None]:
        """Return the step that made an artifact, and all steps whose outputs took part."""
        found: dict[Key, Step | None] = {}
        waiting = [_key(address)]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found[key] = step = self.step(key)
                waiting += [_key(output.address) for output in self._read(step)] if step else []
        return found

    def trace(self, address: str) -> Origin:
        """Follow an artifact back; artifacts and steps are numbered in the order in which they were made."""
        steps = self.behind(address)
        in_order = sorted((step.started, key) for key, step in steps.items() if step)
        ids: dict[str, int] = {}

        def numbered(output: Output) -> Output:
            place = _place(output.address)
            kind = self._types.get(place) or place.rpartition("/")[2]
            return dataclasses.replace(output, id=ids.setdefault(place, len(ids) + 1), type=kind)

        def all_numbered(side: dict[str, list[Output]]) -> dict[str, list[Output]]:
            return {name: [numbered(output) for output in outputs] for name, outputs in side.items()}

        known: dict[Key, Step] = {}
        for number, (_, key) in enumerate(in_order, 1):
            step = steps[key]
            assert step is not None
            inputs, outputs = all_numbered(step.inputs), all_numbered(step.outputs)
            known[key] = dataclasses.replace(step, execution_id=number, inputs=inputs, outputs=outputs)
        made = {o.id: o for step in known.values() for outputs in step.outputs.values() for o in outputs}
        origins: dict[int, Origin] = {}

        def follow(output: Output) -> Origin:
            if output.id not in origins:
                key = _key(output.address)
                step = known.get(key)
                read = {o.id: o for o in self._read(step)} if step else {}
                inputs = tuple(follow(read[i]) for i in sorted(read))
                origins[output.id] = Origin(made.get(output.id, output), step, key[0], inputs)
            return origins[output.id]

        return follow(numbered(Output(0, "", "", {}, address=address)))

    def readers(self, address: str) -> list[str]:
        """Return the names of the steps that read an artifact."""
        place, documents = _place(address), self._claim.documents
        keys = {(file.parent.parent.name, file.parent.name) for file in documents.glob(f"*/*/{STEP_FILE}")}
        found = [step for key in sorted(keys | self._records.keys()) if (step := self.step(key))]
        names = [step.name for step in found if place in map(_place, (o.address for o in self._read(step)))]
        return list(dict.fromkeys(names))

    def _read(self, step: Step) -> Iterator[Output]:
        """Yield what a step read, but for what an earlier Transform kept: it saves work and adds nothing."""
        for output in (output for outputs in step.inputs.values() for output in outputs):
            if self._types.get(_place(output.address)) != CACHE:
                yield output


def runs_behind(claim: Claim, addresses: Iterable[str]) -> set[str]:
    """Return the ids of the runs in which something was made that took part in these artifacts.

    Raises:
      nsynth.UserError: a record on the claim cannot be read.
    """
    history, found = History(claim), set[str]()
    for address in addresses:
        with contextlib.suppress(nsynth.UserError):  # of another place than a cluster
            found |= {run for run, _ in history.behind(address)}
    return found


def _key(address: str) -> Key:
    run, step, _ = place_of(address)
    return run, step


def _place(address: str) -> str:
    return "/".join(place_of(address))
