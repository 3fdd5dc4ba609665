"""A recording that somebody tries: decoded, cut into windows as `nsynth classify` does, and drawn."""

import base64
import io
from typing import Any, NamedTuple

import numpy as np

import nsynth
from components import audio
from components.audio import AudioError
from pipeline.classify import audible, cut
from pipeline.serve.errors import ApiError
from transform.mel import mel_power
from transform.options import SpectrogramOptions

SECONDS_LIMIT = 32
"""Of a recording, so much is heard."""
_COLUMNS = 600  # of the pictures, at most
DRAWN = SpectrogramOptions(n_fft=1024, hop_length=256, n_mels=96)
_RANGE_DB = 80.0  # down from the loudest point


class Sound(NamedTuple):
    """The beginning of a recording."""

    samples: np.ndarray
    """float32 [samples], mono, at nsynth.SAMPLE_RATE_HZ."""
    windows: np.ndarray
    """float32 [windows, nsynth.NOTE_SAMPLES]: those that are not silent."""
    cut_short: bool
    """Whether there is more of it."""


def decode(content: bytes) -> Sound:
    """Decode an audio file.

    Raises:
        ApiError: it cannot be read as audio, or it is empty or silent.
    """
    limit = SECONDS_LIMIT * nsynth.SAMPLE_RATE_HZ
    try:
        samples = audio.read_mono(io.BytesIO(content), limit + 1)
        windows = list(filter(audible, cut([samples[:limit]])))
    except AudioError as error:
        raise ApiError(400, f"the sound {error}" if str(error).startswith("holds") else str(error)) from error
    if not windows:
        raise ApiError(400, "the sound is silent, or silent once mixed to mono: there is nothing to classify")
    return Sound(samples[:limit], np.stack(windows), len(samples) > limit)


def draw(samples: np.ndarray) -> dict[str, Any]:
    """Return what a page needs to draw a sound.

    Returns:
        `waveform`: lowest and highest sample of each column; `spectrogram`: mel bands and columns, and their levels
        as base64 of uint8 [bands, columns], low bands first, 255 for the loudest and 0 for 80 dB below it.
    """
    columns = np.array_split(samples, min(_COLUMNS, len(samples)))
    levels = _levels(samples)
    return {
        "waveform": {
            "low": [round(float(part.min()), 4) for part in columns],
            "high": [round(float(part.max()), 4) for part in columns],
        },
        "spectrogram": {
            "bands": levels.shape[0],
            "columns": levels.shape[1],
            "levels": base64.b64encode(levels.tobytes()).decode(),
        },
    }


def _levels(samples: np.ndarray) -> np.ndarray:
    """Return the log-mel spectrogram as uint8 [bands, columns]."""
    hop = max(DRAWN.hop_length, -(-len(samples) // _COLUMNS))
    padded = np.pad(samples, (DRAWN.n_fft // 2, DRAWN.n_fft // 2 - 1))
    mel = mel_power(padded, hop, DRAWN)
    decibels = 10 * np.log10(np.maximum(mel, 1e-12))
    scaled = 1 + (decibels - decibels.max()) / _RANGE_DB
    return np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8).T.copy()
