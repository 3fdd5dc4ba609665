"""The options that commands share. Imports nothing heavy."""

import os
from pathlib import Path
from typing import Any

import click

from pipeline.config import DEFAULT_CONFIG, Config, load_config, text_override


class LocalPath(click.Path):
    """A path that may begin with `~`, which a shell does not expand after an equals sign."""

    def __init__(self, **kwargs: Any):
        super().__init__(path_type=Path, **kwargs)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Put the home folder in the place of `~`."""
        return super().convert(os.path.expanduser(value), param, ctx)


class PathOrAddress(click.ParamType[str]):
    """A path that may begin with `~`, or the address of an object store or web server."""

    name = "path"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Put the home folder in the place of `~`."""
        return os.path.expanduser(value)


config_option = click.option(
    "--config", "config_file", default=DEFAULT_CONFIG, show_default="configs/demo.yaml",
    type=LocalPath(), help="YAML file with the settings.",
)  # fmt: skip
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Override a setting, for example --set recipe.epochs=5. May be repeated.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
spans_option = click.option(
    "--spans", help="Folder with span-000001, span-000002 …, or its address in a bucket (retrain.spans)."
)


def with_spans(overrides: tuple[str, ...], spans: str | None) -> tuple[str, ...]:
    """Return the overrides, with the folder of --spans added."""
    return overrides if spans is None else (*overrides, text_override("retrain.spans", spans))


def load_workspace(config_file: Path | str, overrides: tuple[str, ...], create: bool = False) -> Config:
    """Read the configuration and open its workspace. If the workspace was moved or copied, print a line on stderr.

    Args:
      config_file: the YAML file.
      overrides: values of --set.
      create: create the workspace if it does not exist.

    Raises:
      nsynth.UserError: the configuration or the workspace cannot be used.
    """
    return opened_workspace(load_config(config_file, overrides), create)


def opened_workspace(config: Config, create: bool = False) -> Config:
    """Open the workspace of a configuration; see `load_workspace`."""
    from pipeline.workspace import open_workspace

    opened = open_workspace(config, create)
    if opened.message:
        click.echo(f"nsynth: {opened.message}", err=True)
    return opened.config
