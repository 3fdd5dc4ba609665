"""The fork: the dataset's part of nsynth.py is replaced by another dataset's, and everything else runs as it is."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.ingest import files
from components.registry import Registry
from components.remote import bucket
from components.version import RECORD_FILE
from pipeline import exit_codes
from tests.stores import Store

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

DRUM_HITS = '''
NAME = "Drum hits"
HAS_DEMO = False

SAMPLE_RATE_HZ = 8_000
NOTE_SECONDS = 1

LABEL = Category("drum", "drums", "drum", "drum_name", ("kick", "snare", "tom", "hat", "clap"))
"""What the model answers."""
GROUP = Group("kit", "kits", "kit")
CATEGORIES: tuple[Category, ...] = ()
"""Other categories than the label."""
NUMBERS: tuple[Number, ...] = ()
EXTRAS: dict[str, Feature] = {}
"""Features that are checked and kept, and that nothing else is derived from."""
HEADS = {"kit": 0.3}
"""Group, categories and numbers that the network learns besides the label, by word → weight in the loss."""
DRIFT: dict[str, tuple[float, Literal["stop", "warn"]]] = {"drum_name": (0.15, "stop"), RMS_DBFS: (0.3, "warn")}
"""Feature → how far it may move from one delivery of data to the next, and what happens beyond."""


def misnamed(values: Mapping[str, Any]) -> str:
    """Names of this dataset follow no rule."""
    return ""


'''
DRUMS = {
    "kick": (60, 8, 0.1),
    "snare": (190, 14, 0.6),
    "tom": (110, 9, 0.1),
    "hat": (3000, 40, 0.9),
    "clap": (900, 18, 0.8),
}
"""Pitch in Hz, decay per second and share of noise."""
KITS = 18
RATE_HZ = 11_025  # not the contract's


def hit(drum: str, kit: int, take: int) -> np.ndarray:
    """A drum hit of 0.6 s, float64[samples]; a kit has its own tuning."""
    generator = np.random.default_rng([kit, take, list(DRUMS).index(drum)])
    hz, decay, noise = DRUMS[drum]
    time = np.arange(int(0.6 * RATE_HZ)) / RATE_HZ
    tuned = hz * (0.8 + 0.4 * np.random.default_rng(kit).random())
    sound = (1 - noise) * np.sin(2 * np.pi * tuned * time) + noise * generator.uniform(-1, 1, len(time))
    return 0.7 * sound * np.exp(-decay * time)


def with_drum_hits(source: str) -> str:
    """nsynth.py with another dataset between its two headings."""
    headings = re.finditer(r"^# --- (The dataset|What follows)", source, re.MULTILINE)
    start, end = (found.start() for found in headings)
    return source[:start] + DRUM_HITS + source[end:]


@pytest.fixture(scope="module")
def forked(make_project):
    project = make_project("fork")
    contract = project.folder / "nsynth.py"
    contract.write_text(with_drum_hits(contract.read_text()))
    for drum in DRUMS:
        for kit in range(KITS):
            folder = project.folder / "hits" / drum / f"kit{kit:02d}"
            folder.mkdir(parents=True)
            for take in range(2):
                soundfile.write(folder / f"{take}.wav", hit(drum, kit, take), RATE_HZ)
    odd = project.folder / "hits" / "cowbell" / "kit00"
    odd.mkdir(parents=True)
    soundfile.write(odd / "0.wav", hit("tom", 0, 3), RATE_HZ)
    return project


@pytest.fixture(scope="module")
def run(forked, s3_of_module: Store) -> subprocess.CompletedProcess[str]:
    """A run on sounds in a bucket, whose model is copied to the bucket."""
    data = s3_of_module.upload(forked.folder / "hits", "hits")
    settings = (
        "ingest.valid_fraction=0.25", "ingest.dev_fraction=0.2", f"data={data}",
        f"push.copy_to={s3_of_module.root}/models",
    )  # fmt: skip
    answer = forked.run(*(part for setting in settings for part in ("--set", setting)))
    assert answer.returncode == exit_codes.OK, answer.stdout + answer.stderr
    return answer


def artifact(forked, step: str, key: str) -> Path:
    return forked.folder / forked.last_run().steps[step].output(key).path


def test_a_model_is_pushed(forked, run):
    assert len(list((forked.workspace / "models").glob("[0-9]*/saved_model.pb"))) == 1
    assert "unseen kits" in run.stdout


def test_sounds_from_a_bucket_end_as_a_version_in_a_bucket(forked, run, s3_of_module: Store):
    [version] = (forked.workspace / "models").glob("[0-9]*")
    copy = f"{s3_of_module.root}/models/{version.name}"
    copied = {path for path, _ in files.below(copy)}
    assert copied == {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()}
    record = bucket.BucketObject(f"{copy}/{RECORD_FILE}")
    assert record.read(0, record.size) == (version / RECORD_FILE).read_bytes()


def test_the_account_names_what_the_contract_does_not_have(forked, run):
    account = json.loads((artifact(forked, "ExampleGen", "quarantine") / "summary.json").read_text())
    assert account["families"] == dict.fromkeys(DRUMS, 2 * KITS)
    assert account["features"].keys() == {"note_str", "kit", "sample_rate", "audio", "drum", "drum_name"}
    [reason] = account["reasons"]
    assert (reason["reason"], reason["examples"][0]["detail"]) == ("unknown_drum", "drum_name 'cowbell'")


def test_nothing_of_nsynth_is_left_in_schema_slices_and_card(forked, run):
    schema = (artifact(forked, "Schema", "schema") / "schema.pbtxt").read_text()
    gate = json.loads((artifact(forked, "Gate", "report") / "gate.json").read_text())
    assert {part["name"].partition("=")[0] for part in gate["slices"]} == {"drum"}
    card = Registry(forked.workspace / "models").serving().card
    assert "Predicts one of kick, snare, tom, hat, clap." in card
    for text in (schema, card):
        for word in ("pitch", "velocity", "instrument", "NSynth", "bass"):
            assert word not in text


def test_a_file_is_classified(forked, run):
    answer = forked.nsynth("classify", "--json", "--set", "workspace=workspace/tiny", "hits/kick/kit00/0.wav")
    assert answer.returncode == exit_codes.OK, answer.stderr
    assert {place["family"] for place in json.loads(answer.stdout)["families"]} < set(DRUMS)


def test_the_report_speaks_of_drums_and_kits(forked, run):
    [page] = (forked.workspace / "reports").glob("2*.html")
    text = page.read_text()
    assert "could not be read" not in text
    for words in ("unseen kits", "By drum", "One note per drum"):
        assert words in text
    assert "By source" not in text
    assert "pitch, MIDI" not in text


def test_without_demo_notes_a_run_asks_for_a_folder(forked):
    answer = forked.run()
    assert answer.returncode == exit_codes.ERROR
    assert "no demo notes for Drum hits" in answer.stderr
    assert "download" not in forked.nsynth("--help").stdout
