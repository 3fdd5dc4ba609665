"""Options of the training recipe. Imports nothing heavy."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

import nsynth


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
    stretch: float = Field(
        0.7, ge=0, description="largest change of speed, as a natural logarithm: 0.7 is half to twice as fast"
    )
    shift_bins: int = Field(2, ge=0, description="largest shift in frequency, mel bins up or down")
    shift_frames: int = Field(8, ge=0, description="largest shift in time, frames early or late")
    mask_bins: int = Field(16, ge=0, description="largest width of a blanked band, mel bins")
    mask_frames: int = Field(40, ge=0, description="longest blanked stretch of time, frames")

    @classmethod
    def off(cls) -> "AugmentOptions":
        """No augmentation at all."""
        return cls(**dict.fromkeys(cls.model_fields, 0))


AuxiliaryOptions: Any = create_model(
    "AuxiliaryOptions",
    __config__=ConfigDict(frozen=True, extra="forbid"),
    __doc__="Weights of the training-only heads beside the label's weight of 1; 0 leaves a head out.",
    **{
        head: (float, Field(weight, ge=0, description=f"weight of the head for the {head}; 0 leaves it out"))
        for head, weight in nsynth.HEADS.items()
    },  # type: ignore[call-overload]
)


class RecipeOptions(BaseModel, frozen=True, extra="forbid"):
    """All that decides the trained weights, beside code and data."""

    size: Literal["tiny", "small", "base"] = Field("small", description="see trainer.model.SIZES")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of pooled features dropped in training")
    epochs: int = Field(20, ge=1, description="an epoch draws as many notes as the train split has")
    batch_size: int = Field(32, ge=1, description="notes of one step, over all devices together")
    learning_rate: float = Field(3e-3, gt=0, description="peak, after the warm-up")
    warmup_epochs: float = Field(1.0, ge=0, description="epochs of linear rise to the peak")
    weight_decay: float = Field(0.02, ge=0, description="AdamW's; kernels only")
    clip_norm: float = Field(1.0, gt=0, description="largest norm of the gradient of a step")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the target spread over all classes")
    ema_momentum: float = Field(
        0.99, ge=0, lt=1, description="of the weights' moving average; 0 turns it off"
    )
    patience: int = Field(
        0,
        ge=0,
        description="epochs in a row that dev finds worse than the best before stopping; 0: never stop",
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
    distill: tuple[str, ...] = Field(
        (),
        description="folders of exported models, trained on the same data, whose mean answer is learned beside the "
        "labels",
    )
    warm_start: bool = Field(True, description="start from the champion's weights where they fit")
    seed: int = Field(0, ge=0, lt=2**31)

    def value(self, name: str) -> Any:
        """Return the value of a field by its dotted name, such as `augment.mixup`.

        Raises:
          UserError: there is no such field.
        """
        found: Any = self
        for part in name.split("."):
            if not isinstance(found, BaseModel) or part not in type(found).model_fields:
                raise nsynth.UserError(
                    f"the recipe has no {name}; its fields are those of trainer/options.py"
                )
            found = getattr(found, part)
        return found

    def replaced(self, values: Mapping[str, Any]) -> Self:
        """Return the recipe with other values by dotted name.

        Raises:
          UserError: there is no such field, or it does not take the value.
        """
        fields = self.model_dump()
        for name, value in values.items():
            self.value(name)
            *groups, field = name.split(".")
            inner = fields
            for group in groups:
                inner = inner[group]
            inner[field] = value
        try:
            return type(self)(**fields)
        except ValidationError as error:
            raise nsynth.UserError(f"the recipe does not take {dict(values)}: {error}") from error


class SearchRange(BaseModel, frozen=True, extra="forbid"):
    """Where the Tuner looks for one number; whole numbers only where the recipe's field is one."""

    low: float
    high: float
    log: bool = Field(False, description="equal chances for equal ratios; low must be above 0")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must lie below high {self.high}, and above 0 where log is set")
        return self


class TunerOptions(BaseModel, frozen=True, extra="forbid"):
    """The optional search for a better recipe before training."""

    enabled: bool = False
    trials: int = Field(8, ge=1, description="trainings")
    epochs: int = Field(6, ge=1, description="of each trial")
    space: dict[str, SearchRange] = Field(
        {
            "learning_rate": SearchRange(low=5e-4, high=1e-2, log=True),
            "dropout": SearchRange(low=0.0, high=0.6),
            "augment.mixup": SearchRange(low=0.0, high=0.6),
            "augment.equalizer": SearchRange(low=0.0, high=0.8),
        },
        description="dotted name of a recipe's field → where to look",
    )

    @model_validator(mode="after")
    def _names_numbers(self) -> Self:
        for name in self.space:
            if not isinstance(RecipeOptions().value(name), int | float):
                raise ValueError(f"the Tuner searches numbers; {name} of the recipe is none")
        return self
