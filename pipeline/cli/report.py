"""`nsynth report`: writes the page of a run and the index of all runs."""

import json
import os
import webbrowser
from pathlib import Path

import click

from pipeline.cli.console import short
from pipeline.cli.options import LocalPath, config_option, json_option, load_workspace, set_option


@click.command()
@click.argument("run", required=False)
@config_option
@set_option
@click.option("--out", type=LocalPath(dir_okay=False),
              help="Output file. Default: workspace/reports/<run>.html.")  # fmt: skip
@click.option(
    "--open", "open_it", is_flag=True, help="Open the index of all runs in the browser; with RUN, its page."
)
@json_option
@click.pass_context
def report(
    ctx: click.Context,
    run: str | None,
    config_file: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    open_it: bool,
    as_json: bool,
) -> None:
    """Write the page of RUN, by default the last run, and the index of all runs.

    Both are HTML files that need no network. RUN is a name in the list of `nsynth runs`, or its beginning. The page of
    a failed run says what failed and why. --json prints the data of the index and of the run.
    """
    from pipeline.history import past_runs

    config = load_workspace(config_file, overrides)
    wanted, run = run, past_runs.load_run(past_runs.open_store(config.metadata), run).name
    verbose = ctx.find_root().obj["verbose"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "2")

    from pipeline.cli.console import make_console
    from pipeline.logs import chatter_to
    from pipeline.report import write_report
    from pipeline.report.facts import facts_path, read_facts
    from pipeline.report.index import write_index
    from pipeline.retrain.index import collect

    console = make_console(stderr=as_json)
    log_file = config.workspace / "logs" / "report.log"
    with console.status("Reading the run …"), chatter_to(log_file, verbose):
        page = write_report(config, run, out)
        found = collect(config)
        index = write_index(config, found)
    if as_json:
        facts = read_facts(facts_path(config.workspace / "reports", run))
        record = {
            "page": str(page),
            "index": str(index),
            "run": facts.model_dump(mode="json") if facts else None,
        }
        click.echo(json.dumps(record | {"all": found.model_dump(mode="json")}, indent=1))
    else:
        for path in (page, index):
            console.print(f"{short(path)} ({path.stat().st_size / 1e6:.1f} MB)", highlight=False, markup=False,
                          soft_wrap=True)  # fmt: skip
    if open_it:
        webbrowser.open((page if wanted or out else index).absolute().as_uri())
