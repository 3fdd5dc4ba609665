"""Notes in columns, as Hugging Face's `datasets` stores them: Parquet files, or Arrow streams and files.

The columns are named as the official features; `audio` holds the bytes of a sound file (`{bytes, path}`) or samples.
Rows cannot be read one by one at a low cost, so that the notes are written to a TFRecord once.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

import nsynth
from components import tfrecord
from components.example_proto import serialize
from components.ingest import jsonwav
from components.ingest.contract import ContractError

_ROWS = 64  # read at a time: 16 MB of samples


class DamagedError(Exception):
    """The file is no table that can be read."""


def write_tfrecord(table: BinaryIO, is_parquet: bool, target: BinaryIO) -> None:
    """Write every row as a record. A row that is no valid note becomes a record that lacks what is wrong with it.

    Raises:
        DamagedError: the file is damaged, or no table.
    """
    import pyarrow

    try:
        for batch in _parquet(table) if is_parquet else _arrow(table):
            for row in batch.to_pylist():
                target.write(tfrecord.frame(_example(row)))
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; pyarrow's own have no number
        raise DamagedError(str(error)) from error


def _parquet(table: BinaryIO) -> Iterator[Any]:
    import pyarrow.parquet  # 0.3 s, and only this form needs it

    return pyarrow.parquet.ParquetFile(table).iter_batches(_ROWS)


def _arrow(table: BinaryIO) -> Iterator[Any]:
    import pyarrow

    try:
        file = pyarrow.ipc.open_file(table)
        batches = (file.get_batch(number) for number in range(file.num_record_batches))
    except pyarrow.ArrowInvalid:  # what `datasets` writes
        table.seek(0)
        batches = iter(pyarrow.ipc.open_stream(table))
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS):
            yield batch.slice(start, _ROWS)


def _example(row: dict[str, Any]) -> bytes:
    note = {key: row[key] for key in nsynth.FEATURES if row.get(key) is not None}
    note.pop(nsynth.AUDIO, None)
    with contextlib.suppress(ContractError):  # without `audio`, the record goes to quarantine
        note |= _sound(row.get(nsynth.AUDIO), note.get(nsynth.SAMPLE_RATE))
    kept = {}
    for key, value in note.items():
        with contextlib.suppress(TypeError):  # so does one without a feature of the wrong type
            serialize({key: value})
            kept[key] = value
    return serialize(kept)


def _sound(audio: Any, rate: int | None) -> dict[str, Any]:
    if isinstance(audio, dict):
        audio = audio.get("bytes")
    if isinstance(audio, bytes):
        samples, found = jsonwav.decode(io.BytesIO(audio), nsynth.AUDIO)
        return {nsynth.AUDIO: samples, nsynth.SAMPLE_RATE: found} if rate in (None, found) else {}
    if isinstance(audio, list):
        return {nsynth.AUDIO: np.array(audio, np.float32)}
    return {}
