"""`nsynth report`: writes the page of a run, the last one or any past one."""

import os
from pathlib import Path

import click

from pipeline.cli.console import short
from pipeline.cli.options import LocalPath, config_option, load_workspace, set_option


@click.command()
@click.argument("run", required=False)
@config_option
@set_option
@click.option("--out", type=LocalPath(dir_okay=False),
              help="The file to write. Default: workspace/reports/<run>.html.")  # fmt: skip
@click.pass_context
def report(
    ctx: click.Context, run: str | None, config_file: Path, overrides: tuple[str, ...], out: Path | None
) -> None:
    """Write the report of RUN, by default of the last one, as one HTML file that needs no network.

    RUN is a name that `nsynth runs` lists. A run that failed has a report, too: it tells how far it came.
    """
    from pipeline.history import past_runs

    config = load_workspace(config_file, overrides)
    run = past_runs.load_run(
        past_runs.open_store(config.metadata), run
    ).name  # an unknown one is told at once
    verbose = ctx.find_root().obj["verbose"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "2")

    from pipeline.cli.console import make_console
    from pipeline.logs import chatter_to
    from pipeline.report import write_report

    console = make_console()
    log_file = config.workspace / "logs" / "report.log"
    with console.status("Reading the run …"), chatter_to(log_file, verbose):
        path = write_report(config, run, out)
    console.print(
        f"{short(path)} ({path.stat().st_size / 1e6:.1f} MB)", highlight=False, markup=False, soft_wrap=True
    )
