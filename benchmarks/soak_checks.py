"""What has to hold after every day of a soak, and over all of them."""

from collections.abc import Iterator
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline.config import Config
from pipeline.history import past_runs
from pipeline.history.ledger import Round
from pipeline.history.metadata import connect
from pipeline.retrain.round import Retraining
from pipeline.step_names import of_span

EXPECTED = {
    "ordinary": ({"pushed", "kept"}, ""),
    "better recipe": ({"pushed"}, ""),
    "killed": ({"pushed", "kept"}, ""),
    "no data": ({"no new data"}, "no new span"),
    "corrupt file": ({"refused"}, "damaged"),
    "one family": ({"refused"}, "share of the largest family"),
    "mislabelled": ({"refused"}, "check the labels"),
    "another level": ({"refused"}, "drift of rms_dbfs"),
    "disk full": ({"failed"}, "too large"),
}
"""Kind of day → outcomes that are right, and words that have to be in the reason."""


Champion = tuple[int, float | None]
"""Version, 0 for none, and its accuracy on the held-out notes."""


def faults_of_day(
    config: Config, kind: str, rounds: tuple[Round, ...], before: Champion, now: Champion
) -> Iterator[str]:
    """Yield what should not be so in the morning.

    Args:
      config: of the day.
      kind: of the day.
      rounds: of the night.
      before: the champion in the evening.
      now: the champion in the morning.
    """
    last = rounds[-1]
    outcomes, words = EXPECTED[kind]
    if last.outcome.value not in outcomes or words not in last.words:
        yield f"{kind}: {last.outcome} ({last.words[:200]})"
    margin = config.gate.margin if config.gate.policy == "not_worse" else 0.0
    if before[1] is not None and (now[1] or 0.0) < before[1] - margin - 1e-9:
        yield f"the champion fell from {before[1]:.3f} to {now[1]}"
    if now[0] != before[0] and last.outcome != "pushed":
        yield f"version {now[0]} appeared in a round that says {last.outcome}"
    yield from _unclean(config, last)


def _unclean(config: Config, last: Round) -> Iterator[str]:
    """Yield what is unfinished, counted twice or unblessed in the morning."""
    if left := [path.name for path in Path(config.models).glob(".*.draft-*")]:
        yield f"half-pushed: {left}"
    if left := sorted(path.name for path in Retraining(config).folder.glob("round-*")):
        yield f"left between rounds: {left}"
    if not last.outcome.settles:
        return
    # Those of the window, those behind the champion, and one more for each of the last runs.
    most = 2 * config.retrain.window + config.retrain.cleanup.keep_runs
    if len(kept := kept_notes(config)) > most:
        yield f"the notes of {len(kept)} spans are kept, more than {most}"
    store = connect(config.metadata)
    if running := [e.id for e in store.get_executions() if e.last_known_state == mlmd.Execution.RUNNING]:
        yield f"executions {running} still run"
    run = past_runs.load_run(store, last.run)
    spans = [examples.properties["span"] for examples in run.steps["Transform"].inputs["examples"]]
    if sorted(spans) != sorted(last.window):
        yield f"trained on spans {sorted(spans)}, not {last.window}"
    old = set(last.window) - {span.number for span in last.new}
    if again := [span for span in old if run.steps[of_span("ExampleGen", span)].state != "CACHED"]:
        yield f"spans {again} were ingested again"
    yield from _computed_again(run, len(old))
    given = [run.steps[step].output("blessing") for step in ("Gate", "GateNewest", "Evaluator")]
    blessed = [bool(blessing and blessing.properties["blessed"]) for blessing in given]
    if (last.outcome == "pushed") != all(blessed):
        yield f"{last.outcome} although the blessings say {blessed}"


def kept_notes(config: Config) -> list[Path]:
    """Return folders with the ingested notes of a span."""
    return list(config.artifacts.glob("ExampleGen-*/examples/*"))


def _computed_again(run: past_runs.Run, old: int) -> Iterator[str]:
    """Yield a fault if spectrograms of the `old` spans were computed again: those taken over are older than the run."""
    transform = run.steps["Transform"]
    kept = transform.outputs["updated_analyzer_cache"][0].path
    splits = {path.parent.name: path.stat().st_mtime for path in kept.glob("*/Split-train-*/middle-*")}
    taken_over = sum(modified < transform.started for modified in splits.values())
    if transform.state == "COMPLETE" and taken_over != old:
        yield f"spectrograms of {taken_over} spans were taken over, not of {old}"


def levels_off(values: list[float], slack: float) -> bool:
    """Return whether the last third of a series stays below the maximum of the third before, and some slack."""
    third = len(values) // 3
    return not third or max(values[-third:]) <= (1 + slack) * max(values[-2 * third : -third])
