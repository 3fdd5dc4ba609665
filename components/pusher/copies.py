"""Copies of the pushed versions in a bucket, for servers that cannot mount the folder.

The folder stays the truth: the bucket is brought in line with it, after a push and at the end of each run and round.
"""

import nsynth
from components import storage
from components.registry import Registry
from components.remote import bucket
from components.version import RECORD_FILE, Version


def copy_versions(destination: str, to: str | None) -> str:
    """Copy what is missing in a bucket, and remove from it what retention has removed from the folder.

    Of each version the record is written last: a copy with a record is complete. A version that is no longer what was
    judged is not copied.

    Args:
        destination: the folder of the versions.
        to: address of the copies; none, nothing is done.

    Returns:
        Why not all is copied, in words; empty if all is.
    """
    versions = Registry(destination).versions() if to else []
    if not to or not versions:
        return ""
    to = to.rstrip("/")
    try:
        faults = [fault for version in versions if (fault := _copy(version, f"{to}/{version.number}"))]
        _remove_older(to, versions[0].number)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        faults = [f"{error.strerror or error}{where}"]
    if not faults:
        return ""
    return f"not all versions are copied to {to}: {'; '.join(faults)}. The next run tries again"


def _copy(version: Version, to: str) -> str:
    """Copy a version, unless its copy is complete; say why it may not be copied."""
    names = storage.file_names(version.path)
    last = RECORD_FILE if RECORD_FILE in names else storage.LAST_FILE
    if bucket.entry(f"{to}/{last}"):
        return ""
    try:
        version.check()
    except nsynth.UserError as error:
        return str(error)
    for name in sorted(names, key=lambda name: (name == last, name == storage.LAST_FILE, name)):
        bucket.write(f"{to}/{name}", storage.read_bytes(f"{version.path}/{name}"))
    return ""


def _remove_older(to: str, oldest: int) -> None:
    """Remove the copies of versions that retention has removed; what has no record of ours stays."""
    for entry in bucket.children(to) if bucket.entry(to) else ():
        name = entry.address.rpartition("/")[2]
        if (
            entry.is_folder
            and name.isdecimal()
            and int(name) < oldest
            and bucket.entry(f"{to}/{name}/{RECORD_FILE}")
        ):
            bucket.remove(entry.address)
