"""The command `nsynth`: a table of subcommands, each imported only when it is called.

To add one, write a click command in a module of this package and add it to COMMANDS.
"""

import contextlib
import importlib
import importlib.metadata
import logging
import os
import sys
from collections.abc import Iterator

import click

import nsynth
from pipeline import exit_codes, terminal
from pipeline.collector import at_rest
from pipeline.errors import explain

COMMANDS = {
    "corpus": ("pipeline.cli.corpus:corpus", "Render the demo notes from SoundFonts."),
    "download": ("pipeline.cli.download:download_command", "Download notes of the real NSynth."),
    "inspect": ("pipeline.cli.inspect:inspect", "Count and check the notes of a data folder."),
    "run": ("pipeline.cli.run:run", "Run the whole pipeline once: from notes to a gated model."),
    "retrain": ("pipeline.cli.retrain:retrain", "Run one round of retraining on new data."),
    "schedule": ("pipeline.cli.schedule:schedule", "Run rounds of retraining on a schedule."),
    "status": (
        "pipeline.cli.status:status",
        "Show the last rounds, the next round, the champion and disk use.",
    ),
    "gc": ("pipeline.cli.gc:gc", "Remove old artifacts (dry run by default)."),
    "runs": ("pipeline.cli.runs:runs", "List the runs with outcome, accuracy and time."),
    "report": ("pipeline.cli.report:report", "Write the report page of a run, an HTML file."),
    "models": ("pipeline.cli.models:models", "List, show, roll back or promote pushed models."),
    "evaluate": ("pipeline.cli.evaluate:evaluate", "Measure the final accuracy of a model on test."),
    "lineage": ("pipeline.cli.lineage:lineage", "Show the data and code that produced a model."),
    "classify": ("pipeline.cli.classify:classify", "Classify audio files."),
    "serve": (
        "pipeline.cli.serve:serve",
        "Serve the champion: TensorFlow Serving's REST API and a web page.",
    ),
    "config": ("pipeline.cli.config:config", "Describe all settings; show the values that a run would use."),
    "kubeflow": ("kubeflow.cli:kubeflow", "Compile, submit and schedule the pipeline on a cluster."),
}
"""Name → (module:attribute of the click command, one line of help)."""
if not nsynth.HAS_DEMO:  # these commands are for NSynth only
    del COMMANDS["corpus"], COMMANDS["download"]


class LazyGroup(click.Group):
    """A group that can list its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command and give it the option that all share."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        with at_rest():
            command = getattr(importlib.import_module(module), attribute)
        if not any(parameter.name == "verbose" for parameter in command.params):
            command.params.append(_verbose_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _verbose_option() -> click.Option:
    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.find_root().obj["verbose"] = True

    text = "Show the libraries' own messages and full tracebacks."
    return click.Option(["--verbose"], is_flag=True, expose_value=False, callback=remember, help=text)


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        found = {name: importlib.metadata.version(name) for name in ("nsynth-tfx", "tfx", "tensorflow")}
        python = ".".join(map(str, sys.version_info[:3]))
        click.echo(f"{', '.join(f'{name} {version}' for name, version in found.items())}, Python {python}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
              help="Show the versions of this program and its main dependencies.")  # fmt: skip
def cli() -> None:
    """Train, evaluate and push a classifier of short sounds."""


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Keep what the user set for other programs, and files in the current folder, from changing ours."""
    before = dict(os.environ)
    os.environ["PYTHONSAFEPATH"] = "1"  # a process that we start imports nothing from the current folder
    for name in [name for name in os.environ if name.startswith("KERAS_")]:
        del os.environ[name]
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["KERAS_HOME"] = os.devnull  # no keras.json is read or written
    try:
        yield
    finally:  # who calls `main` in a process that goes on finds it as it was
        os.environ.clear()
        os.environ.update(before)


def main() -> None:
    """Entry point: runs one command; an error is one line on stderr and an exit code other than 0."""
    terminal.prepare()
    settings: dict[str, bool] = {"verbose": False}
    try:
        with _own_environment():
            code = cli.main(standalone_mode=False, obj=settings, prog_name="nsynth")
        terminal.finish()
        sys.exit(code or exit_codes.OK)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print(
            "\nInterrupted. No partial output remains; run the same command to resume.",
            file=sys.stderr,
        )
        sys.exit(exit_codes.INTERRUPTED)
    except Exception as error:
        if settings["verbose"]:
            logging.getLogger(__name__).error("", exc_info=True)
        print(f"nsynth: {explain(error)}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", exit_codes.ERROR))
    finally:
        with contextlib.suppress(OSError):  # another error was reported
            sys.stdout.flush()


if __name__ == "__main__":
    main()
