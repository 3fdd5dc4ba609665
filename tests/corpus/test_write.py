import json

import numpy as np
import pytest
import soundfile
import tensorflow as tf

import nsynth
from corpus.splits import SPLITS

pytestmark = pytest.mark.slow


def _records(path):
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        yield tf.train.Example.FromString(record).features.feature


def test_both_layouts_hold_the_same_notes_to_the_last_bit(tiny_corpus):
    for split in SPLITS:
        folder = tiny_corpus / f"nsynth-{split}"
        labels = json.loads((folder / "examples.json").read_text())
        names = set()
        for features in _records(tiny_corpus / f"nsynth-{split}.tfrecord"):
            name = features["note_str"].bytes_list.value[0].decode()
            names.add(name)
            samples, rate_hz = soundfile.read(folder / "audio" / f"{name}.wav", dtype="int16")
            assert rate_hz == nsynth.SAMPLE_RATE_HZ
            np.testing.assert_array_equal(np.array(features["audio"].float_list.value) * 32_768, samples)
            for key, value in labels[name].items():
                values = value if isinstance(value, list) else [value]
                expected = [item.encode() if isinstance(item, str) else item for item in values]
                stored = getattr(features[key], f"{nsynth.FEATURES[key].kind}_list").value
                assert list(stored) == expected, key
        assert names == set(labels)
        assert names == {path.stem for path in (folder / "audio").iterdir()}


def test_json_has_the_keys_of_the_official_files(tiny_corpus):
    labels = json.loads((tiny_corpus / "nsynth-valid" / "examples.json").read_text())
    for note in labels.values():
        assert set(note) == set(nsynth.FEATURES) - {nsynth.AUDIO}
