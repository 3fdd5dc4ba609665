"""What stands beside the notes: a table of the instruments, the fonts' licences and a summary for programs."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

import nsynth
from components.documents.ingest import IngestAccount
from corpus.fonts import KNOWN_FONTS, Font
from corpus.options import CorpusOptions
from corpus.plan import Delivery, Instrument
from corpus.splits import SPLITS, missing

SUMMARY_FILE, TABLE_FILE, LICENCES_FILE = "corpus.json", "corpus.csv", "LICENCES.md"
VERSION = 2
"""To be raised with every change of code that changes the bytes of the notes, so that they are rendered anew."""


class FileSummary(BaseModel, frozen=True):
    """Size and hash of one file."""

    bytes: int
    sha256: str


class CorpusSummary(BaseModel, frozen=True):
    """What a corpus folder holds, as in its corpus.json."""

    parameters: dict[str, Any]
    """All that the bytes depend on: options, the SoundFonts' hashes and the renderer's version."""
    notes: dict[str, int]
    """By split."""
    instruments: dict[str, int]
    """By split."""
    families: dict[str, dict[str, int]]
    """Instruments by family and split."""
    missing: dict[str, list[str]]
    """Splits that a family is not heard in, because its recordings are of fewer than three groups."""
    recording_groups: int
    silent: int
    """Planned notes that were left out because nothing sounded."""
    files: dict[str, FileSummary]
    """The notes' files and the tables; WAV files are not listed."""
    rendered: bool = Field(default=False, exclude=True)
    """Whether the call that returns this made the corpus; False where it was there already."""
    seconds: float = Field(default=0.0, exclude=True)
    """Wall time of the rendering."""

    @property
    def total_notes(self) -> int:
        """Notes of all splits."""
        return sum(self.notes.values())


def parameters(
    options: CorpusOptions, fonts: Sequence[Font], delivery: Delivery | None = None
) -> dict[str, Any]:
    """Return all that the bytes depend on, in JSON's types: fonts by content, wherever they lie."""
    return {
        "version": VERSION,
        **options.model_dump(mode="json", exclude={"soundfonts"}),
        "soundfonts": [{"name": font.name, "sha256": font.file.sha256} for font in fonts],
        **({"span": delivery.number, "spans": delivery.count} if delivery else {}),
    }


def find_finished(folder: Path) -> CorpusSummary | None:
    """Return the summary of a corpus in `folder`, or None if none is there or a file of it is gone or cut short."""
    try:
        summary = CorpusSummary.model_validate_json((folder / SUMMARY_FILE).read_bytes())
        whole = all((folder / name).stat().st_size == file.bytes for name, file in summary.files.items())
    except (OSError, ValidationError):
        return None
    return summary if whole else None


def write_tables(
    folder: Path,
    instruments: Sequence[Instrument],
    pitches: Mapping[str, Sequence[int]],
    fonts: Sequence[Font],
) -> None:
    """Write corpus.csv, LICENCES.md and origin.txt.

    Args:
        folder: where.
        instruments: in the order of the notes.
        pitches: of each rendered note, by instrument_str.
        fonts: that were rendered from.
    """
    with (folder / TABLE_FILE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        columns = "split instrument instrument_str instrument_family_str instrument_source_str"
        table.writerow(
            [*columns.split(), "font", "bank", "program", "preset", "recording_group", "pitches", "notes"]
        )
        for i in instruments:
            played = pitches[i.name]
            labels = [
                i.split,
                i.number,
                i.name,
                i.family,
                i.source,
                i.font,
                i.bank,
                i.program,
                i.preset,
                i.group,
            ]
            table.writerow([*labels, " ".join(map(str, sorted(set(played)))), len(played)])
    (folder / LICENCES_FILE).write_text(_licences(fonts), encoding="utf-8")
    (folder / IngestAccount.ORIGIN_FILE).write_text(origin(fonts) + "\n", encoding="utf-8")


def origin(fonts: Sequence[Font]) -> str:
    """Return what the notes are, for the model card of what is trained on them."""
    of = list(dict.fromkeys(font.known.lineage if font.known else font.name for font in fonts))
    count = f"{len(of)} unrelated lineages" if len(of) > 1 else "one lineage"
    return (
        f"notes rendered from SoundFonts of {count} ({', '.join(of)}), not recorded from instruments; expect lower "
        "accuracy on other sounds."
    )


def summarize(
    folder: Path,
    instruments: Sequence[Instrument],
    pitches: Mapping[str, Sequence[int]],
    made_with: dict[str, Any],
) -> CorpusSummary:
    """Count and hash what was written, and write corpus.json, the mark of a finished corpus."""
    heard = [instrument for instrument in instruments if pitches[instrument.name]]
    planned = sum(len(instrument.notes) for instrument in instruments)
    notes = Counter[str]()
    for instrument in heard:
        notes[instrument.split] += len(pitches[instrument.name])
    files = sorted([*(path for path in folder.iterdir() if path.is_file()), *folder.glob("*/examples.json")])
    summary = CorpusSummary(
        parameters=made_with,
        notes={split: notes[split] for split in SPLITS},
        instruments=_by_split(heard),
        families={
            family: _by_split([instrument for instrument in heard if instrument.family == family])
            for family in nsynth.FAMILIES
        },
        missing=missing(((i.group, i.family) for i in heard), {i.group: i.split for i in heard}),
        recording_groups=len({instrument.group for instrument in heard}),
        silent=planned - notes.total(),
        files={path.relative_to(folder).as_posix(): _file_summary(path) for path in files},
    )
    text = json.dumps(summary.model_dump(mode="json"), indent=2) + "\n"
    (folder / SUMMARY_FILE).write_text(text, encoding="utf-8")
    return summary


def _by_split(instruments: Sequence[Instrument]) -> dict[str, int]:
    counts = Counter(instrument.split for instrument in instruments)
    return {split: counts[split] for split in SPLITS}


def _file_summary(path: Path) -> FileSummary:
    with path.open("rb") as file:
        return FileSummary(bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _licences(fonts: Sequence[Font]) -> str:
    lines = [
        "# Licences of the SoundFonts that these notes were rendered from",
        "",
        "The notes contain the fonts' recordings. Before you pass them on, check what each licence asks for.",
        "",
        "| font | licence | source | SHA-256 of the file |",
        "| --- | --- | --- | --- |",
    ]
    for font in fonts:
        home = font.known.home if font.known else "a file of the user's"
        licence = " ".join(font.licence.split()).replace("|", "/")
        lines.append(f"| {font.name} | {licence} | {home} | {font.file.sha256} |")
    for font in fonts:
        if comment := font.file.info("ICMT"):
            lines += ["", f"## What {font.name} says of itself", "", *_quoted(comment)]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> list[str]:
    return [f"> {line.strip()}".rstrip() for line in text.splitlines()]


def lineages(folder: Path) -> dict[str, str]:
    """Return instrument → the family of SoundFonts that its recordings come from; empty if `folder` is no corpus."""
    try:
        with (folder / TABLE_FILE).open(newline="", encoding="utf-8") as file:
            fonts = {row["instrument_str"]: row["font"] for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError):
        return {}
    known = {font.name: font.lineage for font in KNOWN_FONTS}
    return {instrument: known.get(font, font) for instrument, font in fonts.items()}
