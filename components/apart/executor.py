"""Holds the instruments of several ingests against each other."""

import json
from collections.abc import Iterable
from typing import Any

from tfx import types
from tfx.dsl.components.base.base_executor import BaseExecutor

import nsynth
from components import storage

_NAMED = 5  # instruments in a message


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
          UserError: an instrument is trained on in one place and held out in another.
        """
        accounts = [
            json.loads(storage.read_bytes(f"{artifact.uri}/summary.json"))
            for artifact in input_dict["accounts"]
        ]
        if shared := shared_instruments(accounts):
            named = "; ".join(
                f"{instrument}, trained on in {trained}, held out in {held}"
                for instrument, (trained, held) in list(shared.items())[:_NAMED]
            )
            raise nsynth.UserError(
                f"{len(shared)} instrument(s) would be trained on and judged on: {named}. "
                "Take them out of one of the places, or name the files' splits in the same way everywhere."
            )


def shared_instruments(accounts: Iterable[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Instrument → a file that it is trained on in, and one that it is held out in.

    Args:
      accounts: summaries of ingests; `instruments` holds their names by split.
    """
    trained: dict[str, str] = {}
    held_out: dict[str, str] = {}
    for account in accounts:
        place = account["files"][0]["path"] if account["files"] else "a folder without files"
        for split, instruments in account["instruments"].items():
            places = held_out if split in nsynth.HELD_OUT else trained
            for instrument in instruments:
                places.setdefault(instrument, place)
    return {name: (trained[name], held_out[name]) for name in sorted(trained.keys() & held_out.keys())}
