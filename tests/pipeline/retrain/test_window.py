"""A window of spans in TFX: each span is ingested once and is there once, whatever happened to it before."""

import json
import shutil
from pathlib import Path

import pytest
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts
from tfx.types.channel_utils import union

from benchmarks.synthetic import make_notes
from components import tfrecord
from components.example_proto import serialize
from pipeline.config import Config, load_config
from pipeline.data_steps import ingest_span
from pipeline.history import past_runs
from pipeline.history.metadata import connect, connection_config

pytestmark = pytest.mark.slow


@component
def Take(
    examples: InputArtifact[list[standard_artifacts.Examples]],
    taken: OutputArtifact[standard_artifacts.String],
):
    """Writes down which examples it was given, as Transform is."""
    told = sorted((one.get_int_custom_property("span"), one.uri) for one in examples)
    taken.value = json.dumps(told)


class Window:
    """Ingests spans as a round does; answers the state of each ingest and what the step after them was given."""

    def __init__(self, folder: Path):
        self.config: Config = load_config(
            overrides=[
                f"workspace={folder}/workspace",
                f"retrain.spans={folder}/spans",
                "ingest={dev_fraction: 0, test_fraction: 0}",
            ]
        )

    def deliver(self, span: int, notes: int) -> None:
        folder = Path(self.config.retrain.spans) / f"span-{span:06d}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        records = (tfrecord.frame(serialize(note)) for note in make_notes(notes, seed=span))
        (folder / "nsynth-train.tfrecord").write_bytes(b"".join(records))

    def run(self, *spans: int) -> tuple[list[str], list[tuple[int, str]]]:
        ingests = [ingest_span(self.config, span) for span in spans]
        take = Take(examples=union([ingest.outputs["examples"] for ingest in ingests]))
        connection = connection_config(self.config.metadata)
        pipeline = Pipeline(
            "window",
            str(self.config.artifacts),
            components=[*ingests, take],
            enable_cache=True,
            metadata_connection_config=connection,
            beam_pipeline_args=self.config.engine.beam_args(),
        )
        LocalDagRunner().run(pipeline)
        run = past_runs.load_run(connect(self.config.metadata))
        [taken] = run.steps["Take"].outputs["taken"]
        told = json.loads(Path(taken.uri).read_text())
        return [run.steps[f"ExampleGen-{span:06d}"].state for span in spans], [tuple(one) for one in told]


@pytest.fixture
def window(tmp_path) -> Window:
    return Window(tmp_path)


def spans(taken: list[tuple[int, str]]) -> list[int]:
    return [span for span, _ in taken]


def test_each_span_is_ingested_once_and_handed_on_once(window):
    window.deliver(1, notes=4)
    window.deliver(2, notes=4)
    states, first = window.run(1, 2)
    assert states == ["COMPLETE", "COMPLETE"]
    assert spans(first) == [1, 2]

    window.deliver(3, notes=4)
    states, second = window.run(2, 3)
    assert states == ["CACHED", "COMPLETE"]
    assert spans(second) == [2, 3]
    assert second[0] == first[1], "span 2 is the very artifact of the first round"

    window.deliver(2, notes=6)
    states, third = window.run(2, 3)
    assert states == ["COMPLETE", "CACHED"]
    assert spans(third) == [2, 3], "the older delivery of span 2 is handed on, too"
    assert third[0] != second[0]
