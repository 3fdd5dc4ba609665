"""Lists the test files that a change touches: those that import a changed file, directly or through others.

python -m tools.affected [REVISION]    # what differs from REVISION (default: HEAD), uncommitted work included

Tests marked e2e reach nearly everything and are left to `make test`.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline.fingerprint import ROOT, code_files


def changed(revision: str) -> set[Path]:
    """Return the files that differ from `revision`, new ones that git does not ignore included."""
    commands = (["diff", "--name-only", revision], ["ls-files", "--others", "--exclude-standard"])
    names = (
        subprocess.run(
            ["git", *command], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for command in commands
    )
    return {ROOT / name for group in names for name in group}


def affected(files: set[Path], tests: Iterable[Path]) -> list[Path]:
    """Return the test files that are among `files` or whose imports reach one of them."""
    return [test for test in tests if files & _reach(test)]


def _reach(test: Path) -> set[Path]:
    """Return a test file, the conftest files above it, and all of ours that these import."""
    above = [folder / "conftest.py" for folder in test.parents if folder.is_relative_to(ROOT / "tests")]
    starts = [test, *(conftest for conftest in above if conftest.exists())]
    return set(code_files(*(str(start.relative_to(ROOT)) for start in starts)))


def main() -> None:
    """Print the paths, one a line."""
    files = changed(sys.argv[1] if len(sys.argv) > 1 else "HEAD")
    for test in affected(files, sorted((ROOT / "tests").rglob("test_*.py"))):
        print(test.relative_to(ROOT))


if __name__ == "__main__":
    main()
