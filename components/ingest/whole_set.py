"""Whether the files of a data folder are one whole set: no shard missing or doubled, nothing silently left out."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import nsynth
from components.ingest import files
from components.printable import printable

_SHARD = re.compile(r"-(\d+)-of-(\d+)")
_COPY = re.compile(r"^Copy of | ?\(\d+\)| - Copy| copy( \d+)?(?=\.|$)", re.IGNORECASE)
_UNFINISHED = re.compile(
    r"\.(part|partial|crdownload|download|filepart|aria2|tmp|incomplete|zip|7z|rar|bz2|xz|zst|\d+)$| ?\(\d+\)$"
)
_SHOWN = 5


def refuse_incomplete(paths: Sequence[str]) -> None:
    """Stop where the files of one split are not each there once.

    Args:
        paths: the files that will be read for the split.

    Raises:
        nsynth.RefusedDataError: a file is there twice, a shard is missing, or there are two sets of shards.
    """
    originals: dict[str, str] = {}
    shards: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))  # set, total, numbers
    for path in sorted(paths, key=lambda path: (len(path), path)):
        folder, name = os.path.split(path)
        plain = os.path.join(folder, _COPY.sub("", name))
        if plain in originals:
            raise nsynth.RefusedDataError(
                f"{printable(path)} looks like a copy of {printable(originals[plain])}: its notes would count twice. "
                "Remove one of them."
            )
        originals[plain] = path
        numbered = _SHARD.search(name)
        of_set = os.path.join(folder, _SHARD.sub("", name, 1))
        number, total = map(int, numbered.groups()) if numbered else (0, 0)
        if number in shards[of_set][total]:
            raise nsynth.RefusedDataError(
                f"{printable(path)}: this shard appears twice. Remove one of the files."
            )
        shards[of_set][total].add(number)
    for of_set, totals in shards.items():
        _refuse_set(of_set, totals)


def _refuse_set(of_set: str, totals: dict[int, set[int]]) -> None:
    if len(totals) > 1:
        kinds = " and ".join(f"in {total} shards" if total else "as one file" for total in sorted(totals))
        raise nsynth.RefusedDataError(
            f"{printable(of_set)} appears {kinds}: its notes would count more than once. Keep one of them."
        )
    [(total, numbers)] = totals.items()
    if not total:
        return
    if max(numbers) >= total or len(numbers) < total:
        missing = [number for number in range(min(total, max(numbers) + 2 + _SHOWN)) if number not in numbers]
        raise nsynth.RefusedDataError(
            f"{printable(of_set)}: only {len(numbers):,} of {total:,} shards are present. Missing, for example: "
            f"{', '.join(map(str, missing[:_SHOWN]))}. Add them, or rename the files."
        )


def refuse_left_out(entries: Iterable[str], used: Iterable[str], names_split: Iterable[str]) -> None:
    """Reject files and folders beside the notes that look as if they contained notes too.

    Args:
        entries: files and folders beside the files that will be read.
        used: paths of what has a known form.
        names_split: those of `entries` whose names tell a split.

    Raises:
        nsynth.UserError: a folder may not be read.
        nsynth.RefusedDataError: a folder of a split holds no notes, or a file is unfinished or packed.
    """
    used, of_split = set(used), set(names_split)
    folders_used = {os.path.dirname(path) for path in used}
    for entry in entries:
        if os.path.isdir(entry) and not os.access(entry, os.R_OK | os.X_OK):
            raise nsynth.UserError(
                f"{printable(entry)} cannot be read: permission denied. Allow reading it, or move the folder away."
            )
        if entry in used or entry in folders_used:
            continue
        if entry in of_split and files.is_folder(entry):
            raise nsynth.RefusedDataError(
                f"{printable(entry)} contains no notes in a known format, but other files beside it do. "
                "Complete it, or move the folder away."
            )
        if entry in of_split and _UNFINISHED.search(entry):
            raise nsynth.RefusedDataError(
                f"{printable(entry)} is an unfinished download, a copy, or packed in an unknown format. "
                "Finish or unpack it, or move it away."
            )
