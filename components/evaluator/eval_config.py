"""What TFMA measures: metrics, slices, and the bars that it can judge by itself."""

from collections.abc import Sequence

from google.protobuf import text_format
from tensorflow_model_analysis.proto import config_pb2

import nsynth
from components.evaluator.pitch_bands import BAND, band_names

SLICED_BY = (nsynth.FAMILY_STR, nsynth.SOURCE_STR, nsynth.VELOCITY)

_CONFIG = """
model_specs {{
  signature_name: 'serving_default' model_type: 'tf_generic'
  label_key: '{label}' prediction_key: 'probabilities'
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
  metrics {{ class_name: 'Precision' config: '"top_k": 1' }}
  metrics {{ class_name: 'Recall' config: '"top_k": 1' }}
}}
"""


def eval_config(
    min_accuracy: float, max_loss: float, pitch_edges: Sequence[int] = ()
) -> config_pb2.EvalConfig:
    """Metrics over all notes and by family, source, velocity and pitch band, with two bars on the overall accuracy.

    The bars are on the point estimates: the gate asks the same with intervals, and more. Slices carry no bars
    here, since TFMA would fail a slice of three notes. Macro recall and calibration are the gate's: TFMA cannot average
    what it counts at the top answer, and has no such metric for classes.

    Args:
      min_accuracy: lowest accuracy allowed.
      max_loss: how much lower than the baseline's the accuracy may be.
      pitch_edges: MIDI pitches at which the pitch bands begin; the last one ends the last band.
    """
    slices = [f"slicing_specs {{ feature_keys: '{key}' }}" for key in SLICED_BY]
    slices += [
        f"slicing_specs {{ feature_values {{ key: '{BAND}' value: '{name}' }} }}"
        for name in band_names(pitch_edges)
    ]
    text = _CONFIG.format(
        label=nsynth.FAMILY,
        slices="\n".join(slices),
        classes=", ".join(map(str, range(len(nsynth.FAMILIES)))),
        min_accuracy=min_accuracy,
        max_loss=max_loss,
    )
    return text_format.Parse(text, config_pb2.EvalConfig())
