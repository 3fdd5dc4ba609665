"""A month of unattended retraining in minutes: `python -m benchmarks.soak --rounds 30`.

Every day a span of rendered notes arrives, or does not, or is bad; every night a process of its own runs a round,
is killed at a random moment on some nights, and what has to hold is checked each morning. Prints a table, writes
JSON and a chart. The pipeline is the real one with the smallest model; TFX is imported once and the processes
forked from there, since imports would be a third of the time.
"""

import contextlib
import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click

import atomic
import nsynth
from benchmarks.soak_checks import Champion, faults_of_day, kept_notes, levels_off
from components.registry import Registry
from components.storage import disk_use
from pipeline.config import Config, load_config
from pipeline.history.ledger import Round
from pipeline.retrain import lock
from pipeline.retrain.child import Process
from pipeline.retrain.round import Retraining

MONTH = (
    "ordinary", "ordinary", "ordinary", "no data", "corrupt file", "better recipe", "one family", "killed", "ordinary",
    "mislabelled", "ordinary", "another level", "ordinary", "disk full", "ordinary", "killed", "no data", "ordinary",
    "ordinary", "ordinary", "killed", "ordinary", "corrupt file", "ordinary", "one family", "mislabelled", "ordinary",
    "killed", "another level", "ordinary",
)  # fmt: skip
WEEK = (
    "ordinary", "better recipe", "no data", "corrupt file", "one family", "mislabelled", "another level", "disk full",
    "killed",
)  # fmt: skip
"""One day of each kind."""

RECIPE = ("recipe.epochs=6",)
BETTER_RECIPE = ("recipe.size=small", "recipe.epochs=12")
"""What somebody hopes to be better one day: a network with room for more, trained for longer; used from then on."""

BRIEF_RECIPE = ("recipe.size=small", "recipe.epochs=2")
"""On the last day of the short week, whose model nothing is compared with."""

FULL_DISK_BYTES = 2_000_000  # of the largest file that the process may write on the day the disk fills


@dataclasses.dataclass(frozen=True)
class Day:
    """What happened on one day."""

    day: int
    kind: str
    rounds: tuple[Round, ...]
    seconds: float
    champion: int
    champion_accuracy: float | None
    workspace_mb: float
    notes_mb: float
    peak_memory_mb: float
    faults: tuple[str, ...]

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Day":
        """Return a day as `summary` has written it."""
        rounds = tuple(Round.model_validate(line) for line in told["rounds"])
        fields = {field.name: told[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**fields, "rounds": rounds, "faults": tuple(told["faults"])})

    @property
    def outcome(self) -> str:
        """How the last round of the night ended."""
        return self.rounds[-1].outcome.value if self.rounds else "nothing"


class Forked:
    """A forked process that answers as subprocess.Popen does."""

    def __init__(self, pid: int):
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


def fork(log: Path) -> int:
    """Fork; in the child, the leader of its own group, output goes to `log`."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
    return pid


def let_go_of(pipe: int) -> None:
    """Close the other end of a pipe in a fork, which has inherited it: else it would never see the end."""
    own = os.fstat(pipe)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the list itself
            if int(name) != pipe and os.path.samestat(os.fstat(int(name)), own):
                os.close(int(name))


def configure(workspace: Path, spans: Path, holdout: Path, recipe: Sequence[str]) -> Config:
    """Return the smallest pipeline that can tell good from bad; `recipe` holds settings of the day."""
    places = {"workspace": workspace, "retrain.spans": spans, "retrain.holdout": holdout}
    settings = [f"{key}={json.dumps(str(path))}" for key, path in places.items()]
    return load_config(Path(__file__).with_suffix(".yaml"), [*settings, *recipe])


class Soak:
    """The month, day by day."""

    def __init__(self, folder: Path, days: tuple[str, ...], seed: int, soundfonts: tuple[str, ...]):
        from benchmarks.soak_spans import Deliveries

        self.folder, self.days = folder, days
        self._deliveries = Deliveries(folder / "data", seed, soundfonts)
        self._random = random.Random(seed)
        self._file_limit: int | None = None
        self._typical_s: list[float] = []
        self._log = folder / "soak.log"

    def config(self, number: int) -> Config:
        """Return the settings of a day."""
        data = self._deliveries
        recipe = BETTER_RECIPE if "better recipe" in self.days[:number] else RECIPE
        if self.days == WEEK and number == len(WEEK):
            recipe = BRIEF_RECIPE
        return configure(self.folder / "workspace", data.spans, data.holdout, recipe)

    def run(self, done: Sequence[Day] = ()) -> Iterator[Day]:
        """Live through the days that are not done yet; yield each one as it ends."""
        for day in done:
            self._remember(day)
        for number, kind in list(enumerate(self.days, 1))[len(done) :]:
            config = self.config(number)
            retraining = Retraining(config, self._start)
            before, champion = len(retraining.ledger.rounds()), self._champion(config)
            self._deliveries.deliver(kind)
            began = time.monotonic()
            self._file_limit = FULL_DISK_BYTES if kind == "disk full" else None
            limit = self._random.uniform(0.1, 1.0) * median(self._typical_s or [60.0])
            if kind != "killed" or self._night(config, kill_after_s=limit):
                self._night(config)
            rounds = tuple(retraining.ledger.rounds()[before:])
            now = self._champion(config)
            day = Day(
                day=number,
                kind=kind,
                rounds=rounds,
                seconds=time.monotonic() - began,
                champion=now[0],
                champion_accuracy=now[1],
                workspace_mb=disk_use(config.workspace) / 1e6,
                notes_mb=sum(map(disk_use, kept_notes(config))) / 1e6,
                peak_memory_mb=max((r.facts.get("peak_memory_mb", 0) for r in rounds), default=0),
                faults=tuple(faults_of_day(config, kind, rounds, champion, now)),
            )
            self._remember(day)
            yield day

    def _remember(self, day: Day) -> None:
        if len(day.rounds) == 1 and day.rounds[0].outcome.settles:
            self._typical_s.append(day.seconds)

    def _night(self, config: Config, kill_after_s: float | None = None) -> bool:
        """One `nsynth retrain` in a process of its own, killed after some time if it still runs; was it?"""
        pid = fork(self._log)
        if pid == 0:
            code = 1
            try:
                code = Retraining(config, self._start).retrain("nsynth retrain").outcome.exit_code
            finally:
                os._exit(code)
        night = Forked(pid)
        deadline = time.monotonic() + kill_after_s if kill_after_s is not None else None
        killed = False
        while night.poll() is None:
            if deadline and time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                deadline, killed = None, True
            time.sleep(0.1)
        while lock.is_held(Retraining(config).lock_file):  # the child of a killed night ends by itself
            time.sleep(0.1)
        return killed

    def _start(self, request_file: Path, alive: int, lock: int) -> Process:
        """Start the child that runs the pipeline, as a fork."""
        pid = fork(self._log)
        if pid == 0:
            try:
                os.dup2(alive, 0)
                let_go_of(0)
                if self._file_limit:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (self._file_limit, resource.RLIM_INFINITY))
                from pipeline.retrain import child_main

                child_main.main(request_file)
                os._exit(0)
            except BaseException:
                os._exit(1)
        return Forked(pid)

    def _champion(self, config: Config) -> Champion:
        serving = Registry(config.models).serving()
        if not serving:
            return 0, None
        return serving.number, serving.record.accuracy.value if serving.record.accuracy else None


@click.command()
@click.option("--rounds", default=30, show_default=True, help="Days; with 0, a short week of bad days.")
@click.option("--output", default="workspace/benchmarks/soak.json", show_default=True, type=Path)
@click.option("--chart", type=Path, help="Draw the month into this file (.svg or .png).")
@click.option("--folder", default="workspace/soak", show_default=True, type=Path, help="Is emptied first.")
@click.option("--seed", default=0, show_default=True)
@click.option("--soundfont", "soundfonts", multiple=True, metavar="NAME|PATH", default=("TimGM6mb",),
              show_default=True, help="What the notes are rendered with. May be repeated.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on after the last day of a month that was cut short.")
def main(
    rounds: int,
    output: Path,
    chart: Path | None,
    folder: Path,
    seed: int,
    soundfonts: tuple[str, ...],
    resume: bool,
) -> int:
    """Run unattended rounds day by day over good and bad data, kills included, and check every morning."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    days = (MONTH * (1 + rounds // len(MONTH)))[:rounds] if rounds else WEEK
    past: dict[str, Any] = json.loads(output.read_text()) if resume else {"seconds": 0.0, "days": []}
    month = [Day.of(day) for day in past["days"]]
    for part in ("workspace", "data/spans", "data/holdout") if not month else ():
        shutil.rmtree(folder / part, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        soak = Soak(folder, days, seed, soundfonts)
    except nsynth.UserError as error:
        sys.exit(f"Error: {error}")
    import pipeline.retrain.run  # noqa: F401  # once, for all processes forked from here

    began = time.monotonic() - past["seconds"]
    for day in soak.run(month[:]):
        month.append(day)
        _tell(day)
        result = summary(month, time.monotonic() - began)
        atomic.write(output, json.dumps(result, indent=1))
    if chart:
        from benchmarks.soak_chart import draw

        draw(result, chart)
    faults = result["faults"]
    click.echo(
        f"{len(month)} days in {result['seconds'] / 60:.1f} minutes, {len(faults)} faults; see {output}"
    )
    return 1 if faults else 0


def summary(month: list[Day], seconds: float) -> dict[str, Any]:
    """Return the whole month, ready for JSON, with what should not be so."""
    faults = [f"day {day.day}: {fault}" for day in month for fault in day.faults]
    # A refused span's notes stay until a round comes to its end and cleans up.
    settled = [day for day in month if day.rounds and day.rounds[-1].outcome.settles]
    if len(settled) >= 9:
        if not levels_off([day.peak_memory_mb for day in settled], slack=0.1):
            faults.append("memory does not level off")
        # Of the spans' notes each day's check knows how many there may be.
        if not levels_off([day.workspace_mb - day.notes_mb for day in settled], slack=0.2):
            faults.append("disk use, notes aside, does not level off")
    return {
        "seconds": seconds,
        "faults": faults,
        "days": [
            {
                **{f.name: getattr(day, f.name) for f in dataclasses.fields(day) if f.name != "rounds"},
                "outcome": day.outcome,
                "rounds": [line.model_dump(mode="json") for line in day.rounds],
            }
            for day in month
        ],
    }


def _tell(day: Day) -> None:
    accuracy = f"{day.champion_accuracy:.1%}" if day.champion_accuracy is not None else "–"
    click.echo(
        f"day {day.day:2}  {day.kind:<14} {' → '.join(line.outcome for line in day.rounds):<24} "
        f"champion {accuracy:>6}  {day.seconds:5.0f} s  {day.peak_memory_mb:5.0f} MB  "
        f"{day.workspace_mb:6.0f} MB on disk"
    )
    for fault in day.faults:
        click.echo(f"        FAULT {fault}")


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))
