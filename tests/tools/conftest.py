"""The tools are tested on the fixtures of the packages that they serve."""

from tests.corpus.conftest import make_soundfont

__all__ = ["make_soundfont"]
