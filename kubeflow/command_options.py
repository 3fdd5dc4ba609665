"""Options, connection and output that the commands of `nsynth kubeflow` share."""

import json
from pathlib import Path
from typing import Any

import click

import nsynth
from kubeflow.checks import check_host
from kubeflow.options import KubeflowOptions
from pipeline.cli.options import LocalPath, json_option

config_option = click.option(
    "--config", "config_file", type=LocalPath(), help="YAML file with the settings."
)  # fmt: skip
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting."
)
_package = click.option(
    "--package", type=LocalPath(), help="File of a compiled pipeline. Default: compile it now."
)  # fmt: skip
_host = click.option("--host", envvar="KF_PIPELINES_ENDPOINT", help="Address of the Kubeflow Pipelines API.")
_namespace = click.option("--namespace", help="Your namespace, on a multi-user installation.")
_token = click.option(
    "--token-file", envvar="KF_PIPELINES_SA_TOKEN_PATH", type=LocalPath(),
    help="File with the access token.",
)  # fmt: skip
_param = click.option(
    "--param", "params", multiple=True, metavar="KEY=VALUE", help="Set a parameter of the run."
)
_span = click.option("--span", type=click.IntRange(min=0), help="Train on this span instead of the newest.")
_dry_run = click.option("--dry-run", is_flag=True, help="Print the requests without sending them.")


def server_options(command: Any) -> Any:
    """Add the options for the server and the account, and --json."""
    for option in (json_option, _token, _namespace, _host, set_option, config_option):
        command = option(command)
    return command


def run_options(command: Any) -> Any:
    """Add the options for what to run."""
    for option in (_dry_run, _span, _param, _package):
        command = option(command)
    return server_options(command)


def load_options(config_file: Path | None, overrides: tuple[str, ...]) -> Any:
    """Return the configuration (pipeline.config.Config)."""
    from pipeline.config import DEFAULT_CONFIG, load_config

    return load_config(config_file or DEFAULT_CONFIG, overrides)


def server_of(options: KubeflowOptions, given: dict[str, Any], required: bool = True) -> Any:
    """Return the server from options and settings.

    Raises:
      nsynth.UserError: no host is given, its address is invalid, or the token cannot be read.
    """
    from kubeflow.connection import Server

    host = given["host"] or options.host
    if not host and required:
        raise nsynth.UserError("no host is given: use --host, or set kubeflow.host or KF_PIPELINES_ENDPOINT")
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


def connect(server: Any) -> Any:
    """Return the client (kubeflow.client.Pipelines)."""
    from kubeflow.client import Pipelines

    return Pipelines(server)


def tell(as_json: bool, facts: Any, words: Any) -> None:
    """Print the facts as JSON, or the text or table `words`."""
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    elif isinstance(words, str):
        click.echo(words)
    else:
        from pipeline.cli.console import make_console

        make_console().print(words)
