"""Which machines the locked packages run on."""

from __future__ import annotations

import os
import platform
import re

OLDEST_GLIBC = (2, 34)
"""TensorFlow Data Validation needs it, patched (`glibc.py`), and so does cryptography."""
CONTAINER = (
    "In a container it runs: docker build --platform linux/amd64 -f kubeflow/Dockerfile -t nsynth:local . "
    "in a checkout (docs/installing.md)."
)


def refusal(system: str, machine: str, libc: str | None) -> str | None:
    """Say why this machine cannot run the project, in one line; None if it can.

    Args:
      system: as `platform.system()` names it.
      machine: as `platform.machine()` names the processor.
      libc: as `os.confstr("CS_GNU_LIBC_VERSION")` names it, for example "glibc 2.36"; None without glibc.
    """
    if system != "Linux" or machine not in ("x86_64", "AMD64"):
        return (
            f"{system} on {machine} is not supported: TFX has packages for Linux on x86-64 alone. {CONTAINER}"
        )
    version = re.match(r"glibc (\d+)\.(\d+)", libc or "")
    if not version:
        return f"This Linux has no glibc (Alpine has musl), which TensorFlow's packages need. {CONTAINER}"
    if (int(version[1]), int(version[2])) < OLDEST_GLIBC:
        needed = ".".join(map(str, OLDEST_GLIBC))
        return (
            f"{libc} is too old: {needed} or newer is needed (Debian 12, Ubuntu 22.04, RHEL 9). {CONTAINER}"
        )
    return None


def libc() -> str | None:
    """Name the C library of this machine and its version; None if it is not glibc."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None


def refusal_here() -> str | None:
    """Say why the machine that this runs on cannot run the project; None if it can."""
    return refusal(platform.system(), platform.machine(), libc())
