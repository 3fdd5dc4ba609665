"""The curated schema of raw notes, as TFDV and the parsers read it."""

import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tensorflow_transform.tf_metadata import schema_utils

import nsynth
from transform.schema import make_schema

pytestmark = pytest.mark.slow

FEATURES = {**nsynth.FEATURES, **nsynth.SOUND_FEATURES}
ARROW = {"int64": pa.int64(), "float": pa.float32(), "bytes": pa.binary()}
GOOD = {
    nsynth.NOTE: [7],
    nsynth.NOTE_STR: [b"organ_electronic_001-060-127"],
    nsynth.INSTRUMENT: [3],
    nsynth.INSTRUMENT_STR: [b"organ_electronic_001"],
    nsynth.PITCH: [60],
    nsynth.VELOCITY: [127],
    nsynth.SAMPLE_RATE: [nsynth.SAMPLE_RATE_HZ],
    nsynth.QUALITIES_KEY: [0, 1] * 5,
    nsynth.QUALITIES_STR: [b"dark"],
    nsynth.FAMILY: [6],
    nsynth.FAMILY_STR: [b"organ"],
    nsynth.SOURCE: [1],
    nsynth.SOURCE_STR: [b"electronic"],
    nsynth.PEAK_DBFS: [-1.0],
    nsynth.RMS_DBFS: [-12.0],
    nsynth.CENTROID_HZ: [440.0],
    nsynth.ACTIVE_S: [3.5],
}


@pytest.fixture(scope="module")
def schema():
    return make_schema()


def anomalies(schema, **changed) -> dict[str, anomalies_pb2.AnomalyInfo]:
    """What ExampleValidator reports of ten notes, one of them with `changed` features, audio not looked at."""
    notes = [GOOD] * 9 + [{k: v for k, v in {**GOOD, **changed}.items() if v is not None}]
    names = {name for note in notes for name in note}
    batch = pa.RecordBatch.from_pydict(
        {
            name: pa.array(
                [note.get(name) for note in notes],
                pa.list_(ARROW[FEATURES[name].kind] if name in FEATURES else pa.int64()),
            )
            for name in sorted(names)
        }
    )
    statistics = stats_impl.generate_statistics_in_memory(batch)
    return dict(tfdv.validate_statistics(statistics, schema).anomaly_info)


def test_every_feature_of_the_contract_is_declared_and_no_other(schema):
    assert {feature.name for feature in schema.feature} == set(FEATURES)


def test_the_domains_are_those_of_the_contract(schema):
    domains = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    assert domains == {
        nsynth.FAMILY_STR: nsynth.FAMILIES,
        nsynth.SOURCE_STR: nsynth.SOURCES,
        nsynth.QUALITIES_STR: (*nsynth.QUALITIES, ""),
    }
    ranges = {
        f.name: (f.int_domain.min, f.int_domain.max) for f in schema.feature if f.HasField("int_domain")
    }
    assert ranges[nsynth.FAMILY] == (0, len(nsynth.FAMILIES) - 1)
    assert ranges[nsynth.SOURCE] == (0, len(nsynth.SOURCES) - 1)
    assert ranges[nsynth.SAMPLE_RATE] == (nsynth.SAMPLE_RATE_HZ, nsynth.SAMPLE_RATE_HZ)


def test_parsers_see_dense_audio_and_scalar_labels(schema):
    spec = schema_utils.schema_as_feature_spec(schema).feature_spec
    assert spec[nsynth.AUDIO] == tf.io.FixedLenFeature([nsynth.NOTE_SAMPLES], tf.float32)
    assert spec[nsynth.FAMILY] == tf.io.FixedLenFeature([], tf.int64)
    assert spec[nsynth.INSTRUMENT_STR] == tf.io.FixedLenFeature([], tf.string)
    assert spec[nsynth.QUALITIES_KEY] == tf.io.FixedLenFeature([len(nsynth.QUALITIES)], tf.int64)
    assert isinstance(spec[nsynth.QUALITIES_STR], tf.io.VarLenFeature)


def test_good_notes_without_statistics_of_audio_raise_no_anomaly(schema):
    assert anomalies(schema) == {}


def test_a_note_may_have_no_quality_or_several(schema):
    assert anomalies(schema, qualities_str=[]) == {}
    assert anomalies(schema, qualities_str=[b""]) == {}
    assert anomalies(schema, qualities_str=[b"dark", b"reverb"]) == {}


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        (nsynth.FAMILY, [11]),
        (nsynth.FAMILY, [-1]),
        (nsynth.FAMILY_STR, [b"banjo"]),
        (nsynth.SOURCE_STR, [b"digital"]),
        (nsynth.QUALITIES_STR, [b"loud"]),
        (nsynth.QUALITIES_KEY, [0] * 9),
        (nsynth.QUALITIES_KEY, [2] * 10),
        (nsynth.SAMPLE_RATE, [44_100]),
        (nsynth.PITCH, [128]),
        (nsynth.VELOCITY, None),
        (nsynth.INSTRUMENT_STR, None),
        (nsynth.PEAK_DBFS, [3.0]),
        (nsynth.PEAK_DBFS, [float("nan")]),
        (nsynth.CENTROID_HZ, [9_000.0]),
        (nsynth.ACTIVE_S, [4.5]),
        ("loudness", [1]),
    ],
)
def test_one_bad_note_of_ten_is_reported_by_feature(schema, feature: str, value: list | None):
    assert list(anomalies(schema, **{feature: value})) == [feature]
