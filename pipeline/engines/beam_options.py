"""Beam's own options by their own names, for the engines that have no settings of ours. Checked by Beam's parsers."""

import contextlib
import io
from collections.abc import Mapping

import nsynth

Value = bool | int | float | str | list[str]


def arguments(options: Mapping[str, Value]) -> list[str]:
    """Command-line arguments for Beam.

    Args:
      options: names of Beam's options, without the dashes. True is a flag; False is its `no_` form.
    """
    found = []
    for name, value in options.items():
        match value:
            case bool():
                found.append(f"--{name}" if value else f"--no_{name}")
            case list():
                found += [f"--{name}={one}" for one in value]
            case _:
                found.append(f"--{name}={value}")
    return found


def check(where: str, args: list[str]) -> None:
    """Have Beam read and validate the arguments, as it would before a job. Imports Beam: seconds.

    Args:
      where: the setting that they come from, for messages.
      args: with `--runner`.

    Raises:
      nsynth.UserError: Beam does not know an argument or refuses a value.
    """
    from apache_beam.options import pipeline_options as beam
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    parser = beam._BeamArgumentParser(allow_abbrev=False)
    for view in beam.PipelineOptions.__subclasses__():
        view._add_argparse_args(parser)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            _, unknown = parser.parse_known_args(args)
    except SystemExit as error:
        raise nsynth.UserError(f"{where}: {complaint.getvalue().rpartition('error: ')[2].strip()}") from error
    if unknown:
        named = ", ".join(argument.removeprefix("--").partition("=")[0] for argument in unknown)
        raise nsynth.UserError(
            f"{where}: Beam has no option {named}; its options are in "
            "https://beam.apache.org/documentation/#runners"
        )
    options = beam.PipelineOptions([*args, "--dry_run=True"])  # else Google is asked about the bucket
    runner = type(options.view_as(beam.StandardOptions).runner.rpartition(".")[2], (), {})
    if errors := PipelineOptionsValidator(options, runner()).validate():
        raise nsynth.UserError(f"{where}: {'; '.join(errors)}")
