"""The first step on a cluster: is there anything to do? If so, all that follows takes what was found as parameters.

    python -m kubeflow.look --settings JSON --executor_input '{{$}}'

By the rules and the code of `nsynth retrain`; seconds, without TensorFlow.
"""

import json
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import atomic
import nsynth
from components import claim
from components.registry import Registry
from kubeflow.conclude import conclude
from kubeflow.entrypoint import cost
from kubeflow.groups import LOOK, LOOK_OUTPUTS
from kubeflow.rounds import (
    ClusterRetraining,
    Found,
    digest_of_versions,
    names_of,
    read_arguments,
    with_width,
)
from pipeline import exit_codes
from pipeline.errors import explain
from pipeline.retrain import lock
from pipeline.retrain.watcher import Watcher

YES, NO = "yes", "no"


def main(argv: list[str]) -> int:
    """Look, and return the exit code."""
    started = time.monotonic()
    config, given, outputs = read_arguments(argv)
    retraining = ClusterRetraining(config, given["run"], given["run_name"], span_of(given["range_config"]))
    answer, code = look(retraining, given)
    content = json.dumps({"parameterValues": answer})
    atomic.write(Path(outputs["outputFile"]), content)
    print(json.dumps({"step": LOOK, **cost(started, resource.RUSAGE_SELF), "exit_code": code}), flush=True)
    return code


def look(retraining: ClusterRetraining, given: dict[str, Any]) -> tuple[dict[str, str | int], int]:
    """Return what the steps that follow are to know, and the exit code."""
    options, started, force = retraining.config.retrain, lock.now(), bool(given["force"])
    unheard = Watcher(options.watcher, options.hook_timeout_s).begun()

    def note(ending: Any, words: str, **more: Any) -> None:
        found = Found(
            run=retraining.run, started=started, ending=ending, words=words, unheard=unheard, **more
        )
        found.write(retraining.documents)
        print(f"{ending}: {words}", flush=True)

    try:
        with retraining.alone():
            if held := retraining.holding():
                if not retraining.is_dead(held):
                    note("locked", f"{held} trains in this workspace: wait for it to end, or cancel it")
                    return {}, exit_codes.LOCKED
                conclude(ClusterRetraining(retraining.config, held.run, held.name), dead=held)
            work = retraining.work(force)
            nothing = retraining.nothing_to_do(work, force)
            if nothing is None:
                answer = answers(retraining, given, work.newest.number, work.newest.fingerprint)
                retraining.take()
                note("work", f"train on span {work.newest.number}", work=work)
                return answer, 0
            if nothing.ending == "failed":
                note("failed", nothing.words, work=work)
                return {}, 1
            note("nothing", nothing.words, work=work)
            return {name: "" if kind == "STRING" else 0 for name, kind in LOOK_OUTPUTS.items()} | {
                "go": NO
            }, 0
    except (nsynth.UserError, OSError) as error:
        traceback.print_exc()
        note("locked" if isinstance(error, lock.LockedError) else "failed", explain(error))
        return {}, 1


def answers(
    retraining: ClusterRetraining, given: dict[str, Any], span: int, fingerprint: str
) -> dict[str, str | int]:
    """Fill the output parameters where there is something to do.

    Args:
      retraining: of this run.
      given: Look's own parameters.
      span: to train on.
      fingerprint: of its files.
    """
    config, ranges, patterns = retraining.config, given["range_config"], given["input_config"]
    if names_of(config.kubeflow.pattern):
        ranges = json.dumps({"staticRange": {"startSpanNumber": span, "endSpanNumber": span}})
        patterns = with_width(patterns, given["data"], span)
    return {
        "go": YES,
        "range_config": ranges,
        "input_config": patterns,
        "seen_data": fingerprint,
        "seen_models": digest_of_versions(given["models"]),
        "serving": Registry(given["models"]).to_beat(),
        "lift": claim.lift(config.workspace),
    }


def span_of(range_config: str) -> int | None:
    """Return the span that a run was told to read; None: the newest."""
    if not range_config:
        return None
    static = json.loads(range_config).get("staticRange") or {}
    number = static.get("startSpanNumber")
    return None if number is None else int(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
