"""The JSON/WAV distribution: `examples.json` tells of the notes, `audio/<note_str>.wav` holds their sound."""

import json
import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

import nsynth
from components.audio import AudioError, open_audio
from components.example_proto import serialize
from components.ingest import files, json_entries
from components.ingest.contract import ContractError, Reason
from components.ingest.json_entries import NotEntriesError
from components.ingest.sources import AUDIO_FOLDER
from components.tfrecord import Record

_DETAIL = 200  # characters of a message that come from the data


def scan(file: BinaryIO, path: str) -> Iterator[Record]:
    """Yield where each note's entry lies in `{"<note_str>": {...}, ...}`, in constant memory and linear time.

    Raises:
        nsynth.RefusedDataError: the file is no such JSON.
    """
    try:
        for offset, length in json_entries.scan(file):
            yield Record(offset, length)
    except NotEntriesError as error:
        raise nsynth.RefusedDataError(f"{path}: {error}. Download it again.") from error


def read_example(entry: bytes, folder: str) -> bytes:
    """Return the note of an entry of `folder`/examples.json as a serialized tf.Example.

    Raises:
        ContractError: the entry has a value of an unknown kind, or the WAV is missing or no sound.
        OSError: the WAV may not be read, or the disk fails.
    """
    try:
        note = json.loads(entry)
    except (
        ValueError,
        RecursionError,
    ) as error:  # also numbers of too many digits, and bytes that are no text
        raise ContractError(Reason.NOT_EXAMPLE, f"invalid JSON: {str(error)[:_DETAIL]}") from error
    name = note.get(nsynth.NOTE_STR, "")
    name = name if isinstance(name, str) else ""
    try:
        audio, rate = _read_wav(os.path.join(folder, AUDIO_FOLDER, f"{os.path.basename(name)}.wav"))
        if rate != note.get(nsynth.SAMPLE_RATE):
            found = str(note.get(nsynth.SAMPLE_RATE))[:_DETAIL]
            raise ContractError(Reason.SAMPLE_RATE, f"WAV has {rate} Hz, {nsynth.SAMPLE_RATE} says {found}")
        return serialize({**note, nsynth.AUDIO: audio})
    except TypeError as error:
        raise ContractError(Reason.WRONG_TYPE, str(error), name) from error
    except ContractError as error:
        error.note_str = name
        raise


def _read_wav(path: str) -> tuple[np.ndarray, int]:
    """Return samples as float32 in [-1, 1) and their rate in Hz.

    Raises:
        ContractError: the file is missing, no sound, not of one channel, or too long.
        OSError: the file may not be read, or the disk fails.
    """
    try:
        with files.open_to_read(path) as file:
            return decode(file, path)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        if isinstance(error, OSError) and error.errno in files.NO_FAULT_OF_THE_FILE:
            raise
        reason = getattr(error, "strerror", None) or error
        raise ContractError(Reason.WAV, f"{path[:_DETAIL]}: {reason}") from error


def decode(file: BinaryIO, path: str) -> tuple[np.ndarray, int]:
    """Return samples of a sound file as float32 in [-1, 1) and their rate in Hz.

    Raises:
        ContractError: it is no sound, not of one channel, or longer than a note; `path` names it.
    """
    try:
        with open_audio(file) as sound:
            if sound.channels != 1:
                raise ContractError(Reason.WAV, f"{path}: {sound.channels} channels, expected one")
            samples = sound.read(nsynth.NOTE_SAMPLES + 1)[:, 0]
    except AudioError as error:
        raise ContractError(Reason.WAV, f"{path}: {error}") from error
    if len(samples) > nsynth.NOTE_SAMPLES:
        detail = f"{path} is longer than {nsynth.NOTE_SAMPLES:,} samples"
        raise ContractError(Reason.WRONG_LENGTH, detail)
    return samples, sound.rate_hz
