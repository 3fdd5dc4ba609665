"""TFX's Transform with the executor of this package."""

from typing import Any

from tfx import types
from tfx.components import Transform as StockTransform
from tfx.dsl.components.base import executor_spec
from tfx.proto import transform_pb2

from transform.executor import Executor
from transform.options import SpectrogramOptions

PREPROCESSING_FN = "transform.preprocessing.preprocessing_fn"


class Transform(StockTransform):
    """Normalized log-mel spectrograms of notes, and the graph that computes them.

    Outputs are those of TFX's Transform: `transform_graph`; `transformed_examples`, to be read by
    `transform.codec.parse_batch`; and, if the cache is kept, `updated_analyzer_cache`.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        schema: types.BaseChannel,
        spectrogram: SpectrogramOptions,
        code: str,
        analyzer_cache: types.BaseChannel | None = None,
        keep_cache: bool = False,
    ):
        """Set the component up.

        Args:
          examples: raw notes; several artifacts are several spans.
          schema: schema of the raw notes.
          spectrogram: options of the front end.
          code: fingerprint of the step's code; part of TFX's cache key.
          analyzer_cache: the cache of an earlier run.
          keep_cache: keep the sums and spectrograms of every file for a later run (twice the size of the result).
        """
        custom_config: dict[str, Any] = {"spectrogram": spectrogram.model_dump(mode="json"), "code": code}
        super().__init__(
            examples=examples,
            schema=schema,
            preprocessing_fn=PREPROCESSING_FN,
            splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "dev"]),
            analyzer_cache=analyzer_cache,
            disable_analyzer_cache=not keep_cache and analyzer_cache is None,
            disable_statistics=True,
            custom_config=custom_config,
        )
