"""The account of an ingest: what came in, what is used, what is not and why. Self-sufficient for a report."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import nsynth
from components.documents.ingest import TABLES, IngestAccount
from components.ingest import files
from components.ingest.contract import CATEGORIES, WORDS
from components.ingest.index import Index
from components.ingest.options import IngestOptions
from components.ingest.repeats import Repeats
from components.ingest.shard import Layout, Refused, Used

_EXAMPLES_SHOWN = 5


class Account:
    """Adds up what the workers tell, a shard at a time; of all notes, it keeps those that repeat in memory."""

    def __init__(self, indexes: Sequence[Index], options: IngestOptions, origin: str = "") -> None:
        self._indexes = indexes
        self._origin = origin
        self._options = options
        self._used: Counter[str] = Counter()  # of a split
        self._counts: Counter[tuple[str, str, int]] = Counter()  # of split, word of a category, id
        self._lacking: Counter[str] = Counter()  # of an optional feature
        self._quarantined: Counter[tuple[str, str]] = Counter()  # of split, family
        self._reasons: dict[str, list[Refused]] = defaultdict(list)
        self._reason_counts: Counter[str] = Counter()
        self._splits_of: dict[str, set[str]] = defaultdict(set)  # of an instrument
        self._unusual: dict[str, list[str]] = defaultdict(list)  # word of a number → the first such notes
        self._unusual_counts: Counter[str] = Counter()
        self._names, self._sounds = Repeats(), Repeats()

    def add(self, used: Iterable[Used], refused: Iterable[Refused]) -> None:
        """Take in one shard."""
        for note in used:
            self._used[note.split] += 1
            self._splits_of[note.group].add(note.split)
            self._lacking.update(note.lacks)
            for category in CATEGORIES:
                if category.word in note.attributes:
                    self._counts[note.split, category.word, note.attributes[category.word]] += 1
            for number in nsynth.NUMBERS:
                value = note.attributes.get(number.word)
                if number.usual and value is not None and value not in number.usual[1]:
                    self._unusual_counts[number.word] += 1
                    if len(self._unusual[number.word]) < _EXAMPLES_SHOWN:
                        self._unusual[number.word].append(note.note_str)
            self._names.add(note.note_str, note.note_str)
            self._sounds.add(note.sound, f"{note.split}:{note.note_str}")
        for record in refused:
            self._quarantined[record.split, _family_named(record.note_str)] += 1
            self._reason_counts[record.reason] += 1
            if len(self._reasons[record.reason]) < _EXAMPLES_SHOWN:
                self._reasons[record.reason].append(record)

    @property
    def used(self) -> int:
        """Notes written to a split."""
        return self._used.total()

    @property
    def quarantined(self) -> int:
        """Records put into quarantine."""
        return self._reason_counts.total()

    def leaks(self) -> dict[str, list[str]]:
        """Return instruments on both sides of the wall between training and held-out data, with their splits.

        Official valid and test share their instruments: that is no leak, since nothing is learnt from either.
        """
        wall = set(nsynth.HELD_OUT)
        return {
            instrument: [split for split in nsynth.SPLITS if split in splits]
            for instrument, splits in sorted(self._splits_of.items())
            if len(splits) > 1 and not splits <= wall
        }

    def summary(self) -> IngestAccount:
        """Return the account of all that has been added."""
        lost = self._lost_estimate()
        notes_in = sum(index.notes for index in self._indexes)
        told = {
            "origin": self._origin,
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
            **{table: self._counted(category) for table, category in TABLES.items()},
            "features": {key: self.used - self._lacking[key] for key in nsynth.FEATURES},
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

    def _identical(self) -> list[list[str]]:
        """Return the names of notes with the same sound, group by group."""
        groups = self._sounds.groups()
        names = self._sounds.labels(place for group in groups for place in group)
        return [[names[int(place)] for place in group] for group in groups]

    def _lost_estimate(self) -> int:
        """Return notes that the damaged bytes may have held: their number cannot be known, at least one a place."""
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
                "notes": self._used[split],
                "instruments": instruments[split],
                **{table: self._counted(category, [split]) for table, category in TABLES.items()},
            }
            for split in nsynth.SPLITS
        }

    def _counted(self, category: nsynth.Category, splits: Sequence[str] = nsynth.SPLITS) -> dict[str, int]:
        """Name → notes of it in these splits."""
        return {
            name: sum(self._counts[split, category.word, number] for split in splits)
            for number, name in enumerate(category.names)
        }

    def _quarantined_by(self, part: int) -> dict[str, int]:
        totals: Counter[str] = Counter()
        for key, count in self._quarantined.items():
            totals[key[part]] += count
        return dict(sorted(totals.items()))

    def _reason_table(self) -> list[dict[str, Any]]:
        return [
            {
                "reason": reason,
                "words": WORDS[reason],
                "notes": count,
                "examples": [
                    {"file": r.file, "offset": r.offset, "note_str": r.note_str, "detail": r.detail}
                    for r in self._reasons[reason]
                ],
            }
            for reason, count in self._reason_counts.most_common()
        ]

    def _warnings(self) -> list[dict[str, Any]]:
        repeated = sorted(int(place) for group in self._names.groups() for place in group[1:])
        repeated_names = self._names.labels(repeated[:_EXAMPLES_SHOWN])
        identical = self._identical()
        across = [names for names in identical if len({_split(n) for n in names}) > 1]
        within = [names for names in identical if len({_split(n) for n in names}) == 1]
        both = [name for name, splits in self._splits_of.items() if splits >= set(nsynth.HELD_OUT)]
        tables = (
            *(
                (
                    f"{number.word}_outside_{number.usual[0]}",
                    f"notes with a {number.word} outside {number.usual[1].start}-{number.usual[1].stop - 1}",
                    self._unusual_counts[number.word],
                    self._unusual[number.word],
                )
                for number in nsynth.NUMBERS
                if number.usual
            ),
            ("repeated", "notes that are there more than once", len(repeated), list(repeated_names.values())),
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
                f"{nsynth.GROUP.plural} that valid and test share",
                len(both),
                sorted(both)[:_EXAMPLES_SHOWN],
            ),
        )
        return [
            {"warning": key, "words": words, "count": count, "examples": examples}
            for key, words, count, examples in tables
            if count
        ]


def _family_named(note_str: str) -> str:
    """Return the label that a refused note's name begins with."""
    return next((name for name in nsynth.CLASSES if note_str.startswith((f"{name}_", f"{name}/"))), "unknown")


def _split(name: str) -> str:
    return name.partition(":")[0]


def write(account: IngestAccount, layout: Layout) -> None:
    """Write the account into the quarantine artifact."""
    with files.whole_file(os.path.join(layout.quarantine, account.FILE), layout.reports) as file:
        file.write(account.to_json())


def stop_if_unusable(account: IngestAccount, splits: Iterable[str], layout: Layout) -> None:
    """Stop the run where the data cannot be trusted.

    Raises:
        nsynth.RefusedDataError: too many notes quarantined, an instrument in train and held-out data, or a
            split without notes.
    """
    share, limit = account.quarantined_fraction, account.max_quarantine_fraction
    if share > limit:
        raise nsynth.RefusedDataError(
            f"{share:.1%} of the notes are invalid, more than ingest.max_quarantine_fraction allows ({limit:.1%}):\n"
            f"{reasons_table(account)}\nSee {layout.quarantine}/{account.RECORDS_FILE}; "
            "fix the data or increase ingest.max_quarantine_fraction."
        )
    if leaks := account.leaks:
        named = "; ".join(f"{name} in {' and '.join(splits)}" for name, splits in list(leaks.items())[:5])
        raise nsynth.RefusedDataError(
            f"{len(leaks)} {nsynth.GROUP.plural} are in training data and in held-out data: {named}. "
            "Remove their notes from one of the files."
        )
    empty = [split for split in splits if not account.splits[split].notes]
    if empty:
        instruments = sum(table.instruments for table in account.splits.values())
        raise nsynth.RefusedDataError(
            f"No notes for {', '.join(empty)}: {instruments} {nsynth.GROUP.plural} are too few for these fractions. "
            f"Increase {', '.join(f'ingest.{split}_fraction' for split in empty)} or add {nsynth.GROUP.plural}."
        )


def reasons_table(account: IngestAccount) -> str:
    """Return reasons, counts and a first example each, as text."""
    lines = []
    for row in account.reasons:
        first = row.examples[0]
        where = f"{first.note_str or 'a record'} at byte {first.offset:,} of {first.file}"
        lines.append(f"  {row.notes:>7,}  {row.words} (first: {where}: {first.detail})")
    for place in account.damage[:5]:
        lines.append(f"  {place.bytes:>7,} bytes damaged at byte {place.offset:,} of {place.file}")
    return "\n".join(lines)
