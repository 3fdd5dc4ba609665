"""`nsynth lineage`: shows the data and code that produced a model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import rich.console
import rich.markup
import rich.table
import rich.tree

from pipeline.cli.options import config_option, json_option, load_workspace, set_option
from pipeline.config import Config

_FILES = 10  # listed by name


@click.command()
@click.argument("named", metavar="ARTIFACT|VERSION")
@config_option
@set_option
@json_option
def lineage(named: str, config_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show the data, code and settings that produced a pushed VERSION or an ARTIFACT.

    VERSION is a number in the list of `nsynth models`. ARTIFACT is an id from the report of a run, the artifact's
    folder or, for an artifact of a cluster's step, its address.
    """
    from pipeline.cli.console import make_console

    origin, readers, version = traced(load_workspace(config_file, overrides), named)
    told = facts(origin, readers(), version)
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    console = make_console()
    console.print(table(told))
    console.print(tree(origin))


def traced(config: Config, named: str) -> tuple[Any, Callable[[], list[str]], Any]:
    """Follow a version or an artifact back, whether a run here or a cluster's made it.

    Args:
      config: names the workspace.
      named: as in the command.

    Returns:
      a pipeline.history.lineage.Origin; what returns the names of the steps that read the artifact; the version, if
      one was named.

    Raises:
      nsynth.UserError: it is not known here.
    """
    from components.claim import Claim
    from components.registry import Registry
    from pipeline.history import cluster_lineage, past_runs
    from pipeline.history.lineage import find, trace

    registry, claim = Registry(config.models), Claim(config.workspace)
    if found := cluster_lineage.find(registry, claim, named):
        (address, version), history = found, cluster_lineage.History(claim)
        return history.trace(address), lambda: history.readers(address), version
    store = past_runs.open_store(config.metadata)
    artifact, version = find(registry, store, named)
    return trace(store, artifact), lambda: past_runs.readers(store, artifact.id), version


def facts(origin: Any, readers: list[str], version: Any = None) -> dict[str, Any]:
    """Return the lineage, ready for JSON.

    Args:
      origin: a pipeline.history.lineage.Origin.
      readers: names of the steps that read the artifact.
      version: the pushed version, if one was given.
    """
    from pipeline.history.lineage import code_of, parsed, sources, unchanged

    steps = origin.steps()
    artifact = origin.artifact
    trainer = next((step for _, step in reversed(steps) if step.name == "Trainer"), None)
    custom = parsed(trainer.properties.get("custom_config", "")) if trainer else None
    return {
        "artifact": {"id": artifact.id, "type": artifact.type, "uri": artifact.address or artifact.uri},
        "version": version.record.model_dump(mode="json") if version else None,
        "run": origin.run,
        "sources": sources(steps),
        "recipe": custom.get("recipe") if isinstance(custom, dict) else None,
        "steps": [
            {
                "step": step.name,
                "execution": step.execution_id,
                "run": run,
                "code": code_of(step) or None,
                "unchanged": unchanged(step),
                "read": sorted({o.id for outputs in step.inputs.values() for o in outputs}),
                "made": sorted({o.id for outputs in step.outputs.values() for o in outputs}),
            }
            for run, step in steps
        ],
        "read_by": readers,
    }


def table(told: dict[str, Any]) -> rich.table.Table:
    """Return the answer for people, without the tree."""
    rows = rich.table.Table.grid(padding=(0, 2))
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")

    def row(name: str, text: str) -> None:
        rows.add_row(name, rich.markup.escape(text))

    version, artifact = told["version"], told["artifact"]
    if version:
        again = f", the model of version {version['restored_from']} again" if version["restored_from"] else ""
        row("version", f"{version['version']}, pushed {version['created']}{again}")
        row("verdict", f"by hand: {version['reason']}" if version["by_hand"] else version["verdict"])
    row("artifact", f"{artifact['type']} #{artifact['id']}, {artifact['uri']}")
    row("run", told["run"] or "none: the artifact was imported")
    for source in told["sources"]:
        row("data", source_line(source))
    if told["recipe"]:
        plain = {key: value for key, value in told["recipe"].items() if not isinstance(value, dict)}
        row("recipe", ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in plain.items()))
    for step in told["steps"]:
        if step["code"]:
            row("code", f"{step['step']} {step['code']} ({_now(step['unchanged'])})")
    row("read by", ", ".join(told["read_by"]) or "no step")
    return rows


def tree(origin: Any) -> rich.tree.Tree:
    """Return the inputs as a tree; a step's inputs are listed once."""
    seen: set[int] = set()

    def label(current: Any) -> str:
        name = f"[bold]{current.artifact.type} #{current.artifact.id}[/]"
        gone = ", removed" if current.artifact.cleaned_up else ""
        if not current.step:
            return f"{name} imported{gone}"
        elsewhere = f", run {current.run}" if current.run != origin.run else ""
        again = " [dim](see above)[/]" if current.inputs and current.step.execution_id in seen else ""
        return f"{name} from {current.step.name}{gone}{elsewhere}{again}"

    def grow(branch: rich.tree.Tree, current: Any) -> None:
        if not current.step or current.step.execution_id in seen:
            return
        seen.add(current.step.execution_id)
        for each in current.inputs:
            grow(branch.add(label(each)), each)
        for told in _beginnings(current.step):
            branch.add(rich.markup.escape(told))

    root = rich.tree.Tree(label(origin))
    grow(root, origin)
    return root


def _beginnings(step: Any) -> list[str]:
    """Return the data that a step read from outside the history."""
    properties = step.properties
    if "input_base" in properties:
        span = f", span {properties['span']}" if properties.get("span") not in (None, "0", 0) else ""
        return [f"files in {properties['input_base']}{span}"]
    if "push_destination" in properties and properties.get("version"):
        number = properties["version"]
        return [f"version {number} in {properties['push_destination']}"] if str(number) != "0" else []
    return []


def source_line(source: dict[str, Any]) -> str:
    """Return what one ingest read, in a line."""
    files = source["files"]
    span = f"span {source['span']}, " if source["span"] not in (None, "0", 0) else ""
    fingerprint = f"; {source['fingerprint']}" if source["fingerprint"] else ""
    if source["notes"] is None:
        return f"{source['folder']}: {span}account removed{fingerprint}"
    names = [f"{Path(file['path']).name} ({file['notes']:,})" for file in files[:_FILES]]
    more = f" and {len(files) - _FILES} more" if len(files) > _FILES else ""
    used = f"{source['used']:,} of {source['notes']:,} notes used"
    origin = f", from {', '.join(names)}{more}" if names else ""
    return f"{source['folder']}: {span}{used}{origin}{fingerprint}"


def _now(unchanged: bool | None) -> str:
    return {True: "unchanged", False: "changed since", None: "unknown whether it has changed"}[unchanged]
