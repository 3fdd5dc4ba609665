"""Holds the instruments of several ingests against each other."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from tfx import types
from tfx.dsl.components.base.base_executor import BaseExecutor

import nsynth
from components.documents.ingest import IngestAccount
from components.step import Artifacts

_NAMED = 5  # instruments or spans in a message
_CARVED_FROM = {"dev": "train"}


class Place(NamedTuple):
    """Where an instrument is."""

    file: str
    span: int | None
    """None for the held-out folder."""


class Ingested(NamedTuple):
    """What an ingest has read."""

    span: int | None
    """None for the held-out folder."""
    account: IngestAccount


class ApartExecutor(BaseExecutor):
    """Reads the accounts, says nothing or stops."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Check.

        Raises:
          RefusedDataError: an instrument of a new span is trained on in one place and held out in another.
          UserError: the same where no new span has to do with it, or where the held-out folder is at fault.
        """
        new = set(json.loads(exec_properties["new"]))
        spans = [Ingested(_span(one), IngestAccount.read(one.uri)) for one in input_dict["accounts"]]
        # Who comes first was there first: old spans, then new ones.
        spans.sort(key=lambda one: (one.span in new, one.span))
        held_out = [Ingested(None, IngestAccount.read(one.uri)) for one in input_dict.get("held_out", ())]
        _check_held_out(held_out, spans, new)
        shared = shared_instruments([*held_out, *spans])
        if not shared:
            return
        words = _words(shared)
        rejectable = [
            max(of_new)
            for places in shared.values()
            if (of_new := [place.span for place in places if place.span is not None and place.span in new])
        ]
        if rejectable:  # one at a time: without it, others may well go together
            span = min(rejectable)
            raise nsynth.RefusedDataError(f"Span {span} is left out: {words}", span)
        raise nsynth.UserError(words)


def _check_held_out(held_out: list[Ingested], spans: list[Ingested], new: set[int]) -> None:
    """Make sure that the held-out folder is not what is wrong, before any span is refused for it.

    Raises:
      UserError: it shares instruments with a span that has been used, so it has changed since; or with every span.
    """
    clashing = {each.span: shared for each in spans if (shared := shared_instruments([*held_out, each]))}
    used = [span for span in clashing if span not in new]
    if not clashing or (not used and len(clashing) < len(spans)):
        return
    named = used or list(clashing)
    raise nsynth.UserError(
        f"retrain.holdout conflicts with span {', '.join(map(str, named[:_NAMED]))}"
        f"{' …' if len(named) > _NAMED else ''}{', which was used before' if used else ''}: "
        f"{_words(clashing[named[0]])} No span is refused."
    )


def _words(shared: dict[str, tuple[Place, Place]]) -> str:
    named = "; ".join(
        f"{instrument}, trained on in {trained.file}, held out in {held.file}"
        for instrument, (trained, held) in list(shared.items())[:_NAMED]
    )
    return (
        f"{len(shared)} {nsynth.GROUP.plural} would be trained on and judged on: {named}. "
        "Take them out of one of the places, or name the files' splits in the same way everywhere."
    )


def shared_instruments(ingests: Iterable[Ingested]) -> dict[str, tuple[Place, Place]]:
    """Return instrument → the first place that it is trained on in, and the first that it is held out in.

    Args:
      accounts: of several ingests, each with the number of its span.
    """
    trained: dict[str, Place] = {}
    held_out: dict[str, Place] = {}
    for span, account in ingests:
        for split, instruments in account.instruments.items():
            place = Place(_file(account, split), span)
            places = held_out if split in nsynth.HELD_OUT else trained
            for instrument in instruments:
                places.setdefault(instrument, place)
    return {name: (trained[name], held_out[name]) for name in sorted(trained.keys() & held_out.keys())}


def _file(account: IngestAccount, split: str) -> str:
    """Return the file that the notes of a split came from, or where to look for it among several."""
    own = [file.path for file in account.files if file.split == _CARVED_FROM.get(split, split)]
    paths = own or [file.path for file in account.files]  # a split that was carved from another one's file
    if not paths:
        return "a folder without files"
    return paths[0] if len(paths) == 1 else f"one of {len(paths)} files ({paths[0]} …)"


def _span(account: types.Artifact) -> int:
    """Return the span that an ingest has read."""
    return account.get_int_custom_property("span")
