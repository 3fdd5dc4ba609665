"""Small spans for rounds of the real pipeline."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import soak, soak_spans
from pipeline.config import Config


@pytest.fixture(scope="session")
def small_month(tmp_path_factory) -> Callable[[Path], Config]:
    """Makes a configuration for two delivered spans and a workspace of its own."""
    deliveries = soak_spans.Deliveries(tmp_path_factory.mktemp("data"))
    for _ in range(2):
        deliveries.deliver("ordinary")

    def configure(folder: Path) -> Config:
        return soak.configure(folder / "workspace", deliveries.spans, deliveries.holdout, epochs=2)

    return configure
