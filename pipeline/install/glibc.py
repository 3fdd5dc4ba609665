"""Makes two of TFX's extension modules load on a glibc older than 2.38 (Debian 12, Ubuntu 22.04).

The wheels of ml-metadata and tensorflow-data-validation 1.17+ are linked against glibc 2.38 and GCC 13's
libstdc++, but use next to nothing of them: four number parsers that older glibc has under another name,
one empty initializer, and one function on the way to abort(). So the ELF file is edited, size unchanged:

- a version that this machine lacks is marked weak (VER_FLG_WEAK): the loader warns at most, and goes on;
- `__isoc23_strtol` and its three sisters are bound to `strtol`... of GLIBC_2.2.5: same signature; C23 only adds
  the prefix 0b, which neither module parses;
- the two C++ symbols become weak: absent here, and never reached.

The file is written anew and renamed (the installer may have hard-linked it to its cache); the original stays
beside it as `*.so.orig`. Where the machine has all that a module asks for, nothing is done; a module that
asks for anything not named here is refused, untouched. Standard library only: it runs before anything else.

    python -m pipeline.install.glibc [FILE.so ...]     default: the two modules of this interpreter's environment
"""

import ctypes
import os
import struct
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

MODULES = (
    "ml_metadata/metadata_store/pywrap/metadata_store_extension.so",
    "tensorflow_data_validation/pywrap/tensorflow_data_validation_extension.so",
)
RENAMED_PREFIX = "__isoc23_"
RENAMED = {RENAMED_PREFIX + name for name in ("strtol", "strtoll", "strtoul", "strtoull")}
RENAMED_VERSION = "GLIBC_2.2.5"
WEAKENED = {"_ZSt21ios_base_library_initv", "__cxa_call_terminate"}

VER_FLG_WEAK = 2
STB_WEAK = 2
SHT_DYNSYM, SHT_VERDEF, SHT_VERNEED, SHT_VERSYM = 11, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
SYMBOL = struct.Struct("<IBBHQQ")  # st_name, st_info, st_other, st_shndx, st_value, st_size
NEED = struct.Struct("<HHIII")  # vn_version, vn_cnt, vn_file, vn_aux, vn_next
NEED_AUX = struct.Struct("<IHHII")  # vna_hash, vna_flags, vna_other, vna_name, vna_next


class NotRecognisedError(Exception):
    """The file is not one that this tool knows how to patch; it was left untouched."""


class Elf:
    """The dynamic-linking tables of a 64-bit little-endian ELF file, held in a bytearray that may be edited."""

    def __init__(self, path: Path):
        self.data = bytearray(path.read_bytes())
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise NotRecognisedError(f"{path} is not a 64-bit little-endian ELF file")
        (start,) = struct.unpack_from("<Q", self.data, 40)
        size, count = struct.unpack_from("<HH", self.data, 58)
        # name, type, flags, addr, offset, size, link, info, align, entry size
        headers = [struct.unpack_from("<IIQQQQIIQQ", self.data, start + i * size) for i in range(count)]
        self._sections = {header[1]: header for header in headers}
        self._offsets = [header[4] for header in headers]

    def table(self, kind: int) -> tuple[int, int, int]:
        """Return offset, size and offset of the strings of the one section of this kind (zeros if there is none)."""
        header = self._sections.get(kind)
        return (header[4], header[5], self._offsets[header[6]]) if header else (0, 0, 0)

    def string(self, offset: int) -> str:
        """Return the zero-terminated string at `offset`."""
        return self.data[offset : self.data.index(0, offset)].decode()

    def needs(self) -> Iterator[tuple[str, str, int, int]]:
        """(library, version, index that symbols use, offset of the entry's flags) of each version asked for."""
        at, size, strings = self.table(SHT_VERNEED)
        while size:
            _, count, file, aux, following = NEED.unpack_from(self.data, at)
            entry = at + aux
            for _ in range(count):
                _, _, index, name, next_aux = NEED_AUX.unpack_from(self.data, entry)
                yield self.string(strings + file), self.string(strings + name), index, entry + 4
                entry += next_aux
            if not following:
                return
            at += following

    def defined_versions(self) -> set[str]:
        """Return the names of the versions that this library provides."""
        at, size, strings = self.table(SHT_VERDEF)
        names = set()
        while size:
            _, _, _, _, _, aux, following = struct.unpack_from("<HHHHIII", self.data, at)
            (name,) = struct.unpack_from("<I", self.data, at + aux)
            names.add(self.string(strings + name))
            if not following:
                break
            at += following
        return names

    def symbols(self) -> Iterator[tuple[str, int, int, int]]:
        """(name, offset of its entry, its version's index, offset of that index) of each dynamic symbol."""
        at, size, strings = self.table(SHT_DYNSYM)
        versions, _, _ = self.table(SHT_VERSYM)
        for i in range(size // SYMBOL.size):
            entry, version_at = at + i * SYMBOL.size, versions + 2 * i
            (name,) = struct.unpack_from("<I", self.data, entry)
            (version,) = struct.unpack_from("<H", self.data, version_at)
            yield self.string(strings + name), entry, version & 0x7FFF, version_at


def versions_of_this_machine(library: str) -> set[str]:
    """Return the versions that the installed library of this name provides; none if it is not installed."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return set()
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith(library):  # libstdc++.so.6 is a link to libstdc++.so.6.0.30
            return Elf(path).defined_versions()
    return set()


def relax(elf: Elf, lacking: dict[int, str]) -> None:
    """Edit `elf` so that it loads without the versions in `lacking` (index → name)."""
    old = next((index for _, name, index, _ in elf.needs() if name == RENAMED_VERSION), None)
    for name, entry, version, version_at in elf.symbols():
        if version not in lacking:
            continue
        st_name, st_info, *rest = SYMBOL.unpack_from(elf.data, entry)
        if name in RENAMED and old is not None:
            SYMBOL.pack_into(elf.data, entry, st_name + len(RENAMED_PREFIX), st_info, *rest)
            struct.pack_into("<H", elf.data, version_at, old)
        elif name in WEAKENED:
            SYMBOL.pack_into(elf.data, entry, st_name, STB_WEAK << 4 | st_info & 0xF, *rest)
        else:
            raise NotRecognisedError(f"it needs {name}@{lacking[version]}, for which no stand-in is known")
    for _, _, index, flags_at in elf.needs():
        if index in lacking:
            struct.pack_into("<H", elf.data, flags_at, VER_FLG_WEAK)


def patch(path: Path) -> bool:
    """Make the module at `path` loadable here. Return whether anything had to be done.

    Raises:
      NotRecognisedError: the module asks for something unknown; it is left as it was.
    """
    elf = Elf(path)
    provided = {library: versions_of_this_machine(library) for library in {need[0] for need in elf.needs()}}
    lacking = {
        index: f"{version} of {library}"
        for library, version, index, flags_at in elf.needs()
        if version not in provided[library]
        and not struct.unpack_from("<H", elf.data, flags_at)[0] & VER_FLG_WEAK
    }
    if not lacking:
        return False
    relax(elf, lacking)
    patched = path.with_name(path.name + ".patched")
    patched.write_bytes(elf.data)
    patched.chmod(path.stat().st_mode)
    original = path.with_name(path.name + ".orig")
    original.unlink(missing_ok=True)
    os.link(path, original)
    os.replace(patched, path)
    return True


def main(arguments: list[str]) -> int:
    """Patch the modules named, or those of this environment; return 1 if one was refused."""
    packages = Path(sysconfig.get_paths()["purelib"])
    for path in [Path(a) for a in arguments] or [packages / module for module in MODULES]:
        try:
            done = patch(path)
        except (NotRecognisedError, OSError) as error:
            print(
                f"{path.name} was left as it is: {error}.\n"
                "Use a system with glibc 2.38 or newer (Debian 13, Ubuntu 24.04) or the locked versions.",
                file=sys.stderr,
            )
            return 1
        print(f"{path.name}: {'patched for this glibc' if done else 'nothing to do'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
