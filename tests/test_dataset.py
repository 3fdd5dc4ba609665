"""What the rooms read of the contract is there whatever the dataset: no room knows NSynth's own names."""

import ast
from pathlib import Path

import pytest

from tests.e2e.test_fork import with_drum_hits

ROOT = Path(__file__).parents[1]
ROOMS = ("components", "pipeline", "trainer", "transform", "kubeflow")
OF_NSYNTH = ("pipeline/download/", "components/ingest/tfds.py")
"""They read or fetch copies of NSynth itself."""

names: dict = {}
exec(with_drum_hits((ROOT / "nsynth.py").read_text()), names)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_reads_only_what_every_dataset_has(room: str) -> None:
    unknown = {}
    for file in (ROOT / room).rglob("*.py"):
        path = file.relative_to(ROOT).as_posix()
        if path.startswith(OF_NSYNTH):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Attribute(value=ast.Name(id="nsynth"), attr=name) if (
                    name not in names and name[:2] != "__"
                ):
                    unknown[f"{path}:{node.lineno}"] = name
    assert not unknown


def test_features_follow_from_the_description() -> None:
    assert set(names["FEATURES"]) == {"note_str", "kit", "sample_rate", "audio", "drum", "drum_name"}
    assert names["NOTE_SAMPLES"] == 8_000
    assert names["FEATURES"]["drum"].high == 4
    assert names["SOUND_FEATURES"]["spectral_centroid_hz"].high == 4_000
