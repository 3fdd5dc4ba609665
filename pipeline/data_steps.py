"""The steps that prepare data: ingest, data checks and spectrograms, for one folder or several spans."""

from dataclasses import dataclass

from tfx.components import ExampleValidator, StatisticsGen
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.common.importer import Importer
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import BaseChannel
from tfx.types.channel_utils import union
from tfx.types.standard_artifacts import TransformCache

from components.apart.component import Apart
from components.champion.component import Champion
from components.data_gate.component import DataGate
from components.drift.component import Drift
from components.ingest.component import NSynthExampleGen
from components.schema.component import CuratedSchema
from pipeline import step_names
from pipeline.config import Config
from pipeline.fingerprint import step_fingerprint as code
from transform.component import Transform

EVALUATED_SPLIT = "valid"


@dataclass(frozen=True)
class Spans:
    """The spans of `config.retrain.spans` that a pipeline trains on.

    TFX's ExampleGen reads one span, and the resolver that combines several returns every copy of a span that it finds.
    Therefore each span has an ExampleGen with the span in its name: the cache recognizes it in later runs, and no span
    is used twice.
    """

    window: tuple[int, ...]
    """All spans, the newest last."""
    judge: tuple[int, ...]
    """The spans whose data is checked; the others were checked when they were new."""
    new: tuple[int, ...] = ()
    """The spans that no round has used; if two spans conflict, one of these is refused."""
    transform_cache: str = ""
    """URI of the cache of an earlier Transform: spectrograms and sums of the spans that it processed."""


@dataclass(frozen=True)
class Data:
    """Steps and outputs of the data preparation."""

    steps: list[BaseComponent]
    examples: BaseChannel
    """The notes to train on."""
    scalars: BaseChannel
    """The same notes without audio: labels and scalars."""
    quarantine: BaseChannel
    """The account of the notes, and the quarantined ones."""
    held_out: BaseChannel
    """The notes on which the candidate is evaluated."""
    sample: BaseChannel
    """Some of the held-out notes, with audio."""
    schema: BaseChannel
    transformed_examples: BaseChannel
    transform_graph: BaseChannel
    newest: BaseChannel | None = None
    """The newest span, on which the candidate is evaluated in addition."""


def prepare(config: Config) -> Data:
    """Return the steps for a single folder, `config.input_base`."""
    ingest = NSynthExampleGen(
        input_base=config.input_base, options=config.ingest, code=code("ExampleGen")
    ).with_id("ExampleGen")
    schema = _schema(ingest.outputs["quarantine"])
    judge = _Judge(config, ingest, schema.outputs["schema"])
    examples = ingest.outputs["examples"]
    transform = Transform(
        examples=examples,
        schema=schema.outputs["schema"],
        spectrogram=config.spectrogram,
        code=code("Transform"),
    )
    transform.add_upstream_node(judge.gate)
    return Data(
        steps=[ingest, schema, *judge.steps, transform],
        examples=examples,
        scalars=ingest.outputs["scalars"],
        quarantine=ingest.outputs["quarantine"],
        held_out=examples,
        sample=ingest.outputs["sample"],
        schema=schema.outputs["schema"],
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
    )


def prepare_spans(config: Config, spans: Spans) -> Data:
    """Return the steps for a window of spans: an ingest for each, checks of the new ones, one Transform for all."""
    ingests = {span: ingest_span(config, span) for span in spans.window}
    examples = {span: ingest.outputs["examples"] for span, ingest in ingests.items()}
    quarantine = union(ingest.outputs["quarantine"] for ingest in ingests.values())
    schema = _schema(quarantine)
    steps, gates = _judge_new(config, spans, ingests, schema.outputs["schema"])
    held_out = _ingest_held_out(config)
    accounts = union(ingest.outputs["quarantine"] for ingest in ingests.values())
    fixed = held_out[0].outputs["quarantine"] if held_out else None
    apart = Apart(accounts=accounts, held_out=fixed, new=spans.new, code=code("Apart"))
    transform = Transform(
        examples=union(examples.values()),
        schema=schema.outputs["schema"],
        spectrogram=config.spectrogram,
        code=code("Transform"),
        analyzer_cache=_earlier_cache(spans.transform_cache, steps),
        keep_cache=True,
    )
    transform.add_upstream_nodes([*gates, apart])
    newest = examples[spans.window[-1]]
    judged = held_out[0] if held_out else ingests[spans.window[-1]]
    return Data(
        # New spans come first: if one is refused, no time has been spent on the rest.
        steps=[*steps, schema, *ingests.values(), *held_out, apart, transform],
        examples=union(examples.values()),
        scalars=union(ingest.outputs["scalars"] for ingest in ingests.values()),
        quarantine=quarantine,
        held_out=judged.outputs["examples"],
        sample=judged.outputs["sample"],
        schema=schema.outputs["schema"],
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        newest=newest if held_out and config.retrain.newest_margin is not None else None,
    )


def _schema(accounts: BaseChannel) -> BaseComponent:
    return CuratedSchema(accounts=accounts, code=code("Schema")).with_id("Schema")


def ingest_span(config: Config, span: int) -> BaseComponent:
    """Return the step that reads one span; it is the same in every round, so that it can be cached."""
    static_range = range_config_pb2.StaticRange(start_span_number=span, end_span_number=span)
    return NSynthExampleGen(
        input_base=str(config.retrain.spans),
        pattern="span-{SPAN:6}/*",
        range_config=range_config_pb2.RangeConfig(static_range=static_range),
        options=config.ingest,
        code=code("ExampleGen"),
    ).with_id(step_names.of_span("ExampleGen", span))


def _ingest_held_out(config: Config) -> list[BaseComponent]:
    """Return the ingest step of the held-out folder, if it is set."""
    holdout = config.retrain.holdout
    return [ingest_all(config, str(holdout), "HeldOut")] if holdout is not None else []


def ingest_all(config: Config, folder: str, name: str) -> BaseComponent:
    """Return a step that reads all files of a folder, regardless of their names, as the split to evaluate on."""
    split = example_gen_pb2.Input.Split(name=EVALUATED_SPLIT, pattern="*")
    ingest = NSynthExampleGen(
        input_base=folder,
        input_config=example_gen_pb2.Input(splits=[split]),
        options=config.ingest,
        code=code("ExampleGen"),
    )
    return ingest.with_id(name)


def _earlier_cache(uri: str, steps: list[BaseComponent]) -> BaseChannel | None:
    """Return the channel of an earlier run's cache; its Importer is added to `steps`."""
    if not uri:
        return None
    cache = Importer(source_uri=uri, artifact_type=TransformCache).with_id("EarlierCache")
    steps.append(cache)
    return cache.outputs["result"]


def _judge_new(
    config: Config, spans: Spans, ingests: dict[int, BaseComponent], schema: BaseChannel
) -> tuple[list[BaseComponent], list[BaseComponent]]:
    """Return the steps that check the spans in `spans.judge`, and the last step for each span."""
    champion = Champion(push_destination=config.models, code=code("Champion")).with_id("Serving")
    steps: list[BaseComponent] = [champion]
    gates = []
    for before, span in zip((None, *spans.window), spans.window, strict=False):
        if span in spans.judge:
            judge = _Judge(config, ingests[span], schema, span)
            earlier = ingests[before].outputs["sample"] if before is not None else None
            drift = judge.drift(champion.outputs["model"], earlier)
            steps += [*judge.steps, drift]
            gates.append(drift)
    return steps, gates


class _Judge:
    """The steps that check the data of one ingest; for a span, their names end in its number."""

    def __init__(self, config: Config, ingest: BaseComponent, schema: BaseChannel, span: int | None = None):
        self._config, self._schema, self._span = config, schema, span
        self._sample = ingest.outputs["sample"]
        scalars = ingest.outputs["scalars"]
        statistics = StatisticsGen(
            examples=scalars,
            # Ingest has checked every note; each split here costs seconds of Beam set-up.
            exclude_splits=["dev", "test"],
        ).with_id(self._name("StatisticsGen"))
        self._statistics = statistics.outputs["statistics"]
        validator = ExampleValidator(statistics=self._statistics, schema=schema)
        validator = validator.with_id(self._name("ExampleValidator"))
        self.gate = DataGate(
            examples=scalars,
            statistics=self._statistics,
            schema=schema,
            anomalies=validator.outputs["anomalies"],
            quarantine=ingest.outputs["quarantine"],
            options=config.data_gate,
            accepted_folder=config.accepted,
            code=code("DataGate"),
        ).with_id(self._name("DataGate"))
        self.steps: list[BaseComponent] = [statistics, validator, self.gate]

    def _name(self, kind: str) -> str:
        return kind if self._span is None else step_names.of_span(kind, self._span)

    def drift(self, champion: BaseChannel, earlier: BaseChannel | None) -> BaseComponent:
        """Return the step that compares the span with earlier ones, after the gate has accepted it."""
        drift = Drift(
            examples=self._sample,
            earlier=earlier,
            statistics=self._statistics,
            schema=self._schema,
            champion=champion,
            options=self._config.retrain.drift,
            limits={feature: threshold.limit for feature, threshold in self._config.data_gate.drift.items()},
            accepted_folder=self._config.accepted,
            push_destination=self._config.models,
            code=code("Drift"),
        ).with_id(self._name("Drift"))
        drift.add_upstream_node(self.gate)
        return drift
