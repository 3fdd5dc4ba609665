"""Answers for recordings: decode, mix to mono, resample, cut into notes, ask the exported model.

Needs NumPy, soundfile, soxr and TensorFlow; nothing of TFX and no Keras, so that it starts fast.
"""

import itertools
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import nsynth

SUFFIXES = {".wav", ".flac", ".ogg"}
SHORTEST_REST_S = 0.5
"""What is left after the last whole window is heard only if it is at least this long."""
BATCH_SIZE = 32
FILES_AT_ONCE = 64
READERS = 4


@dataclass(frozen=True)
class Answer:
    """What a model says of one file; `probabilities` are in the order of nsynth.FAMILIES, none with an error."""

    file: Path
    windows: int = 0
    probabilities: tuple[float, ...] = ()
    error: str = ""

    def top(self, count: int = 3) -> list[tuple[str, float]]:
        """The likeliest families and their probabilities."""
        ranked = sorted(zip(self.probabilities, nsynth.FAMILIES, strict=True), key=lambda pair: -pair[0])
        return [(family, probability) for probability, family in ranked[:count]]


def read_windows(path: Path) -> np.ndarray:
    """Decodes a WAV, FLAC or OGG file of any rate, channels and length.

    Returns:
      float32 [windows, nsynth.NOTE_SAMPLES]: mono, at nsynth.SAMPLE_RATE_HZ, the last one filled up with silence.

    Raises:
      nsynth.UserError: it cannot be read, is empty, or holds samples that are not finite.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            audio = np.concatenate([np.zeros(0, np.float32), *_mono_blocks(file)])
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise nsynth.UserError(f"{path} is no audio that can be read: {error}") from error
    if not audio.size:
        raise nsynth.UserError(f"{path} holds no sound: it is 0 s long")
    if not np.isfinite(audio).all():
        raise nsynth.UserError(f"{path} holds samples that are no finite numbers")
    whole, rest = divmod(len(audio), nsynth.NOTE_SAMPLES)
    count = whole + (whole == 0 or rest >= SHORTEST_REST_S * nsynth.SAMPLE_RATE_HZ)
    padded = np.zeros(count * nsynth.NOTE_SAMPLES, np.float32)
    padded[: len(audio)] = audio[: len(padded)]
    return padded.reshape(count, nsynth.NOTE_SAMPLES)


def _mono_blocks(file) -> Iterator[np.ndarray]:
    """Reads ten seconds at a time, so that an hour in stereo needs no gigabytes."""
    import soxr

    blocks = file.blocks(10 * file.samplerate, dtype="float32", always_2d=True)
    weights = np.full(file.channels, 1 / file.channels, np.float32)
    mono = (block @ weights for block in blocks)  # forty times as fast as block.mean(axis=1)
    if file.samplerate == nsynth.SAMPLE_RATE_HZ:
        yield from mono
        return
    stream = soxr.ResampleStream(file.samplerate, nsynth.SAMPLE_RATE_HZ, 1, dtype="float32")
    for block in mono:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


class Classifier:
    """An exported model."""

    def __init__(self, folder: str | Path):
        """Loads the SavedModel in `folder`.

        Raises:
          nsynth.UserError: there is none, or it was not exported by this project.
        """
        tf = _tensorflow()
        try:
            self._model = tf.saved_model.load(str(folder))
            self._signature = self._model.signatures["serving_waveform"]
        except (OSError, KeyError) as error:
            raise nsynth.UserError(f"{folder} holds no model with the signature serving_waveform") from error
        self._constant = tf.constant

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """Asks the model about windows, float32 [windows, nsynth.NOTE_SAMPLES]: float32 [windows, families]."""
        batches = range(0, len(windows), BATCH_SIZE)
        parts = [self._signature(audio=self._constant(windows[i : i + BATCH_SIZE])) for i in batches]
        return np.concatenate([part["probabilities"].numpy() for part in parts])

    def answers(self, files: Iterable[Path]) -> Iterator[Answer]:
        """One answer a file, in order: the mean over its windows. A file that cannot be read has an error."""
        remaining = iter(files)
        with ThreadPoolExecutor(READERS) as pool:

            def start_reading() -> list[tuple[Path, Future[np.ndarray | str]]]:
                some = itertools.islice(remaining, FILES_AT_ONCE)
                return [(file, pool.submit(_windows_or_error, file)) for file in some]

            ahead = start_reading()
            while ahead:
                read = [(file, reading.result()) for file, reading in ahead]
                ahead = start_reading()  # while the model works
                yield from self._answers(read)

    def _answers(self, read: list[tuple[Path, np.ndarray | str]]) -> Iterator[Answer]:
        """Answers files that have been read: windows, or why there are none."""
        readable = [windows for _, windows in read if not isinstance(windows, str)]
        rows = iter(self.probabilities(np.concatenate(readable)) if readable else [])
        for file, windows in read:
            if isinstance(windows, str):
                yield Answer(file, error=windows)
                continue
            mean = np.mean([next(rows) for _ in windows], axis=0)
            yield Answer(file, len(windows), tuple(mean.tolist()))


def audio_files(paths: Iterable[Path], folders: bool) -> list[Path]:
    """The files named, and with `folders` all audio files below the folders named.

    Raises:
      nsynth.UserError: a path is a folder although `folders` is false, or nothing is left.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)  # if it is missing, its line in the answer says so
        elif folders:
            files += sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES)
        else:
            raise nsynth.UserError(f"{path} is a folder: add --batch to classify all audio files in it")
    if not files:
        raise nsynth.UserError(f"no {', '.join(sorted(SUFFIXES))} file in {', '.join(map(str, paths))}")
    return files


def _windows_or_error(path: Path) -> np.ndarray | str:
    try:
        return read_windows(path)
    except nsynth.UserError as error:
        return str(error)


def _tensorflow():
    """TensorFlow without Keras, which an exported model does not need and which doubles the time to start."""
    if "keras" in sys.modules or "tensorflow" in sys.modules:
        import tensorflow

        return tensorflow
    sys.modules["keras"] = None  # type: ignore[assignment]  # Python's way to say: not to be imported
    try:
        import tensorflow

        return tensorflow
    finally:
        del sys.modules["keras"]
