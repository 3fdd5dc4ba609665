"""NSynthExampleGen: the ExampleGen of this pipeline."""

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter

from components.artifacts import QuarantinedNotes
from components.ingest.driver import Driver
from components.ingest.executor import (
    CODE_KEY,
    OPTIONS_KEY,
    QUARANTINE_KEY,
    SAMPLE_KEY,
    SCALARS_KEY,
    Executor,
)
from components.ingest.options import IngestOptions
from components.step import TEXT, arguments


class NSynthExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
    """TFX's file-based spec, with options, scalars, the sample and the quarantine."""

    PARAMETERS = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        OPTIONS_KEY: TEXT,
        CODE_KEY: TEXT,
    }
    OUTPUTS = {
        **standard_component_specs.FileBasedExampleGenSpec.OUTPUTS,
        SCALARS_KEY: ChannelParameter(type=standard_artifacts.Examples),
        SAMPLE_KEY: ChannelParameter(type=standard_artifacts.Examples),
        QUARANTINE_KEY: ChannelParameter(type=QuarantinedNotes),
    }


class NSynthExampleGen(FileBasedExampleGen):
    """Read NSynth in any format; write validated, shuffled, uncompressed shards of tf.Examples.

    Outputs:
        examples: `standard_artifacts.Examples`, splits train, dev, valid, test.
        scalars: the same notes in the same shards and order, without audio.
        sample: some of the notes with audio (components/sample.py).
        quarantine: `QuarantinedNotes`, the invalid notes and the account of all notes.
    """

    SPEC_CLASS = NSynthExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        input_base: str | RuntimeParameter,
        pattern: str = "*",
        options: IngestOptions | None = None,
        range_config: range_config_pb2.RangeConfig | RuntimeParameter | None = None,
        input_config: example_gen_pb2.Input | RuntimeParameter | None = None,
        code: str = "",
    ) -> None:
        """Set the component up.

        Args:
            input_base: the data folder, local or remote.
            pattern: glob of the files in it, with `{SPAN}` for span folders: `span-{SPAN}/*`. The name of a file
                contains its split (train, valid, test); without one, it is train.
            options: see `IngestOptions`.
            range_config: the span to read; by default the newest.
            input_config: instead of `pattern`, a pattern for each split; the splits are train, valid and test.
            code: fingerprint of the code; if it changes, TFX runs the step again.
        """
        if input_config is None:
            split = example_gen_pb2.Input.Split(name="by_name", pattern=pattern)
            input_config = example_gen_pb2.Input(splits=[split])
        given = {
            "input_base": input_base,
            "input_config": input_config,
            "output_config": example_gen_pb2.Output(),
            "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
            "output_file_format": example_gen_pb2.FORMAT_TFRECORDS_GZIP,  # TFX has no other; readers use the suffix
            "range_config": range_config,
            OPTIONS_KEY: options or IngestOptions(),
            CODE_KEY: code,
        }
        spec = NSynthExampleGenSpec(**arguments(NSynthExampleGenSpec, given))
        # FileBasedExampleGen's constructor would build a spec without the additions above.
        super(FileBasedExampleGen, self).__init__(spec=spec)
