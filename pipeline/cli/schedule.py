"""`nsynth schedule`: rounds of retraining on a schedule."""

from pathlib import Path

import click

from pipeline.cli.console import log_rounds_to, make_console
from pipeline.cli.options import config_option, opened_workspace, set_option, spans_option, with_spans
from pipeline.config import load_config
from pipeline.terminal import make_output_expendable


@click.command()
@config_option
@set_option
@spans_option
def schedule(config_file: Path, overrides: tuple[str, ...], spans: str | None) -> int:
    """Run rounds on a schedule (retrain.schedule) until stopped by SIGTERM or Ctrl-C."""
    from pipeline.retrain.round import Retraining, telling
    from pipeline.retrain.schedule import Scheduler

    config = load_config(config_file, with_spans(overrides, spans))
    make_output_expendable()
    log_rounds_to(make_console(stderr=True))
    with telling(config):  # calls the hooks for failures: nobody may be watching
        config = opened_workspace(config, create=True)
        retraining = Retraining(config)
        retraining.work()  # reports a missing folder of spans now, not in the first round
    Scheduler(retraining, config.retrain.schedule).run()
    return 0
