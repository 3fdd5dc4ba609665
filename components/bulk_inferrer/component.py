"""BulkInferrer: TFX's component, without sending audio through Beam."""

from typing import Any

from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.proto import bulk_inferrer_pb2
from tfx.types import standard_component_specs

import nsynth
from components.blessing import BLESSINGS
from components.bulk_inferrer.executor import BulkInferExecutor
from components.step import TEXT, BeamStep

SIGNATURE = "serving_default"
COLUMNS = {
    "probabilities": "probabilities",
    nsynth.LABEL.word: "answer",
    f"{nsynth.LABEL.word}_id": "answer_id",
}
"""Output of the signature → feature that is written beside the note's own features."""


class BulkInferrerSpec(standard_component_specs.BulkInferrerSpec):
    """TFX's interface, with all blessings and a fingerprint of the code."""

    PARAMETERS = {**standard_component_specs.BulkInferrerSpec.PARAMETERS, "code": TEXT}
    INPUTS = {**standard_component_specs.BulkInferrerSpec.INPUTS, **BLESSINGS}


class BulkInferrer(BeamStep):
    """Run a blessed model on every note of every split.

    The output `output_examples` has the notes with predictions but without audio, uncompressed. A model that is not
    blessed is not used.
    """

    SPEC_CLASS = BulkInferrerSpec
    EXECUTOR_SPEC = BeamExecutorSpec(BulkInferExecutor)

    def __init__(self, **given: Any):
        """Set the component up.

        Args:
          **given: `examples`, raw, of which the model reads `audio`; `model`; its blessings (components/blessing.py);
            `code`.
        """
        columns = [
            bulk_inferrer_pb2.PredictOutputCol(output_key=key, output_column=column)
            for key, column in COLUMNS.items()
        ]
        answers = bulk_inferrer_pb2.PredictOutput(output_columns=columns)
        super().__init__(
            data_spec=bulk_inferrer_pb2.DataSpec(),
            model_spec=bulk_inferrer_pb2.ModelSpec(model_signature_name=[SIGNATURE]),
            output_example_spec=bulk_inferrer_pb2.OutputExampleSpec(
                output_columns_spec=[bulk_inferrer_pb2.OutputColumnsSpec(predict_output=answers)]
            ),
            inference_result=None,
            **given,
        )
