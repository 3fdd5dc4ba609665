"""The first look at a data folder counts what ingest will count, without the sound."""

import nsynth
from components import tfrecord
from components.example_proto import serialize
from components.ingest import survey as survey_module
from components.ingest.sources import Form
from components.ingest.survey import survey


def test_every_form_is_counted_or_said_to_be_packed(any_form, notes, tmp_path):
    [found] = survey(str(any_form), str(tmp_path))
    assert found.split == "train"
    if found.notes is None:
        assert set(found.forms) <= {Form.TFRECORD_GZIP, Form.JSONWAV_TAR, Form.PARQUET, Form.ARROW}
        return
    assert found.notes == len(notes)
    assert found.instruments == {note[nsynth.INSTRUMENT_STR] for note in notes}
    assert found.complete


def test_a_name_at_the_very_end_of_a_record_is_found(notes, tmp_path):
    """Where a name stands in a tf.Example is chance."""
    rest = {key: value for key, value in notes[0].items() if not key.endswith("_str")}
    last = {nsynth.NOTE_STR: notes[0][nsynth.NOTE_STR]}
    record = b"".join(serialize(part) for part in (rest, last))  # that of protocol buffers is the two merged
    (tmp_path / "nsynth-train.tfrecord").write_bytes(tfrecord.frame(record))
    [found] = survey(str(tmp_path), str(tmp_path / "cache"))
    assert found.instruments == {notes[0][nsynth.INSTRUMENT_STR]}


def test_of_a_large_split_evenly_spread_records_are_looked_at(notes, writers, tmp_path, monkeypatch):
    monkeypatch.setattr(survey_module, "MOST_RECORDS", 11)
    writers["nsynth-train.tfrecord"](tmp_path / "nsynth-train.tfrecord", notes)
    [found] = survey(str(tmp_path), str(tmp_path / "cache"))
    assert (found.notes, found.complete) == (len(notes), False)
    assert len(found.instruments) == 11
