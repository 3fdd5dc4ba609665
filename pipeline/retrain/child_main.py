"""What runs in the child process: the pipeline, and a short result for the one that waits.

python -m pipeline.retrain.child_main REQUEST_FILE
"""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import nsynth
from pipeline.errors import explain
from pipeline.history.own_files import closing, open_own, write
from pipeline.memory import peak_bytes
from pipeline.retrain.child import Ending, Request, Result, draft_of
from pipeline.retrain.faults import may_pass
from pipeline.step_log import StepFollower
from pipeline.step_names import span_of


def main(request_file: Path) -> None:
    """Run the request and write its result, whatever happens."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _interrupt)
    request = Request.model_validate_json(request_file.read_text())
    try:
        result = run(request)
    except BaseException as error:  # not the pipeline's: no log file, for one
        result = Result(ending=_ending(error, ""), words=explain(error))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what has come of it is to be told
    draft = draft_of(request.result_file)
    with closing(open_own(draft, os.O_RDWR | os.O_CREAT)) as descriptor:
        write(descriptor, result.model_dump_json().encode())
    draft.rename(request.result_file)


def run(request: Request) -> Result:
    """Run the pipeline and tell how it ended, whatever its error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from pipeline.logs import Console, chatter_to, follow_steps
    from pipeline.terminal import Stream

    began, step = time.monotonic(), CurrentStep()
    # Standard output is for the answer of --json, and descriptor 2 goes to the log file meanwhile.
    console = Console(file=Stream(os.dup(2)))
    with chatter_to(request.log_file, verbose=False), follow_steps(console) as lines, step.attached():
        try:
            from pipeline.retrain.run import run_spans  # seconds of imports

            result = run_spans(request)
        except BaseException as error:
            logging.getLogger(__name__).exception("%s failed", step.step)
            ending, span = _ending(error, step.step), _refused_span(error, step.step)
            result = Result(ending=ending, words=explain(error), step=step.step, refused=span)
        finally:
            step.end()
    facts = {
        "seconds": round(time.monotonic() - began, 1),
        "steps": {name: round(seconds, 1) for name, seconds in lines.seconds.items()},
        "cpu_seconds": step.cpu_seconds,
        "peak_memory_mb": round(peak_bytes() / 2**20),
    }
    return result.model_copy(update={"facts": {**result.facts, **facts}})


def _ending(error: BaseException, step: str) -> Ending:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if may_pass(error):
        return "passing"
    return "refused" if _refused_span(error, step) is not None else "failed"


def _refused_span(error: BaseException, step: str) -> int | None:
    """Return the span whose data are at fault: the name of a step that looks at one ends in its number.

    None if there is none: the held-out folder is nobody's delivery.
    """
    if not isinstance(error, nsynth.RefusedDataError):
        return None
    if error.span is not None:
        return error.span
    return span_of(step)


class CurrentStep(StepFollower):
    """Remembers which step TFX runs, and how much computing each one took."""

    def __init__(self) -> None:
        super().__init__()
        self.cpu_seconds: dict[str, float] = {}
        """Of all threads and ended child processes; unlike wall time the same on a busy machine."""
        self._now, self._since = "", _cpu_s()

    def on_start(self) -> None:
        """Book what the step before has taken."""
        self.end()
        self._now = self.step

    def end(self) -> None:
        """Book what the step has taken until now."""
        now = _cpu_s()
        if self._now:
            self.cpu_seconds[self._now] = round(now - self._since, 2)
        self._since = now


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """End the whole process group once the pipe on standard input closes: nobody waits for us any more."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
