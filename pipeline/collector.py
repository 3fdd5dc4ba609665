"""Python's garbage collector, out of the way of imports.

What TFX imports are a million objects, which stay. The collector would look through them again and again for garbage
that is not there: a quarter of the CPU time of these imports.
"""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def at_rest() -> Iterator[None]:
    """Import within the block: nothing is collected meanwhile, and what was imported is never looked at again."""
    known, collects = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > known:  # if all was imported before, garbage would stay for ever
            gc.freeze()
        if collects:
            gc.enable()
