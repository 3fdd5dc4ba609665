"""Slices by pitch band for TFMA, which by itself slices by values as they are, and would see 88 pitches."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

import nsynth

BAND = "pitch_band"
"""Feature that is added to each note for slicing; its value is the band's name."""


def band_names(edges: Sequence[int]) -> list[str]:
    """Names of the bands, such as `36-47`, from the pitches at which they begin; the last edge ends the last."""
    return [f"{low}-{end - 1}" for low, end in pairwise(edges)]


def custom_extractors(
    eval_shared_model: Any, eval_config: config_pb2.EvalConfig, tensor_adapter_config: Any
) -> list[Any]:
    """TFMA's own extractors, with the band added right after the features are read; TFX calls this by its name."""
    read_features, *others = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    names = [spec.feature_values[BAND] for spec in eval_config.slicing_specs if BAND in spec.feature_values]
    add = tfma.extractors.Extractor(stage_name="AddPitchBand", ptransform=_AddBand(names))
    return [read_features, add, *others]


class _AddBand(beam.PTransform):
    def __init__(self, names: list[str]):
        self._names = names
        self._ends = np.array([int(name.partition("-")[2]) for name in names])

    def expand(self, extracts: beam.PCollection) -> beam.PCollection:
        return extracts | "Add" >> beam.Map(self._add)

    def _add(self, extracts: dict[str, Any]) -> dict[str, Any]:
        """Of one batch; its features are arrays [notes] or [notes, 1]."""
        features = extracts[tfma.FEATURES_KEY]
        bands = np.array(self._names, object)[np.searchsorted(self._ends, features[nsynth.PITCH])]
        return {**extracts, tfma.FEATURES_KEY: {**features, BAND: bands}}
