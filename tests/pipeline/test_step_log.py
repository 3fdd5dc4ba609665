"""A run is followed by what TFX logs."""

import logging

from pipeline.step_log import StepFollower


class Diary(StepFollower):
    def __init__(self):
        super().__init__()
        self.lines: list[str] = []

    def on_start(self) -> None:
        self.lines.append(f"start {self.step}")

    def on_cached(self) -> None:
        self.lines.append(f"cached {self.step}")

    def on_finish(self) -> None:
        self.lines.append(f"end {self.step}")


def test_starts_ends_and_the_cache_are_told(caplog):
    caplog.set_level(logging.INFO)
    log = logging.getLogger("orchestrator")
    with Diary().attached() as diary:
        log.info("Component ExampleGen-000001 is running.")
        log.info("A cached execution 3 is used.")
        log.info("Component %s is finished.", "ExampleGen-000001")
        log.info("Component Trainer is running.")
    log.info("Component Trainer is finished.")
    name = "ExampleGen-000001"
    assert diary.lines == [f"start {name}", f"cached {name}", f"end {name}", "start Trainer"]
