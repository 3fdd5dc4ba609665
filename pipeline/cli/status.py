"""`nsynth status`: shows the last rounds, the next round, the champion and disk use."""

import json
from pathlib import Path

import click

from pipeline.cli.console import make_console
from pipeline.cli.options import (
    config_option,
    json_option,
    load_workspace,
    set_option,
    spans_option,
    with_spans,
)


@click.command()
@config_option
@set_option
@spans_option
@click.option(
    "--rounds", default=10, show_default=True, type=click.IntRange(0), help="Number of rounds to list."
)
@json_option
def status(
    config_file: Path, overrides: tuple[str, ...], spans: str | None, rounds: int, as_json: bool
) -> int:
    """Show the last rounds, the next round, the champion with its age, and disk use."""
    from pipeline.retrain.status import print_status
    from pipeline.retrain.status import status as gather

    told = gather(load_workspace(config_file, with_spans(overrides, spans)), rounds)
    if as_json:
        click.echo(json.dumps(told))
    else:
        print_status(told, make_console())
    return 0
