"""The options that commands share, in one wording. Imports nothing heavy."""

import json
from pathlib import Path

import click

from pipeline.config import DEFAULT_CONFIG

config_option = click.option(
    "--config", "config_file", default=DEFAULT_CONFIG, show_default="configs/demo.yaml",
    type=click.Path(path_type=Path), help="The YAML file with all settings.",
)  # fmt: skip
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Override one setting, for example --set recipe.epochs=5. May be repeated.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
spans_option = click.option("--spans", help="Folder with span-000001, span-000002 … (retrain.spans).")


def with_spans(overrides: tuple[str, ...], spans: str | None) -> tuple[str, ...]:
    """The overrides, and the folder of --spans among them."""
    return (*overrides, f"retrain.spans={json.dumps(spans)}") if spans else overrides
