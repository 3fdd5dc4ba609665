"""Options of the training recipe. Imports nothing heavy."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

import nsynth


class AugmentOptions(BaseModel, frozen=True, extra="forbid"):
    """Strengths of the augmentations of training notes; 0 turns an augmentation off.

    Loudness is in standard deviations of a mel bin, because the spectrogram is normalized; one standard deviation is
    some 10 to 20 dB. Times are in frames, frequencies in mel bins.
    """

    mixup: float = Field(0.2, ge=0, le=2, description="alpha of the Beta distribution of mixing weights")
    gain: float = Field(0.3, ge=0, description="standard deviation of a loudness offset of the whole note")
    tilt: float = Field(0.4, ge=0, description="standard deviation of a slope over frequency, at its ends")
    equalizer: float = Field(
        0.3, ge=0, description="standard deviation of each of three smooth curves over frequency"
    )
    envelope: float = Field(
        0.3, ge=0, description="standard deviation of a slope over time, at its end; it changes decays"
    )
    stretch: float = Field(
        0.7, ge=0, description="largest change of speed, as a natural logarithm: 0.7 is half to twice as fast"
    )
    shift_bins: int = Field(2, ge=0, description="largest shift in frequency, mel bins up or down")
    shift_frames: int = Field(8, ge=0, description="largest shift in time, frames early or late")
    mask_bins: int = Field(16, ge=0, description="largest width of a blanked band, mel bins")
    mask_frames: int = Field(40, ge=0, description="largest length of a blanked interval, frames")

    @classmethod
    def off(cls) -> "AugmentOptions":
        """Return options without augmentation."""
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
    """The training recipe: with code and data, it determines the trained weights."""

    size: Literal["tiny", "small", "base"] = Field(
        "small", description="size of the network (docs/training.md)"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout rate of the pooled features")
    epochs: int = Field(20, ge=1, description="number of epochs; each draws as many notes as train has")
    batch_size: int = Field(32, ge=1, description="notes per step, on all devices together")
    learning_rate: float = Field(3e-3, gt=0, description="peak learning rate, after the warm-up")
    warmup_epochs: float = Field(1.0, ge=0, description="epochs of linear increase to the peak learning rate")
    weight_decay: float = Field(0.02, ge=0, description="weight decay of AdamW, for kernels only")
    clip_norm: float = Field(1.0, gt=0, description="norm to which the gradient of a step is clipped")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the target spread over all classes")
    ema_momentum: float = Field(
        0.99, ge=0, lt=1, description="momentum of the moving average of the weights; 0 turns it off"
    )
    patience: int = Field(
        0,
        ge=0,
        description="stop after this many epochs in a row that are worse than the best on dev; 0: never stop",
    )
    balance: float = Field(
        0.5,
        ge=0,
        le=1,
        description="a family, and an instrument in it, is drawn in proportion to its number of notes to this power: "
        "1 in proportion, 0.5 square root, 0 uniform",
    )
    augment: AugmentOptions = AugmentOptions()
    auxiliary: AuxiliaryOptions = AuxiliaryOptions()
    distill: tuple[str, ...] = Field(
        (),
        description="folders of exported models, trained on the same data; the model learns from the labels and from "
        "their mean predictions",
    )
    warm_start: bool = Field(True, description="start from the champion's weights if they fit")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the training")

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
    """Range in which the Tuner searches a number; integers only if the recipe's field is an integer."""

    low: float
    high: float
    log: bool = Field(False, description="sample on a logarithmic scale; low must be above 0")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must lie below high {self.high}, and above 0 where log is set")
        return self


class TunerOptions(BaseModel, frozen=True, extra="forbid"):
    """Optional search for a better recipe before training."""

    enabled: bool = Field(False, description="whether the pipeline contains the Tuner")
    trials: int = Field(8, ge=1, description="number of recipes to train")
    epochs: int = Field(6, ge=1, description="epochs of each trial")
    space: dict[str, SearchRange] = Field(
        {
            "learning_rate": SearchRange(low=5e-4, high=1e-2, log=True),
            "dropout": SearchRange(low=0.0, high=0.6),
            "augment.mixup": SearchRange(low=0.0, high=0.6),
            "augment.equalizer": SearchRange(low=0.0, high=0.8),
        },
        description="dotted name of a recipe's field → range to search",
    )

    @model_validator(mode="after")
    def _names_numbers(self) -> Self:
        for name in self.space:
            if not isinstance(RecipeOptions().value(name), int | float):
                raise ValueError(f"the Tuner searches numbers, but {name} of the recipe is not a number")
        return self
