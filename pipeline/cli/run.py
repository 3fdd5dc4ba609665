"""`nsynth run`: one run of the whole pipeline, with a line for each step and a summary at the end."""

import contextlib
import datetime
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import rich.console

import nsynth
from pipeline import exit_codes
from pipeline.cli.console import short
from pipeline.cli.options import config_option, load_workspace, set_option
from pipeline.config import DEFAULT_CONFIG, SMALL_DEMO, Config, load_config, text_override
from pipeline.history.identity import unwritable
from pipeline.terminal import make_output_expendable

if TYPE_CHECKING:
    from components.ingest.survey import Found


@click.command()
@config_option
@click.option(
    "--data",
    help="Folder (or s3://, gs:// address) of notes: NSynth or audio files. Default: the demo notes.",
)
@set_option
@click.pass_context
def run(ctx: click.Context, config_file: Path, data: str | None, overrides: tuple[str, ...]) -> int:
    """Run the whole pipeline once: from notes to a gated model.

    Steps whose inputs, settings and code have not changed are taken from the cache. Exit code 0: the model was pushed;
    3: the run succeeded, but the model was not blessed; 6: another process uses the workspace; 1: an error.
    """
    from components.ingest.sources import find

    of_data = () if data is None else (text_override("data", data),)
    wanted = load_config(config_file, (*overrides, *of_data)).data
    if wanted is not None:
        find(wanted)  # reports a missing or empty folder before anything is created or loaded
    if (
        wanted is None
        and config_file == DEFAULT_CONFIG
        and (lacking := _missing_fonts(config_file, overrides))
    ):
        click.echo(
            f"Not installed: {', '.join(lacking)} (`nsynth corpus --fetch` downloads them). This run renders only "
            f"TimGM6mb and uses the lower thresholds of {SMALL_DEMO.name}."
        )
        config_file = SMALL_DEMO
    config = load_workspace(config_file, (*overrides, *of_data), create=True)
    make_output_expendable()
    given = [] if config_file == DEFAULT_CONFIG else ["--config", str(config_file)]
    given += [part for override in overrides for part in ("--set", override)]
    return run_once(config, verbose=ctx.find_root().obj["verbose"], given=given)


def _missing_fonts(config_file: Path, overrides: tuple[str, ...]) -> list[str]:
    """Return the names of the demo's fonts that are not installed."""
    from corpus.fetch import missing

    return [font.name for font in missing(load_config(config_file, overrides).corpus.soundfonts)]


def run_once(config: Config, verbose: bool, given: Sequence[str] = ()) -> int:
    """Render the demo notes if `data` is not set, run the pipeline, print the summary; return the exit code.

    Args:
      config: all settings.
      verbose: show the libraries' messages.
      given: the command's options, repeated in the commands that the summary suggests.
    """
    began = time.monotonic()
    # Before TensorFlow is imported: its native messages would bypass every logger.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "2")

    from pipeline.cli.console import make_console
    from pipeline.history import past_runs
    from pipeline.history.past_runs import newest_run
    from pipeline.logs import chatter_to, follow_steps

    console = make_console()
    log_file = _logs(config) / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.log"
    if config.data is None:
        _demo_notes(config, console)
    else:
        _say_what_is_there(config, console)
    before = newest_run(config.metadata)
    try:
        usual = past_runs.usual_seconds(config.metadata) if console.is_terminal else {}
        with chatter_to(log_file, verbose), follow_steps(console, usual):
            _run(config)
        with console.status("Writing the report …"), chatter_to(log_file, verbose):
            report = _report(config)
    except BaseException as error:
        if isinstance(error, Exception):  # nobody waits after Ctrl-C
            with console.status("Writing the report …"), chatter_to(log_file, verbose):
                failed = _report_failure(config, before)
            if failed:
                console.print(f"[dim]report: {short(failed)}[/]")
        console.print(f"[dim]log: {short(log_file)}[/]")
        raise

    from components.pusher.copies import copy_versions
    from pipeline.cli.summary import print_summary, summarize

    summary = summarize(config)
    print_summary(summary, console, seconds=time.monotonic() - began, report=report, options=given)
    if fault := copy_versions(config.models, config.push.copy_to):
        console.print(fault, style="yellow", markup=False)
    return exit_codes.OK if summary.pushed else exit_codes.NOT_BLESSED


def _logs(config: Config) -> Path:
    """Create and return the folder of the logs. This also checks that the workspace is writable."""
    folder = config.workspace / "logs"
    try:
        os.makedirs(folder, exist_ok=True)  # Path.mkdir reports a missing parent, not the true cause
    except OSError as error:
        raise unwritable(config.workspace, error) from error
    return folder


def _run(config: Config) -> None:
    """Run the pipeline under the workspace's lock: a round or a clean-up would remove the outputs of a running step."""
    from pipeline.retrain import lock
    from pipeline.retrain.round import Retraining

    try:
        with lock.hold(Retraining(config).lock_file, "nsynth run", is_round=False):
            from pipeline.local_runner import run_local  # imports TFX, under the status line

            run_local(config)
    except BaseException:
        logging.getLogger(__name__).exception("the run ended early")
        raise


def _report(config: Config) -> Path | None:
    from pipeline.report import write_if_possible
    from pipeline.retrain.index import write_index_if_possible

    report = write_if_possible(config)
    write_index_if_possible(config)
    return report


def _report_failure(config: Config, before: str) -> Path | None:
    from pipeline.report import write_failed_if_possible
    from pipeline.retrain.index import write_index_if_possible

    report = write_failed_if_possible(config, before)
    write_index_if_possible(config)
    return report


def _say_what_is_there(config: Config, console: rich.console.Console) -> None:
    """Print the contents of the data folder. Ingest reports errors in it."""
    from components.ingest.survey import survey

    cache_dir = config.ingest.cache_dir or str(config.artifacts / "ExampleGen" / ".cache")
    with contextlib.suppress(nsynth.UserError, OSError):
        console.print(
            f"data        {short(config.input_base)}", soft_wrap=True, markup=False, highlight=False
        )
        for found in survey(config.input_base, cache_dir):
            forms = ", ".join(found.forms)
            if found.notes is None:
                what = f"packed ({forms}); ingest unpacks and counts the notes"
            else:
                least = "" if found.complete else "at least "
                of = f" of {least}{len(found.instruments)} {nsynth.GROUP.plural}" if found.instruments else ""
                what = f"{found.notes:,} notes{of} ({forms}){_share(found)}"
            console.print(f"            {found.split}: {what}", soft_wrap=True, markup=False, highlight=False)


def _share(found: "Found") -> str:
    """Return the share of the official split, as text."""
    if not nsynth.HAS_DEMO:
        return ""
    from pipeline.download.coverage import share_of_official

    return share_of_official(found.split, found.notes or 0, len(found.instruments))


def _demo_notes(config: Config, console: rich.console.Console) -> None:
    if not nsynth.HAS_DEMO:
        raise nsynth.UserError(
            f"There are no demo notes for {nsynth.NAME}. Give a folder: nsynth run --data DIR."
        )
    from pipeline.cli.corpus import render_with_progress

    render_with_progress(config.corpus, Path(config.input_base), console)
