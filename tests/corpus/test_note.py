import numpy as np

import nsynth
from components.example_proto import Example
from corpus.note import Note

NOTE = Note(
    split="train", number=7, instrument=3, instrument_str="bass_synthetic_002", family="bass", source="synthetic",
    pitch=36, velocity=25, qualities=frozenset({9, 1}), audio=np.arange(-32_000, 32_000, dtype=np.int16),
)  # fmt: skip


def test_labels_are_nsynths():
    assert NOTE.labels() == {
        "note": 7,
        "note_str": "bass_synthetic_002-036-025",
        "instrument": 3,
        "instrument_str": "bass_synthetic_002",
        "pitch": 36,
        "velocity": 25,
        "sample_rate": 16_000,
        "qualities": [0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
        "qualities_str": ["dark", "tempo-synced"],
        "instrument_family": 0,
        "instrument_family_str": "bass",
        "instrument_source": 2,
        "instrument_source_str": "synthetic",
    }


def test_the_example_has_exactly_nsynths_features():
    features = Example.FromString(NOTE.example()).features.feature
    assert set(features) == set(nsynth.FEATURES)
    for name, (kind, length, *_) in nsynth.FEATURES.items():
        assert features[name].WhichOneof("kind") == f"{kind}_list"
        assert length in (None, len(getattr(features[name], f"{kind}_list").value))
    np.testing.assert_array_equal(features["audio"].float_list.value, np.arange(-32_000, 32_000) / 32_768)
