"""`nsynth models`: lists the versions in the serving folder, and changes them by hand."""

import json
import re
from collections.abc import Iterator
from typing import Any

import click
import rich.console
import rich.markdown
import rich.markup
import rich.table

import nsynth
from components.documents.document import Figure
from components.registry import Registry
from components.version import Version
from pipeline.cli import lineage
from pipeline.cli.console import make_console, short
from pipeline.cli.evaluate import describe
from pipeline.cli.options import LocalPath, json_option, load_workspace
from pipeline.config import DEFAULT_CONFIG, Config
from pipeline.evaluate import looks_at
from pipeline.ranges import in_short
from pipeline.tables import listing


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        ctx.meta[str(parameter.name)] = (*ctx.meta.get(str(parameter.name), ()), *value)


def _configured(command: Any) -> Any:
    """Add --config and --set to a command. They are accepted before and after the subcommand's name."""
    told = "YAML file with the settings.  [default: configs/demo.yaml]"
    command = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", expose_value=False,
                           callback=_remember, help="Override a setting.")(command)  # fmt: skip
    return click.option("--config", "config_files", multiple=True, type=LocalPath(), expose_value=False,
                        callback=_remember, help=told)(command)  # fmt: skip


def _config(ctx: click.Context) -> Config:
    return load_workspace(ctx.meta.get("config_files", (DEFAULT_CONFIG,))[-1], ctx.meta.get("overrides", ()))


@click.group(invoke_without_command=True)
@_configured
@json_option
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the pushed models with span, accuracy, verdict and size. The version with the highest number serves."""
    if ctx.invoked_subcommand:
        return
    registry = _registry(ctx)
    if as_json:
        serving = registry.serving()
        rows = [_facts(version, serving) for version in registry.versions()]
        click.echo(json.dumps(rows, indent=1))
    else:
        print_models(registry, make_console())


@models.command()
@_configured
@click.argument("version", type=int, required=False)
@json_option
@click.pass_context
def show(ctx: click.Context, version: int | None, as_json: bool) -> None:
    """Show record and model card of VERSION, by default the serving version."""
    registry = _registry(ctx)
    chosen = registry.get(version) if version is not None else registry.serving()
    if chosen is None:
        raise nsynth.UserError(
            f"no model has been pushed to {short(registry.destination)} yet: start `nsynth run`"
        )
    looks = looks_at(chosen, registry.destination)
    if as_json:
        facts = _facts(chosen, registry.serving()) | {"evaluated": looks, "card": chosen.card}
        click.echo(json.dumps(facts, indent=1))
        return
    console = make_console()
    table = rich.table.Table.grid(padding=(0, 2))
    for name, value in _in_words(chosen, registry.serving()):
        table.add_row(f"[bold]{name}[/]", rich.markup.escape(value))
    for line in _data(_config(ctx), chosen):
        table.add_row("[bold]data[/]", rich.markup.escape(line))
    for look in looks:
        table.add_row("[bold]evaluated[/]", describe(look))
    console.print(table)
    console.print(rich.markdown.Markdown(_FRONT_MATTER.sub("", chosen.card)))


_FRONT_MATTER = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)


def _in_words(version: Version, serving: Version | None) -> Iterator[tuple[str, str]]:
    """Yield name and value of each known field of the record."""
    record = version.record
    yield "version", f"{version.number}{', serving' if serving and version.number == serving.number else ''}"
    if version.fault:
        yield "fault", version.fault
    if version.pushed:
        yield "pushed", version.pushed.astimezone().strftime("%Y-%m-%d %H:%M %Z")
    if record.accuracy:
        yield "accuracy", _percent(record.accuracy)
    if record.macro_recall:
        yield "macro recall", _percent(record.macro_recall)
    if record.verdict:
        yield "verdict", record.verdict
    if record.by_hand or record.restored_from:
        yield "published by hand", _verdict(version)
    if record.compared_with:
        yield "compared with", f"version {record.compared_with}"
    if any(record.spans):
        yield "trained on", f"span {in_short(record.spans)}"
    if record.run:
        yield "run", f"{record.run_name}, id {record.run}" if record.run_name else record.run
    if record.run_page:
        yield "page", record.run_page
    if "://" in record.model_uri:
        yield "model", record.model_uri
    yield "files", f"{short(version.path)}, {version.size_bytes / 1e6:.1f} MB"
    if record.digest:
        yield "digest", record.digest


def _data(config: Config, version: Version) -> list[str]:
    """Return what each ingest behind a version read; nothing where this workspace does not know of it."""
    from pipeline.history.lineage import sources

    try:
        origin, *_ = lineage.traced(config, str(version.number))
    except nsynth.UserError:
        return []
    return [lineage.source_line(source) for source in sources(origin.steps())]


@models.command()
@_configured
@click.argument("version", type=int, required=False)
@click.option("--reason", default="", help="Reason, for the record.")
@click.pass_context
def rollback(ctx: click.Context, version: int | None, reason: str) -> None:
    """Serve VERSION again, by default the previous version.

    Its model is published under a new number, so that every server loads it. Nothing is removed.
    """
    registry = _registry(ctx)
    back = registry.rollback(version, reason)
    click.echo(f"version {back.number} is serving: the model of version {back.origin} ({short(back.path)})")
    _copy(_config(ctx))


@models.command()
@_configured
@click.option("--reason", required=True, help="Reason to overrule the gate, for the record.")
@click.option("--run", "run_name", help="Run whose model to push. Default: the last run.")
@click.pass_context
def promote(ctx: click.Context, reason: str, run_name: str | None) -> None:
    """Push the model of a run although the gate did not bless it.

    The record and the model card show that it was pushed by hand, and the reason. A model that the canary rejected is
    not pushed.
    """
    if not reason.strip():
        raise nsynth.UserError("--reason is empty: state why the gate is overruled")
    from pipeline.logs import chatter_to

    config, verbose = _config(ctx), ctx.find_root().obj["verbose"]
    with chatter_to(config.workspace / "logs" / "promote.log", verbose):
        from pipeline.promote import promote_run  # what it imports has much to say

        version = promote_run(config, reason, run_name)
    click.echo(f"version {version.number} is serving, pushed by hand ({short(version.path)})")
    _copy(config)


def _copy(config: Config) -> None:
    """Update the copies in the bucket."""
    from components.pusher.copies import copy_versions

    if fault := copy_versions(config.models, config.push.copy_to):
        click.echo(f"nsynth: {fault}", err=True)


def print_models(registry: Registry, console: rich.console.Console) -> None:
    """Print the table of versions, oldest first."""
    versions, serving = registry.versions(), registry.serving()
    for fault in registry.faults():
        console.print(f"[red]{rich.markup.escape(fault)}[/]", highlight=False, soft_wrap=True)
    if not versions:
        where = rich.markup.escape(short(registry.destination))
        console.print(f"No model has been pushed to {where} yet: start `nsynth run`.")
        return
    console.print(f"[bold]{rich.markup.escape(short(registry.destination))}[/]")
    columns = ("version", "pushed", "span", "accuracy", "verdict", "size", "")
    table = listing(*columns, right=("size",), fold=("span", "verdict"))
    for version in versions:
        record = version.record
        table.add_row(
            str(version.number),
            record.created[:10] or "?",
            in_short(record.spans) or "–",
            _percent(record.accuracy),
            rich.markup.escape(_verdict(version)),
            f"{version.size_bytes / 1e6:.1f} MB",
            "[green]serving[/]" if serving and version.number == serving.number else "",
        )
    console.print(table)


def _registry(ctx: click.Context) -> Registry:
    return Registry(_config(ctx).models)


def _facts(version: Version, serving: Version | None) -> dict[str, Any]:
    facts = {"serving": bool(serving and version.number == serving.number), "path": version.path}
    return (
        version.record.model_dump(mode="json")
        | facts
        | {
            "version": version.number,
            "size_bytes": version.size_bytes,
            "fault": version.fault,
        }
    )


def _verdict(version: Version) -> str:
    record = version.record
    if version.fault:
        return "record damaged"
    if record.restored_from:
        return f"restored from {record.restored_from}" + (f": {record.reason}" if record.reason else "")
    if record.by_hand:
        return f"by hand: {record.reason}"
    return record.verdict.partition(":")[0] or "?"


def _percent(accuracy: Figure | None) -> str:
    if accuracy is None:
        return "–"
    return f"{accuracy.value:.1%} ({100 * accuracy.low:.0f}–{100 * accuracy.high:.0f})"
