"""A pipeline of three light steps with all that makes KFP stumble: a span, an artifact type of our own, an empty
folder, dict and list properties, an address in a property, a property known only at run time."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_gen.driver import FileBasedDriver
from tfx.dsl.components.base import base_executor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import proto_utils


class Tally(Artifact):
    """A type that TFX does not know."""

    TYPE_NAME = "Tally"


class GenExecutor(base_executor.BaseExecutor):
    """Copies the one file of the span."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        pattern = (
            proto_utils.json_to_proto(exec_properties["input_config"], example_gen_pb2.Input())
            .splits[0]
            .pattern
        )
        examples = output_dict["examples"][0]
        content = (Path(exec_properties["input_base"]) / pattern).read_text()
        Path(examples.uri, "notes.txt").write_text(content)
        examples.split_names = '["train"]'
        examples.span = int(exec_properties["span"])


class SmallGen(FileBasedExampleGen):
    """An ExampleGen over span folders."""

    EXECUTOR_SPEC = BeamExecutorSpec(GenExecutor)
    DRIVER_CLASS = FileBasedDriver


class CountExecutor(base_executor.BaseExecutor):
    """Counts lines; leaves an empty folder where there are none."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        examples, tally = input_dict["examples"][0], output_dict["tally"][0]
        lines = Path(examples.uri, "notes.txt").read_text().split()
        if lines:
            Path(tally.uri, "nested").mkdir()
            Path(tally.uri, "nested", "count").write_text(str(len(lines)))
        if exec_properties["trouble"] == "fail":
            raise RuntimeError("told to")
        if exec_properties["trouble"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if exec_properties["trouble"] == "sleep":
            time.sleep(60)
        tally.set_int_custom_property("span", examples.span)
        tally.set_string_custom_property("examples_uri", examples.uri)
        tally.set_json_value_custom_property("by_split", {"train": len(lines)})
        tally.set_json_value_custom_property("names", ["train"])


class CountSpec(ComponentSpec):
    """Interface of Count."""

    PARAMETERS = {"trouble": ExecutionParameter(type=str)}
    INPUTS = {"examples": ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {"tally": ChannelParameter(type=Tally)}


class Count(BaseComponent):
    """Counts the lines of the examples."""

    SPEC_CLASS = CountSpec
    EXECUTOR_SPEC = ExecutorClassSpec(CountExecutor)

    def __init__(self, examples: types.BaseChannel, trouble: str = ""):
        super().__init__(CountSpec(examples=examples, trouble=trouble, tally=types.Channel(type=Tally)))


class PushExecutor(base_executor.BaseExecutor):
    """Writes what it was told about the tally to the destination."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        tally = input_dict["tally"][0]
        count = Path(tally.uri, "nested", "count")
        destination = Path(exec_properties["push_destination"])
        destination.mkdir(parents=True, exist_ok=True)
        (destination / f"span-{tally.get_int_custom_property('span')}").write_text(
            f"{count.read_text() if count.exists() else 'none'} "
            f"{sorted(tally.get_json_value_custom_property('by_split'))} "
            f"{list(tally.get_json_value_custom_property('names'))} {os.path.isdir(tally.uri)}"
        )


class PushSpec(ComponentSpec):
    """Interface of Push."""

    PARAMETERS = {"push_destination": ExecutionParameter(type=str)}
    INPUTS = {"tally": ChannelParameter(type=Tally)}
    OUTPUTS: dict = {}


class Push(BaseComponent):
    """Makes the tally known."""

    SPEC_CLASS = PushSpec
    EXECUTOR_SPEC = ExecutorClassSpec(PushExecutor)

    def __init__(self, tally: types.BaseChannel, push_destination: str):
        super().__init__(PushSpec(tally=tally, push_destination=push_destination))


def small_pipeline(trouble: str = "", engine: tuple[str, ...] = ()) -> Pipeline:
    """ExampleGen → Count → Pusher."""
    generator = SmallGen(
        input_base="/data/small",
        input_config=example_gen_pb2.Input(
            splits=[example_gen_pb2.Input.Split(name="train", pattern="span-{SPAN}/notes.txt")]
        ),
    ).with_id("ExampleGen")
    count = Count(generator.outputs["examples"], trouble).with_id("Count")
    push = Push(count.outputs["tally"], "/models/small").with_id("Pusher")
    return Pipeline(
        pipeline_name="small",
        pipeline_root="minio://mlpipeline/small",
        components=[generator, count, push],
        beam_pipeline_args=[*engine, "--setup_file=/home/somebody/setup.py"],
        enable_cache=True,
    )
