"""`nsynth evaluate`: the final accuracy on the test split, recorded with the version."""

import json
import os
from pathlib import Path
from typing import Any

import click

import nsynth
from pipeline.cli.console import make_console
from pipeline.cli.options import PathOrAddress, config_option, json_option, load_workspace, set_option


@click.command()
@click.argument("version", type=int, required=False)
@click.option(
    "--data",
    required=True,
    type=PathOrAddress(),
    help="Folder or file with the test split, in any format that a run reads.",
)
@config_option
@set_option
@json_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    version: int | None,
    data: str,
    config_file: Path,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure VERSION, by default the serving one, on test: accuracy and macro recall with 95% intervals.

    Use it once, for the published accuracy, after all choices are made. Every evaluation is recorded beside the
    versions and shown by `nsynth models show`. A repeated evaluation on the same notes shows the result of the first.
    """
    config = load_workspace(config_file, overrides)
    verbose = ctx.find_root().obj["verbose"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "2")

    from components.registry import Registry
    from pipeline.evaluate import evaluate as measure
    from pipeline.logs import chatter_to

    registry = Registry(config.models)
    chosen = registry.get(version) if version is not None else registry.serving()
    if chosen is None:
        raise nsynth.UserError(
            f"no model has been pushed to {registry.destination} yet: start `nsynth run`, or give its configuration "
            "with --config"
        )
    console = make_console()
    log_file = config.workspace / "logs" / "evaluate.log"
    with console.status("Evaluating …"), chatter_to(log_file, verbose):
        look, is_new = measure(registry, chosen, data, config.workspace)
    if as_json:
        click.echo(json.dumps(look, indent=1))
        return
    for line in _lines(look, is_new):
        console.print(line, highlight=False, soft_wrap=True)


def describe(look: dict[str, Any]) -> str:
    """Return an evaluation in one line."""
    return f"{_figure(look['accuracy'])} of {look['notes']:,} test notes, on {look['at'][:10]}"


def _lines(look: dict[str, Any], is_new: bool) -> list[str]:
    absent = [row["family"] for row in look["by_family"] if not row["notes"]]
    refused = sum(look["refused"].values())
    lines = [
        f"version       {look['version']}",
        f"accuracy      {_figure(look['accuracy'])}",
        f"macro recall  {_figure(look['macro_recall'])}",
        f"notes         {look['notes']:,} of {look['instruments']} instruments"
        + (f"; no notes of {', '.join(absent)}" if absent else "")
        + (f"; {refused} invalid" if refused else ""),
    ]
    if not is_new:
        return [*lines, f"Result of the evaluation of {look['at'][:16]}; nothing was measured again."]
    if look["number"] > 1:
        lines.append(
            f"[yellow]Evaluation number {look['number']} on these notes: they are no longer an independent test. "
            "Report the first evaluation, or all.[/]"
        )
    return lines


def _figure(figure: dict[str, float]) -> str:
    return f"{figure['value']:.1%} (95% interval {figure['low']:.1%} – {figure['high']:.1%})"
