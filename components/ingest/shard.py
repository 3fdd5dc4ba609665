"""One worker's job: read the records of a shard, hold each against the contract, write the good ones out.

What it writes follows from the shard alone, so a retried worker writes the same bytes again.
"""

import contextlib
import errno
import hashlib
import json
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import nsynth
from components import tfrecord
from components.example_proto import Example
from components.ingest import files, sound, threads
from components.ingest.contract import ContractError, Note
from components.ingest.readers import Readers, Taken, Wanted, examine
from components.ingest.shuffle import Routes, Shard
from components.ingest.sources import Source
from components.printable import printable
from components.tfrecord import Record

Examined = tuple[bytes, Note, bytes, str]
_REQUESTS = 16  # that wait for a remote source at once
_NAME, _DETAIL = 100, 400  # characters kept of what a record says


class Layout(NamedTuple):
    """Where a run writes: the folders of its artifacts."""

    examples: str
    scalars: str
    sample: str
    quarantine: str

    @property
    def notes(self) -> tuple[str, str]:
        """The two artifacts that hold every note, in the same shards and order: with its sound and without."""
        return self.examples, self.scalars

    @property
    def reports(self) -> str:
        """Folder of what the workers tell about their shards."""
        return os.path.join(self.quarantine, ".reports")

    @property
    def plan(self) -> str:
        """File with the records of all shards."""
        return os.path.join(self.reports, "plan")

    def report(self, shard: "Shard | Planned") -> str:
        """File with what a worker tells about a shard."""
        return os.path.join(self.reports, f"{shard.split}-{shard.number:05d}.json")


class Planned(NamedTuple):
    """A shard whose records stand in the file `Layout.plan`, so that it takes a few bytes."""

    split: str  # these as in Shard
    number: int
    routes: Routes
    name: str
    notes: int
    offset: int  # in the file

    def load(self, layout: Layout) -> Shard:
        """Return the shard with its records."""
        with files.open_to_read(layout.plan) as file:
            file.seek(self.offset)
            return pickle.load(file)


def put_aside(shards: Iterable[Shard], layout: Layout) -> list[Planned]:
    """Write the records of shards into the file of the plan, one shard after the other."""
    with files.whole_file(layout.plan, layout.reports) as file:
        return [_put_aside(shard, file) for shard in shards]


def _put_aside(shard: Shard, file: BinaryIO) -> Planned:
    planned = Planned(
        shard.split, shard.number, shard.routes, shard.name, len(shard.offsets), offset=file.tell()
    )
    pickle.dump(shard, file)
    return planned


def write_planned(planned: Planned, layout: Layout) -> Counter[str]:
    """Write a shard that was put aside; see `write_shard`."""
    return write_shard(planned.load(layout), layout)


def split_folder(artifact: str, split: str) -> str:
    """Folder of a split's shards, named as TFX wants it."""
    return os.path.join(artifact, f"Split-{split}")


def scratch(artifact: str) -> str:
    """Folder of files that are being written; no reader of a split looks into it."""
    return os.path.join(artifact, ".writing")


class Used(NamedTuple):
    """A note that was written."""

    split: str
    note_str: str
    sound: str  # digest of the samples
    group: str
    attributes: dict[str, int]  # as in Note
    lacks: Sequence[str] = ()  # as in Note
    offset: int = 0  # of the record in the shard of its split
    length: int = 0

    @classmethod
    def of(cls, split: str, note: Note, sound: str, place: Record) -> "Used":
        """Return the entry of a note."""
        return cls(split, note.note_str, sound, note.group, note.attributes, note.lacks, *place)


class Refused(NamedTuple):
    """A record in quarantine: where it came from, why it is here, where its bytes lie."""

    file: str
    offset: int
    length: int
    split: str
    note_str: str
    reason: str
    detail: str
    quarantine_file: str = ""
    quarantine_offset: int = 0

    @classmethod
    def of(cls, source: Source, place: Record, why: ContractError) -> "Refused":
        """Return the entry of a record that breaks the contract."""
        if why.file:
            return cls(why.file, 0, len(why.raw), source.split, why.note_str, why.reason, why.detail)
        return cls(
            source.path,
            place.offset,
            place.length,
            source.split,
            printable(why.note_str[:_NAME]),
            why.reason,
            printable(why.detail[:_DETAIL]),
        )


def write_shard(shard: Shard, layout: Layout) -> Counter[str]:
    """Write a shard into each split that it feeds, its refused records into quarantine, and a report.

    Returns:
        Numbers of records: in, used, quarantined.

    Raises:
        nsynth.UserError: the disk is full or a source went away.
    """
    try:
        used, refused = _copy(shard, layout)
        report = json.dumps({"used": used, "refused": refused}, separators=(",", ":"))
        with files.whole_file(layout.report(shard), layout.reports) as file:
            file.write(report.encode())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise nsynth.UserError(
                f"The disk is full: {layout.examples}. Make room and run again."
            ) from error
        where = error.filename or layout.examples
        raise nsynth.UserError(f"{where}: {error.strerror or error}. Nothing was kept; run again.") from error
    return Counter({"in": len(shard.offsets), "used": len(used), "quarantined": len(refused)})


def _copy(shard: Shard, layout: Layout) -> tuple[list[Used], list[Refused]]:
    used: list[Used] = []
    with contextlib.ExitStack() as stack:
        outputs = {
            split: [
                stack.enter_context(
                    files.whole_file(
                        os.path.join(split_folder(artifact, split), shard.name), scratch(artifact)
                    )
                )
                for artifact in layout.notes
            ]
            for split in shard.routes.splits
        }
        quarantine = stack.enter_context(Quarantine(shard, layout))
        readers = stack.enter_context(Readers(shard.sources))
        for record, examined in stack.enter_context(_examined(shard, readers)):
            try:
                raw, note, scalars, digest = examined()
            except ContractError as error:
                quarantine.add(record.source, record.place, error)
                continue
            split = shard.routes.split(note.group)
            written = Record(outputs[split][0].tell(), len(raw) + len(scalars))
            for output, content in zip(outputs[split], (raw, note.labels), strict=True):
                output.write(tfrecord.frame(content, scalars))
            used.append(Used.of(split, note, digest, written))
    return used, quarantine.refused


def _examined(
    shard: Shard, readers: Readers
) -> contextlib.AbstractContextManager[Iterator[tuple[Wanted | Taken, Callable[[], Examined]]]]:
    """Yield the shard's records, in order, and what waits to be known of each."""
    wanted = (
        Wanted(shard.sources[source], Record(int(offset), int(length)), int(source))
        for source, offset, length in zip(shard.source_ids, shard.offsets, shard.lengths, strict=True)
    )
    if readers.are_remote:
        return threads.mapped(lambda record: _examine(readers.take(record)), wanted, _REQUESTS)
    # The other cores have shards of their own.
    return threads.mapped(_examine, map(readers.take, wanted), threads=1)


def _examine(taken: Taken) -> Examined:
    """All that takes time: the note's record, what it is, its scalars and the name of its waveform."""
    raw, note = examine(taken)
    return raw, note, described(note), waveform_name(note)


def described(note: Note) -> bytes:
    """Return the note's sound scalars as a serialized tf.Example of their own.

    Appended to the record's bytes they become part of it: protobuf merges concatenated messages.
    """
    example = Example()
    for key, value in zip(nsynth.SOUND_FEATURES, sound.describe(note.audio), strict=True):
        example.features.feature[key].float_list.value.append(value)
    return example.SerializeToString(deterministic=True)


def waveform_name(note: Note) -> str:
    """Return a name for a waveform: equal for byte-identical samples only."""
    return hashlib.sha256(note.audio.data).hexdigest()[:32]


class Quarantine(contextlib.AbstractContextManager["Quarantine"]):
    """Collects a shard's refused records in a TFRecord, which exists only where there are any."""

    def __init__(self, shard: Shard, layout: Layout) -> None:
        self.refused: list[Refused] = []
        self._path = os.path.join(layout.quarantine, f"{shard.split}-{shard.name}")
        self._scratch = layout.reports
        self._stack = contextlib.ExitStack()
        self._file: Any = None

    def add(self, source: Source, place: Record, why: ContractError) -> None:
        """Put a record away."""
        if self._file is None:
            self._file = self._stack.enter_context(files.whole_file(self._path, self._scratch))
        self.refused.append(
            Refused.of(source, place, why)._replace(
                quarantine_file=os.path.basename(self._path), quarantine_offset=self._file.tell()
            )
        )
        self._file.write(tfrecord.frame(why.raw))

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)


def reports(shards: Iterable[Shard | Planned], layout: Layout) -> Iterator[tuple[list[Used], list[Refused]]]:
    """Return what the workers told, shard by shard."""
    for shard in shards:
        with files.open_to_read(layout.report(shard)) as file:
            report = json.loads(file.read())
        yield [Used(*row) for row in report["used"]], [Refused(*row) for row in report["refused"]]
