"""The account of an ingest: what came in, what is used, what is not and why. Self-sufficient for a report."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import nsynth
from components.documents import IngestAccount
from components.ingest import files
from components.ingest.contract import Reason
from components.ingest.index import Index
from components.ingest.options import IngestOptions
from components.ingest.shard import Layout, Refused, Used

_EXAMPLES_SHOWN = 5
_USUAL_PITCHES = range(21, 109)  # a piano's keys: what NSynth was rendered for


class Account:
    """Adds up what the workers tell, a shard at a time; keeps a few dozen bytes a note."""

    def __init__(self, indexes: Sequence[Index], options: IngestOptions) -> None:
        self._indexes = indexes
        self._options = options
        self._counts: Counter[tuple[str, str, str]] = Counter()  # of split, family, source
        self._quarantined: Counter[tuple[str, str]] = Counter()  # of split, family
        self._reasons: dict[str, list[Refused]] = defaultdict(list)
        self._reason_counts: Counter[str] = Counter()
        self._splits_of: dict[str, set[str]] = defaultdict(set)  # of an instrument
        self._unusual_pitch: list[str] = []
        self._unusual_count = 0
        self._first_with_sound: dict[bytes, str] = {}
        self._identical: dict[bytes, list[str]] = {}

    def add(self, used: Iterable[Used], refused: Iterable[Refused]) -> None:
        """Take in one shard."""
        for note in used:
            instrument, pitch, _ = note.note_str.rsplit("-", 2)
            family, source = _parts(instrument)
            self._counts[note.split, family, source] += 1
            self._splits_of[instrument].add(note.split)
            if int(pitch) not in _USUAL_PITCHES:
                self._unusual_count += 1
                if len(self._unusual_pitch) < _EXAMPLES_SHOWN:
                    self._unusual_pitch.append(note.note_str)
            self._note_sound(bytes.fromhex(note.sound), f"{note.split}:{note.note_str}")
        for record in refused:
            self._quarantined[record.split, _family_named(record.note_str)] += 1
            self._reason_counts[record.reason] += 1
            if len(self._reasons[record.reason]) < _EXAMPLES_SHOWN:
                self._reasons[record.reason].append(record)

    def _note_sound(self, digest: bytes, name: str) -> None:
        first = self._first_with_sound.setdefault(digest, name)
        if first is not name:
            self._identical.setdefault(digest, [first]).append(name)

    @property
    def used(self) -> int:
        """Notes written to a split."""
        return sum(self._counts.values())

    @property
    def quarantined(self) -> int:
        """Records put into quarantine."""
        return sum(self._reason_counts.values())

    def leaks(self) -> dict[str, list[str]]:
        """Instruments on both sides of the wall between training and held-out data, with their splits.

        Official valid and test share their instruments: that is no leak, since nothing is learnt from either.
        """
        wall = set(nsynth.HELD_OUT)
        return {
            instrument: [split for split in nsynth.SPLITS if split in splits]
            for instrument, splits in sorted(self._splits_of.items())
            if len(splits) > 1 and not splits <= wall
        }

    def summary(self) -> IngestAccount:
        """The account of all that has been added."""
        lost = self._lost_estimate()
        notes_in = sum(index.notes for index in self._indexes)
        told = {
            "in": notes_in,
            "used": self.used,
            "quarantined": self.quarantined,
            "lost_to_damage_estimate": lost,
            "quarantined_fraction": (self.quarantined + lost) / max(1, notes_in + lost),
            "max_quarantine_fraction": self._options.max_quarantine_fraction,
            "files": [self._file(index) for index in self._indexes],
            "splits": self._split_tables(),
            "instruments": {
                split: sorted(name for name, splits in self._splits_of.items() if split in splits)
                for split in nsynth.SPLITS
            },
            "families": {family: self._of("family", family) for family in nsynth.FAMILIES},
            "sources": {source: self._of("source", source) for source in nsynth.SOURCES},
            "quarantined_by_split": self._quarantined_by(0),
            "quarantined_by_family": self._quarantined_by(1),
            "reasons": self._reason_table(),
            "damage": [
                {"file": index.source.path, "offset": place.offset, "bytes": place.length}
                for index in self._indexes
                for place in index.damage
            ],
            "damaged_bytes": sum(place.length for index in self._indexes for place in index.damage),
            "leaks": self.leaks(),
            "warnings": self._warnings(),
        }
        return IngestAccount.model_validate(told)

    def _lost_estimate(self) -> int:
        """Notes that the damaged bytes may have held: their number cannot be known, at least one a place."""
        lost = 0
        for index in self._indexes:
            usual = max(1.0, float(index.lengths.mean())) if index.notes else 1.0
            lost += sum(max(1, round(place.length / usual)) for place in index.damage)
        return lost

    def _file(self, index: Index) -> dict[str, Any]:
        source = index.source
        return {"path": source.path, "form": source.form, "split": source.split, "notes": index.notes}

    def _split_tables(self) -> dict[str, Any]:
        instruments = Counter(split for splits in self._splits_of.values() for split in splits)
        return {
            split: {
                "notes": sum(count for (of, _, _), count in self._counts.items() if of == split),
                "instruments": instruments[split],
                "families": self._within(split, 1, nsynth.FAMILIES),
                "sources": self._within(split, 2, nsynth.SOURCES),
            }
            for split in nsynth.SPLITS
        }

    def _within(self, split: str, part: int, names: Sequence[str]) -> dict[str, int]:
        return {
            name: sum(count for key, count in self._counts.items() if key[0] == split and key[part] == name)
            for name in names
        }

    def _of(self, what: str, name: str) -> int:
        part = {"family": 1, "source": 2}[what]
        return sum(count for key, count in self._counts.items() if key[part] == name)

    def _quarantined_by(self, part: int) -> dict[str, int]:
        totals: Counter[str] = Counter()
        for key, count in self._quarantined.items():
            totals[key[part]] += count
        return dict(sorted(totals.items()))

    def _reason_table(self) -> list[dict[str, Any]]:
        return [
            {
                "reason": reason,
                "words": Reason(reason).words,
                "notes": count,
                "examples": [
                    {"file": r.file, "offset": r.offset, "note_str": r.note_str, "detail": r.detail}
                    for r in self._reasons[reason]
                ],
            }
            for reason, count in self._reason_counts.most_common()
        ]

    def _warnings(self) -> list[dict[str, Any]]:
        across = [names for names in self._identical.values() if len({_split(n) for n in names}) > 1]
        within = [names for names in self._identical.values() if len({_split(n) for n in names}) == 1]
        both = [name for name, splits in self._splits_of.items() if splits >= set(nsynth.HELD_OUT)]
        tables = (
            ("pitch_outside_piano", "pitches outside 21-108", self._unusual_count, self._unusual_pitch),
            (
                "identical_across_splits",
                "byte-identical waveforms in more than one split",
                len(across),
                across[:_EXAMPLES_SHOWN],
            ),
            (
                "identical_within_split",
                "byte-identical waveforms under different names",
                len(within),
                within[:_EXAMPLES_SHOWN],
            ),
            (
                "valid_shares_test",
                "instruments that valid and test share, as the official files do",
                len(both),
                sorted(both)[:_EXAMPLES_SHOWN],
            ),
        )
        return [
            {"warning": key, "words": words, "count": count, "examples": examples}
            for key, words, count, examples in tables
            if count
        ]


def _parts(instrument: str) -> tuple[str, str]:
    """Family and source in an instrument's name (`synth_lead_synthetic_001`)."""
    family, source, _ = instrument.rsplit("_", 2)
    return family, source


def _family_named(note_str: str) -> str:
    for family in nsynth.FAMILIES:
        if note_str.startswith(f"{family}_"):
            return family
    return "unknown"


def _split(name: str) -> str:
    return name.partition(":")[0]


def write(account: IngestAccount, layout: Layout) -> None:
    """Write the account into the quarantine artifact."""
    with files.whole_file(os.path.join(layout.quarantine, account.FILE), layout.reports) as file:
        file.write(account.to_json())


def stop_if_unusable(account: IngestAccount, splits: Iterable[str], layout: Layout) -> None:
    """Stop the run where the data cannot be trusted.

    Raises:
        nsynth.RefusedDataError: too many notes quarantined, an instrument on both sides of the wall, or a split without
            notes.
    """
    share, bar = account.quarantined_fraction, account.max_quarantine_fraction
    if share > bar:
        raise nsynth.RefusedDataError(
            f"{share:.1%} of the notes cannot be used, more than max_quarantine_fraction allows ({bar:.1%}):\n"
            f"{reasons_table(account)}\nSee {layout.quarantine}/{account.RECORDS_FILE}; mend the data or raise the bar."
        )
    if leaks := account.leaks:
        named = "; ".join(f"{name} in {' and '.join(splits)}" for name, splits in list(leaks.items())[:5])
        raise nsynth.RefusedDataError(
            f"{len(leaks)} instrument(s) leak from training into held-out data: {named}. "
            "Take their notes out of one of the files."
        )
    empty = [split for split in splits if not account.splits[split].notes]
    if empty:
        instruments = sum(table.instruments for table in account.splits.values())
        raise nsynth.RefusedDataError(
            f"No note for {', '.join(empty)}: {instruments} instruments are too few for the fractions set. "
            f"Raise {', '.join(f'{split}_fraction' for split in empty)} or bring more instruments."
        )


def reasons_table(account: IngestAccount) -> str:
    """Reasons, counts and a first example each, as text."""
    lines = []
    for row in account.reasons:
        first = row.examples[0]
        where = f"{first.note_str or 'a record'} at byte {first.offset:,} of {first.file}"
        lines.append(f"  {row.notes:>7,}  {row.words} (first: {where}: {first.detail})")
    for place in account.damage[:5]:
        lines.append(f"  {place.bytes:>7,} bytes damaged at byte {place.offset:,} of {place.file}")
    return "\n".join(lines)
