"""Single notes out of large TFRecords: where they lie, their samples, their sound and picture for a page."""

import base64
import io
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import nsynth
from components import tfrecord
from components.example_proto import Example

COLOURS = "magma"  # dark to bright evenly, for the colour-blind too, and in grey print
DYNAMIC_RANGE_DB = 80.0  # of a picture, down from its loudest point
_NAME = re.compile(
    rf"({'|'.join(nsynth.FAMILIES)})_({'|'.join(nsynth.SOURCES)})_\d+-(\d{{3}})-(\d{{3}})".encode()
)
_KEY = nsynth.NOTE_STR.encode()
_PITCH_CLASSES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


@dataclass(frozen=True)
class Place:
    """Where a note's record lies, and what its name tells."""

    note_str: str
    file: Path
    record: tfrecord.Record

    @property
    def family(self) -> str:
        """One of nsynth.FAMILIES."""
        return self._parts()[0]

    @property
    def source(self) -> str:
        """One of nsynth.SOURCES."""
        return self._parts()[1]

    @property
    def pitch(self) -> int:
        """MIDI note number."""
        return int(self._parts()[2])

    @property
    def velocity(self) -> int:
        """MIDI velocity."""
        return int(self._parts()[3])

    def _parts(self) -> tuple[str, ...]:
        match = _NAME.fullmatch(self.note_str.encode())
        assert match, f"{self.note_str} is no name of a note"  # `catalogue` took it from this pattern
        return tuple(part.decode() for part in match.groups())


def catalogue(folder: Path) -> Iterator[Place]:
    """All notes of a split in one pass that touches a few pages of each record: header and name.

    Ingest writes the features in the order of their names, so that `note_str` stands behind the samples:
    it is looked for from the end.
    """
    for path in sorted(folder.iterdir()):
        if not path.stat().st_size:
            continue
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for record in tfrecord.scan(file, len(content)):
                if not isinstance(record, tfrecord.Record):
                    continue
                start = content.rfind(_KEY, record.offset, record.end)
                if start >= 0 and (name := _NAME.search(content, start, min(start + 200, record.end))):
                    yield Place(name[0].decode(), path, record)


def read_audio(place: Place) -> np.ndarray:
    """Samples of one note: float32 [nsynth.NOTE_SAMPLES]."""
    with open(place.file, "rb") as file:
        data, _ = tfrecord.read_data(file, place.record)
    features = Example.FromString(data).features.feature
    return np.asarray(features[nsynth.AUDIO].float_list.value, np.float32)


def flac_uri(audio: np.ndarray) -> str:
    """The sound as a data URI.

    FLAC, because what one hears is then what the model heard, in two thirds of a WAV's size or less; every
    browser has played it since 2017, while Safari took until 2024 to play Ogg Vorbis.
    """
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(audio, -1, 1), nsynth.SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return _data_uri("audio/flac", buffer.getvalue())


def picture_uri(values: np.ndarray, low: float, high: float) -> str:
    """A spectrogram [frames, n_mels] as a picture, time to the right, frequency up; `low` dark, `high` bright."""
    import matplotlib
    from PIL import Image

    scaled = np.clip((values.T[::-1] - low) / max(high - low, 1e-9), 0, 1)
    image = Image.fromarray((scaled * 255).astype(np.uint8), mode="P")
    palette = matplotlib.colormaps[COLOURS](np.arange(256), bytes=True)[:, :3]
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return _data_uri("image/png", buffer.getvalue())


def log_mel_picture(log_mel: np.ndarray) -> str:
    """Picture of one log-mel spectrogram (natural logarithm of power), 80 dB down from its loudest point."""
    decibel = 10 / np.log(10) * log_mel
    return picture_uri(decibel, decibel.max() - DYNAMIC_RANGE_DB, decibel.max())


def pitch_name(pitch: int) -> str:
    """`C4` for 60."""
    return f"{_PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
