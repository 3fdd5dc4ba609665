"""What models answered, on disk: small tf.Examples that TFX's Evaluator reads, and that come back as they were."""

from pathlib import Path

import numpy as np
import pytest

import nsynth
from components import storage, tfrecord
from components.documents.models import AnsweringModels
from components.example_proto import Example
from components.predictions import ABSENT, Predictions
from tests.components.conftest import CLASSES, Note, predictions_of, write_predictions


def notes_of(count: int) -> list[Note]:
    silence = np.zeros(1, np.float32)
    return [Note(n % CLASSES, n % 3, n // 4, 40 + n, 100, silence) for n in range(count)]


@pytest.fixture
def predictions() -> Predictions:
    random = np.random.default_rng(0)
    return predictions_of(notes_of(30), *random.dirichlet(np.ones(CLASSES), (2, 30)))


def assert_equal(one: Predictions, other: Predictions) -> None:
    for name in ("note_str", "instrument_str", "family", "candidate", "champion"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype.kind == getattr(other, name).dtype.kind
    assert one.attributes.keys() == other.attributes.keys()
    for word, values in one.attributes.items():
        np.testing.assert_array_equal(values, other.attributes[word])


def test_what_was_written_is_read_bit_for_bit(tmp_path, predictions):
    write_predictions(tmp_path, predictions, candidate="c" * 32, champion="d" * 32)
    assert_equal(Predictions.load(tmp_path), predictions)
    models = AnsweringModels.read(tmp_path)
    assert (models.notes, models.candidate.digest, models.champion.digest) == (30, "c" * 32, "d" * 32)


def test_without_a_champion_there_is_no_feature_of_it(tmp_path, predictions):
    alone = predictions_of(notes_of(30), predictions.candidate)
    write_predictions(tmp_path, alone)
    again = Predictions.load(tmp_path)
    assert_equal(again, alone)
    assert not again.has_champion


def test_a_record_holds_label_and_slice_keys_by_name_but_no_sound(predictions):
    record = next(predictions.records())
    feature = Example.FromString(record).features.feature
    assert nsynth.AUDIO not in feature
    assert feature[nsynth.FAMILY_STR].bytes_list.value[0] == b"bass"
    assert feature[nsynth.SOURCE_STR].bytes_list.value[0] == b"acoustic"
    assert feature[nsynth.PITCH].int64_list.value[0] == 40
    assert len(feature["candidate"].float_list.value) == len(feature["champion"].float_list.value) == CLASSES
    assert len(record) < 500


def test_what_a_note_lacks_is_not_there(tmp_path, predictions):
    attributes = {**predictions.attributes, "source": np.full(30, ABSENT), "pitch": np.full(30, ABSENT)}
    lacking = Predictions(**{**vars(predictions), "attributes": attributes})
    feature = Example.FromString(next(lacking.records())).features.feature
    assert not {nsynth.SOURCE, nsynth.SOURCE_STR, nsynth.PITCH} & set(feature)
    write_predictions(tmp_path, lacking)
    assert_equal(Predictions.load(tmp_path), lacking)


def test_several_files_are_read_in_the_order_of_their_names(tmp_path, predictions):
    records = [tfrecord.frame(record) for record in predictions.records()]
    for name, part in (("b", records[20:]), ("a", records[:20])):
        storage.write_bytes(f"{tmp_path}/Split-valid/{name}", b"".join(part))
    assert_equal(Predictions.load(tmp_path), predictions)


def test_a_damaged_file_and_an_empty_folder_are_told(tmp_path, predictions):
    with pytest.raises(nsynth.UserError, match="holds no predictions"):
        Predictions.load(tmp_path)
    write_predictions(tmp_path, predictions)
    file = Path(tmp_path, "Split-valid", "predictions-00000-of-00001")
    content = file.read_bytes()
    for damaged in (content[:-3], content[:600] + b"x" + content[601:]):
        file.write_bytes(damaged)
        with pytest.raises(nsynth.UserError, match="is damaged at byte"):
            Predictions.load(tmp_path)


def test_tables_are_joined_row_by_row_and_nothing_is_no_table(predictions):
    def part(rows: slice) -> Predictions:
        return predictions_of(notes_of(30)[rows], predictions.candidate[rows], predictions.champion[rows])

    assert_equal(Predictions.join([part(slice(0, 7)), part(slice(7, 30))]), predictions)
    with pytest.raises(nsynth.UserError, match="the split is empty"):
        Predictions.join([])
