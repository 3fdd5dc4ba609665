"""What TFMA measures: metrics, slices, and the thresholds that it can check itself."""

from collections.abc import Mapping, Sequence

from google.protobuf import text_format
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2

import nsynth
from components.evaluator import top_answer
from components.evaluator.bands import band_key, band_names
from components.predictions import CANDIDATE, CHAMPION

_CONFIG = """
model_specs {{
  name: '{candidate_name}' model_type: '{model_type}' label_key: '{label}' prediction_key: '{candidate}'
}}
model_specs {{
  name: '{baseline_name}' model_type: '{model_type}' label_key: '{label}' prediction_key: '{champion}'
  is_baseline: true
}}
slicing_specs {{}}
{slices}
metrics_specs {{
  metrics {{ class_name: 'ExampleCount' }}
  metrics {{
    class_name: 'SparseCategoricalAccuracy'
    per_slice_thresholds {{
      slicing_specs {{}}
      threshold {{
        value_threshold {{ lower_bound {{ value: {min_accuracy} }} }}
        change_threshold {{ direction: HIGHER_IS_BETTER absolute {{ value: -{max_loss} }} }}
      }}
    }}
  }}
  metrics {{ class_name: 'SparseCategoricalCrossentropy' }}
  metrics {{ class_name: 'SparseTopKCategoricalAccuracy' config: '"k": 3, "name": "top_3_accuracy"' }}
  metrics {{ class_name: 'MultiClassConfusionMatrixPlot' config: '"num_thresholds": 1' }}
}}
metrics_specs {{
  binarize {{ class_ids {{ values: [{classes}] }} }}
  metrics {{ class_name: 'TopPrecision' module: '{metrics}' }}
  metrics {{ class_name: 'TopRecall' module: '{metrics}' }}
}}
"""


def eval_config(
    min_accuracy: float, max_loss: float, edges: Mapping[str, Sequence[int]]
) -> config_pb2.EvalConfig:
    """Return the metrics of both models, over all notes, by category, number and band; two thresholds on the accuracy.

    TFX takes the baseline and the threshold against it out again where no baseline is wired.

    The thresholds are on the point estimates: the gate asks the same with intervals, and more. Slices have none
    here, since TFMA would fail a slice of three notes. Macro recall and calibration are the gate's: TFMA cannot average
    what it counts at the top answer, and has no such metric for classes.

    Args:
      min_accuracy: lowest accuracy allowed.
      max_loss: how much lower than the baseline's the accuracy may be.
      edges: number → values at which its bands begin; the last one ends the last band.
    """
    sliced_by = [category.name_key for category in (nsynth.LABEL, *nsynth.CATEGORIES)]
    sliced_by += [number.key for number in nsynth.NUMBERS if number.word not in edges]
    slices = [f"slicing_specs {{ feature_keys: '{key}' }}" for key in sliced_by]
    slices += [
        f"slicing_specs {{ feature_values {{ key: '{band_key(number)}' value: '{name}' }} }}"
        for number, at in edges.items()
        for name in band_names(at)
    ]
    text = _CONFIG.format(
        label=nsynth.LABEL.id_key,
        model_type=constants.MATERIALIZED_PREDICTION,
        candidate_name=constants.CANDIDATE_KEY,
        baseline_name=constants.BASELINE_KEY,
        candidate=CANDIDATE,
        champion=CHAMPION,
        metrics=top_answer.__name__,
        slices="\n".join(slices),
        classes=", ".join(map(str, range(len(nsynth.CLASSES)))),
        min_accuracy=min_accuracy,
        max_loss=max_loss,
    )
    return text_format.Parse(text, config_pb2.EvalConfig())
