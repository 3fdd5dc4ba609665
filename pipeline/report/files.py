"""Writing a file of the reports: whole or not at all."""

import os
import tempfile
from pathlib import Path

INDEX = "index.html"
"""The page about all runs, in the folder of reports."""


def write_whole(path: Path, content: bytes) -> None:
    """Write the file atomically, readable for everybody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
