"""A SoundFont made by hand, small enough to render in no time, and the tiny corpus of the default one."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from corpus.options import CorpusOptions
from corpus.overview import CorpusSummary
from corpus.render import render_corpus

RATE_HZ = 16_000
ROOT_KEY = 60
LOOPED = 1


SoundFontMaker = Callable[..., Path]
Preset = tuple[int, int, str, Sequence[tuple[int, int, int]]]
"""Bank, program, name and zones: (lowest key, highest key, number of the sample)."""


@pytest.fixture
def make_soundfont(tmp_path: Path) -> SoundFontMaker:
    """Writes an SF2 file of the presets and samples given and returns its path."""

    def make(
        presets: Sequence[Preset],
        samples: Sequence[np.ndarray],
        name: str = "made.sf2",
        copyright_line: str = "nobody's",
        comment: str = "",
        pad_odd_chunks: bool = True,
    ) -> Path:
        def chunk(kind: bytes, data: bytes) -> bytes:
            pad = b"\0" if len(data) % 2 and pad_odd_chunks else b""
            return kind + struct.pack("<I", len(data)) + data + pad

        def named(text: str) -> bytes:
            return text.encode().ljust(20, b"\0")

        phdr, pbag, pgen, inst, ibag, igen, shdr, smpl = (b"" for _ in range(8))
        zones = bags = 0
        for number, (bank, program, preset_name, preset_zones) in enumerate(presets):
            phdr += named(preset_name) + struct.pack("<HHHIII", program, bank, number, 0, 0, 0)
            pbag += struct.pack("<HH", number, 0)
            pgen += struct.pack("<HH", 41, number)
            inst += named(preset_name) + struct.pack("<H", bags)
            for low, high, sample in preset_zones:
                ibag += struct.pack("<HH", zones, 0)
                igen += struct.pack("<HBB", 43, low, high) + struct.pack("<HHHH", 54, LOOPED, 53, sample)
                zones += 3
                bags += 1
        count = len(presets)
        phdr += named("EOP") + struct.pack("<HHHIII", 0, 0, count, 0, 0, 0)
        pbag += struct.pack("<HH", count, 0)
        pgen += bytes(4)
        inst += named("EOI") + struct.pack("<H", bags)
        ibag += struct.pack("<HH", zones, 0)
        igen += bytes(4)
        for number, sample in enumerate(samples):
            start, end = len(smpl) // 2, len(smpl) // 2 + len(sample)
            places = struct.pack("<IIIII", start, end, start, end, RATE_HZ)
            shdr += named(f"sample {number}") + places + struct.pack("<BbHH", ROOT_KEY, 0, 0, 1)
            smpl += sample.astype("<i2").tobytes() + bytes(92)  # the silence that must follow a sample
        shdr += named("EOS") + bytes(26)
        texts = {b"ICOP": copyright_line, b"ICMT": comment}
        info = b"INFO" + chunk(b"ifil", b"\2\0\4\0")
        info += b"".join(chunk(kind, text.encode() + b"\0") for kind, text in texts.items())
        tables = {
            "phdr": phdr, "pbag": pbag, "pmod": bytes(10), "pgen": pgen,
            "inst": inst, "ibag": ibag, "imod": bytes(10), "igen": igen, "shdr": shdr,
        }  # fmt: skip
        pdta = b"pdta" + b"".join(chunk(kind.encode(), data) for kind, data in tables.items())
        lists = chunk(b"LIST", info) + chunk(b"LIST", b"sdta" + chunk(b"smpl", smpl)) + chunk(b"LIST", pdta)
        path = tmp_path / name
        path.write_bytes(chunk(b"RIFF", b"sfbk" + lists))
        return path

    return make


def tone(cycles: int, harmonics: int = 1) -> np.ndarray:
    """A periodic sample, int16 [16000]: `cycles` in a second."""
    phase = 2 * np.pi * cycles * np.arange(RATE_HZ) / RATE_HZ
    wave = sum(np.sin(number * phase) / number for number in range(1, harmonics + 1))
    return np.rint(10_000 * wave).astype(np.int16)


@pytest.fixture
def small_font(make_soundfont: SoundFontMaker) -> Path:
    """Three independent pianos, three flutes and one tuba that shares its recording with a flute."""
    presets = [(0, program, f"piano {program}", [(0, 127, program)]) for program in range(3)]
    presets += [(0, 72 + number, f"flute {number}", [(0, 127, 3 + number)]) for number in range(3)]
    presets.append((0, 58, "tuba", [(0, 127, 5)]))
    return make_soundfont(presets, [tone(262, harmonics=1 + number) for number in range(6)])


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default SoundFont's tiny corpus in both layouts."""
    out = tmp_path_factory.mktemp("corpus") / "tiny"
    render_corpus(TINY, out, workers=2)
    return out


@pytest.fixture(scope="session")
def tiny_summary(tiny_corpus: Path) -> CorpusSummary:
    """What corpus.json says of it."""
    return CorpusSummary.model_validate_json((tiny_corpus / "corpus.json").read_bytes())


TINY = CorpusOptions(size="tiny", json_wav=True)
