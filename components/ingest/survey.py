"""A first look at a data folder: how many notes of which instruments, without reading the sound."""

import os
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

import nsynth
from components.ingest import audio_files, files
from components.ingest.index import Index, load_or_scan
from components.ingest.sources import Form, find
from components.tfrecord import FRAME_BYTES

MOST_RECORDS = 20_000
"""Records of a split that are looked at; of a larger one, evenly spread ones."""
# A note's name stands before or behind its samples: with all other features it is shorter than this.
_EDGE_BYTES = 2048
_GROUP = re.compile(nsynth.GROUP.pattern.encode())


class Found(NamedTuple):
    """What a split holds. `notes` is None where that takes unpacking first."""

    split: str
    forms: tuple[Form, ...]
    notes: int | None
    instruments: frozenset[str]
    complete: bool
    """Whether every record was looked at; else there may be more instruments."""


def survey(folder: str, cache_dir: str) -> list[Found]:
    """Look at each split of a data folder.

    Args:
        folder: as `sources.find` takes it.
        cache_dir: where ingest keeps its indexes; the ones made here are found there again.

    Raises:
        nsynth.UserError: there are no notes, or a file cannot be read.
    """
    sources = find(folder)
    found = []
    for split in nsynth.SPLITS:
        of_split = [source for source in sources if source.split == split]
        if not of_split:
            continue
        if not all(source.form.seekable for source in of_split):
            forms = tuple(sorted({source.form for source in of_split}))
            found.append(Found(split, forms, None, frozenset(), False))
            continue
        indexes = [load_or_scan(source, cache_dir) for source in of_split]
        found.append(_look(split, indexes))
    return found


def _look(split: str, indexes: list[Index]) -> Found:
    notes = sum(index.notes for index in indexes)
    forms = tuple(sorted({index.source.form for index in indexes}))
    if forms == (Form.AUDIO,):
        named = [audio_files.groups(_lines(index.source.manifest)) for index in indexes]
        return Found(split, forms, notes, frozenset().union(*named), True)
    local = all(files.is_local(index.source.path) for index in indexes)
    if not local or not nsynth.GROUP.pattern:  # of remote ones, each look would be a request
        return Found(split, forms, notes, frozenset(), False)
    step = -(-notes // MOST_RECORDS)
    instruments = frozenset(name for index in indexes for name in _instruments(index, step))
    return Found(split, forms, notes, instruments, step == 1)


def _lines(path: str) -> Iterator[bytes]:
    with files.open_to_read(path) as file:
        yield from file


def _instruments(index: Index, step: int) -> Iterator[str]:
    places = np.arange(0, index.notes, step)
    with files.open_to_read(index.source.path) as file:
        for offset, length in zip(
            index.offsets[places].tolist(), index.lengths[places].tolist(), strict=True
        ):
            for edge in _edges(file, offset, length):
                if named := _GROUP.search(edge):
                    yield named[1].decode()
                    break


def _edges(file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
    """Yield the first and the last bytes of a record, with the frame of a TFRecord's."""
    for start in (offset, offset + max(0, length + FRAME_BYTES - _EDGE_BYTES)):
        yield os.pread(file.fileno(), _EDGE_BYTES, start)
