"""Slices by band for TFMA, which by itself slices by values as they are, and would see 88 pitches."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

import nsynth


def band_key(number: str) -> str:
    """Return the feature that is added to each note for slicing by bands of the number: the name of its band."""
    return f"{number}_band"


def band_names(edges: Sequence[int]) -> list[str]:
    """Return the names of the bands, such as `36-47`, from the values at which they begin; the last edge is an end."""
    return [f"{low}-{end - 1}" for low, end in pairwise(edges)]


def custom_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[Any]:
    """TFMA's own extractors, with the bands added right after the features are read; TFX calls this by its name."""
    read_features, *others = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    bands: dict[str, list[str]] = {}
    for spec in eval_config.slicing_specs:
        for number in nsynth.NUMBERS:
            if name := spec.feature_values.get(band_key(number.word)):
                bands.setdefault(number.word, []).append(name)
    add = tfma.extractors.Extractor(stage_name="AddBands", ptransform=_AddBands(bands))
    return [read_features, add, *others]


class _AddBands(beam.PTransform):
    def __init__(self, bands: dict[str, list[str]]):
        self._bands = bands

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        return extracts | "Add" >> beam.Map(self._add)

    def _add(self, extracts: dict[str, Any]) -> dict[str, Any]:
        """Of one batch; a feature that all of its notes have is an array [notes] or [notes, 1]."""
        features = dict(extracts[tfma.FEATURES_KEY])
        for number in nsynth.NUMBERS:
            if number.word in self._bands and isinstance(features.get(number.key), np.ndarray):
                names = np.array(self._bands[number.word], object)
                ends = [int(name.partition("-")[2]) for name in names]
                features[band_key(number.word)] = names[np.searchsorted(ends, features[number.key])]
        return {**extracts, tfma.FEATURES_KEY: features}
