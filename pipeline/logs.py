"""What a person sees while steps run: one line a step; everything else goes to a log file."""

import contextlib
import contextvars
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import absl.logging
import rich.console
import rich.segment
import rich.status
import rich.text

from pipeline.step_log import StepFollower
from pipeline.terminal import Stream, plain

_file: contextvars.ContextVar[str] = contextvars.ContextVar("log_file", default="")

OUR_LOGGERS = ("components", "corpus", "pipeline", "trainer", "transform")


class Console(rich.console.Console):
    """A rich console that shows control characters in what it prints, and writes to a stream of ours as it is."""

    def __init__(self, file: Stream | None = None, stderr: bool = False, width: int | None = None):
        """Write to `file`, by default to standard output or error."""
        stream = file or (sys.stderr if stderr else sys.stdout)
        styled = stream.styled if isinstance(stream, Stream) else stream
        super().__init__(file=styled, stderr=stderr, width=width)  # type: ignore[arg-type]

    def render(
        self, renderable: rich.console.RenderableType, options: rich.console.ConsoleOptions | None = None
    ) -> Iterable[rich.segment.Segment]:
        """Render as rich does; only what rich itself adds may control the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))


@contextlib.contextmanager
def chatter_to(log_file: Path, verbose: bool) -> Iterator[None]:
    """Send the libraries' messages, native ones included, to `log_file`, and with `verbose` to stderr too.

    Native libraries write to file descriptor 2 directly, so that the descriptor itself is redirected.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    before_file = _file.set(str(log_file))
    stream = Stream(
        os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666), owned=True
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(name)s: %(message)s"))
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = [handler, *([logging.StreamHandler(sys.stderr)] if verbose else [])]
    root.setLevel(logging.INFO)
    verbosity = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.INFO)  # TFX tells of its steps at this level
    with stream, contextlib.ExitStack() as stack:
        stack.callback(_file.reset, before_file)
        stack.callback(root.setLevel, level)
        stack.callback(absl.logging.set_verbosity, verbosity)
        stack.callback(setattr, root, "handlers", before)
        if not verbose:
            stack.enter_context(contextlib.redirect_stdout(stream))  # some print
            stack.enter_context(_stderr_to(stream.fileno()))
        yield


def current_file() -> str:
    """Return the file that messages go to at present; empty outside of `chatter_to`."""
    return _file.get()


@contextlib.contextmanager
def _stderr_to(target: int) -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    os.dup2(target, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


class StepLines(StepFollower):
    """Prints a line when a step ends; our loggers' messages show beside it."""

    def __init__(
        self,
        console: rich.console.Console,
        status: rich.status.Status,
        expected_s: Mapping[str, float] | None = None,
    ):
        super().__init__()
        self._console, self._status, self._expected_s = console, status, expected_s or {}
        self._started, self._cached = 0.0, False
        self.seconds: dict[str, float] = {}
        """Step → wall time in seconds, in the order in which they ended."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take one message."""
        if record.name.split(".")[0] not in OUR_LOGGERS:
            super().emit(record)
        elif record.exc_info is None:  # an error is told at the end, by the command line
            self._show(record.getMessage())

    def on_start(self) -> None:
        """Remember the time."""
        self._started, self._cached = time.monotonic(), False
        self._say("…")

    def on_cached(self) -> None:
        """Remember that nothing was computed."""
        self._cached = True

    def on_finish(self) -> None:
        """Print the line."""
        seconds = time.monotonic() - self._started
        self.seconds[self.step] = seconds
        took = "cached" if self._cached else f"{seconds:5.1f} s"
        self._console.print(f"  [green]✓[/] {self.step:<18} {took:>8}", highlight=False)

    def _show(self, message: str) -> None:
        if self._console.is_terminal:
            self._say(message)
        else:
            self._console.print(f"  {self.step}: {message}", highlight=False, markup=False, soft_wrap=True)

    def _say(self, message: str) -> None:
        expected_s = self._expected_s.get(self.step)
        self._status.update(_Progress(self.step, message, self._started, expected_s))


@dataclass(frozen=True)
class _Progress:
    """The line of the step that runs; each refresh of the terminal renders it anew, so that its clock goes on."""

    step: str
    message: str
    started: float
    """As time.monotonic tells it."""
    expected_s: float | None

    def __rich__(self) -> rich.text.Text:
        seconds = time.monotonic() - self.started
        of = f" of about {self.expected_s:.0f}" if self.expected_s and self.expected_s >= 1 else ""
        return rich.text.Text(f"{self.step} {seconds:.0f}{of} s: {self.message}", overflow="ellipsis")


@contextlib.contextmanager
def follow_steps(
    console: rich.console.Console, expected_s: Mapping[str, float] | None = None
) -> Iterator[StepLines]:
    """Print the steps of a TFX run as they go.

    Args:
      console: where to.
      expected_s: step → seconds that it will probably take, as far as that is known.
    """
    with (
        console.status("Loading TensorFlow and TFX …") as status,
        StepLines(console, status, expected_s).attached() as lines,
    ):
        yield lines
