"""`nsynth inspect DATA`: counts and checks the notes of a data folder."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

import nsynth
from pipeline.cli.options import PathOrAddress, json_option

if TYPE_CHECKING:
    from components.documents.ingest import IngestAccount
    from components.ingest.index import Index
    from components.ingest.shard import Refused, Used


@click.command("inspect")
@click.argument("data", type=PathOrAddress())
@click.option("--pattern", default="*", show_default=True, help="Glob pattern of the files in the folder.")
@json_option
def inspect(data: str, pattern: str, as_json: bool) -> None:
    """Count the notes in DATA by class, category and split, and show the first problems.

    DATA is a folder, a file or an address with notes in any format that a run reads. Every record is checked as in a
    run. Archives are unpacked into a temporary folder (TMPDIR), which is removed; nothing else is written.
    Exit code 1: a run would stop because of this data.
    """
    account = examine(data, pattern, show_progress=not as_json and sys.stderr.isatty())
    stops = _stops(account)
    if as_json:
        click.echo(json.dumps({**account.model_dump(mode="json", by_alias=True), "stops": stops}, indent=2))
    else:
        _print(account, stops)
    if stops:
        sys.exit(1)


def examine(data: str, pattern: str = "*", show_progress: bool = False) -> "IngestAccount":
    """Return the account of all notes in a folder, without keeping files.

    Raises:
        nsynth.UserError: there are no notes, or a file cannot be read.
    """
    from rich.progress import track

    from components.ingest.account import Account
    from components.ingest.index import load_or_scan
    from components.ingest.options import IngestOptions
    from components.ingest.sources import find
    from pipeline.cli.console import make_console

    with tempfile.TemporaryDirectory(prefix="nsynth-inspect-") as scratch:
        indexes = [load_or_scan(source, scratch) for source in find(data, pattern)]
        account = Account(indexes, IngestOptions())
        for used, refused in track(
            _notes(indexes),
            "Reading notes",
            total=sum(index.notes for index in indexes),
            console=make_console(stderr=True),
            disable=not show_progress,
        ):
            account.add(used, refused)
        return account.summary()


def _notes(indexes: "list[Index]") -> "Iterator[tuple[list[Used], list[Refused]]]":
    from components.ingest.contract import ContractError
    from components.ingest.readers import Readers
    from components.ingest.shard import Refused, Used, waveform_name
    from components.tfrecord import Record

    for index in indexes:
        source = index.source
        with Readers([source]) as readers:
            for offset, length in zip(index.offsets.tolist(), index.lengths.tolist(), strict=True):
                place = Record(offset, length)
                try:
                    _, note = readers.note(0, place)
                    yield [Used.of(source.split, note, waveform_name(note), place)], []
                except ContractError as error:
                    yield [], [Refused.of(source, place, error)]


def _stops(account: "IngestAccount") -> list[str]:
    """Return the reasons why a run with default options would stop."""
    found = []
    if account.quarantined_fraction > account.max_quarantine_fraction:
        found.append(
            f"{account.quarantined_fraction:.1%} of the notes are invalid; a run allows "
            f"{account.max_quarantine_fraction:.1%} (ingest.max_quarantine_fraction)"
        )
    found += [
        f"{nsynth.GROUP.word} {name} is in {' and in '.join(splits)}"
        for name, splits in account.leaks.items()
    ]
    return found


def _print(account: "IngestAccount", stops: list[str]) -> None:
    from components.documents.ingest import TABLES
    from pipeline.cli.console import make_console
    from pipeline.tables import listing

    console = make_console()
    for file in account.files:
        console.print(f"{file.path}: {file.notes:,} notes, {file.split}", markup=False, soft_wrap=True)
    splits = [split for split, table in account.splits.items() if table.notes]
    for what, category in TABLES.items():
        if not any(account.table(what).values()):  # the data does not have it
            continue
        table = listing(category.plural, *splits, right=splits)
        for name in account.table(what):
            table.add_row(name, *(f"{account.splits[split].table(what)[name]:,}" for split in splits))
        console.print(table)
        console.print()
    console.print(
        f"{account.notes_in:,} notes read, {account.used:,} valid, {account.quarantined:,} invalid; "
        f"{account.damaged_bytes:,} bytes damaged."
    )
    for row in account.reasons:
        console.print(f"{row.notes:,} × {row.words}", style="red", markup=False)
        for example in row.examples:
            where = f"{os.path.basename(example.file)} byte {example.offset:,}"
            console.print(f"    {where} {example.note_str}: {example.detail}", markup=False)
    for remark in account.warnings:
        console.print(f"{remark.count:,} × {remark.words}", style="yellow", markup=False)
    for stop in stops:
        console.print(f"A run would stop: {stop}.", style="bold red", markup=False)
