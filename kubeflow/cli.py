"""`nsynth kubeflow`: compile, submit, schedule and follow the pipeline on a cluster."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click

import nsynth
from kubeflow.checks import check_config, check_cron, check_host
from kubeflow.options import KubeflowOptions
from kubeflow.package import Target
from pipeline.cli.options import LocalPath

CONFIG = click.option(
    "--config", "config_file", type=LocalPath(), help="The YAML file with all settings."
)  # fmt: skip
SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one setting.")
PACKAGE = click.option(
    "--package", type=LocalPath(), help="A compiled pipeline; default: compile it now."
)  # fmt: skip
HOST = click.option("--host", envvar="KF_PIPELINES_ENDPOINT", help="Address of the Kubeflow Pipelines API.")
NAMESPACE = click.option("--namespace", help="Yours, on a multi-user installation.")
TOKEN = click.option(
    "--token-file", envvar="KF_PIPELINES_SA_TOKEN_PATH", type=LocalPath(),
    help="File with the token that lets you in.",
)  # fmt: skip
PARAM = click.option(
    "--param", "params", multiple=True, metavar="KEY=VALUE", help="Set a parameter of the run."
)
SPAN = click.option("--span", type=click.IntRange(min=0), help="Read this span of the data, not the newest.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Print what would be sent; contact nobody.")


def server_options(command: Any) -> Any:
    """Where the API is and who asks."""
    for option in (TOKEN, NAMESPACE, HOST, SET, CONFIG):
        command = option(command)
    return command


def run_options(command: Any) -> Any:
    """What is to be run."""
    for option in (DRY_RUN, SPAN, PARAM, PACKAGE):
        command = option(command)
    return server_options(command)


@click.group()
def kubeflow() -> None:
    """Run the pipeline on Kubeflow Pipelines or Vertex AI."""


@kubeflow.command(name="compile")
@CONFIG
@SET
@click.option("--target", type=click.Choice(["kfp", "vertex"]), default="kfp", show_default=True)
@click.option("-o", "--output", type=LocalPath(), default="nsynth.yaml", show_default=True)
def compile_command(
    config_file: Path | None, overrides: tuple[str, ...], target: Target, output: Path
) -> None:
    """Compile the pipeline to a file that the cluster takes."""
    package = _compile(config_file, overrides, target)
    package.write(output)
    click.echo(f"{output}: {package.version}")
    for name, default in package.parameters.items():
        click.echo(f"  --param {name}={default}")


@kubeflow.command()
@run_options
@click.option("--name", help="Name of the run; default: pipeline and time.")
@click.option("--wait", is_flag=True, help="Stay until the run is over; exit code 1 if it failed.")
def submit(name: str | None, wait: bool, dry_run: bool, **given: Any) -> int:
    """Upload the pipeline, if it has changed, and start one run."""
    from kubeflow.client import Pipelines, Submission, preview

    options, server, package = _prepare(dry_run, **given)
    request = Submission(
        experiment=options.experiment,
        name=name or f"{package.name}-{time.strftime('%Y%m%d-%H%M%S')}",
        parameters=_parameters(given, package.parameters),
        pipeline_root=options.pipeline_root,
        service_account=options.service_account,
    )
    if dry_run:
        click.echo(preview(server, package, request))
        return 0
    pipelines = Pipelines(server)
    with tempfile.TemporaryDirectory() as folder:
        pipeline_id, version_id = pipelines.upload(package, Path(folder))
    run_id = pipelines.submit(pipeline_id, version_id, request)
    click.echo(f"{request.name}: {server.host.rstrip('/')}/#/runs/details/{run_id}")
    if not wait:
        return 0
    state = pipelines.wait(run_id, lambda state, done: click.echo(f"{state.lower()}, {done} steps done"))
    if state != "SUCCEEDED":
        raise nsynth.UserError(
            f"the run {request.name} has {state.lower()}; its steps' logs are at the address above"
        )
    return 0


@kubeflow.command()
@run_options
@click.option(
    "--cron", default="0 0 3 * * *", show_default=True, help="When: six fields, seconds first, UTC."
)
@click.option("--max-concurrency", type=click.IntRange(1, 10), default=1, show_default=True)
@click.option("--no-catchup/--catchup", default=True, show_default=True, help="Skip starts that were missed.")
@click.option(
    "--name", help="Name of the schedule; default: the pipeline's. A schedule of that name is replaced."
)
def schedule(
    cron: str, max_concurrency: int, no_catchup: bool, name: str | None, dry_run: bool, **given: Any
) -> None:
    """Upload the pipeline, if it has changed, and start runs by the clock, always of its latest version."""
    from kubeflow.client import Pipelines, Schedule, preview

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
    pipelines = Pipelines(server)
    with tempfile.TemporaryDirectory() as folder:
        pipeline_id, _ = pipelines.upload(package, Path(folder), latest=True)
    schedule_id = pipelines.schedule(pipeline_id, request)
    click.echo(f"{request.name}: {server.host.rstrip('/')}/#/recurringrun/details/{schedule_id}")


@kubeflow.command()
@server_options
def schedules(**given: Any) -> None:
    """List the schedules."""
    from kubeflow.client import Pipelines

    for made in Pipelines(_server(_options(given), given)).schedules():
        cron = (
            made.trigger.cron_schedule.cron
            if made.trigger and made.trigger.cron_schedule
            else "every so often"
        )
        click.echo(f"{made.recurring_run_id}  {made.status or made.mode}  {cron}  {made.display_name}")


@kubeflow.command()
@server_options
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
def runs(limit: int, **given: Any) -> None:
    """List the newest runs."""
    from kubeflow.client import Pipelines

    for run in Pipelines(_server(_options(given), given)).runs(limit):
        click.echo(
            f"{run.run_id}  {run.state or 'PENDING'}  {run.created_at:%Y-%m-%d %H:%M}  {run.display_name}"
        )


@kubeflow.command()
def fingerprint() -> None:
    """Print the fingerprint of the code that goes into the image, for its label."""
    from pipeline.fingerprint import code_fingerprint

    click.echo(
        code_fingerprint(
            "components",
            "corpus",
            "kubeflow",
            "pipeline",
            "trainer",
            "transform",
            "pipeline/install/runtime.lock",
        )
    )


def _compile(config_file: Path | None, overrides: tuple[str, ...], target: Target = "kfp") -> Any:
    config = _config(config_file, overrides)
    check_config(config, target)
    verbose = click.get_current_context().find_root().obj["verbose"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "2")  # before TensorFlow is imported
    from pipeline.logs import chatter_to

    with chatter_to(Path(os.devnull), verbose):
        from kubeflow.compile import compile_config  # TFX: 15 s of imports

        return compile_config(config, target)


def _config(config_file: Path | None, overrides: tuple[str, ...]) -> Any:
    from pipeline.config import DEFAULT_CONFIG, load_config

    return load_config(config_file or DEFAULT_CONFIG, overrides)


def _options(given: dict[str, Any]) -> KubeflowOptions:
    return _config(given["config_file"], given["overrides"]).kubeflow


def _server(options: KubeflowOptions, given: dict[str, Any], required: bool = True) -> Any:
    from kubeflow.connection import Server

    host = given["host"] or options.host
    if not host and required:
        raise nsynth.UserError("which cluster? Give --host, set kubeflow.host or KF_PIPELINES_ENDPOINT")
    if host:
        check_host(host)
    token = None
    if given["token_file"]:
        try:
            token = given["token_file"].read_text().strip()
        except OSError as error:
            raise nsynth.UserError(
                f"cannot read the token {given['token_file']}: {error.strerror}"
            ) from error
    return Server(host or "", given["namespace"] or options.namespace, token)


def _prepare(dry_run: bool, **given: Any) -> tuple[KubeflowOptions, Any, Any]:
    """Options, server and package; whatever can be refused at once is refused before the slow compilation."""
    options = _options(given)
    server = _server(options, given, required=not dry_run)
    package = _read(given["package"]) if given["package"] else None
    if not dry_run:
        from kubeflow.connection import knock

        knock(server)
    return options, server, package or _compile(given["config_file"], given["overrides"])


def _read(file: Path) -> Any:
    from kubeflow.package import read

    package = read(file)
    if "pipelineSpec" in package.spec:
        raise nsynth.UserError(f"{file} is for Vertex AI; compile it with --target kfp")
    from kubeflow import lint  # the SDK: a second

    lint.refuse(package, str(file))
    return package


def _parameters(given: dict[str, Any], known: dict[str, Any]) -> dict[str, str]:
    """--param and --span as the run's parameters.

    Raises:
      nsynth.UserError: no such parameter.
    """
    values: dict[str, str] = {}
    for param in given["params"]:
        key, equals, value = param.partition("=")
        if not equals:
            raise nsynth.UserError(f"--param {param}: write key=value")
        values[key] = value
    if given["span"] is not None:
        span = {"startSpanNumber": given["span"], "endSpanNumber": given["span"]}
        values["range_config"] = json.dumps({"staticRange": span})
    for key in values:
        if key not in known:
            raise nsynth.UserError(
                f"the pipeline has no parameter {key} (it has: {', '.join(known) or 'none'})"
            )
    return values
