"""Where the tests' time goes: `make test-unit ARGS=--times` prints CPU seconds, which other work does not stretch."""

import os
from collections import defaultdict

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
        self.slow: set[str] = set()

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
        if {"slow", "e2e"} & report.keywords.keys():
            self.slow.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the sums, and the tests that are slow but not marked so."""
        folders: dict[str, float] = defaultdict(float)
        for test, taken in self.tests.items():
            folders["/".join(test.split("/")[1:-1][:1]) or "tests"] += taken
        terminalreporter.section("CPU seconds")
        for process, taken in sorted(self.loading.items()):
            terminalreporter.write_line(f"{taken:8.1f}  imports and collection, {process}")
        for folder, taken in sorted(folders.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{taken:8.1f}  {folder}")
        terminalreporter.write_line(f"{sum(self.loading.values()) + sum(folders.values()):8.1f}  all")
        unmarked = {
            test: taken for test, taken in self.tests.items() if taken > FAST_S and test not in self.slow
        }
        terminalreporter.write_line(
            f"{len(unmarked)} tests without a marker take more than {FAST_S} s of CPU time"
        )
        for test, taken in sorted(unmarked.items(), key=lambda item: -item[1])[:_SHOWN]:
            terminalreporter.write_line(f"{taken:8.1f}  {test}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--times", action="store_true", help="Print the CPU seconds of the tests.")


def pytest_configure(config: pytest.Config) -> None:
    """Switch it on."""
    if config.option.times:
        config.pluginmanager.register(Times())
