"""`nsynth retrain`, `schedule`, `status` and `gc`. What is heavy is imported when it is needed."""

import datetime
import json
import logging
import signal
import threading
from pathlib import Path

import click
import rich.console
import rich.logging

from pipeline import exit_codes
from pipeline.config import DEFAULT_CONFIG, Config, load_config
from pipeline.retrain import outcome

_config = click.option(
    "--config", "config_file", default=DEFAULT_CONFIG, show_default="configs/demo.yaml",
    type=click.Path(path_type=Path), help="The YAML file with all settings.",
)  # fmt: skip
_overrides = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Override one setting, for example --set retrain.window=5. May be repeated.",
)  # fmt: skip
_spans = click.option("--spans", help="Folder with span-000001, span-000002 … (retrain.spans).")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@_config
@_overrides
@_spans
@click.option(
    "--force", is_flag=True, help="Train although there is no new span, and judge refused ones again."
)
@click.option(
    "--exit-zero",
    is_flag=True,
    help="0 too if the champion stays, nothing is new or data are refused: for what takes other codes for failures.",
)
@_json
def retrain(
    config_file: Path,
    overrides: tuple[str, ...],
    spans: str | None,
    force: bool,
    exit_zero: bool,
    as_json: bool,
) -> int:
    """One unattended round: if a span of data has arrived, train, judge and push or keep.

    Exit code 0: a better model is pushed; 3: the champion stays; 4: no new data; 5: the data was refused;
    6: another round is running; 7: out of time; 1: an error; 130: told to stop.
    """
    from pipeline.retrain.lock import LockedError
    from pipeline.retrain.round import Retraining

    console = rich.console.Console(stderr=as_json)
    _log_to(console)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        done = Retraining(_load(config_file, overrides, spans)).retrain("nsynth retrain", force, stop)
    except LockedError as error:
        click.echo(f"nsynth: {error}", err=True)
        return outcome.LOCKED
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
        for warning in done.warnings:
            console.print(f"warning: {warning}", highlight=False, markup=False)
    return exit_codes.OK if exit_zero and done.outcome.as_it_should_be else done.outcome.exit_code


@click.command()
@_config
@_overrides
@_spans
def schedule(config_file: Path, overrides: tuple[str, ...], spans: str | None) -> int:
    """Run rounds by the clock (retrain.schedule) until stopped by SIGTERM or Ctrl-C."""
    from pipeline.retrain.round import Retraining
    from pipeline.retrain.schedule import Scheduler

    config = _load(config_file, overrides, spans)
    _log_to(rich.console.Console(stderr=True))
    retraining = Retraining(config)
    retraining.work()  # no folder of spans is told now, not at night
    Scheduler(retraining, config.retrain.schedule).run()
    return 0


@click.command()
@_config
@_overrides
@_spans
@click.option("--rounds", default=10, show_default=True, type=click.IntRange(0), help="How many to list.")
@_json
def status(
    config_file: Path, overrides: tuple[str, ...], spans: str | None, rounds: int, as_json: bool
) -> int:
    """Show the last rounds, the next one, the champion and its age, and the disk."""
    from pipeline.retrain.status import print_status
    from pipeline.retrain.status import status as gather

    told = gather(_load(config_file, overrides, spans), rounds)
    if as_json:
        click.echo(json.dumps(told))
    else:
        print_status(told, rich.console.Console())
    return 0


@click.command()
@_config
@_overrides
@click.option("--yes", is_flag=True, help="Remove; without it, only what would go is shown.")
@_json
def gc(config_file: Path, overrides: tuple[str, ...], yes: bool, as_json: bool) -> int:
    """Remove what no pushed model, recent run or span in the window needs (dry run without --yes)."""
    from pipeline.retrain.gc import clean

    plan = clean(_load(config_file, overrides, None), "nsynth gc", remove=yes)
    if as_json:
        click.echo(json.dumps(plan.told()))
    else:
        plan.print(rich.console.Console(), removed=yes)
    return 0


def _load(config_file: Path, overrides: tuple[str, ...], spans: str | None) -> Config:
    return load_config(
        config_file, (*overrides, f"retrain.spans={json.dumps(spans)}") if spans else overrides
    )


def _log_to(console: rich.console.Console) -> None:
    handler = rich.logging.RichHandler(console=console, show_path=False)
    logger = logging.getLogger("pipeline.retrain")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
