"""What the benchmarks share: options, fresh processes, clocks, tables, and the file of the result."""

import contextlib
import functools
import importlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import psutil

import atomic
import nsynth
from pipeline.memory import peak_bytes

OFFICIAL_NOTES = 289_205 + 12_678 + 4_096  # train, valid, test

Run = dict[str, Any]

_MEMORY_EVERY_S = 0.2


def sizes_option(*default: int) -> Callable[[Any], Any]:
    """Option `--notes`: how many notes to measure with, several times if wanted."""
    return click.option("--notes", multiple=True, type=int, default=default, show_default=True, help="Sizes.")


def output_option(name: str) -> Callable[[Any], Any]:
    """Option `--output`: the JSON file of the result."""
    default = f"workspace/benchmarks/{name}.json"
    return click.option("--output", default=default, show_default=True, type=Path)


def rounds_option(default: int) -> Callable[[Any], Any]:
    """Option `--rounds`: how often everything is measured."""
    help_ = "Each variant at each size is measured this often."
    return click.option("--rounds", default=default, show_default=True, help=help_)


def scratch_option(needed: str) -> Callable[[Any], Any]:
    """Option `--scratch`: where the data lies, temporary files by default."""
    return click.option("--scratch", default=None, help=f"Folder for data, {needed}.")


def settings_options(config: str | None, *overrides: str) -> Callable[[Any], Any]:
    """Options `--config` and `--set`: the command is called with `settings`, and a user's mistake is one line."""

    def decorate(command: Callable[..., None]) -> Any:
        @functools.wraps(command)
        def configured(config: str | None, overrides: tuple[str, ...], **others: Any) -> None:
            from pipeline.config import load_config

            try:
                command(settings=load_config(config or os.devnull, overrides), **others)
            except nsynth.UserError as error:
                raise click.ClickException(str(error)) from error

        for option in (
            click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", default=overrides,
                         show_default=bool(overrides), help="Change a value of the config."),
            click.option("--config", default=config, show_default=True, help="Its settings are used."),
        ):  # fmt: skip
            configured = option(configured)
        return configured

    return decorate


real_option = click.option(
    "--real", envvar="NSYNTH_REAL_NOTES", type=Path, help="Folder with real NSynth notes."
)


def nsynth_command(*arguments: str | Path) -> list[str]:
    """Return the command line that starts `nsynth` from this checkout."""
    return [sys.executable, "-m", "pipeline.cli.main", *map(str, arguments)]


def fresh(function: Callable[..., Run], label: str, **arguments: Any) -> Run:
    """Call a function of a module in a fresh process and return its answer; imports of others do not count there.

    Args:
      function: takes and returns what JSON can hold.
      label: reported on standard error first.
      **arguments: of the function.

    Raises:
      click.ClickException: the process failed; with the end of its standard error.
    """
    click.echo(label, err=True)
    module = sys.modules[function.__module__].__spec__
    assert module is not None
    job = (module.name, function.__name__, json.dumps(arguments))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.harness", *job], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def ended(command: list[str]) -> Run:
    """Run a command; return its exit code, output, and seconds of wall and CPU time, its children's included."""
    cpu, wall = _cpu_s(), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return {
        "code": done.returncode,
        "output": done.stdout,
        "wall_s": time.monotonic() - wall,
        "cpu_s": _cpu_s() - cpu,
    }


def timed(function: Callable[[], object]) -> Run:
    """Call the function; return its seconds of wall and CPU time, and the peak memory, in bytes.

    Worker processes that it has started and waited for count, with their imports.
    """
    memory = _Memory()
    memory.start()
    cpu, wall = _cpu_s(), time.monotonic()
    function()
    wall, cpu = time.monotonic() - wall, _cpu_s() - cpu
    return {"wall_s": wall, "cpu_s": cpu, "peak_rss_bytes": memory.end()}


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(of.ru_utime + of.ru_stime for of in used)


class _Memory(threading.Thread):
    """Watches the memory of this process and of the processes that it starts.

    The kernel's own peak of children is of no use: a child begins with that of its parent.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        this = psutil.Process()
        while not self._ended.wait(_MEMORY_EVERY_S):
            with contextlib.suppress(psutil.Error):  # a child that ends just now
                processes = (this, *this.children(recursive=True))
                self.peak_bytes = max(self.peak_bytes, sum(one.memory_info().rss for one in processes))

    def end(self) -> int:
        """Stop watching; return the peak in bytes, at least that of this process alone, which the kernel knows."""
        self._ended.set()
        self.join()
        return max(self.peak_bytes, peak_bytes())


def pin_to_one_core() -> None:
    """Leave this process one core; call it before TensorFlow is imported, which counts them."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def written_bytes(folder: str | Path, pattern: str = "*") -> int:
    """Return the size of all files below a folder whose names match the pattern."""
    return sum(path.stat().st_size for path in Path(folder).rglob(pattern) if path.is_file())


def slope(first: Run, last: Run, key: str) -> float:
    """Return by how much `key` grows with each note from one run to another."""
    return (last[key] - first[key]) / (last["notes"] - first["notes"])


def costs(first: Run, last: Run, start: Run | None = None) -> Run:
    """Return what a note costs, from one run to a larger one; what is fixed, by the run `start`; and memory's growth.

    What is said of all of NSynth is extrapolated from that.
    """
    start = start or first
    found: Run = {"peak_rss_growth": last["peak_rss_bytes"] / first["peak_rss_bytes"] - 1}
    for clock in ("wall", "cpu"):
        each = slope(first, last, f"{clock}_s")
        fixed = start[f"{clock}_s"] - each * start["notes"]
        found |= {
            f"{clock}_ms_a_note": each * 1e3,
            f"fixed_{clock}_s": fixed,
            f"extrapolated_official_{clock}_h": (fixed + each * OFFICIAL_NOTES) / 3600,
        }
    return found


def machine() -> Run:
    """Return the circumstances of a measurement."""
    return {
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_1_min": os.getloadavg()[0],
    }


def save(output: Path, result: Run) -> None:
    """Write the result as JSON and report where."""
    atomic.write(output, json.dumps(result, indent=2))
    click.echo(f"Written to {output}")


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table for a terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table("", *columns)
    for row in rows:
        table.add_row(*row)
    Console(width=118).print(table)


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    head = list(head)
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _answer() -> None:
    module, function, arguments = sys.argv[1:]
    print(json.dumps(getattr(importlib.import_module(module), function)(**json.loads(arguments))))


if __name__ == "__main__":
    _answer()
