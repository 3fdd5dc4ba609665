"""The one place where the graph is put together. Every runner, local or on a cluster, calls `create_pipeline`.

It holds no node that only one orchestrator can run: instead of TFX's Resolver, which open-source Kubeflow
refuses, the component Champion finds the model to beat.
"""

from dataclasses import dataclass

import tensorflow_data_validation as tfdv
from tfx.components import ExampleValidator, StatisticsGen, Trainer
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel

import nsynth
from components.canary.component import Canary
from components.champion.component import Champion
from components.data_gate.component import DataGate, Stop
from components.evaluator.component import Evaluator
from components.gate.component import Gate
from components.ingest.component import NSynthExampleGen
from components.pusher.component import Pusher
from components.schema.component import CuratedSchema
from pipeline.config import Config
from pipeline.fingerprint import step_fingerprint as code
from transform.component import Transform

EVALUATED_SPLIT = "valid"
SCHEMA_FILE = "transform/schema.pbtxt"
SCALARS = [name for name in (*nsynth.NSYNTH_FEATURES, *nsynth.SOUND_FEATURES) if name != nsynth.AUDIO]
"""What statistics are computed over: never the 64,000 values of `audio`."""


def create_pipeline(config: Config, pipeline_root: str, **kwargs) -> Pipeline:
    """Builds the whole graph from the configuration.

    Args:
      config: all settings.
      pipeline_root: folder or URI below which the steps write their outputs.
      **kwargs: passed on to TFX's Pipeline, for example `metadata_connection_config`.
    """
    data = _prepare(config)
    model = _train(config, data)
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=pipeline_root,
        components=[*data.steps, *model.steps, *_judge_and_push(config, data, model)],
        beam_pipeline_args=config.engine.beam_args(),
        enable_cache=True,
        **kwargs,
    )


@dataclass(frozen=True)
class _Data:
    """What the preparation yields."""

    steps: list[BaseComponent]
    examples: BaseChannel
    schema: BaseChannel
    transformed_examples: BaseChannel
    transform_graph: BaseChannel


@dataclass(frozen=True)
class _Model:
    """What the training yields."""

    steps: list[BaseComponent]
    model: BaseChannel


def _prepare(config: Config) -> _Data:
    ingest = NSynthExampleGen(
        input_base=config.input_base, options=config.ingest, code=code("ExampleGen")
    ).with_id("ExampleGen")
    examples = ingest.outputs["examples"]
    statistics = StatisticsGen(
        examples=examples,
        stats_options=tfdv.StatsOptions(feature_allowlist=SCALARS),
        # Ingest has checked every note; each split here costs seconds of Beam set-up.
        exclude_splits=["dev", "test"],
    ).with_id("StatisticsGen")
    schema = CuratedSchema(schema_file=SCHEMA_FILE, code=code("Schema")).with_id("Schema")
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    ).with_id("ExampleValidator")
    gate = DataGate(
        examples=examples,
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        anomalies=validator.outputs["anomalies"],
        quarantine=ingest.outputs["quarantine"],
        options=config.data_gate,
        accepted_folder=config.accepted,
        code=code("DataGate"),
    )
    stop = Stop(gate.outputs["verdict"]).with_id("DataStop")
    transform = Transform(
        examples=examples,
        schema=schema.outputs["schema"],
        spectrogram=config.spectrogram,
        code=code("Transform"),
    )
    transform.add_upstream_node(stop)
    return _Data(
        steps=[ingest, statistics, schema, validator, gate, stop, transform],
        examples=examples,
        schema=schema.outputs["schema"],
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
    )


def _train(config: Config, data: _Data) -> _Model:
    steps: list[BaseComponent] = []
    base_model = None
    if config.recipe.warm_start:
        warm_start = Champion(push_destination=config.models, code=code("Champion")).with_id("WarmStart")
        base_model = warm_start.outputs["model"]
        steps.append(warm_start)
    trainer = Trainer(
        run_fn="trainer.run.run_fn",
        examples=data.transformed_examples,
        transform_graph=data.transform_graph,
        schema=data.schema,
        base_model=base_model,
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["dev"]),
        custom_config={
            "recipe": config.recipe.model_dump(mode="json"),
            "spectrogram": config.spectrogram.model_dump(mode="json"),
            "checkpoint_dir": config.checkpoints,
            "code": code("Trainer"),
        },
    )
    return _Model(steps=[*steps, trainer], model=trainer.outputs["model"])


def _judge_and_push(config: Config, data: _Data, model: _Model) -> list[BaseComponent]:
    champion = Champion(push_destination=config.models, candidate=model.model, code=code("Champion"))
    evaluator = Evaluator(
        examples=data.examples,
        model=model.model,
        baseline_model=champion.outputs["model"],
        min_accuracy=config.gate.min_accuracy,
        max_loss=config.gate.margin,
        split=EVALUATED_SPLIT,
        code=code("Evaluator"),
    )
    gate = Gate(
        examples=data.examples,
        model=model.model,
        champion=champion.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        evaluator_blessing=evaluator.outputs["blessing"],
        options=config.gate.model_dump(mode="json"),
        split=EVALUATED_SPLIT,
        code=code("Gate"),
    )
    canary = Canary(
        examples=data.examples,
        model=model.model,
        predictions=gate.outputs["predictions"],
        options=config.canary.model_dump(mode="json"),
        split=EVALUATED_SPLIT,
        code=code("Canary"),
    )
    pusher = Pusher(
        model=model.model,
        model_blessing=gate.outputs["blessing"],
        infra_blessing=canary.outputs["blessing"],
        gate_report=gate.outputs["report"],
        canary_report=canary.outputs["report"],
        push_destination=config.models,
        examples=data.examples,
        options=config.push.model_dump(mode="json"),
        code=code("Pusher"),
    )
    return [champion, evaluator, gate, canary, pusher]
