"""What TFX computes from the notes without their sound is what it computes from the whole notes."""

import json
from pathlib import Path

import pytest

import nsynth
from benchmarks.synthetic import make_notes
from components import tfrecord
from components.example_proto import serialize
from components.ingest.index import load_or_scan
from components.ingest.options import IngestOptions
from components.ingest.shard import Layout, write_shard
from components.ingest.shuffle import plan
from components.ingest.sources import find

SHARED = [name for name in (*nsynth.FEATURES, *nsynth.SOUND_FEATURES) if name != nsynth.AUDIO]


def statistics_of(notes: Path, out: Path, **options) -> dict[tuple[str, str], bytes]:
    """What StatisticsGen writes of each split: number of notes, and of each feature; serialized."""
    import tensorflow_data_validation as tfdv
    from tfx.components.statistics_gen.executor import Executor
    from tfx.components.util import examples_utils
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts

    examples, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
    examples.uri, statistics.uri = str(notes), str(out)
    examples.split_names = json.dumps(["train", "valid"])
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    properties = {"stats_options_json": tfdv.StatsOptions(**options).to_json()}
    executor = Executor(
        Executor.Context(
            beam_pipeline_args=["--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"]
        )
    )
    executor.Do({"examples": [examples]}, {"statistics": [statistics]}, properties)
    found = {}
    for path in out.rglob("*.pb"):
        [told] = tfdv.load_stats_binary(str(path)).datasets
        for feature in told.features:
            found[path.parent.name, feature.path.step[-1]] = feature.SerializeToString(deterministic=True)
        del told.features[:]
        found[path.parent.name, ""] = told.SerializeToString(deterministic=True)
    return found


@pytest.mark.slow
def test_statistics_are_those_of_the_whole_notes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number, split in enumerate(("train", "valid")):
        notes = make_notes(66, number, first_number=100 * number)
        for note in notes[::3]:
            note[nsynth.QUALITIES_STR] = []
        content = b"".join(tfrecord.frame(serialize(note)) for note in notes)
        (data / f"nsynth-{split}.tfrecord").write_bytes(content)
    layout = Layout(*(str(tmp_path / name) for name in Layout._fields))
    indexes = [load_or_scan(source, str(tmp_path / "cache")) for source in find(str(data))]
    for shard in plan(indexes, IngestOptions(test_fraction=0, dev_fraction=0)):
        write_shard(shard, layout)
    whole = statistics_of(Path(layout.examples), tmp_path / "whole", feature_allowlist=SHARED)
    scalars = statistics_of(Path(layout.scalars), tmp_path / "without")
    assert set(whole) == {(f"Split-{split}", key) for split in ("train", "valid") for key in (*SHARED, "")}
    assert scalars == whole
