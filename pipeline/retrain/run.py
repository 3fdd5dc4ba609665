"""Runs the graph on spans of data and reads from the artifacts what came of it. Imports TFX."""

import logging

from ml_metadata.metadata_store import MetadataStore

from components.registry import Registry
from pipeline.config import Config
from pipeline.data_steps import Spans
from pipeline.errors import explain
from pipeline.history import past_runs
from pipeline.history.identity import open_own
from pipeline.history.ledger import Ledger, Round
from pipeline.local_runner import run_local
from pipeline.report import write_failed_if_possible, write_if_possible
from pipeline.retrain.child import Request, Result
from pipeline.retrain.gc import clean_alone, sweep
from pipeline.retrain.result import result_of


def run_spans(request: Request) -> Result:
    """Run the graph to its end; an error of a step is raised as it is."""
    config = request.config
    store = open_own(config.workspace, config.metadata)
    rounds = Ledger(request.result_file.parent / "rounds.jsonl").rounds()
    sweep(config, store)
    if done := _pushed_before_a_crash(config, store, rounds):
        return done
    spans = Spans(request.window, request.judge, request.new, _transform_cache(store, rounds))
    before = past_runs.newest_run(config.metadata)
    try:
        run_local(config, spans)
    except Exception:
        write_failed_if_possible(config, before)
        raise
    result = result_of(past_runs.load_run(store))
    return _round_off(config, result)


def _round_off(config: Config, result: Result) -> Result:
    """Report and clean-up. How the round has ended stands, whatever happens here: being told to stop as well."""
    try:
        write_if_possible(config, result.run)
        if config.retrain.cleanup.after_round:
            clean_alone(config, remove=True)
    except (Exception, KeyboardInterrupt) as error:
        logging.getLogger(__name__).exception("report and clean-up")
        why = "told to stop" if isinstance(error, KeyboardInterrupt) else explain(error)
        return result.model_copy(update={"warnings": (*result.warnings, f"not cleaned up: {why}")})
    return result


def _pushed_before_a_crash(config: Config, store: MetadataStore, rounds: list[Round]) -> Result | None:
    """Return the result of a round that was ended right after its push, before that was written down.

    Run again it would start from the model that it has just pushed itself, and push another one.
    """
    serving = Registry(config.models).serving()
    if serving is None or serving.record.by_hand or serving.record.run in {line.run for line in rounds}:
        return None
    if serving.record.run not in past_runs.run_names(store):
        return None
    run = past_runs.load_run(store, serving.record.run)
    if "ExampleGen" in run.steps:  # no round, which has one for each span: a run on a folder
        return None
    spans = sorted(int(examples.properties["span"]) for examples in run.steps["Transform"].inputs["examples"])
    return result_of(run, serving.number).model_copy(update={"late": tuple(spans)})


def _transform_cache(store: MetadataStore, rounds: list[Round]) -> str:
    """Return the URI of the cache that the last round which came to its end left; empty if there is none.

    That round and no later one: a round that is run again after a crash then finds the same inputs, and its
    finished steps in TFX's cache.
    """
    done = [line.run for line in rounds if line.outcome.settles and line.run]
    if not done:
        return ""
    cache = past_runs.load_run(store, done[-1]).steps["Transform"].output("updated_analyzer_cache")
    return cache.uri if cache and cache.path.exists() else ""
