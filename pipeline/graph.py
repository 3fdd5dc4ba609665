"""The pipeline graph. Every runner, local or on a cluster, calls `create_pipeline`.

The graph has no node that only some orchestrators can run. In particular it has no Resolver, which open-source Kubeflow
rejects: steps that need the serving model find it themselves.
"""

from dataclasses import dataclass
from typing import Any

from tfx.components import Trainer, Tuner
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel

from components.bulk_inferrer.component import BulkInferrer
from components.canary.component import Canary
from components.champion.component import Champion
from components.evaluator.component import Evaluator
from components.gate.component import Gate
from components.predictor.component import Predictor
from components.pusher.component import Pusher
from pipeline.config import Config
from pipeline.data_steps import EVALUATED_SPLIT, Data, Spans, ingest_all, prepare, prepare_spans
from pipeline.fingerprint import step_fingerprint as code


def create_pipeline(
    config: Config, pipeline_root: str, spans: Spans | None = None, **kwargs: Any
) -> Pipeline:
    """Build the pipeline from the configuration.

    Args:
      config: all settings.
      pipeline_root: folder or URI below which the steps write their outputs.
      spans: the spans to train on; None: the folder `config.input_base`.
      **kwargs: passed to TFX's Pipeline, for example `metadata_connection_config`.
    """
    data = prepare_spans(config, spans) if spans else prepare(config)
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
class _Model:
    """Steps and output of the training."""

    steps: list[BaseComponent]
    model: BaseChannel


def _train(config: Config, data: Data) -> _Model:
    steps: list[BaseComponent] = []
    base_model = None
    if config.recipe.warm_start:
        warm_start = Champion(push_destination=config.models, code=code("Champion")).with_id("WarmStart")
        base_model = warm_start.outputs["model"]
        steps.append(warm_start)
    on_notes = {
        "examples": data.transformed_examples,
        "transform_graph": data.transform_graph,
        "schema": data.schema,
        "train_args": trainer_pb2.TrainArgs(splits=["train"]),
        "eval_args": trainer_pb2.EvalArgs(splits=["dev"]),
    }
    recipe = {
        "recipe": config.recipe.model_dump(mode="json"),
        "spectrogram": config.spectrogram.model_dump(mode="json"),
        "splits": config.ingest.fractions,
        "code": code("Trainer"),
        "checkpoint_dir": config.checkpoints,
    }
    best = None
    if config.tuner.enabled:
        searched = {**recipe, "tuner": config.tuner.model_dump(mode="json")}
        tuner = Tuner(tuner_fn="trainer.tune.tuner_fn", custom_config=searched, **on_notes)
        best = tuner.outputs["best_hyperparameters"]
        steps.append(tuner)
    trainer = Trainer(
        run_fn="trainer.run.run_fn",
        base_model=base_model,
        hyperparameters=best,
        custom_config=recipe,
        **on_notes,
    )
    return _Model(steps=[*steps, trainer], model=trainer.outputs["model"])


def _judge_and_push(config: Config, data: Data, model: _Model) -> list[BaseComponent]:
    predictor = _ask(config, data.held_out, model)
    evaluator = Evaluator(
        predictions=predictor.outputs["predictions"],
        model=model.model,
        baseline_model=predictor.outputs["champion"],
        min_accuracy=config.gate.min_accuracy,
        max_loss=config.gate.margin,
        edges=config.gate.edges,
        split=EVALUATED_SPLIT,
        code=code("Evaluator"),
    )
    gate = Gate(
        predictions=predictor.outputs["predictions"],
        options=config.gate,
        split=EVALUATED_SPLIT,
        code=code("Gate"),
    )
    canary = Canary(
        examples=data.sample,
        model=model.model,
        predictions=predictor.outputs["predictions"],
        options=config.canary,
        split=EVALUATED_SPLIT,
        code=code("Canary"),
    )
    blessings = {
        "model_blessing": gate.outputs["blessing"],
        "evaluator_blessing": evaluator.outputs["blessing"],
    }
    steps = [predictor, evaluator, gate, canary]
    if data.newest is not None:
        on_newest = _judge_on_newest(config, data.newest, model)
        blessings["newest_blessing"] = on_newest[-1].outputs["blessing"]
        steps += on_newest
    pusher = Pusher(
        model=model.model,
        **blessings,
        infra_blessing=canary.outputs["blessing"],
        gate_report=gate.outputs["report"],
        canary_report=canary.outputs["report"],
        push_destination=config.models,
        examples=data.scalars,
        quarantine=data.quarantine,
        options=config.push,
        code=code("Pusher"),
    )
    return [*steps, pusher, *_answer(config, model, blessings)]


def _ask(config: Config, examples: BaseChannel, model: _Model) -> BaseComponent:
    """Return the step that runs candidate and champion on notes that neither was trained on."""
    return Predictor(
        examples=examples,
        model=model.model,
        push_destination=config.models,
        split=EVALUATED_SPLIT,
        code=code("Predictor"),
    )


def _answer(config: Config, model: _Model, blessings: dict[str, BaseChannel]) -> list[BaseComponent]:
    """Return the steps of batch inference, if `bulk.data` is set."""
    if config.bulk.data is None:
        return []
    ingest = ingest_all(config, config.bulk.data, "BulkNotes")
    bulk_inferrer = BulkInferrer(
        examples=ingest.outputs["examples"],
        model=model.model,
        **blessings,
        code=code("BulkInferrer"),
    )
    return [ingest, bulk_inferrer]


def _judge_on_newest(config: Config, newest: BaseChannel, model: _Model) -> list[BaseComponent]:
    """Return the steps that check that the candidate is not worse than the champion on the newest span."""
    no_thresholds = {
        "min_accuracy": 0.0,
        "min_macro_recall": 0.0,
        "min_slice_accuracy": 0.0,
        "slice_thresholds": {},
    }
    against_champion = {"policy": "not_worse", "margin": config.retrain.newest_margin, "max_slice_loss": 1.0}
    predictor = _ask(config, newest, model).with_id("PredictorNewest")
    gate = Gate(
        predictions=predictor.outputs["predictions"],
        options=config.gate.model_copy(update={**no_thresholds, **against_champion}),
        split=EVALUATED_SPLIT,
        code=code("Gate"),
    ).with_id("GateNewest")
    return [predictor, gate]
