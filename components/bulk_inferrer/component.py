"""BulkInferrer: TFX's, that keeps the samples out of Beam."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import bulk_inferrer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ExecutionParameter

import nsynth
from components.bulk_inferrer.executor import BulkInferExecutor

SIGNATURE = "serving_default"
COLUMNS = {
    "probabilities": "probabilities",
    nsynth.LABEL.word: "answer",
    f"{nsynth.LABEL.word}_id": "answer_id",
}
"""Output of the signature → the feature as which it is written beside the note's own."""


class BulkInferrerSpec(standard_component_specs.BulkInferrerSpec):
    """TFX's interface, with a fingerprint of the code."""

    PARAMETERS = {
        **standard_component_specs.BulkInferrerSpec.PARAMETERS,
        "code": ExecutionParameter(type=str),
    }


class BulkInferrer(base_beam_component.BaseBeamComponent):
    """Asks a blessed model about every note of every split.

    Its output `output_examples` holds the notes without their samples but with the answers, uncompressed. A model
    that is not blessed is not asked.
    """

    SPEC_CLASS = BulkInferrerSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(BulkInferExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        code: str = "",
    ):
        """Asks `model`.

        Args:
          examples: raw Examples, of which the model reads `audio`.
          model: the candidate.
          model_blessing: whether it may be asked.
          code: fingerprint of the code behind this step.
        """
        columns = [
            bulk_inferrer_pb2.PredictOutputCol(output_key=key, output_column=column)
            for key, column in COLUMNS.items()
        ]
        answers = bulk_inferrer_pb2.PredictOutput(output_columns=columns)
        super().__init__(
            BulkInferrerSpec(
                examples=examples,
                model=model,
                model_blessing=model_blessing,
                data_spec=bulk_inferrer_pb2.DataSpec(),
                model_spec=bulk_inferrer_pb2.ModelSpec(model_signature_name=[SIGNATURE]),
                output_example_spec=bulk_inferrer_pb2.OutputExampleSpec(
                    output_columns_spec=[bulk_inferrer_pb2.OutputColumnsSpec(predict_output=answers)]
                ),
                output_examples=types.Channel(type=standard_artifacts.Examples),
                inference_result=None,
                code=code,
            )
        )
