"""Options of the training recipe. Imports nothing heavy."""

from typing import Literal

from pydantic import BaseModel, Field


class AugmentOptions(BaseModel, frozen=True, extra="forbid"):
    """How strongly training notes are varied. Each strength is its own switch: 0 turns that variation off.

    Loudness is in deviations of a mel bin, because the spectrogram is normalized; one deviation is some
    10 to 20 dB. Times are in frames, frequencies in mel bins.
    """

    mixup: float = Field(0.2, ge=0, le=2, description="alpha of the Beta distribution of mixing weights")
    gain: float = Field(0.3, ge=0, description="deviation of a loudness offset of the whole note")
    tilt: float = Field(0.4, ge=0, description="deviation of a slope across frequency, at its ends")
    equalizer: float = Field(0.3, ge=0, description="deviation of each of three smooth curves over frequency")
    envelope: float = Field(
        0.3, ge=0, description="deviation of a slope over time, at its end: decays change"
    )
    shift_bins: int = Field(2, ge=0, description="largest shift in frequency, mel bins up or down")
    shift_frames: int = Field(8, ge=0, description="largest shift in time, frames early or late")
    mask_bins: int = Field(16, ge=0, description="largest width of a blanked band, mel bins")
    mask_frames: int = Field(40, ge=0, description="longest blanked stretch of time, frames")

    @classmethod
    def off(cls) -> "AugmentOptions":
        """No augmentation at all."""
        return cls(**dict.fromkeys(cls.model_fields, 0))


class AuxiliaryOptions(BaseModel, frozen=True, extra="forbid"):
    """Weights of the training-only heads beside the family's weight of 1; 0 leaves a head out."""

    instrument: float = Field(0.3, ge=0)
    source: float = Field(0.1, ge=0)
    pitch: float = Field(0.1, ge=0)


class RecipeOptions(BaseModel, frozen=True, extra="forbid"):
    """All that decides the trained weights, beside code and data."""

    size: Literal["tiny", "small", "base"] = Field("small", description="see trainer.model.SIZES")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of pooled features dropped in training")
    epochs: int = Field(16, ge=1, description="an epoch draws as many notes as the train split has")
    batch_size: int = Field(32, ge=1, description="notes of one step, over all devices together")
    learning_rate: float = Field(3e-3, gt=0, description="peak, after the warm-up")
    warmup_epochs: float = Field(1.0, ge=0, description="epochs of linear rise to the peak")
    weight_decay: float = Field(0.02, ge=0, description="AdamW's; kernels only")
    clip_norm: float = Field(1.0, gt=0, description="largest norm of the gradient of a step")
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="share of the target spread over all families"
    )
    ema_momentum: float = Field(
        0.99, ge=0, lt=1, description="of the weights' moving average; 0 turns it off"
    )
    patience: int = Field(
        0, ge=0, description="epochs without a better dev loss before stopping; 0: never stop"
    )
    balance: float = Field(
        0.5,
        ge=0,
        le=1,
        description="a family, and an instrument within it, is drawn in proportion to its count to this power: "
        "1 as counted, 0.5 square-root balanced, 0 all alike",
    )
    augment: AugmentOptions = AugmentOptions()
    auxiliary: AuxiliaryOptions = AuxiliaryOptions()
    warm_start: bool = Field(True, description="start from the champion's weights where they fit")
    seed: int = Field(0, ge=0, lt=2**31)
