"""`nsynth config`: describes all settings and shows the values that a run would use."""

import json
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import config_option, json_option, set_option
from pipeline.config import load_config, located


class Reference(click.Group):
    """A group whose help lists all settings."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the settings by section."""
        from pipeline.settings import as_text, sections, settings

        everything = list(settings())
        for section, summary in sections().items():
            rows = [
                s for s in everything if s.key.startswith(f"{section}.") or (not section and "." not in s.key)
            ]
            with formatter.section(f"{section} ({summary.rstrip('.')})" if section else "Settings"):
                formatter.write_dl(
                    [(s.key, f"{s.meaning} [{s.kind}; default: {as_text(s.default)}]".strip()) for s in rows],
                    col_max=34,
                )


@click.group(cls=Reference)
def config() -> None:
    """Describe all settings, or show the values that a run would use."""


@config.command()
@config_option
@set_option
@click.option("--changed", is_flag=True, help="Show only settings that differ from the default.")
@json_option
def show(config_file: Path, overrides: tuple[str, ...], changed: bool, as_json: bool) -> None:
    """Print the value of every setting in a run, and where it comes from: default, file or --set."""
    import yaml

    from pipeline.settings import as_text, values

    loaded = load_config(config_file, overrides)
    rows: list[tuple[str, Any, str]] = [
        row
        for row in values(loaded, yaml.safe_load(located(config_file).read_text()) or {}, overrides)
        if not changed or row[2] != "default"
    ]
    if as_json:
        click.echo(
            json.dumps({key: {"value": value, "from": origin} for key, value, origin in rows}, indent=1)
        )
        return
    import rich.markup

    from pipeline.cli.console import make_console
    from pipeline.tables import listing

    columns = ("setting", "value", "from")
    table = listing(*columns, fold=columns)
    for key, value, origin in rows:
        style = "" if origin == "default" else "bold"
        table.add_row(key, rich.markup.escape(as_text(value)), origin, style=style)
    make_console().print(table)


@config.command()
def reference() -> None:
    """Print docs/configuration.md: every setting as a Markdown page."""
    from pipeline.settings import reference as page

    click.echo(page(), nl=False)
