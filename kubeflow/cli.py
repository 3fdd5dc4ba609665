"""`nsynth kubeflow`: compile, submit and schedule the pipeline on a cluster."""

import datetime
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click

import nsynth
from kubeflow import follow
from kubeflow.checks import check_config
from kubeflow.command_options import (
    config_option,
    connect,
    load_options,
    run_options,
    server_of,
    set_option,
    tell,
)
from kubeflow.cron import check_cron, next_times
from kubeflow.options import KubeflowOptions
from kubeflow.package import Package, Target
from pipeline.cli.options import LocalPath, json_option
from pipeline.collector import at_rest

SHOWN_TIMES = 3
ZONE = "UTC"
"""Time zone in which the controller of schedules reads cron expressions, unless its installation sets another one."""


@click.group()
def kubeflow() -> None:
    """Run the pipeline on Kubeflow Pipelines or Vertex AI."""


@kubeflow.command(name="compile")
@config_option
@set_option
@click.option("--target", type=click.Choice(["kfp", "vertex"]), default="kfp", show_default=True)
@click.option("-o", "--output", type=LocalPath(), default="nsynth.yaml", show_default=True)
@json_option
def compile_command(
    config_file: Path | None, overrides: tuple[str, ...], target: Target, output: Path, as_json: bool
) -> None:
    """Compile the pipeline into a file for the cluster."""
    package = _compile(config_file, overrides, target)
    package.write(output)
    lines = [f"{output}: {package.version}"]
    lines += [f"  --param {name}={default}" for name, default in package.parameters.items()]
    facts = {"file": str(output), "version": package.version, "parameters": package.parameters}
    tell(as_json, facts, "\n".join(lines))


@kubeflow.command()
@run_options
@click.option("--name", help="Name of the run. Default: pipeline and time.")
@click.option(
    "--force", is_flag=True, help="Train even if there is no new span, and check refused spans again."
)
@click.option("--wait", is_flag=True, help="Wait until the run ends; exit with 1 if it failed.")
def submit(name: str | None, force: bool, wait: bool, dry_run: bool, as_json: bool, **given: Any) -> int:
    """Upload the pipeline if it has changed, and start a run."""
    from kubeflow.client import Submission, preview

    options, server, package = _prepare(dry_run, **given)
    request = Submission(
        experiment=options.experiment,
        name=name or f"{package.name}-{time.strftime('%Y%m%d-%H%M%S')}",
        parameters=_parameters({**given, "force": force}, package.parameters),
        pipeline_root=options.pipeline_root,
        service_account=options.service_account,
    )
    if dry_run:
        click.echo(preview(server, package, request))
        return 0
    pipelines = connect(server)
    with tempfile.TemporaryDirectory() as folder:
        pipeline_id, version_id = pipelines.upload(package, Path(folder))
    run_id = pipelines.submit(pipeline_id, version_id, request)
    page = follow.run_page(server, run_id)
    facts = {"run": run_id, "name": request.name, "version": package.version, "page": page}
    if not wait:
        tell(as_json, facts, f"{request.name}: {page}")
        return 0
    if not as_json:
        click.echo(f"{request.name}: {page}")
    state = pipelines.wait(
        run_id, lambda state, done: None if as_json else click.echo(f"{state.lower()}, {done} steps done")
    )
    if as_json:
        tell(True, {**facts, "state": state}, "")
    if state != "SUCCEEDED":
        raise nsynth.UserError(
            f"the run {request.name} has {state.lower()}; see `nsynth kubeflow show {run_id}`"
        )
    return 0


@kubeflow.command()
@run_options
@click.option(
    "--cron",
    default="0 0 3 * * *",
    show_default=True,
    help="Cron expression in UTC: six fields, seconds first.",
)
@click.option("--max-concurrency", type=click.IntRange(1, 10), default=1, show_default=True,
              help="Largest number of parallel runs.")  # fmt: skip
@click.option("--no-catchup/--catchup", default=True, show_default=True, help="Skip missed starts.")
@click.option(
    "--name", help="Name of the schedule. Default: the pipeline's name. An existing schedule is replaced."
)
def schedule(
    cron: str,
    max_concurrency: int,
    no_catchup: bool,
    name: str | None,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Upload the pipeline if it has changed, and schedule runs of its latest version."""
    from kubeflow.client import Schedule, preview

    check_cron(cron)
    options, server, package = _prepare(dry_run, **given)
    request = Schedule(
        experiment=options.experiment,
        name=name or package.name,
        parameters=_parameters(given, package.parameters),
        pipeline_root=options.pipeline_root,
        service_account=options.service_account,
        cron=cron,
        max_concurrency=max_concurrency,
        no_catchup=no_catchup,
    )
    if dry_run:
        click.echo(preview(server, package, request))
        return
    pipelines = connect(server)
    with tempfile.TemporaryDirectory() as folder:
        pipeline_id, _ = pipelines.upload(package, Path(folder), latest=True)
    schedule_id = pipelines.schedule(pipeline_id, request)
    page = f"{server.host.rstrip('/')}/#/recurringrun/details/{schedule_id}"
    times = next_times(cron, datetime.datetime.now(datetime.UTC), SHOWN_TIMES)
    lines = [
        f"{request.name}: {page}",
        f"next runs ({ZONE}, unless the cluster's controller sets another zone):",
    ]
    lines += [f"  {moment:%a %Y-%m-%d %H:%M:%S} {ZONE}" for moment in times] or ["  never"]
    facts = {
        "schedule": schedule_id,
        "name": request.name,
        "version": package.version,
        "page": page,
        "next": [moment.isoformat() for moment in times],
    }
    tell(as_json, facts, "\n".join(lines))


@kubeflow.command()
@json_option
def fingerprint(as_json: bool) -> None:
    """Print the fingerprint of the code in the image, for its label."""
    from kubeflow.kept import CODE
    from pipeline.fingerprint import code_fingerprint

    found = code_fingerprint(*CODE, "pipeline/install/runtime.lock")
    tell(as_json, {"code": found}, found)


for command in follow.COMMANDS:
    kubeflow.add_command(command)


def _compile(config_file: Path | None, overrides: tuple[str, ...], target: Target = "kfp") -> Package:
    from kubeflow.kept import kept_or_compiled

    config = load_options(config_file, overrides)
    check_config(config, target)
    verbose = click.get_current_context().find_root().obj["verbose"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "2")  # before TensorFlow is imported

    def compile_now() -> Package:
        from pipeline.logs import chatter_to

        with chatter_to(Path(os.devnull), verbose):
            with at_rest():
                from kubeflow.compile import compile_config  # imports TFX: seconds

            return compile_config(config, target)

    return kept_or_compiled(config, target, compile_now)


def _prepare(dry_run: bool, **given: Any) -> tuple[KubeflowOptions, Any, Package]:
    """Return options, server and package; check the server before importing heavy packages."""
    options = load_options(given["config_file"], given["overrides"]).kubeflow
    server = server_of(options, given, required=not dry_run)
    if not dry_run:
        from kubeflow.connection import knock

        knock(server)
    package = given["package"]
    return options, server, _read(package) if package else _compile(given["config_file"], given["overrides"])


def _read(file: Path) -> Package:
    from kubeflow.package import read

    package = read(file)
    if "pipelineSpec" in package.spec:
        raise nsynth.UserError(f"{file} is for Vertex AI; compile it with --target kfp")
    from kubeflow import lint  # the SDK: a second

    lint.refuse(package, str(file))
    return package


def _parameters(given: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return the run's parameters from --param, --span and --force.

    Raises:
      nsynth.UserError: there is no such parameter, or its value has another type.
    """
    values: dict[str, Any] = {}
    for param in given["params"]:
        key, equals, value = param.partition("=")
        if not equals:
            raise nsynth.UserError(f"--param {param}: write key=value")
        values[key] = value
    if given["span"] is not None:
        span = {"startSpanNumber": given["span"], "endSpanNumber": given["span"]}
        values["range_config"] = json.dumps({"staticRange": span})
    if given.get("force"):
        values["force"] = True
    for key, value in values.items():
        if key not in known:
            raise nsynth.UserError(
                f"the pipeline has no parameter {key} (it has: {', '.join(known) or 'none'})"
            )
        if isinstance(known[key], bool) and not isinstance(value, bool):
            if value not in ("true", "false"):
                raise nsynth.UserError(f"--param {key}={value}: write true or false")
            values[key] = value == "true"
    return values
