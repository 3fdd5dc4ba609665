"""Where the tests' time goes: `make test-unit ARGS=--times` prints CPU seconds, which other work does not stretch."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import pytest

FAST_S = 0.5
"""A test that takes more should be marked slow, or made faster."""
_SHOWN = 20


def cpu_s() -> float:
    """Return the CPU time of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Times:
    """Notes what each test takes, and prints it when all have ended."""

    def __init__(self) -> None:
        self._began = 0.0
        self.loading: dict[str, float] = {}
        self.tests: dict[str, float] = defaultdict(float)
        self.clock: dict[str, float] = defaultdict(float)
        self.slow: set[str] = set()
        self.ended: dict[str, float] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what this process took to import the tests and what they need."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["loading_cpu_s"] = cpu_s()
        else:
            self.loading["this process"] = cpu_s()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take over what a worker process noted."""
        self.loading[node.gateway.id] = node.workeroutput["loading_cpu_s"]

    def pytest_runtest_logstart(self) -> None:
        """Start the clock."""
        self._began = cpu_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self):
        """Write what set-up, call or tear-down took into its report, which reaches the first process."""
        report = yield
        now = cpu_s()
        report.cpu_s, self._began = now - self._began, now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a report up."""
        self.tests[report.nodeid] += report.cpu_s
        self.clock[report.nodeid] += report.duration
        self.ended[getattr(report, "worker_id", "this process")] = time.monotonic()
        if {"slow", "e2e"} & report.keywords.keys():
            self.slow.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the sums, what takes most, and the tests that are slow but not marked so."""
        terminalreporter.section("CPU seconds")
        for process, taken in sorted(self.loading.items()):
            terminalreporter.write_line(f"{taken:8.1f}  imports and collection, {process}")
        folders = _summed(self.tests, lambda test: "/".join(test.split("/")[1:-1][:1]) or "tests")
        for folder, taken in _most(folders, len(folders)):
            terminalreporter.write_line(f"{taken:8.1f}  {folder}")
        terminalreporter.write_line(f"{sum(self.loading.values()) + sum(folders.values()):8.1f}  all")
        for worker, ended in sorted(self.ended.items()):
            terminalreporter.write_line(f"{max(self.ended.values()) - ended:8.1f}  idle at the end, {worker}")
        terminalreporter.write_line("Files and tests that take most, and their seconds by the clock")
        of_file = [_summed(part, lambda test: test.partition("::")[0]) for part in (self.tests, self.clock)]
        for cpu, clock in (of_file, (self.tests, self.clock)):
            for name, taken in _most(cpu, _SHOWN):
                terminalreporter.write_line(f"{taken:8.1f} {clock[name]:8.1f}  {name}")
        unmarked = {
            test: taken for test, taken in self.tests.items() if taken > FAST_S and test not in self.slow
        }
        terminalreporter.write_line(
            f"{len(unmarked)} tests without a marker take more than {FAST_S} s of CPU time"
        )
        for test, taken in _most(unmarked, _SHOWN):
            terminalreporter.write_line(f"{taken:8.1f}  {test}")


def _summed(of_test: Mapping[str, float], key: Callable[[str], str]) -> dict[str, float]:
    """Sums of the tests that have the same key."""
    sums: dict[str, float] = defaultdict(float)
    for test, taken in of_test.items():
        sums[key(test)] += taken
    return sums


def _most(taken: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    """The greatest ones, the greatest first."""
    return sorted(taken.items(), key=lambda item: -item[1])[:count]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--times", action="store_true", help="Print the CPU seconds of the tests.")


def pytest_configure(config: pytest.Config) -> None:
    """Switch it on."""
    if config.option.times:
        config.pluginmanager.register(Times())
