"""What all tests share: quiet TensorFlow, the real notes where they are present."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def real_notes() -> Path:
    """Folder with 114 original NSynth notes as `nsynth-train.tfrecord` and `nsynth-train/` (JSON/WAV)."""
    folder = os.environ.get("NSYNTH_REAL_NOTES")
    if not folder:
        pytest.skip("set NSYNTH_REAL_NOTES to a folder with original NSynth notes to run this")
    return Path(folder)
