"""Audio files as data: a tree `<class>/<group>/*.wav`, or a CSV that lists them.

Either is first turned into a manifest: a line of JSON for each file. From there on a file is a record like any other,
found by the offset of its line.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

import nsynth
from components import audio
from components.example_proto import serialize
from components.ingest import files
from components.ingest.contract import ContractError, Note, Reason, check, unknown
from components.regular_file import NotRegularError

SPLIT_FOLDERS = ("train", "valid", "test")
FILE, CLASS, GROUP, SPLIT = "file", "class", "group", "split"  # columns of a CSV, keys of a manifest
_OVERSHOOT = 10 ** (3 / 20)
"""Peak up to which samples beyond full scale come from lossy coding or resampling: 3 dB. They are clipped."""
_QUARANTINE_BYTES = 1 << 28  # larger files are not copied into the quarantine


def parts_of(folder: str) -> list[tuple[str, str, str]]:
    """Return what a folder of audio files consists of: (split, path of a folder or CSV, value of the column `split`).

    Empty where the folder has no audio files below folders, and no CSV.

    Raises:
        nsynth.RefusedDataError: a folder beside those of the splits, a file outside of a group's folder, several CSVs,
            or a CSV that cannot be used.
    """
    if not files.is_folder(folder):
        folder, name = os.path.split(folder)
        found = {name: False}
    else:
        found = {
            name: is_folder
            for name, is_folder in files.names(folder).items()
            if not name.startswith((".", "_"))
        }
    names = sorted(found)
    lists = [name for name in names if name.lower().endswith(".csv")]
    if len(lists) > 1:
        raise nsynth.RefusedDataError(f"{folder} has several CSV files ({', '.join(lists)}): keep one.")
    if lists:
        path = os.path.join(folder, lists[0])
        splits = sorted({row.get(SPLIT) or "" for row in _rows(path)})
        return [(split or "train", path, split) for split in splits]
    folders = [name for name in names if found[name]]
    splits = [name for name in SPLIT_FOLDERS if name in folders]
    roots = [os.path.join(folder, split) for split in splits] or [folder]
    if not any(next(_sounds(root), None) for root in roots):
        return []
    if splits and (others := set(folders) - set(splits)):
        raise nsynth.RefusedDataError(
            f"{folder}: {', '.join(sorted(others))} is not one of the splits {', '.join(SPLIT_FOLDERS)}. Rename it, or "
            "move it out of the folder."
        )
    return list(zip(splits or ["train"], roots, [""] * len(roots), strict=True))


def manifest(path: str, split: str) -> bytes:
    """Return a line for each sound of a folder or CSV, in order; it changes whenever a file does.

    Args:
        path: as `parts_of` gives it.
        split: value of the CSV's column `split`; only these rows are meant.
    """
    root = root_of(path)
    rows: Iterator[dict[str, Any]]
    if root == path:
        rows = ({FILE: file, CLASS: kind, GROUP: group} for file, kind, group in sorted(_sounds(path)))
    else:
        rows = (row for row in _rows(path) if (row.get(SPLIT) or "") == split)
    # Of remote files, one listing instead of a request for each.
    ages = None if files.is_local(root) else dict(files.below(root))
    return b"".join(json.dumps({**row, **_age(root, row[FILE], ages)}).encode() + b"\n" for row in rows)


def listed(path: str, split: str) -> dict[str, files.Stat | None]:
    """Return all that is read, the files of the manifest and the CSV; size and age of what is remote."""
    root = root_of(path)
    rows = [json.loads(line) for line in manifest(path, split).splitlines()]
    found = {
        os.path.join(root, row[FILE]): None
        if files.is_local(root)
        else files.Stat(row["size"], row["changed"])
        for row in rows
        if row["size"] >= 0
    }
    return found if root == path else {path: None, **found}


def root_of(path: str) -> str:
    """Return the folder that the files of a manifest are relative to."""
    is_list = not os.path.isdir(path) if files.is_local(path) else path.lower().endswith(".csv")
    return os.path.dirname(path) if is_list else path


def _sounds(root: str) -> Iterator[tuple[str, str, str]]:
    """Path below `root`, class and group of each audio file."""
    for file, _ in files.below(root):
        *parents, name = file.split(os.sep)
        if any(parent.startswith("_") for parent in parents):
            continue
        if os.path.splitext(name)[1].lower() not in audio.SUFFIXES:
            continue
        if len(parents) < 2:
            raise nsynth.RefusedDataError(
                f"{os.path.join(root, file)} is not in a group's folder. Expected: <class>/<group>/{name}, "
                f"where a group is a unit that splits must not divide (here: {nsynth.GROUP.word})."
            )
        yield file, parents[0], parents[1]


def _rows(path: str) -> Iterator[dict[str, Any]]:
    """Yield rows of a CSV, with the columns under the names that a manifest has."""
    aliases = {
        nsynth.LABEL.word: CLASS,
        nsynth.LABEL.name_key: CLASS,
        nsynth.GROUP.word: GROUP,
        nsynth.GROUP.key: GROUP,
        **{category.name_key: category.word for category in nsynth.CATEGORIES},
        **{number.key: number.word for number in nsynth.NUMBERS},
    }
    try:
        with io.TextIOWrapper(files.open_to_read(path), newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = {column: aliases.get(column, column) for column in reader.fieldnames or ()}
            if missing := {FILE, CLASS, GROUP} - set(columns.values()):
                raise nsynth.RefusedDataError(
                    f"{path} has no column {', '.join(sorted(missing))}. Required: {FILE}, {CLASS}, {GROUP}; "
                    f"optional: {SPLIT} ({', '.join(SPLIT_FOLDERS)}){''.join(f', {word}' for word in _words())}."
                )
            for row in reader:
                found = {columns[column]: value.strip() for column, value in row.items() if column and value}
                if found.get(SPLIT, "train") not in SPLIT_FOLDERS:
                    raise nsynth.RefusedDataError(
                        f"{path}, line {reader.line_num}: split {found[SPLIT]!r} is not one of "
                        f"{', '.join(SPLIT_FOLDERS)}."
                    )
                known = (FILE, CLASS, GROUP, SPLIT, *_words())
                yield {key: found.get(key, "") for key in (FILE, CLASS, GROUP)} | {
                    key: value for key, value in found.items() if key in known
                }
    except (UnicodeDecodeError, csv.Error) as error:
        raise nsynth.RefusedDataError(f"{path} is not a CSV in UTF-8: {error}.") from error


def _words() -> list[str]:
    return [part.word for part in (*nsynth.CATEGORIES, *nsynth.NUMBERS)]


def _age(root: str, file: str, ages: dict[str, files.Stat | None] | None) -> dict[str, int]:
    try:
        found = files.stat(os.path.join(root, file)) if ages is None else ages.get(os.path.normpath(file))
    except (OSError, ValueError):
        found = None
    if found is None:
        return {"size": -1, "changed": 0}  # reading it will say what is wrong
    return {"size": found.size, "changed": found.changed_ns}


def read(line: bytes, root: str) -> tuple[bytes, Note]:
    """Return the sound of a manifest's line as a serialized tf.Example; what the line does not tell is not in it.

    Only the beginning of a long sound is read, a short one is filled up with silence.

    Raises:
        ContractError: the class is unknown, the file is missing or cannot be decoded, or a value is not allowed; `file`
            is its path and `raw` its bytes.
        OSError: the file may not be read, or the disk fails.
    """
    row = json.loads(line)
    folders = f"{row[CLASS]}/{row[GROUP]}/"
    name = row[FILE] if row[FILE].startswith(folders) else folders + row[FILE]
    path = os.path.join(root, row[FILE])
    try:
        labels = _labels(row)
        example = serialize({nsynth.NOTE_STR: name, **labels, nsynth.AUDIO: _samples(path, root)})
        return example, check(example, complete=False)
    except ContractError as error:
        error.note_str, error.file, error.raw = name, path, line
        if row["size"] in range(_QUARANTINE_BYTES) and _is_below(path, root):
            with files.open_to_read(path) as file:
                error.raw = file.read()
        raise


def groups(lines: Iterable[bytes]) -> frozenset[str]:
    """Return the names of the groups in a manifest."""
    return frozenset(json.loads(line)[GROUP] for line in lines)


def _labels(row: dict[str, Any]) -> dict[str, Any]:
    labels = {nsynth.GROUP.key: row[GROUP], nsynth.SAMPLE_RATE: nsynth.SAMPLE_RATE_HZ}
    named = {category: row.get(category.word) for category in nsynth.CATEGORIES}
    for category, name in {nsynth.LABEL: row[CLASS], **named}.items():
        if name is None:
            continue
        if name not in category.names:
            raise ContractError(unknown(category), f"{category.name_key} {name[:40]!r}")
        labels |= {category.name_key: name, category.id_key: category.names.index(name)}
    for number in nsynth.NUMBERS:
        if number.word in row:
            try:
                labels[number.key] = int(row[number.word])
            except ValueError as error:
                raise ContractError(number.word, f"{number.word} {row[number.word][:40]!r}") from error
    return labels


def _is_below(path: str, root: str) -> bool:
    return os.path.abspath(path).startswith(os.path.abspath(root) + os.sep)


def _samples(path: str, root: str) -> np.ndarray:
    """float32[nsynth.NOTE_SAMPLES]."""
    if not _is_below(path, root):
        raise ContractError(Reason.AUDIO, "the file is outside of the CSV's folder")
    try:
        with files.open_to_read(path) as file:
            samples = audio.read_mono(file, nsynth.NOTE_SAMPLES)
    except (audio.AudioError, NotRegularError, ValueError) as error:
        raise ContractError(Reason.AUDIO, str(error)) from error
    except OSError as error:
        if error.errno in files.NO_FAULT_OF_THE_FILE:
            raise
        raise ContractError(Reason.AUDIO, error.strerror or str(error)) from error
    if not samples.size:
        raise ContractError(Reason.AUDIO, "0 s long")
    if np.abs(samples).max() <= _OVERSHOOT:
        samples = np.clip(samples, -1, 1)
    return np.pad(samples, (0, nsynth.NOTE_SAMPLES - len(samples)))
