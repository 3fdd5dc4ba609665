"""`nsynth gc`: removes old artifacts, logs and pages."""

import json
from pathlib import Path

import click

from pipeline.cli.console import make_console
from pipeline.cli.options import config_option, json_option, load_workspace, set_option


@click.command()
@config_option
@set_option
@click.option("--yes", is_flag=True, help="Remove the artifacts. Without it, they are only listed.")
@json_option
def gc(config_file: Path, overrides: tuple[str, ...], yes: bool, as_json: bool) -> int:
    """Remove artifacts that no pushed model, recent run or span in the window needs (dry run without --yes)."""
    from pipeline.retrain.gc import clean

    plan = clean(load_workspace(config_file, overrides), "nsynth gc", remove=yes)
    if as_json:
        click.echo(json.dumps(plan.told()))
    else:
        plan.print(make_console(), removed=yes)
    return 0
