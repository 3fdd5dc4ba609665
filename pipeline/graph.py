"""The one place where the graph is put together. Every runner, local or on a cluster, calls `create_pipeline`.

It holds no node that only one orchestrator can run: instead of TFX's Resolver, which open-source Kubeflow
refuses, the component Champion finds the model to beat.
"""

from dataclasses import dataclass
from typing import Any

from tfx.components import Trainer, Tuner
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel

from components.all_blessed.component import AllBlessed
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
    """Builds the whole graph from the configuration.

    Args:
      config: all settings.
      pipeline_root: folder or URI below which the steps write their outputs.
      spans: train on these spans of data; none means on the folder `config.input_base`.
      **kwargs: passed on to TFX's Pipeline, for example `metadata_connection_config`.
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
    """What the training yields."""

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
    champion = Champion(push_destination=config.models, candidate=model.model, code=code("Champion"))
    predictor = _ask(data.held_out, model, champion)
    evaluator = Evaluator(
        predictions=predictor.outputs["predictions"],
        model=model.model,
        baseline_model=champion.outputs["model"],
        min_accuracy=config.gate.min_accuracy,
        max_loss=config.gate.margin,
        edges=config.gate.edges,
        split=EVALUATED_SPLIT,
        code=code("Evaluator"),
    )
    gate = Gate(
        predictions=predictor.outputs["predictions"],
        evaluation=evaluator.outputs["evaluation"],
        evaluator_blessing=evaluator.outputs["blessing"],
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
    blessing, more = _judge_on_newest(config, data, model, champion, gate)
    pusher = Pusher(
        model=model.model,
        model_blessing=blessing,
        infra_blessing=canary.outputs["blessing"],
        gate_report=gate.outputs["report"],
        canary_report=canary.outputs["report"],
        push_destination=config.models,
        examples=data.scalars,
        quarantine=data.quarantine,
        options=config.push,
        code=code("Pusher"),
    )
    return [champion, predictor, evaluator, gate, *more, canary, pusher, *_answer(config, model, blessing)]


def _ask(examples: BaseChannel, model: _Model, champion: BaseComponent) -> BaseComponent:
    """Candidate and champion, about notes that neither was trained on."""
    return Predictor(
        examples=examples,
        model=model.model,
        champion=champion.outputs["model"],
        split=EVALUATED_SPLIT,
        code=code("Predictor"),
    )


def _answer(config: Config, model: _Model, blessing: BaseChannel) -> list[BaseComponent]:
    """What a blessed model says of the notes that the configuration names; nothing, if it names none."""
    if config.bulk.data is None:
        return []
    ingest = ingest_all(config, config.bulk.data, "BulkNotes")
    bulk_inferrer = BulkInferrer(
        examples=ingest.outputs["examples"],
        model=model.model,
        model_blessing=blessing,
        code=code("BulkInferrer"),
    )
    return [ingest, bulk_inferrer]


def _judge_on_newest(
    config: Config, data: Data, model: _Model, champion: BaseComponent, gate: BaseComponent
) -> tuple[BaseChannel, list[BaseComponent]]:
    """Where there is a newest span, the candidate must not be worse than the champion there either."""
    if data.newest is None:
        return gate.outputs["blessing"], []
    no_bars = {"min_accuracy": 0.0, "min_macro_recall": 0.0, "min_slice_accuracy": 0.0, "slice_bars": {}}
    against_champion = {"policy": "not_worse", "margin": config.retrain.newest_margin, "max_slice_loss": 1.0}
    predictor = _ask(data.newest, model, champion).with_id("PredictorNewest")
    newest = Gate(
        predictions=predictor.outputs["predictions"],
        options=config.gate.model_copy(update={**no_bars, **against_champion}),
        split=EVALUATED_SPLIT,
        code=code("Gate"),
    ).with_id("GateNewest")
    both = AllBlessed(first=gate.outputs["blessing"], second=newest.outputs["blessing"]).with_id("BothGates")
    return both.outputs["blessing"], [predictor, newest, both]
