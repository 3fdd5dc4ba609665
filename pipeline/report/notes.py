"""Single notes out of large TFRecords: where they lie, their samples, their sound and picture for a page."""

import base64
import io
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import nsynth
from components import tfrecord
from components.example_proto import Example, Feature, floats
from pipeline.report.html import TEMPLATES

COLOURS = "magma"  # dark to bright evenly, for the colour-blind too, and in grey print
DYNAMIC_RANGE_DB = 80.0  # of a picture, down from its loudest point


@dataclass(frozen=True)
class Place:
    """Where a note's record lies, and what it says of itself."""

    note_str: str
    file: Path
    record: tfrecord.Record
    family: str
    """One of nsynth.CLASSES."""
    attributes: dict[str, str | int]
    """Word of a category or number that the note has → name or value."""

    @property
    def detail(self) -> str:
        """Its attributes, for people."""
        names = [str(self.attributes[c.word]) for c in nsynth.CATEGORIES if c.word in self.attributes]
        values = [n.show(int(self.attributes[n.word])) for n in nsynth.NUMBERS if n.word in self.attributes]
        return ", ".join((*names, *values))


def catalogue(folder: Path) -> Iterator[Place]:
    """Yield all notes of a split in one pass that touches a few pages of each record: header and labels.

    Features are stored in any order, often in that of their names, which puts the labels behind the samples: each is
    looked for from the end.
    """
    for path in sorted(folder.iterdir()):
        if not path.stat().st_size:
            continue
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for record in tfrecord.scan(file, len(content)):
                if isinstance(record, tfrecord.Record) and (place := _place(path, record, content)):
                    yield place


def _place(path: Path, record: tfrecord.Record, content: mmap.mmap) -> Place | None:
    name, family = (_value(content, record, key) for key in (nsynth.NOTE_STR, nsynth.LABEL.name_key))
    if name is None or family not in nsynth.CLASSES:
        return None
    keys = {
        **{category.word: category.name_key for category in nsynth.CATEGORIES},
        **{number.word: number.key for number in nsynth.NUMBERS},
    }
    found = {word: _value(content, record, key) for word, key in keys.items()}
    attributes = {word: value for word, value in found.items() if value is not None}
    return Place(str(name), path, record, str(family), attributes)


def _value(content: mmap.mmap, record: tfrecord.Record, key: str) -> str | int | None:
    """Return the first value of a feature, found by the bytes of its entry in the map of features."""
    encoded = key.encode()
    entry = b"\x0a" + bytes([len(encoded)]) + encoded + b"\x12"  # field 1, the key; field 2, the feature
    start = content.rfind(entry, record.offset, record.end)
    if start < 0:
        return None
    start += len(entry)
    length, start = _varint(content, start)
    feature = Feature.FromString(content[start : start + length])
    values = getattr(feature, feature.WhichOneof("kind")).value
    if not values:
        return None
    return values[0].decode() if isinstance(values[0], bytes) else int(values[0])


def _varint(content: mmap.mmap, start: int) -> tuple[int, int]:
    """Return a number in protobuf's coding, and where it ends."""
    number = shift = 0
    while True:
        octet = content[start]
        number |= (octet & 0x7F) << shift
        start, shift = start + 1, shift + 7
        if octet < 0x80:
            return number, start


def read_audio(place: Place) -> np.ndarray:
    """Return samples of one note: float32 [nsynth.NOTE_SAMPLES]."""
    with open(place.file, "rb") as file:
        data, _ = tfrecord.read_data(file, place.record)
    features = Example.FromString(data).features.feature
    return floats(features[nsynth.AUDIO].float_list)


def flac_uri(audio: np.ndarray) -> str:
    """Return the sound as a data URI.

    FLAC, because what one hears is then what the model heard, in two thirds of a WAV's size or less; every
    browser has played it since 2017, while Safari took until 2024 to play Ogg Vorbis.
    """
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(audio, -1, 1), nsynth.SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return _data_uri("audio/flac", buffer.getvalue())


def picture_uri(values: np.ndarray, low: float, high: float, colours: str = COLOURS) -> str:
    """Return a spectrogram [frames, n_mels] as a picture, time to the right, frequency up; `low` dark, `high` bright.

    `colours` is a map of Matplotlib that `templates/` has as a file: Matplotlib itself takes as long to import as all
    pictures of a page to draw.
    """
    from PIL import Image

    scaled = np.clip((values.T[::-1] - low) / max(high - low, 1e-9), 0, 1)
    image = Image.fromarray((scaled * 255).astype(np.uint8), mode="P")
    image.putpalette((TEMPLATES / f"{colours}.rgb").read_bytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return _data_uri("image/png", buffer.getvalue())


def log_mel_picture(log_mel: np.ndarray) -> str:
    """Return the picture of one log-mel spectrogram (natural logarithm of power), 80 dB down from its loudest point."""
    decibel = 10 / np.log(10) * log_mel
    return picture_uri(decibel, decibel.max() - DYNAMIC_RANGE_DB, decibel.max())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
