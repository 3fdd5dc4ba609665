"""Copies of NSynth by TensorFlow Datasets and Hugging Face: what is wrong in them goes to quarantine, as it is."""

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import nsynth
from components import tfrecord
from components.example_proto import Example
from components.ingest.contract import ContractError, Reason
from components.ingest.index import load_or_scan
from components.ingest.readers import Readers
from components.ingest.sources import Form, find
from components.tfrecord import Record
from tests.components.ingest.conftest import as_table, write_arrow

TFDS = "nsynth-train.tfrecord-00000-of-00001"


def read(folder: Path, cache: Path) -> list[bytes | ContractError]:
    """Each record, or what is wrong with it."""
    [source] = find(str(folder))
    index = load_or_scan(source, str(cache))
    found: list[bytes | ContractError] = []
    with Readers([index.source]) as readers:
        for place in zip(index.offsets.tolist(), index.lengths.tolist(), strict=True):
            try:
                found.append(readers.note(0, Record(*place))[0])
            except ContractError as error:
                found.append(error)
    return found


@pytest.fixture
def tfds_example(notes, writers, tmp_path):
    path = writers[TFDS](tmp_path / TFDS, notes[:1])
    with path.open("rb") as file:
        [place] = tfrecord.scan(file, path.stat().st_size)
        return Example.FromString(tfrecord.read_data(file, place)[0])


def test_the_first_record_tells_that_a_shard_is_of_tensorflow_datasets(notes, writers, tmp_path):
    writers[TFDS](tmp_path / TFDS, notes[:2])
    [source] = find(str(tmp_path))
    for _ in ("scanned", "from the stored index"):
        assert load_or_scan(source, str(tmp_path / "cache")).source.form == Form.TFDS


def without_audio(feature):
    del feature["audio"]


def a_family_without_a_name(feature):
    feature["instrument/family"].int64_list.value[0] = 11


def two_pitches(feature):
    feature["pitch"].int64_list.value.append(3)


def no_quality(feature):
    del feature["qualities/reverb"]


def another_family_than_its_name_says(feature):
    feature["instrument/family"].int64_list.value[0] = 5


def a_name_that_is_no_text(feature):
    feature["id"].bytes_list.value[0] = b"\xff"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_audio, Reason.MISSING_FEATURE),
        (a_family_without_a_name, "unknown_family"),
        (two_pitches, Reason.WRONG_TYPE),
        (no_quality, Reason.MISSING_FEATURE),
        (another_family_than_its_name_says, Reason.NAMES_DISAGREE),
        (a_name_that_is_no_text, Reason.NOT_TEXT),
    ],
)
def test_a_record_that_breaks_the_contract_is_quarantined_byte_for_byte(
    spoil, reason, tfds_example, tmp_path
):
    spoil(tfds_example.features.feature)
    raw = tfds_example.SerializeToString()
    (tmp_path / TFDS).write_bytes(tfrecord.frame(raw))
    [error] = read(tmp_path, tmp_path / "cache")
    assert isinstance(error, ContractError)
    assert (error.reason, error.raw) == (reason, raw)


def spoiled(notes, key, value):
    rows = as_table(notes).to_pylist()
    rows[1][key] = value
    return pyarrow.Table.from_pylist(rows)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (nsynth.AUDIO, {"bytes": b"no sound", "path": ""}, Reason.MISSING_FEATURE),
        (nsynth.AUDIO, None, Reason.MISSING_FEATURE),
        (nsynth.PITCH, None, Reason.MISSING_FEATURE),
        (nsynth.SAMPLE_RATE, 22_050, Reason.MISSING_FEATURE),
        (nsynth.FAMILY, 7, Reason.NAMES_DISAGREE),
    ],
)
def test_a_row_that_is_no_note_costs_only_itself(key, value, reason, notes, tmp_path):
    pyarrow.parquet.write_table(spoiled(notes[:3], key, value), tmp_path / "train-00000-of-00001.parquet")
    first, second, third = read(tmp_path, tmp_path / "cache")
    assert isinstance(first, bytes)
    assert isinstance(second, ContractError)
    assert second.reason == reason
    assert isinstance(third, bytes)


def test_the_splits_of_a_dataset_saved_to_disk_are_told_by_their_folders(notes, tmp_path):
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        write_arrow(tmp_path / split / "data-00000-of-00001.arrow", notes[:1])
    assert {source.split for source in find(str(tmp_path))} == {"train", "valid"}
