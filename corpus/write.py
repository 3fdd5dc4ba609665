"""Writes notes to disk in NSynth's two layouts: one TFRecord a split, and JSON with WAV files."""

import json
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import soundfile

import nsynth
from components.tfrecord import frame
from corpus.note import Note
from corpus.splits import SPLITS


class Writer(AbstractContextManager["Writer"]):
    """Takes notes of all splits in the order in which they shall stand in the files."""

    @abstractmethod
    def add(self, note: Note) -> None:
        """Write one note."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left and close the files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TFRecordWriter(Writer):
    """nsynth-train.tfrecord, nsynth-valid.tfrecord and nsynth-test.tfrecord, uncompressed as downloaded."""

    def __init__(self, folder: Path, splits: Sequence[str] = SPLITS):
        self._files: dict[str, BinaryIO] = {
            split: (folder / f"nsynth-{split}.tfrecord").open("wb") for split in splits
        }

    def add(self, note: Note) -> None:
        """Append one record to its split's file."""
        self._files[note.split].write(frame(note.example()))

    def close(self) -> None:
        """Close the three files."""
        for file in self._files.values():
            file.close()


class JsonWavWriter(Writer):
    """nsynth-<split>/examples.json and nsynth-<split>/audio/<note_str>.wav, 16-bit PCM."""

    def __init__(self, folder: Path, splits: Sequence[str] = SPLITS):
        self._folders = {split: folder / f"nsynth-{split}" for split in splits}
        self._labels: dict[str, dict[str, Any]] = {split: {} for split in splits}
        for split_folder in self._folders.values():
            (split_folder / "audio").mkdir(parents=True)

    def add(self, note: Note) -> None:
        """Write the WAV file and keep the labels."""
        wav = self._folders[note.split] / "audio" / f"{note.name}.wav"
        soundfile.write(wav, note.audio, nsynth.SAMPLE_RATE_HZ, subtype="PCM_16")
        self._labels[note.split][note.name] = note.labels()

    def close(self) -> None:
        """Write examples.json of each split."""
        for split, labels in self._labels.items():
            text = json.dumps(labels, indent=1, sort_keys=True)
            (self._folders[split] / "examples.json").write_text(text, encoding="utf-8")
