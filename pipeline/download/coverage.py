"""How representative downloaded notes are: instruments and families, against the official counts."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError

import nsynth
from components.example_proto import Example
from pipeline.download import official


class Coverage:
    """Counts the notes of one split as they are written."""

    def __init__(self, split: str) -> None:
        self._split = split
        self._instruments: Counter[str] = Counter()

    def add(self, data: bytes) -> None:
        """Count a record's data; one that is no note counts as an instrument without a name."""
        self._instruments[instrument_of(data)] += 1

    def summary(self) -> dict[str, Any]:
        """Return the counts as JSON-ready values, with the official ones beside them."""
        families: Counter[str] = Counter()
        for instrument, notes in self._instruments.items():
            families[family_of(instrument)] += notes
        return {
            "notes": self._instruments.total(),
            "of_notes": official.NOTES[self._split],
            "instruments": len(self._instruments),
            "of_instruments": official.INSTRUMENTS[self._split],
            "families": {
                family: {"notes": families[family], "of_notes": of}
                for family, of in official.FAMILY_NOTES[self._split].items()
            },
        }


def instrument_of(data: bytes) -> str:
    """Name of the instrument of a serialized note; empty if there is none."""
    try:
        values = Example.FromString(data).features.feature[nsynth.INSTRUMENT_STR].bytes_list.value
    except DecodeError:
        return ""
    return values[0].decode(errors="replace") if values else ""


def family_of(instrument: str) -> str:
    """Return the family in an instrument's name."""
    return instrument.rsplit("_", 2)[0]


def share_of_official(split: str, notes: int, instruments: int) -> str:
    """Return how large a part of an official split this is, in words; empty where it is another dataset."""
    of_notes, of_instruments = official.NOTES.get(split, 0), official.INSTRUMENTS.get(split, 0)
    another = nsynth.CLASSES != official.FAMILIES or notes > of_notes or instruments > of_instruments
    if another:
        return ""
    share = f": as many as {notes / of_notes:.1%} of the official notes"
    return share + (f" and {instruments / of_instruments:.1%} of the instruments" if instruments else "")


def missing_families(summary: dict[str, Any]) -> list[str]:
    """Return the families of the official split without a note in the download."""
    families = summary["families"].items()
    return [name for name, count in families if count["of_notes"] and not count["notes"]]


def lines(summary: dict[str, Any]) -> Iterable[str]:
    """Yield the coverage in words: a headline, then a line for each family."""
    notes, of_notes = summary["notes"], summary["of_notes"]
    instruments, of_instruments = summary["instruments"], summary["of_instruments"]
    yield (
        f"{notes:,} of {of_notes:,} notes ({notes / of_notes:.1%}), {instruments} of {of_instruments} instruments "
        f"({instruments / of_instruments:.1%})"
    )
    for family, count in summary["families"].items():
        share, official_share = count["notes"] / max(1, notes), count["of_notes"] / of_notes
        yield f"  {family:10} {count['notes']:>7,} notes  {share:6.1%} (official {official_share:.1%})"
