"""The index knows where each note lies and refuses files it cannot read."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import nsynth
from tests.trainer.conftest import SPECTROGRAM, instruments, write_notes
from trainer import index
from transform import codec, features

pytestmark = pytest.mark.slow


def test_each_offset_is_that_of_the_note_with_the_labels_beside_it(train):
    for note in (0, len(train) // 2, len(train) - 1):
        with open(train.files[train.file[note]], "rb") as file:
            file.seek(train.offset[note])
            length = int.from_bytes(file.read(8), "little")
            file.seek(4, 1)
            stored = codec.parse_batch(tf.constant([file.read(length)]), SPECTROGRAM)
        assert int(stored[features.LABEL_ID][0]) == train.family[note]
        name = stored[features.GROUP][0].numpy().decode()
        assert name == train.instruments[train.instrument[note]]


def test_all_notes_of_all_files_are_there(train):
    wanted = instruments(each=8)
    counts = np.bincount(train.instrument)
    assert dict(zip(train.instruments, counts, strict=True)) == wanted
    assert set(train.file) == {0, 1}


def test_the_fingerprint_follows_the_notes_and_not_the_folder(tmp_path):
    few = instruments(each=1, per_family=1)
    prints = [
        index.scan(index.expand([write_notes(tmp_path / str(i), few, seed=seed)]), SPECTROGRAM).fingerprint
        for i, seed in enumerate((0, 0, 1))
    ]
    assert prints[0] == prints[1] != prints[2]


def one_shard(folder: Path) -> Path:
    return Path(index.expand([write_notes(folder, instruments(each=1, per_family=1), shards=1)])[0])


def test_a_truncated_file_is_refused(tmp_path):
    path = one_shard(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(nsynth.UserError, match="truncated, compressed or no TFRecord"):
        index.scan([str(path)], SPECTROGRAM)


def test_a_compressed_file_is_refused(tmp_path):
    path = one_shard(tmp_path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(nsynth.UserError, match="truncated, compressed or no TFRecord"):
        index.scan([str(path)], SPECTROGRAM)


def test_notes_of_another_spectrogram_are_refused(tmp_path):
    other = SPECTROGRAM.model_copy(update={"n_mels": 45})
    with pytest.raises(nsynth.UserError, match="45 mels"):
        index.scan([str(one_shard(tmp_path))], other)


def test_a_damaged_note_is_refused(tmp_path):
    path = one_shard(tmp_path)
    whole = bytearray(path.read_bytes())
    whole[100] ^= 255
    path.write_bytes(whole)
    with pytest.raises(nsynth.UserError, match="hold no notes"):
        index.scan([str(path)], SPECTROGRAM)


def test_no_files_and_no_notes_are_told_apart(tmp_path):
    with pytest.raises(nsynth.UserError, match="run Transform first"):
        index.expand([f"{tmp_path}/*"])
    (tmp_path / "empty").touch()
    with pytest.raises(nsynth.UserError, match="no notes in"):
        index.scan(index.expand([f"{tmp_path}/*"]), SPECTROGRAM)


def test_notes_are_read_from_anywhere_in_any_order(train):
    everything = [
        record for file in train.files for record in tf.data.TFRecordDataset(file).as_numpy_iterator()
    ]
    wanted = np.array([len(train) - 1, 0, 7, 7])
    assert list(index.Reader(train)(wanted)) == [everything[place] for place in wanted]
