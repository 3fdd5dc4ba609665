"""Files of this machine for TFX's `fileio`, without TensorFlow, which TFX asks even for these where it is installed."""

import io
from types import SimpleNamespace
from typing import Any

from tfx.dsl.io import filesystem_registry
from tfx.dsl.io.plugins.local import LocalFilesystem


class _Binary(io.BufferedWriter):
    def write(self, content: Any) -> int:
        return super().write(content.encode() if isinstance(content, str) else content)


class LocalFiles(LocalFilesystem):
    """TFX's own, which answers in its order and with its names what TFX expects of TensorFlow's."""

    @staticmethod
    def open(name: Any, mode: str = "r") -> Any:
        """Open a file; with "wb" it takes text too, which TFX writes to some.

        Raises:
          tfx.dsl.io.filesystem.NotFoundError: there is no such file or folder.
        """
        if mode != "wb":
            return LocalFilesystem.open(name, mode)
        LocalFilesystem.open(name, mode).close()  # it raises TFX's error
        return _Binary(io.FileIO(name, "w"))

    @staticmethod
    def glob(pattern: Any) -> Any:
        """Return the paths that match, sorted."""
        return sorted(LocalFilesystem.glob(pattern))

    @staticmethod
    def stat(path: Any) -> Any:
        """Return size (`length`, bytes) and time of the last change (`mtime_nsec`, in whole seconds as TensorFlow's).

        Raises:
          tfx.dsl.io.filesystem.NotFoundError: there is no such file.
        """
        found = LocalFilesystem.stat(path)
        return SimpleNamespace(length=found.st_size, mtime_nsec=int(found.st_mtime) * 10**9)


def prefer() -> None:
    """Use them for every path without a scheme."""
    filesystem_registry.DEFAULT_FILESYSTEM_REGISTRY.register(LocalFiles, priority=0)
