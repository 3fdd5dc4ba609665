"""Options of the spectrogram front end and values derived from them. Imports nothing heavy."""

from typing import Self

from pydantic import BaseModel, Field, model_validator

import nsynth


class SpectrogramOptions(BaseModel, frozen=True, extra="forbid"):
    """The log-mel spectrogram of a note.

    A frame is `n_fft` samples under a periodic Hann window; frames are `hop_length` samples apart. The note
    is padded with zeros on both sides so that frame i is centred on sample (i + 1/2) * hop_length.
    """

    n_fft: int = Field(1024, ge=64, le=16_384, description="samples of a frame, of its window and of its FFT")
    hop_length: int = Field(256, ge=1, description="samples between the starts of two frames")
    n_mels: int = Field(128, ge=1, le=512, description="mel bands")
    fmin_hz: float = Field(20.0, ge=0, description="lower edge of the lowest band, Hz")
    fmax_hz: float = Field(
        min(8_000.0, nsynth.SAMPLE_RATE_HZ / 2),
        gt=0,
        le=nsynth.SAMPLE_RATE_HZ / 2,
        description="upper edge of the top band, Hz",
    )
    floor_dbfs: float = Field(
        -100.0, ge=-140, lt=0, description="floor of the mel power, dBFS; 0 dBFS is a full-scale sine"
    )
    top_db: float = Field(
        65.0,
        ge=0,
        le=200,
        description="floor of the mel power relative to the note's loudest bin, dB below it: rendered notes contain "
        "digital silence, recordings never do; 0: no such floor",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.n_fft & (self.n_fft - 1):
            raise ValueError(f"n_fft is {self.n_fft}; a power of two is needed, such as 512, 1024 or 2048")
        if self.hop_length > self.n_fft:
            raise ValueError(
                f"hop_length {self.hop_length} leaves gaps between frames of n_fft {self.n_fft} samples"
            )
        if self.fmin_hz >= self.fmax_hz:
            raise ValueError(f"fmin_hz {self.fmin_hz} must lie below fmax_hz {self.fmax_hz}")
        return self

    @property
    def frames(self) -> int:
        """Number of frames of a note: one for each started hop."""
        return -(-nsynth.NOTE_SAMPLES // self.hop_length)

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros before and after the note's samples."""
        total = (self.frames - 1) * self.hop_length + self.n_fft - nsynth.NOTE_SAMPLES
        before = (self.n_fft - self.hop_length) // 2
        return before, total - before

    @property
    def bins(self) -> int:
        """Frequencies of the FFT of a frame, 0 Hz to half the sample rate."""
        return self.n_fft // 2 + 1

    @property
    def floor_power(self) -> float:
        """The floor as a power; a full-scale sine has power 1."""
        return 10.0 ** (self.floor_dbfs / 10)

    @property
    def relative_floor(self) -> float:
        """The relative floor, as a share of the power of the note's loudest bin; 0 if there is none."""
        return 10.0 ** (-self.top_db / 10) if self.top_db else 0.0

    @property
    def bytes_per_note(self) -> int:
        """Bytes of a stored spectrogram (half precision), without record framing and labels."""
        return self.frames * self.n_mels * 2
