"""Each check of the data gate: passes good data, refuses bad data, and explains why."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2

import nsynth
from components.data_gate.checks import check_all
from components.data_gate.options import DataGateOptions, Limit
from components.distances import distances
from tests.components.data_gate.conftest import SCHEMA

pytestmark = pytest.mark.slow


def notes(seed: int = 0, families=nsynth.FAMILIES, level_dbfs: float = -20.0) -> pd.DataFrame:
    """Scalars of 550 notes, evenly spread over `families`."""
    random = np.random.default_rng(seed)
    count = 550
    return pd.DataFrame(
        {
            nsynth.FAMILY_STR: [families[i % len(families)] for i in range(count)],
            nsynth.SOURCE_STR: [nsynth.SOURCES[i % 3] for i in range(count)],
            nsynth.PITCH: random.integers(21, 108, count),
            nsynth.VELOCITY: random.choice([25, 50, 75, 100, 127], count),
            nsynth.RMS_DBFS: random.normal(level_dbfs, 3, count),
            nsynth.PEAK_DBFS: random.normal(-1.4, 0.5, count),
            nsynth.CENTROID_HZ: random.gamma(2, 600, count),
            nsynth.ACTIVE_S: random.uniform(1, 4, count),
        }
    )


def statistics(frame: pd.DataFrame):
    return tfdv.generate_statistics_from_dataframe(frame)


@pytest.fixture(scope="module")
def ordinary():
    return statistics(notes())


def judge(stats, *, accepted=None, anomalies=None, quarantined=0, options=None):
    """Name → check."""
    checks = check_all(
        options or DataGateOptions(), SCHEMA, stats, anomalies or {}, 1000, quarantined, accepted
    )
    return {check.name: check for check in checks}


def test_ordinary_data_pass_every_check(ordinary):
    outcomes = {c.outcome for c in judge(ordinary, accepted=statistics(notes(seed=1))).values()}
    assert outcomes == {"ok"}


def test_without_accepted_data_there_is_no_drift_to_measure(ordinary):
    assert not [name for name in judge(ordinary) if name.startswith("drift")]


def test_one_family_only_is_stopped_and_named():
    check = judge(statistics(notes(families=("organ",))))["share of the largest family"]
    assert (check.outcome, check.measured) == ("stop", 1.0)
    assert "organ has 100.0%" in check.words


def test_a_missing_family_is_warned_of_by_name():
    check = judge(statistics(notes(families=nsynth.FAMILIES[:-1])))["missing families"]
    assert (check.outcome, check.measured) == ("warn", 1)
    assert "vocal" in check.words


@pytest.mark.parametrize(("quarantined", "outcome"), [(10, "ok"), (11, "stop")])
def test_the_quarantine_limit_is_a_share_of_all_notes(ordinary, quarantined, outcome):
    assert judge(ordinary, quarantined=quarantined)["share of quarantined notes"].outcome == outcome


def test_an_anomaly_stops_and_says_where(ordinary):
    found = anomalies_pb2.Anomalies()
    found.anomaly_info["pitch"].description = "Out-of-range values"
    check = judge(ordinary, anomalies={"valid": found})["schema anomalies"]
    assert check.outcome == "stop"
    assert check.words == "valid: pitch: Out-of-range values"


def test_another_level_is_drift_of_the_level_alone(ordinary):
    checks = judge(statistics(notes(seed=1, level_dbfs=-35)), accepted=ordinary)
    assert checks["drift of rms_dbfs"].outcome == "stop"
    assert [n for n, c in checks.items() if c.outcome != "ok"] == ["drift of rms_dbfs"]


def test_another_balance_of_families_is_drift(ordinary):
    skewed = statistics(notes(families=(*nsynth.FAMILIES, *["bass"] * 6)))
    check = judge(skewed, accepted=ordinary)["drift of instrument_family_str"]
    assert check.outcome == "stop"
    assert check.measured == pytest.approx(7 / 17 - 1 / 11, abs=0.01)


def test_equal_data_have_distance_zero(ordinary):
    assert set(distances(DataGateOptions().drift, SCHEMA, ordinary, ordinary).values()) == {0.0}


def test_a_limit_can_warn_instead(ordinary):
    options = DataGateOptions(quarantined_share=Limit(limit=0.0, action="warn"))
    assert judge(ordinary, quarantined=1, options=options)["share of quarantined notes"].outcome == "warn"
