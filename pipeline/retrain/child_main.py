"""What runs in the child process: the pipeline, and a short result for the one that waits.

python -m pipeline.retrain.child_main REQUEST_FILE
"""

import logging
import os
import re
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import nsynth
from pipeline.errors import explain
from pipeline.history.own_files import closing, open_own, write
from pipeline.retrain.child import Ending, Request, Result, draft_of
from pipeline.retrain.faults import may_pass


def main(request_file: Path) -> None:
    """Runs the request and writes its result, whatever happens."""
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
    """Runs the pipeline and tells how it ended, whatever its error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from pipeline.logs import Console, chatter_to, follow_steps
    from pipeline.terminal import Stream

    began, step = time.monotonic(), CurrentStep()
    # Standard output is for the answer of --json, and descriptor 2 goes to the log file meanwhile.
    console = Console(file=Stream(os.dup(2)))
    with chatter_to(request.log_file, verbose=False), follow_steps(console) as lines:
        logging.getLogger().addHandler(step)
        try:
            from pipeline.retrain.run import run_spans  # 15 s of imports

            result = run_spans(request)
        except BaseException as error:
            logging.getLogger(__name__).exception("%s failed", step.now)
            ending, span = _ending(error, step.now), _refused_span(error, step.now)
            result = Result(ending=ending, words=explain(error), step=step.now, refused=span)
        finally:
            logging.getLogger().removeHandler(step)
            step.end()
    facts = {
        "seconds": round(time.monotonic() - began, 1),
        "steps": {name: round(seconds, 1) for name, seconds in lines.seconds.items()},
        "cpu_seconds": step.cpu_seconds,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    return result.model_copy(update={"facts": {**result.facts, **facts}})


def _ending(error: BaseException, step: str) -> Ending:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if may_pass(error):
        return "passing"
    return "refused" if _refused_span(error, step) is not None else "failed"


def _refused_span(error: BaseException, step: str) -> int | None:
    """The span whose data are at fault: the name of a step that looks at one ends in its number.

    None if there is none: the held-out folder is nobody's delivery.
    """
    if not isinstance(error, nsynth.RefusedDataError):
        return None
    if error.span is not None:
        return error.span
    number = step.rpartition("-")[2]
    return int(number) if number.isdecimal() else None


class CurrentStep(logging.Handler):
    """Remembers which step TFX runs, and how much computing each one took."""

    _STARTED = re.compile(r"Component (\S+) is running\.")

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.now = ""
        self.cpu_seconds: dict[str, float] = {}
        """Of all threads and ended child processes; unlike wall time the same on a busy machine."""
        self._since = _cpu_s()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one message."""
        if started := self._STARTED.match(record.getMessage()):
            self.end()
            self.now = started[1]

    def end(self) -> None:
        """Books what the step has taken until now."""
        now = _cpu_s()
        if self.now:
            self.cpu_seconds[self.now] = round(now - self._since, 2)
        self._since = now


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """Ends the whole process group once the pipe on standard input closes: nobody waits for us any more."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
