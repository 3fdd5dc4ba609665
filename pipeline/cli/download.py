"""`nsynth download`: fetches notes of the real NSynth."""

import contextlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import rich.markup

import nsynth
from components.remote.http import Remote
from pipeline.cli.console import make_console
from pipeline.cli.options import LocalPath, PathOrAddress
from pipeline.download import coverage, official
from pipeline.download.download import TRAIN_NOTES, Reporter, Request, download
from pipeline.download.origin import open_origin
from pipeline.download.part import CONNECTIONS

if TYPE_CHECKING:
    import rich.console
    import rich.progress

DEFAULT_OUT = Path("workspace/nsynth-data")


class Splits(click.ParamType):  # type: ignore[type-arg]  # click itself is not generic at run time
    """Names of official splits, separated by commas."""

    name = "splits"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split the names."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        unknown = [name for name in names if name not in official.SPLITS]
        if unknown:
            self.fail(f"{unknown[0]!r} is not one of {', '.join(official.SPLITS)}", param, ctx)
        return names


@click.command("download")
@click.option("--notes", type=click.IntRange(1), default=TRAIN_NOTES, show_default=True,
              help="Number of train notes; valid gets a sixth as many, test is always complete.")  # fmt: skip
@click.option("--all", "whole", is_flag=True, help="Complete files: 74 GB of train, 3.3 GB of valid.")
@click.option("--splits", type=Splits(), default="train,valid", show_default=True,
              help="Splits to download. Test is for the final accuracy.")  # fmt: skip
@click.option("--out", type=LocalPath(file_okay=False), default=DEFAULT_OUT, show_default=True,
              help="Folder to write to.")  # fmt: skip
@click.option("--mirror", type=PathOrAddress(), default=official.BASE_URL, show_default=True,
              help="Address or folder with the official files.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Seed of the positions that are sampled.")  # fmt: skip
@click.option("--connections", type=click.IntRange(1, 16), default=CONNECTIONS, show_default=True,
              help="Number of parallel requests.")  # fmt: skip
@click.option(
    "--yes",
    is_flag=True,
    help="Download complete files without asking if the server does not support ranges.",
)
def download_command(
    notes: int,
    whole: bool,
    splits: tuple[str, ...],
    out: Path,
    mirror: str,
    seed: int,
    connections: int,
    yes: bool,
) -> None:
    """Download notes of the real NSynth: by default 12,000 of train and 2,000 of valid, about 3.6 GB.

    The records are those of the official files, byte for byte, each verified by its checksum. They are taken in short
    runs at evenly spaced positions. If the command is interrupted, run it again to resume. Exit code 1: an error.
    """
    console = make_console()
    request = Request(out, splits, None if whole else notes, seed, connections)
    with contextlib.ExitStack() as stack:
        noted = download(request, open_origin(mirror), _Shown(console, stack, yes))
    for split in splits:
        entry = noted["splits"][split]
        head, *families = coverage.lines(entry["coverage"])
        console.print(
            f"[bold]{split}[/]: {head} in {rich.markup.escape(str(out / entry['file']))}",
            highlight=False,
            soft_wrap=True,
        )
        console.print("\n".join(families), highlight=False)
        if missing := coverage.missing_families(entry["coverage"]):
            console.print(f"[yellow]no notes of {', '.join(missing)}[/]")
    console.print(
        f"Licence: {official.LICENCE}; origin and citation: {out / 'SOURCE.md'}", markup=False, soft_wrap=True
    )
    console.print(
        f"  nsynth run --data {shlex.quote(str(out))} --config configs/nsynth-lite.yaml",
        markup=False,
        soft_wrap=True,
    )


class _Shown(Reporter):
    """Progress bars on a console, each with its rate and the time left."""

    def __init__(self, console: "rich.console.Console", stack: contextlib.ExitStack, yes: bool) -> None:
        self._console, self._stack, self._yes = console, stack, yes
        self._bars: rich.progress.Progress | None = None

    def begin(self, split: str, total_bytes: int, done_bytes: int) -> Callable[[int], None]:
        """Show a bar."""
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        if self._bars is None:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed())
            bars = Progress(*columns, TimeRemainingColumn(), console=self._console)
            self._bars = self._stack.enter_context(bars)
        bars = self._bars
        task = bars.add_task(split, total=total_bytes, completed=done_bytes)
        return lambda arrived: bars.update(task, advance=arrived)

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(line, highlight=False, soft_wrap=True)

    def may_take_whole(self, remote: Remote) -> bool:
        """Ask, unless the answer was given on the command line."""
        if self._yes:
            return True
        question = (
            f"{remote.url}: the server does not support range requests. Download the complete file "
            f"({remote.size / 1e9:,.1f} GB)?"
        )
        try:
            return click.confirm(question)
        except click.Abort as error:  # there is nobody to ask
            raise nsynth.UserError(
                f"{remote.url}: the server does not support range requests; the complete file has "
                f"{remote.size / 1e9:,.1f} GB. Add --yes to download it, or give another server with --mirror."
            ) from error
