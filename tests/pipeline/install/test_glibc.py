"""The remedy for old glibc: patches what it knows, refuses what it does not, never touches the original."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from pipeline.install import glibc

PACKAGES = Path(sysconfig.get_paths()["purelib"])
NEWER = {"GLIBC_2.38", "GLIBCXX_3.4.32", "CXXABI_1.3.15"}


@pytest.fixture(params=glibc.MODULES)
def module(request, tmp_path):
    """A copy of one of TFX's modules as the wheel brings it."""
    installed = PACKAGES / request.param
    original = installed.with_name(installed.name + ".orig")
    return Path(shutil.copy(original if original.exists() else installed, tmp_path / installed.name))


@pytest.fixture
def old_machine(monkeypatch):
    """This machine as Debian 12 would be, whatever it is."""
    real = glibc.versions_of_this_machine
    monkeypatch.setattr(glibc, "versions_of_this_machine", lambda library: real(library) - NEWER)


def strong_needs(path: Path) -> set[str]:
    elf = glibc.Elf(path)
    return {v for _, v, _, at in elf.needs() if not elf.data[at] & glibc.VER_FLG_WEAK}


def test_a_patched_module_asks_for_no_newer_version(module, old_machine):
    assert strong_needs(module) & NEWER
    assert glibc.patch(module)
    assert not strong_needs(module) & NEWER


def test_no_symbol_stays_bound_to_a_version_that_is_lacking(module, old_machine):
    glibc.patch(module)
    elf = glibc.Elf(module)
    weak = {index for _, _, index, at in elf.needs() if elf.data[at] & glibc.VER_FLG_WEAK}
    bound = {name for name, _, version, _ in elf.symbols() if version in weak}
    assert bound <= glibc.WEAKENED


def test_size_stays_and_the_original_lies_beside(module, old_machine):
    before = module.read_bytes()
    glibc.patch(module)
    assert module.stat().st_size == len(before)
    assert module.with_name(module.name + ".orig").read_bytes() == before


def test_a_hard_link_in_the_installers_cache_is_not_edited(module, old_machine, tmp_path):
    cached = tmp_path / "cached.so"
    cached.hardlink_to(module)
    before = cached.read_bytes()
    glibc.patch(module)
    assert cached.read_bytes() == before
    assert module.read_bytes() != before


def test_a_second_time_nothing_is_done(module, old_machine):
    assert glibc.patch(module)
    assert not glibc.patch(module)


def test_nothing_is_done_where_the_machine_has_all(module, monkeypatch):
    everything = {v for _, v, _, _ in glibc.Elf(module).needs()}
    monkeypatch.setattr(glibc, "versions_of_this_machine", lambda library: everything)
    before = module.read_bytes()
    assert not glibc.patch(module)
    assert module.read_bytes() == before


def test_an_unknown_symbol_is_refused_and_the_file_left_alone(module, old_machine, monkeypatch, capsys):
    monkeypatch.setattr(glibc, "WEAKENED", set())
    before = module.read_bytes()
    assert glibc.main([str(module)]) == 1
    assert "no stand-in is known" in capsys.readouterr().err
    assert module.read_bytes() == before


def test_what_is_no_elf_file_is_refused(tmp_path, capsys):
    text = tmp_path / "module.so"
    text.write_text("no module")
    assert glibc.main([str(text)]) == 1
    assert "not a 64-bit little-endian ELF file" in capsys.readouterr().err


@pytest.mark.slow
def test_the_installed_modules_load():
    code = "import ml_metadata.metadata_store, tensorflow_data_validation.pywrap"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
