"""Decodes audio files of any rate and length in constant memory, and refuses absurd ones before reading them.

A header may claim anything: the limits below hold for what is claimed and for what is decoded. Needs NumPy,
soundfile and soxr only, and imports the latter two when a file is opened.
"""

import contextlib
import io
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO

import numpy as np

import nsynth

SUFFIXES = (
    ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg",
    ".opus", ".rf64", ".snd", ".w64", ".wav", ".wave",
)  # fmt: skip
"""File name endings, in lower case, of the formats that can be decoded."""

RATES_HZ = range(1_000, 768_001)
HOURS_LIMIT = 12
PEAK_LIMIT = 16.0
"""24 dB over full scale; beyond it, float samples were read in the wrong byte order or unit."""

SILENCE_BELOW = 2.0**-15
"""Sound that never reaches one 16-bit step is silence."""

_SAMPLES_LIMIT = 1 << 33  # frames x channels: 12 hours of 96 kHz stereo
_BLOCK_SAMPLES = 1 << 18  # frames x channels decoded at once: 1 MB
_REMOTE_BYTES_LIMIT = 1 << 26
_UNKNOWN_FRAMES = 1 << 62  # libsndfile gives the largest int64 for a stream of unknown length


class AudioError(Exception):
    """The file is at fault; the message does not name it."""


class AudioFile:
    """An audio file that is open for reading."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.rate_hz: int = file.samplerate
        self.channels: int = file.channels
        self.frames: int | None = file.frames if file.frames < _UNKNOWN_FRAMES else None
        """What the header claims; None where it does not say."""

    def read(self, frames: int) -> np.ndarray:
        """Decode the next `frames` at most: float32[frames, channels].

        Raises:
            AudioError: the file is damaged.
        """
        with _as_audio_errors():
            return self._file.read(frames, dtype="float32", always_2d=True)

    def mono(self) -> Generator[np.ndarray, None, None]:
        """Yield all of the sound as blocks of float32[samples]: mono, at nsynth.SAMPLE_RATE_HZ.

        Raises:
            AudioError: the file is damaged, exceeds a limit, or holds samples that are not finite or far beyond full
                scale.
        """
        self._refuse_absurd()
        weights = np.full(self.channels, 1 / self.channels, np.float32)
        mono = (block @ weights for block in self._blocks())  # forty times as fast as block.mean(axis=1)
        if self.rate_hz == nsynth.SAMPLE_RATE_HZ:
            yield from mono
            return
        import soxr

        stream = soxr.ResampleStream(self.rate_hz, nsynth.SAMPLE_RATE_HZ, 1, dtype="float32")
        for block in mono:
            yield stream.resample_chunk(block)
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)

    def _refuse_absurd(self) -> None:
        if self.rate_hz not in RATES_HZ:
            allowed = f"{RATES_HZ.start:,} to {RATES_HZ[-1]:,} Hz"
            raise AudioError(f"the sample rate is {self.rate_hz:,} Hz; supported are {allowed}")
        self._refuse_longer_than(self.frames or 0)

    def _refuse_longer_than(self, frames: int) -> None:
        if frames > HOURS_LIMIT * 3600 * self.rate_hz or frames * self.channels > _SAMPLES_LIMIT:
            raise AudioError(
                f"{frames:,} samples of {self.channels} channels at {self.rate_hz:,} Hz are too many; "
                f"the limit is {HOURS_LIMIT} hours"
            )

    def _blocks(self) -> Iterator[np.ndarray]:
        at_once, decoded = max(1, _BLOCK_SAMPLES // self.channels), 0
        while len(block := self.read(at_once)):
            decoded += len(block)
            self._refuse_longer_than(decoded)
            peak = float(np.abs(block).max())
            if not np.isfinite(peak):
                raise AudioError("holds samples that are not finite numbers")
            if peak > PEAK_LIMIT:
                raise AudioError(f"samples reach {peak:.3g}, full scale is 1: wrong byte order or unit")
            yield block


@contextlib.contextmanager
def open_audio(file: BinaryIO) -> Iterator[AudioFile]:
    """Decode the audio in a binary file, which the caller closes.

    Raises:
        AudioError: it is in no known format, or it is damaged.
    """
    import soundfile

    with _as_audio_errors():
        decoded = soundfile.SoundFile(_source(file), closefd=False)
    with decoded:
        yield AudioFile(decoded)


def read_mono(file: BinaryIO, samples: int) -> np.ndarray:
    """Decode the beginning of a sound, reading little further: float32[samples at most], mono at the dataset's rate.

    Raises:
        AudioError: see `AudioFile.mono`.
    """
    blocks, found = [np.zeros(0, np.float32)], 0
    with open_audio(file) as audio, contextlib.closing(audio.mono()) as mono:
        for block in mono:
            blocks.append(block)
            found += len(block)
            if found >= samples:
                break
    return np.concatenate(blocks)[:samples]


def _source(file: BinaryIO) -> int | BinaryIO:
    """Return a descriptor where there is one: libsndfile then reads by itself, and no file name misleads soundfile."""
    try:
        return file.fileno()
    except (AttributeError, OSError):
        content = file.read(_REMOTE_BYTES_LIMIT + 1)
        if len(content) > _REMOTE_BYTES_LIMIT:
            raise AudioError(
                f"larger than {_REMOTE_BYTES_LIMIT >> 20} MB, the limit in an object store"
            ) from None
        return io.BytesIO(content)


@contextlib.contextmanager
def _as_audio_errors() -> Iterator[None]:
    import soundfile

    try:
        yield
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise AudioError(f"cannot be read as audio: {getattr(error, 'error_string', error)}") from error
