"""`nsynth retrain`: one unattended round. Imports heavy packages only when needed."""

import datetime
import signal
import threading
from pathlib import Path

import click

from pipeline import exit_codes
from pipeline.cli.console import log_rounds_to, make_console
from pipeline.cli.options import (
    config_option,
    json_option,
    opened_workspace,
    set_option,
    spans_option,
    with_spans,
)
from pipeline.config import load_config
from pipeline.terminal import make_output_expendable


@click.command()
@config_option
@set_option
@spans_option
@click.option(
    "--force", is_flag=True, help="Train even if there is no new span, and check refused spans again."
)
@click.option(
    "--exit-zero",
    is_flag=True,
    help="Exit with 0 instead of 3, 4 and 5, for schedulers that treat other codes as failures.",
)
@json_option
def retrain(
    config_file: Path,
    overrides: tuple[str, ...],
    spans: str | None,
    force: bool,
    exit_zero: bool,
    as_json: bool,
) -> int:
    """Run one round of retraining: if a span of data has arrived, train, evaluate, and push or keep the champion.

    Exit code 0: a better model was pushed; 3: the champion stays; 4: no new data; 5: the data was refused; 6: another
    process uses the workspace; 7: timed out; 1: an error; 130: interrupted.
    """
    from pipeline.retrain.round import Retraining, telling

    make_output_expendable()
    console = make_console(stderr=as_json)
    log_rounds_to(console)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config = load_config(config_file, with_spans(overrides, spans))
    with telling(config):
        config = opened_workspace(config, create=True)
    done = Retraining(config).retrain("nsynth retrain", force, stop)
    if as_json:
        click.echo(done.model_dump_json())
    else:
        took = datetime.timedelta(seconds=int(done.seconds))
        console.print(
            f"round {done.number}, {took}: {done.outcome}. {done.words}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        for span in (each for each in done.waiting if each not in done.words):
            console.print(f"waiting: {span}", highlight=False, markup=False, soft_wrap=True)
        for warning in done.warnings:
            console.print(f"warning: {warning}", highlight=False, markup=False)
    return exit_codes.OK if exit_zero and done.outcome.as_it_should_be else done.outcome.exit_code
