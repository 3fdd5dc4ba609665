"""`nsynth classify`: classifies recordings with the serving model."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import nsynth
from components.printable import printable
from pipeline import exit_codes
from pipeline.cli.options import LocalPath, config_option, json_option, set_option
from pipeline.config import load_config


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=LocalPath())
@click.option("--batch", is_flag=True, help="Accept folders: all audio files in them, with a progress bar.")
@json_option
@click.option("--model-version", type=int, help="Version to use. Default: the serving version.")
@click.option("--model", "model_folder", type=LocalPath(), help="Folder of a SavedModel to use instead.")
@config_option
@set_option
@click.pass_context
def classify(
    ctx: click.Context,
    files: tuple[Path, ...],
    batch: bool,
    as_json: bool,
    model_version: int | None,
    model_folder: Path | None,
    config_file: Path,
    overrides: tuple[str, ...],
) -> int:
    """Classify each FILE: print the three most likely classes with their probabilities.

    Formats: WAV, FLAC, OGG, AIFF, MP3 and others, at any sample rate, with any number of channels, up to 12 hours.
    Each file is mixed to mono, resampled to the model's rate and cut into windows of one note. The last window is
    padded with silence, or dropped if less than 0.5 s remain. The result is the mean over the windows that are not
    silent.

    Unreadable files are reported, the others are still classified, and the exit code is 1.
    """
    from pipeline.classify import Classifier, audio_files
    from pipeline.logs import chatter_to

    found = audio_files(files, folders=batch)
    if found.skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.skipped.items()))
        print(
            f"nsynth: skipped files that are not audio, by their names: {printable(kinds)}", file=sys.stderr
        )
    folder = str(model_folder) if model_folder else _pushed(config_file, overrides, model_version)
    with chatter_to(Path(os.devnull), verbose=ctx.find_root().obj["verbose"]):
        classifier = Classifier(folder)
    answers = _with_progress(classifier.answers(found.files), len(found.files), show=batch)
    unreadable = 0
    if as_json:
        for answer in answers:
            unreadable += bool(answer.error)
            click.echo(json.dumps(_facts(answer), allow_nan=False))
    else:
        unreadable = _print_table(answers, found.files)
    return exit_codes.ERROR if unreadable else exit_codes.OK


def _pushed(config_file: Path, overrides: tuple[str, ...], number: int | None) -> str:
    """Return the folder of the requested version."""
    from components.registry import Registry

    registry = Registry(load_config(config_file, overrides).models)
    version = registry.get(number) if number is not None else registry.serving()
    if version is None:
        raise nsynth.UserError(f"no model has been pushed to {registry.destination} yet: start `nsynth run`")
    return version.path


def _facts(answer: Any) -> dict[str, Any]:
    if answer.error:
        return {"file": printable(answer.file), "error": answer.error}
    families = [{"family": family, "probability": round(p, 6)} for family, p in answer.top()]
    facts = {"file": printable(answer.file), "windows": answer.windows, "families": families}
    if answer.novelty is not None:
        facts |= {"novelty": round(answer.novelty, 4), "unlike_training_data": answer.unlike}
    return facts


def _print_table(answers: Iterator[Any], files: list[Path]) -> int:
    """Print a line for each file and the errors below; return the number of unreadable files."""
    import rich.markup

    from pipeline.cli.console import make_console
    from pipeline.tables import listing

    console, errors, unlike = make_console(), [], []
    common = os.path.commonpath([file.parent.absolute() for file in files])
    names = {file: printable(os.path.relpath(file, common)) for file in files}
    table = listing("file", "windows", "1st", "2nd", "3rd", right=("windows",), fold=("file",))
    for answer in answers:
        if answer.error:
            errors.append(answer.error)
            continue
        top = [f"{family} {probability:.1%}" for family, probability in answer.top()]
        table.add_row(rich.markup.escape(names[answer.file]), str(answer.windows), *top)
        if answer.unlike:
            unlike.append(names[answer.file])
    if table.row_count:
        console.print(table)
    if unlike:
        console.print(f"Unlike the training data: {', '.join(unlike)}", markup=False, highlight=False)
    for error in errors:
        print(f"nsynth: {error}", file=sys.stderr)
    return len(errors)


def _with_progress(answers: Iterator[Any], total: int, show: bool) -> Iterator[Any]:
    if not show:
        yield from answers
        return
    import rich.progress

    from pipeline.cli.console import make_console

    # On stderr, so that the answers can be piped on.
    yield from rich.progress.track(
        answers, "Classifying", total=total, console=make_console(stderr=True), transient=True
    )
