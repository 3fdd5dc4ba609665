"""The bounded decoder: what it refuses, and that memory stays flat."""

import resource
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

import nsynth
from components.audio import AudioError, open_audio, read_mono
from components.regular_file import open_regular

RATE = nsynth.SAMPLE_RATE_HZ


def drain(path: Path) -> int:
    with open_regular(path) as file, open_audio(file) as audio:
        return sum(map(len, audio.mono()))


def flac_claiming(path: Path, frames: int) -> Path:
    """A FLAC of one second whose STREAMINFO claims `frames`, 36 bits of bytes 18 to 25."""
    soundfile.write(path, np.random.default_rng(1).uniform(-0.5, 0.5, RATE), RATE)
    raw = bytearray(path.read_bytes())
    (packed,) = struct.unpack(">Q", raw[18:26])
    raw[18:26] = struct.pack(">Q", packed >> 36 << 36 | frames)
    path.write_bytes(raw)
    return path


def sparse_wav(path: Path, rate: int, channels: int, frames: int) -> Path:
    """A WAV of silence that takes no room on the disk."""
    size = 2 * channels * frames
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    header = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)
    return path


@pytest.mark.parametrize(("rate", "says"), [(1, "1 Hz"), (999, "999 Hz"), (3_000_000, "3,000,000 Hz")])
def test_absurd_rates_are_refused(tmp_path, rate, says):
    with pytest.raises(AudioError, match=says):
        drain(sparse_wav(tmp_path / "a.wav", rate, 1, 100))


def test_a_header_that_claims_days_is_refused_at_once(tmp_path):
    with pytest.raises(AudioError, match="68,719,476,735 samples"):
        drain(flac_claiming(tmp_path / "a.flac", 2**36 - 1))
    with pytest.raises(AudioError, match="12 hours"):
        drain(sparse_wav(tmp_path / "a.wav", 1000, 1, 13 * 3600 * 1000))


@pytest.mark.slow
def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path):
    sparse_wav(tmp_path / "short.wav", 44_100, 2, 60 * 44_100)
    sparse_wav(tmp_path / "long.wav", 44_100, 2, 3600 * 44_100)
    drain(tmp_path / "short.wav")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    assert drain(tmp_path / "long.wav") == pytest.approx(3600 * RATE, abs=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16e6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_000  # KB


def test_many_channels_are_read_in_smaller_blocks(tmp_path):
    tracemalloc.start()
    drain(sparse_wav(tmp_path / "a.wav", 96_000, 1000, 20_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16e6


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "ogg", "mp3", "au", "caf", "w64"])
def test_the_beginning_is_read_from_any_format(tmp_path, suffix):
    audio = 0.5 * np.sin(np.arange(10 * 22_050) * 0.1)
    soundfile.write(tmp_path / f"a.{suffix}", np.stack([audio, audio], axis=1), 22_050)
    with open_regular(tmp_path / f"a.{suffix}") as file:
        found = read_mono(file, RATE)
        assert found.dtype == np.float32
        assert found.shape == (RATE,)
        assert 0.3 < np.sqrt((found**2).mean()) < 0.4
