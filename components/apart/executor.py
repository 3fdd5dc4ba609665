"""Holds the instruments of several ingests against each other."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from tfx import types
from tfx.dsl.components.base.base_executor import BaseExecutor

import nsynth
from components import storage

_NAMED = 5  # instruments in a message


class Place(NamedTuple):
    """Where an instrument is."""

    file: str
    span: int
    """0 for a folder that is none."""


class ApartExecutor(BaseExecutor):
    """Reads the accounts, says nothing or stops."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Checks.

        Raises:
          RefusedDataError: an instrument of a new span is trained on in one place and held out in another.
          UserError: the same where no new span has to do with it.
        """
        new = set(json.loads(exec_properties["new"]))
        accounts = [
            {**json.loads(storage.read_bytes(f"{artifact.uri}/summary.json")), "span": _span(artifact)}
            for artifact in input_dict["accounts"]
        ]
        # Who comes first was there first: the fixed notes, which are no span, then old spans, then new ones.
        accounts.sort(key=lambda account: (account["span"] in new, account["span"]))
        shared = shared_instruments(accounts)
        if not shared:
            return
        named = "; ".join(
            f"{instrument}, trained on in {trained.file}, held out in {held.file}"
            for instrument, (trained, held) in list(shared.items())[:_NAMED]
        )
        words = (
            f"{len(shared)} instrument(s) would be trained on and judged on: {named}. "
            "Take them out of one of the places, or name the files' splits in the same way everywhere."
        )
        giving_way = [max(spans) for places in shared.values() if (spans := {p.span for p in places} & new)]
        if giving_way:  # one at a time: without it, others may well go together
            span = min(giving_way)
            raise nsynth.RefusedDataError(f"Span {span} is left out: {words}", span)
        raise nsynth.UserError(words)


def shared_instruments(accounts: Iterable[dict[str, Any]]) -> dict[str, tuple[Place, Place]]:
    """Instrument → the first place that it is trained on in, and the first that it is held out in.

    Args:
      accounts: summaries of ingests; `instruments` holds their names by split, `span` tells of which span they are.
    """
    trained: dict[str, Place] = {}
    held_out: dict[str, Place] = {}
    for account in accounts:
        file = account["files"][0]["path"] if account["files"] else "a folder without files"
        for split, instruments in account["instruments"].items():
            places = held_out if split in nsynth.HELD_OUT else trained
            for instrument in instruments:
                places.setdefault(instrument, Place(file, account["span"]))
    return {name: (trained[name], held_out[name]) for name in sorted(trained.keys() & held_out.keys())}


def _span(account: types.Artifact) -> int:
    """The span that an ingest has read; 0 if it was a folder that is none."""
    return account.get_int_custom_property("span")
