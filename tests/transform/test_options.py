import pydantic
import pytest

import nsynth
from transform.options import SpectrogramOptions


def test_the_default_gives_250_frames_and_64_kb_a_note():
    options = SpectrogramOptions()
    assert (options.frames, options.n_mels, options.bins) == (250, 128, 513)
    assert options.bytes_per_note == 250 * 128 * 2


@pytest.mark.parametrize("n_fft", [256, 1024, 2048])
@pytest.mark.parametrize("hop_length", [100, 256, 200])
def test_frames_and_padding_cover_the_note_exactly(n_fft: int, hop_length: int):
    options = SpectrogramOptions(n_fft=n_fft, hop_length=hop_length)
    padded = nsynth.NOTE_SAMPLES + sum(options.padding)
    assert min(options.padding) >= 0
    assert 1 + (padded - n_fft) // hop_length == options.frames
    assert (options.frames - 1) * hop_length < nsynth.NOTE_SAMPLES <= options.frames * hop_length


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("n_fft", 1000, "power of two"),
        ("hop_length", 2048, "gaps"),
        ("fmin_hz", 9000, "below fmax_hz"),
        ("fmax_hz", 8001, "8000"),
        ("floor_dbfs", 0, "less than 0"),
        ("top_db", -1, "greater than or equal to 0"),
        ("n_mel", 64, "n_mel"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(field: str, value: float, said: str):
    with pytest.raises(pydantic.ValidationError, match=said):
        SpectrogramOptions(**{field: value})


def test_the_floor_is_a_power():
    assert SpectrogramOptions(floor_dbfs=-80).floor_power == pytest.approx(1e-8)
    assert SpectrogramOptions(top_db=60).relative_floor == pytest.approx(1e-6)
    assert SpectrogramOptions(top_db=0).relative_floor == 0
