"""What a SoundFont holds: its presets, the keys they sound at and the recordings behind them.

Reads the tables of .sf2 and .sf3 files, never renders (corpus/synth.py does). Layout: "SoundFont Technical
Specification 2.04" (Creative Technology, 2006). An .sf3 file is the same with each recording Ogg-compressed
and its place given in bytes where .sf2 counts 16-bit samples.
"""

import hashlib
import io
import itertools
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

import nsynth

# Records of the tables, little-endian; each table ends with a sentinel record.
PRESET_HEADER = np.dtype(
    [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("reserved", "<u4", 3)]
)
INSTRUMENT_HEADER = np.dtype([("name", "S20"), ("bag", "<u2")])
BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
GENERATOR = np.dtype([("operator", "<u2"), ("amount", "<u2")])
SAMPLE_HEADER = np.dtype(
    [("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("loop", "<u4", 2), ("rate_hz", "<u4"),
     ("root_key", "u1"), ("correction_cents", "i1"), ("link", "<u2"), ("kind", "<u2")]
)  # fmt: skip

# Generator operators that are read here.
INSTRUMENT, KEY_RANGE, SAMPLE_ID = 41, 43, 53
COMPRESSED = 0x10  # bit of a sample's kind: Ogg Vorbis, as in .sf3
ROM = 0x8000  # bit of a sample's kind: in a sound card's memory, not in the file
BYTES_PER_SAMPLE = 2


class Zone(NamedTuple):
    """A stretch of keys (MIDI, both ends included) that one recording is played at."""

    lowest_key: int
    highest_key: int
    sample: int


@dataclass(frozen=True)
class Preset:
    """One instrument of a SoundFont as a player selects it, by bank and program."""

    bank: int
    program: int
    name: str
    zones: tuple[Zone, ...]

    def samples(self, lowest_key: int, highest_key: int) -> set[int]:
        """Numbers of the recordings heard between two keys, both included."""
        return {z.sample for z in self.zones if z.lowest_key <= highest_key and z.highest_key >= lowest_key}

    @property
    def key_range(self) -> tuple[int, int]:
        """Lowest and highest key that sounds at all."""
        return min(z.lowest_key for z in self.zones), max(z.highest_key for z in self.zones)


class SoundFont:
    """The tables of one file.

    Raises:
        UserError: the file cannot be read, or is no SoundFont.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise nsynth.UserError(f"Cannot read the SoundFont {path}: {error}.") from error
        if self._bytes[:4] != b"RIFF" or self._bytes[8:12] != b"sfbk":
            raise nsynth.UserError(
                f"{path} is not a SoundFont (.sf2 or .sf3): it does not begin with RIFF, sfbk."
            )
        try:
            self._chunks = dict(self._walk(12, len(self._bytes)))
            self._samples = self._table("shdr", SAMPLE_HEADER)
            self.presets = self._read_presets()
        except (KeyError, IndexError, ValueError) as error:
            raise nsynth.UserError(f"The SoundFont {path} is truncated or damaged: {error!r}.") from error

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole file, hexadecimal: how a known SoundFont is recognised."""
        return hashlib.sha256(self._bytes).hexdigest()

    def info(self, chunk: str) -> str:
        """Return the text that the maker left: INAM name, ICOP copyright, ICMT comment; empty if there is none."""
        return _text(self._chunk(chunk)) if chunk in self._chunks else ""

    def waveform(self, sample: int) -> tuple[np.ndarray, int]:
        """One recording as float32 [samples] between -1 and 1, and its rate in Hz."""
        header, data = self._samples[sample], self._stored(sample)
        if header["kind"] & COMPRESSED:
            audio, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32")
            return audio, rate_hz
        return np.frombuffer(data, "<i2").astype(np.float32) / 2**15, int(header["rate_hz"])

    def recording(self, sample: int) -> str:
        """Return the hash of one recording's stored bytes: equal wherever the same recording is used, in any file.

        An empty recording, as some fonts use for silence, is like no other.
        """
        data = self._stored(sample) or f"{self.path} {sample}".encode()
        return hashlib.blake2b(data, digest_size=8).hexdigest()

    def _stored(self, sample: int) -> bytes:
        header = self._samples[sample]
        width = 1 if header["kind"] & COMPRESSED else BYTES_PER_SAMPLE
        base = self._chunks["smpl"][0]
        return self._bytes[base + width * int(header["start"]) : base + width * int(header["end"])]

    def _walk(self, start: int, end: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield (name, (offset, size)) of every chunk, lists opened."""
        while start + 8 <= end:
            name = self._bytes[start : start + 4]
            size = int.from_bytes(self._bytes[start + 4 : start + 8], "little")
            if start + 8 + size > end:
                raise ValueError(f"chunk {name!r} wants {size} bytes, {end - start - 8} are left")
            if name == b"LIST":
                yield from self._walk(start + 12, start + 8 + size)
            else:
                yield name.decode("latin-1"), (start + 8, size)
            start += 8 + size
            if size % 2 and self._bytes[start : start + 1] == b"\0":
                start += 1  # the pad byte after an odd chunk, which some writers of .sf3 leave out

    def _chunk(self, name: str) -> bytes:
        offset, size = self._chunks[name]
        return self._bytes[offset : offset + size]

    def _table(self, name: str, record: np.dtype) -> np.ndarray:
        data = self._chunk(name)
        return np.frombuffer(data, record, len(data) // record.itemsize)

    def _read_presets(self) -> tuple[Preset, ...]:
        instruments = self._table("inst", INSTRUMENT_HEADER)
        bags, generators = self._table("ibag", BAG), self._table("igen", GENERATOR)
        of_instrument = [
            list(_zones(bags, generators, int(first["bag"]), int(last["bag"]), SAMPLE_ID))
            for first, last in itertools.pairwise(instruments)
        ]
        headers = self._table("phdr", PRESET_HEADER)
        bags, generators = self._table("pbag", BAG), self._table("pgen", GENERATOR)
        presets = []
        for first, last in itertools.pairwise(headers):
            zones = {
                Zone(max(low, inner_low), min(high, inner_high), sample)
                for low, high, instrument in _zones(
                    bags, generators, int(first["bag"]), int(last["bag"]), INSTRUMENT
                )
                for inner_low, inner_high, sample in of_instrument[instrument]
                if max(low, inner_low) <= min(high, inner_high) and not self._samples[sample]["kind"] & ROM
            }
            if zones:
                name = _text(bytes(first["name"]))
                presets.append(Preset(int(first["bank"]), int(first["program"]), name, tuple(sorted(zones))))
        return tuple(sorted(presets, key=lambda preset: (preset.bank, preset.program)))


def _zones(
    bags: np.ndarray, generators: np.ndarray, start: int, end: int, target: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (lowest key, highest key, value of the target operator) for each zone between two bags.

    A first zone without target is global: its key range holds where a zone gives none.
    """
    default = 0 | 127 << 8
    for number in range(start, end):
        span = generators[int(bags[number]["generator"]) : int(bags[number + 1]["generator"])]
        values = {int(g["operator"]): int(g["amount"]) for g in span}
        keys = values.get(KEY_RANGE, default)
        if target in values:
            yield keys & 0xFF, keys >> 8, values[target]
        elif number == start:
            default = keys


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("latin-1").strip()
