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
    """Names of official splits, with commas between them."""

    name = "splits"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Take the names apart."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        unknown = [name for name in names if name not in official.SPLITS]
        if unknown:
            self.fail(f"{unknown[0]!r} is none of {', '.join(official.SPLITS)}", param, ctx)
        return names


@click.command("download")
@click.option("--notes", type=click.IntRange(1), default=TRAIN_NOTES, show_default=True,
              help="Notes of train; valid gets a sixth as many, test is always whole.")  # fmt: skip
@click.option("--all", "whole", is_flag=True, help="Whole files: 74 GB of train, 3.3 GB of valid.")
@click.option("--splits", type=Splits(), default="train,valid", show_default=True,
              help="Which splits. Test, for one last figure, only on request.")  # fmt: skip
@click.option("--out", type=LocalPath(file_okay=False), default=DEFAULT_OUT, show_default=True,
              help="Folder to write to.")  # fmt: skip
@click.option("--mirror", type=PathOrAddress(), default=official.BASE_URL, show_default=True,
              help="Another address, or a folder, that holds the official files.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Which places of the files are sampled.")  # fmt: skip
@click.option("--connections", type=click.IntRange(1, 16), default=CONNECTIONS, show_default=True,
              help="Requests at a time.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Take a whole file without asking if the server sends no parts.")
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

    The records are the official ones, byte for byte, each verified by its own checksum. They are taken in short runs
    at evenly spread places of the official files. Interrupted, the same command resumes. Exit code 1: an error.
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
            console.print(f"[yellow]no note of {', '.join(missing)}[/]")
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
            f"{remote.url}: the server does not answer range requests. Download the whole file "
            f"({remote.size / 1e9:,.1f} GB)?"
        )
        try:
            return click.confirm(question)
        except click.Abort as error:  # there is nobody to ask
            raise nsynth.UserError(
                f"{remote.url}: the server does not answer range requests; the whole file is "
                f"{remote.size / 1e9:,.1f} GB. Add --yes to take it, or name another server with --mirror."
            ) from error
