"""Which engine carries the Beam steps, and its options. Imports nothing heavy."""

from pathlib import Path
from typing import Literal

import pydantic

SETUP_FILE = Path(__file__).parent.parent / "setup.py"
# By full name: `DirectRunner` would first try to download another engine at run time.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


class EngineOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """The engine of ExampleGen, StatisticsGen, Transform and Evaluator."""

    runner: Literal["local", "local-parallel"] = "local"

    def beam_args(self) -> list[str]:
        """Command-line arguments for Beam.

        The set-up file is how our packages reach workers on other machines; naming it also keeps TFX from
        building a source package for every step.
        """
        args = [f"--runner={LOCAL_RUNNER}", f"--setup_file={SETUP_FILE}"]
        if self.runner == "local-parallel":
            args += ["--direct_running_mode=multi_threading", "--direct_num_workers=0"]
        return args
