"""Which files of a data folder hold notes, in what form, and for which split."""

import os
import re
from enum import StrEnum
from typing import NamedTuple

import nsynth
from components.ingest import audio_files, files, whole_set
from components.remote import address

EXAMPLES_JSON = "examples.json"
AUDIO_FOLDER = "audio"


class Form(StrEnum):
    """A form in which people have their notes."""

    TFRECORD = "tfrecord"
    TFRECORD_GZIP = "tfrecord.gz"
    JSONWAV = "jsonwav"  # the path is that of examples.json
    JSONWAV_TAR = "jsonwav.tar"
    TFDS = "tfds"  # TFRECORD by its name; the first record tells
    PARQUET = "parquet"
    ARROW = "arrow"
    AUDIO = "audio"  # the path is that of a folder <class>/<group>/*.wav, or of a CSV

    @property
    def seekable(self) -> bool:
        """Whether a record can be read without reading all before it."""
        return self in (Form.TFRECORD, Form.TFDS, Form.JSONWAV, Form.AUDIO)


class Source(NamedTuple):
    """One file of notes: `split` is train, valid or test."""

    split: str
    form: Form
    path: str
    rows: str = ""  # of a CSV, the value of its column `split` in the rows that are meant
    version: str = ""  # of a remote file, that of which an index was made; empty: not looked at yet
    manifest: str = ""  # of audio files, what lists them


# First match wins. TFRecords may be sharded: name.tfrecord-00000-of-00010.
_FORMS = (
    (re.compile(r"\.tfrecords?(-\d+-of-\d+)?\.gz$|\.tfrecords?\.gz-\d+-of-\d+$"), Form.TFRECORD_GZIP),
    (re.compile(r"\.tfrecords?(-\d+-of-\d+)?$"), Form.TFRECORD),
    (re.compile(r"\.(tar\.gz|tgz|tar)$"), Form.JSONWAV_TAR),
    (re.compile(r"\.parquet$"), Form.PARQUET),
    (re.compile(r"\.arrow$"), Form.ARROW),
)
_SPLIT = re.compile(r"(?<![a-z])(train|valid|test)(?:ation)?(?![a-z])")
_SAVED_SHARD = re.compile(
    r"data-\d+-of-\d+\.arrow"
)  # of a split's folder, as `Dataset.save_to_disk` writes it
_FORM_ORDER = (
    Form.TFRECORD, Form.TFRECORD_GZIP, Form.JSONWAV, Form.JSONWAV_TAR, Form.PARQUET, Form.ARROW,
)  # fmt: skip


def form_of(path: str) -> Form | None:
    """Return the form that a file or folder has by its name, None where it holds no notes."""
    if os.path.basename(path) == EXAMPLES_JSON:
        return Form.JSONWAV
    for pattern, form in _FORMS:
        if pattern.search(path):
            return form
    return None


def split_of(path: str) -> str | None:
    """Return the split named in the file's name (or its folder's, where all splits' files have the same name)."""
    if os.path.basename(path) == EXAMPLES_JSON or _SAVED_SHARD.fullmatch(os.path.basename(path)):
        path = os.path.dirname(path)
    named = _SPLIT.search(os.path.basename(path).lower())
    return named[1] if named else None


def find(folder: str, pattern: str = "*", split: str | None = None) -> list[Source]:
    """Find the files of notes that match a pattern.

    Where a split is there in several forms (the TFRecord and the folder of WAVs), only the first of TFRecord,
    gzipped TFRecord, JSON/WAV folder, archive, Parquet, Arrow is taken: they hold the same notes.

    Args:
        folder: the data folder, local or remote; a folder with examples.json inside; or a file.
        pattern: glob relative to the folder.
        split: the split of all that is found; None reads it from the names. Where no name tells one, all is train.

    Raises:
        nsynth.UserError: the folder is missing, may not be read or holds no file that matches; or its store refuses or
            does not answer.
        nsynth.RefusedDataError: no file that matches holds notes in a form known here, or some names tell a split and
            others do not: a mistyped `valid` must not be trained on; or the set is not whole and single, see
            `whole_set`.
    """
    if fault := address.fault(folder):
        raise nsynth.UserError(f"data: {fault}.")
    try:
        return _find(folder, pattern, split)
    except OSError as error:
        raise nsynth.UserError(f"{error.filename or folder}: {error.strerror or error}.") from error


def _find(folder: str, pattern: str, split: str | None) -> list[Source]:
    if not files.exists(folder) and not (address.is_web(folder) and _match(folder, pattern)):
        raise nsynth.UserError(
            f"{folder}: no such file or folder{_of_the_web(folder)}. Give the folder that holds the NSynth files, or "
            "download some with `nsynth download`."
        )
    if os.path.exists(folder) and not os.access(folder, os.R_OK):  # it would look as if it were empty
        raise nsynth.UserError(f"{folder} cannot be read: permission denied.")
    matched = _match(folder, pattern)
    forms = {path: form for path in matched if (form := form_of(path)) and not files.is_folder(path)}
    splits = {path: split or split_of(path) for path in forms}
    nameless = [path for path in forms if not splits[path]]
    if nameless and len(nameless) < len(forms):
        raise nsynth.RefusedDataError(
            f"{', '.join(nameless[:5])}: the name contains no split, but those of other files do. Add train, valid or "
            "test to the name, or remove the file from the folder."
        )
    found = [Source(splits[path] or "train", form, path) for path, form in forms.items()]
    chosen = {}
    for form in reversed(_FORM_ORDER):
        chosen.update({source.split: form for source in found if source.form == form})
    sources = [source for source in found if chosen[source.split] == source.form]
    if not found and (sources := _audio_sources(folder, pattern, split)):
        return sources
    if not sources:
        what = "is empty" if not _match(folder, "*") else f"holds no notes that match {pattern!r}"
        if not files.is_folder(folder):
            what = "is no file of notes, going by its name"
        # Where nothing matches, the files may have gone with their disk: that is no fault of theirs.
        kind = nsynth.RefusedDataError if _match(folder, pattern) else nsynth.UserError
        raise kind(
            f"{folder} {what}. Wanted: nsynth-train.tfrecord (or .tfrecord.gz), a folder nsynth-train/ with "
            f"{EXAMPLES_JSON} and {AUDIO_FOLDER}/, nsynth-train.jsonwav.tar.gz, or train-00000-of-00001.parquet (or "
            ".arrow); likewise valid and test. Or audio files: <class>/<group>/*.wav, in train/, valid/ and test/ or "
            "in one tree, or a CSV that lists them. Of TensorFlow Datasets, give the folder of a version: "
            "nsynth/full/2.3.3."
        )
    if matched != [folder]:  # a file that is named itself is asked for alone
        whole_set.refuse_left_out(matched, forms, [path for path in matched if split_of(path)])
        for name in {source.split for source in sources} if pattern.endswith("*") else ():
            whole_set.refuse_incomplete([source.path for source in sources if source.split == name])
    return sources


def _audio_sources(folder: str, pattern: str, split: str | None) -> list[Source]:
    if address.is_web(folder):
        return []
    inside = os.path.dirname(pattern)
    return [
        Source(split or given, Form.AUDIO, path, rows)
        for base in (files.match(folder, inside) if inside else [folder])
        for given, path, rows in audio_files.parts_of(base)
    ]


def _of_the_web(folder: str) -> str:
    return f", nor {', '.join(files.WEB_NAMES)} in it" if address.is_web(folder) else ""


def _match(folder: str, pattern: str) -> list[str]:
    """Return the files that match; JSON/WAV folders are found by their examples.json: stores list no folders."""
    if form_of(folder):
        return [folder]
    itself = os.path.join(folder, EXAMPLES_JSON)
    if files.exists(itself):
        return [itself]
    return sorted(
        {
            *files.match(folder, pattern),
            *files.match(folder, os.path.join(pattern, EXAMPLES_JSON)),
            *files.match(folder, os.path.join(pattern, "data-*.arrow")),
        }
    )
