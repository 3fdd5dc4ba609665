"""Classification of recordings: decode, mix to mono, resample, cut into windows of a note, run the exported model.

Needs NumPy, soundfile, soxr and TensorFlow, but neither TFX nor Keras, so that it starts fast. Memory does not grow
with the length or the number of recordings.
"""

import itertools
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import nsynth
from components import audio
from components.audio import SILENCE_BELOW, AudioError
from components.printable import printable
from components.regular_file import open_regular
from pipeline.collector import at_rest
from trainer.heads import NOVELTY

SHORTEST_REST_S = 0.5
"""Minimum length of a last, incomplete window; shorter ones are dropped."""
BATCH_SIZE = 32
FILES_AT_ONCE = 64
WINDOWS_AHEAD = 4  # of each of these files: 1 MB
READERS = 4


def likeliest(probabilities: Iterable[float], count: int = 3) -> list[tuple[str, float]]:
    """Return the most likely families and their probabilities, given those in the order of nsynth.CLASSES."""
    ranked = sorted(zip(probabilities, nsynth.CLASSES, strict=True), key=lambda pair: -pair[0])
    return [(family, probability) for probability, family in ranked[:count]]


def is_unlike(novelty: float | None) -> bool:
    """Return whether a sound with this novelty is unlike the train notes (trainer/novelty.py)."""
    return novelty is not None and novelty > 1


@dataclass(frozen=True)
class Answer:
    """The result for a file; `probabilities` are in the order of nsynth.CLASSES, empty if there is an error."""

    file: Path
    windows: int = 0
    probabilities: tuple[float, ...] = ()
    error: str = ""
    novelty: float | None = None
    """Novelty of the sound; None if the model does not have this output."""

    @property
    def unlike(self) -> bool:
        """Whether the sound differs from the train notes more than 95 % of the dev notes do."""
        return is_unlike(self.novelty)

    def top(self) -> list[tuple[str, float]]:
        """Return the three most likely families and their probabilities."""
        return likeliest(self.probabilities, 3)


def read_windows(path: Path) -> Iterator[np.ndarray]:
    """Decode an audio file of any rate, channels and length.

    Yields:
        float32[nsynth.NOTE_SAMPLES]: mono, at nsynth.SAMPLE_RATE_HZ; the last one is padded with silence. Silent
        windows are left out.

    Raises:
        nsynth.UserError: it cannot be read, is empty or silent, or contains invalid samples.
    """
    name, heard = printable(path), 0
    try:
        with open_regular(path) as file, audio.open_audio(file) as sound:
            for window in filter(audible, cut(sound.mono())):
                heard += 1
                yield window
    except AudioError as error:
        raise nsynth.UserError(f"{name}: {error}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise nsynth.UserError(f"{name}: cannot be read as audio: {reason}") from error
    if not heard:
        raise nsynth.UserError(f"{name}: silent, or silent once mixed to mono; there is nothing to classify")


def audible(window: np.ndarray) -> bool:
    """Return whether a window is not silent."""
    return bool(np.abs(window).max() >= SILENCE_BELOW)


def cut(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Cut a sound, float32[samples] in blocks, into windows of a note; the last one is padded with silence.

    Raises:
        AudioError: the sound is empty.
    """
    rest, whole = np.zeros(0, np.float32), 0
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= nsynth.NOTE_SAMPLES:
            yield rest[: nsynth.NOTE_SAMPLES]
            rest, whole = rest[nsynth.NOTE_SAMPLES :], whole + 1
    if not whole and not rest.size:
        raise AudioError("holds no sound: it is 0 s long")
    if not whole or len(rest) >= SHORTEST_REST_S * nsynth.SAMPLE_RATE_HZ:
        yield np.pad(rest, (0, nsynth.NOTE_SAMPLES - len(rest)))


class Classifier:
    """An exported model."""

    def __init__(self, folder: str | Path):
        """Load the SavedModel in `folder`.

        Raises:
            nsynth.UserError: there is no SavedModel, or it was not exported by this project.
        """
        tf = tensorflow_without_keras()
        try:
            self._model = tf.saved_model.load(str(folder))
            self._signature = self._model.signatures["serving_waveform"]
        except (OSError, KeyError) as error:
            raise nsynth.UserError(f"{folder} holds no model with the signature serving_waveform") from error
        self._constant = tf.constant

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """Classify windows, float32 [windows, nsynth.NOTE_SAMPLES]: probabilities, float32 [windows, families]."""
        return self.ask(windows)[0]

    def ask(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return probabilities and novelty [windows]; None if the model does not have the output `novelty`."""
        batches = range(0, len(windows), BATCH_SIZE)
        parts = [self._signature(audio=self._constant(windows[i : i + BATCH_SIZE])) for i in batches]
        probabilities = np.concatenate([part["probabilities"].numpy() for part in parts])
        if not all(NOVELTY in part for part in parts):
            return probabilities, None
        return probabilities, np.concatenate([part[NOVELTY].numpy() for part in parts])

    def answers(self, files: Iterable[Path]) -> Iterator[Answer]:
        """Yield an answer for each file, in order: the mean over its windows, or the error of an unreadable file."""
        waiting: deque[_Tally] = deque()
        batch: list[tuple[_Tally, np.ndarray]] = []
        for file, found in _read_ahead(files):
            if not waiting or waiting[-1].complete:
                waiting.append(_Tally(file))
            if isinstance(found, np.ndarray):
                batch.append((waiting[-1], found))
            else:
                waiting[-1].complete, waiting[-1].error = True, found
            if len(batch) == BATCH_SIZE:
                self._score(batch)
                batch.clear()
            while waiting and waiting[0].complete and not (batch and batch[0][0] is waiting[0]):
                yield waiting.popleft().answer()
        if batch:
            self._score(batch)
        yield from (tally.answer() for tally in waiting)

    def _score(self, batch: "list[tuple[_Tally, np.ndarray]]") -> None:
        rows, novelty = self.ask(np.stack([window for _, window in batch]))
        for number, (tally, _) in enumerate(batch):
            tally.total = tally.total + rows[number]
            tally.windows += 1
            if novelty is not None:
                tally.novelty = (tally.novelty or 0.0) + float(novelty[number])


@dataclass(eq=False)
class _Tally:
    """Sums over the windows of a file so far."""

    file: Path
    total: np.ndarray = field(default_factory=lambda: np.zeros(len(nsynth.CLASSES)))
    windows: int = 0
    novelty: float | None = None
    complete: bool = False
    error: str = ""

    def answer(self) -> Answer:
        if self.error:
            return Answer(self.file, error=self.error)
        mean = self.total / self.windows
        if not np.isfinite(mean).all():
            return Answer(self.file, error=f"{printable(self.file)}: the model's answer is not finite")
        novelty = None if self.novelty is None else self.novelty / self.windows
        if novelty is not None and not np.isfinite(novelty):
            novelty = None
        return Answer(self.file, self.windows, tuple(mean.tolist()), novelty=novelty)


def _read_ahead(files: Iterable[Path]) -> Iterator[tuple[Path, np.ndarray | str]]:
    """Yield each file's windows in order, then its error, empty if there is none; threads read the next files."""
    remaining = iter(files)
    with ThreadPoolExecutor(READERS) as pool:

        def start(
            count: int,
        ) -> list[tuple[Path, Future[list[np.ndarray | str]], Iterator[np.ndarray | str]]]:
            readers = [(file, _windows_and_error(file)) for file in itertools.islice(remaining, count)]
            return [(file, pool.submit(_take, reader), reader) for file, reader in readers]

        ahead = deque(start(FILES_AT_ONCE))
        while ahead:
            file, beginning, rest = ahead.popleft()
            for found in itertools.chain(beginning.result(), rest):
                yield file, found
            ahead += start(1)


def _take(reader: Iterator[np.ndarray | str]) -> list[np.ndarray | str]:
    return list(itertools.islice(reader, WINDOWS_AHEAD))


def _windows_and_error(path: Path) -> Iterator[np.ndarray | str]:
    try:
        yield from read_windows(path)
    except nsynth.UserError as error:
        yield str(error)
    except Exception as error:  # of a decoder: an error in one file must not stop the others
        yield f"{printable(path)}: cannot be read as audio: {type(error).__name__}: {error}"
    else:
        yield ""


@dataclass(frozen=True)
class Found:
    """Audio files to classify, and the number of other files by file name extension."""

    files: list[Path]
    skipped: Counter[str]


def audio_files(paths: Iterable[Path], folders: bool) -> Found:
    """List the given files and, with `folders`, all audio files in the given folders, without hidden ones.

    Raises:
        nsynth.UserError: a path is a folder although `folders` is false, a folder cannot be read, or nothing is left.
    """
    paths, found = list(paths), Found([], Counter())
    for path in paths:
        if not path.is_dir():
            found.files.append(path)  # if it is missing, its answer has the error
        elif folders:
            for file in sorted(_below(path)):
                if file.suffix.lower() in audio.SUFFIXES:
                    found.files.append(file)
                else:
                    found.skipped[file.suffix.lower() or "no ending"] += 1
        else:
            raise nsynth.UserError(
                f"{printable(path)} is a folder: add --batch to classify all audio files in it"
            )
    if not found.files:
        raise nsynth.UserError(
            f"No audio files in {', '.join(map(printable, paths))}. Supported file name extensions: "
            f"{' '.join(audio.SUFFIXES)}"
        )
    return found


def _below(folder: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise nsynth.UserError(f"{printable(error.filename)} cannot be read: {error.strerror}") from error

    for parent, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def tensorflow_without_keras() -> Any:
    """Import TensorFlow without Keras, which an exported model does not need and which doubles the start-up time."""
    if "keras" in sys.modules or "tensorflow" in sys.modules:
        import tensorflow

        return tensorflow
    sys.modules["keras"] = None  # type: ignore[assignment]  # Python's way to say: not to be imported
    try:
        with at_rest():
            import tensorflow

        return tensorflow
    finally:
        del sys.modules["keras"]
