"""The JSON/WAV distribution: `examples.json` tells of the notes, `audio/<note_str>.wav` holds their sound."""

import errno
import io
import json
import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

import nsynth
from components.example_proto import serialize
from components.ingest import files
from components.ingest.contract import ContractError, Reason
from components.ingest.sources import AUDIO_FOLDER
from components.tfrecord import Record

_CHUNK_BYTES = 1 << 20
# Of the disk or of this process, whatever the file holds; others, such as a file that is missing, are the data's.
_NO_FAULT_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
_DECODER = json.JSONDecoder()


def scan(file: BinaryIO, path: str) -> Iterator[Record]:
    """Where each note's entry lies in `{"<note_str>": {...}, ...}`, in constant memory.

    Raises:
        nsynth.RefusedDataError: the file is no such JSON.
    """
    # One character a byte: the structure of JSON is ASCII, and offsets stay those of the file.
    text, start, place = file.read(_CHUNK_BYTES).decode("latin-1"), 0, 0
    opened = False
    while True:
        try:
            place = _skip(text, place, " \t\r\n," if opened else " \t\r\n")
            if not opened:
                place, opened = _expect(text, place, "{"), True
                continue
            if text[place] == "}":
                return
            _, after_key = _DECODER.raw_decode(text, place)
            value = _skip(text, _expect(text, _skip(text, after_key), ":"))
            entry, end = _DECODER.raw_decode(text, value)
            if end == len(text):
                raise IndexError  # a number could go on in the next chunk
            if not isinstance(entry, dict):
                raise nsynth.RefusedDataError(
                    f"{path}: byte {start + value}: wanted an object for each note."
                )
        except (IndexError, json.JSONDecodeError) as error:
            more = file.read(_CHUNK_BYTES).decode("latin-1")
            if not more:
                raise nsynth.RefusedDataError(
                    f"{path}: no valid JSON from byte {start + place} on. Download it again."
                ) from error
            text, start, place = text[place:] + more, start + place, 0
            continue
        yield Record(start + value, end - value)
        place = end


def _skip(text: str, place: int, blanks: str = " \t\r\n") -> int:
    while text[place] in blanks:
        place += 1
    return place


def _expect(text: str, place: int, character: str) -> int:
    if text[place] != character:
        raise json.JSONDecodeError(f"wanted {character}", text, place)
    return place + 1


def read_example(entry: bytes, folder: str) -> bytes:
    """The note of an entry of `folder`/examples.json as a serialized tf.Example.

    Raises:
        ContractError: the entry has a value of an unknown kind, or the WAV is missing or no sound.
        OSError: the WAV may not be read, or the disk fails.
    """
    try:
        note = json.loads(entry)
    except ValueError as error:
        raise ContractError(Reason.NOT_EXAMPLE, f"no valid JSON: {error}") from error
    name = str(note.get(nsynth.NOTE_STR, ""))
    try:
        audio, rate = _read_wav(os.path.join(folder, AUDIO_FOLDER, f"{os.path.basename(name)}.wav"))
        if rate != note.get(nsynth.SAMPLE_RATE):
            detail = f"WAV has {rate} Hz, {nsynth.SAMPLE_RATE} says {note.get(nsynth.SAMPLE_RATE)}"
            raise ContractError(Reason.SAMPLE_RATE, detail)
        return serialize({**note, nsynth.AUDIO: audio})
    except TypeError as error:
        raise ContractError(Reason.WRONG_TYPE, str(error), name) from error
    except ContractError as error:
        error.note_str = name
        raise


def _read_wav(path: str) -> tuple[np.ndarray, int]:
    """Samples as float32 in [-1, 1) and their rate in Hz.

    Raises:
        ContractError: the file is missing, no sound, or not of one channel.
        OSError: the file may not be read, or the disk fails.
    """
    try:
        with files.open_to_read(path) as file:
            content = file.read()
    except OSError as error:
        if error.errno in _NO_FAULT_OF_THE_FILE:
            raise
        raise ContractError(Reason.WAV, f"{path}: {error}") from error
    return decode(content, path)


def decode(content: bytes, path: str) -> tuple[np.ndarray, int]:
    """Samples of a sound file as float32 in [-1, 1) and their rate in Hz.

    Raises:
        ContractError: it is no sound, or not of one channel; `path` names it.
    """
    import soundfile  # loads a shared library that TFRecords do not need

    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise ContractError(Reason.WAV, f"{path}: {error}") from error
    if samples.ndim != 1:
        raise ContractError(Reason.WAV, f"{path}: {samples.shape[1]} channels, wanted one")
    return samples, rate
