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
    """Has Beam read and validate the arguments, as it would before a job. Imports Beam: seconds.

    Args:
      where: the setting that they come from, for messages.
      args: with `--runner`.

    Raises:
      nsynth.UserError: Beam does not know an argument or refuses a value.
    """
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options = PipelineOptions([*args, "--dry_run=True"])  # else Google is asked about the bucket
            known = options.get_all_options()
    except SystemExit as error:
        raise nsynth.UserError(f"{where}: {complaint.getvalue().rpartition('error: ')[2].strip()}") from error
    names = [argument.removeprefix("--").partition("=")[0] for argument in args]
    if unknown := [name for name in names if name not in known and name.removeprefix("no_") not in known]:
        raise nsynth.UserError(
            f"{where}: Beam has no option {', '.join(unknown)}; its options are in "
            "https://beam.apache.org/documentation/#runners"
        )
    runner = type(options.view_as(StandardOptions).runner.rpartition(".")[2], (), {})
    if errors := PipelineOptionsValidator(options, runner()).validate():
        raise nsynth.UserError(f"{where}: {'; '.join(errors)}")
