"""The one configuration object: typed, frozen, read from one YAML file and validated once.

Each room owns its options (`<room>/options.py`); here they are put together. Heavy packages are never imported
from here, so that a command can refuse a bad file at once.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml

import nsynth
from components.bulk_inferrer.options import BulkOptions
from components.canary.options import CanaryOptions
from components.data_gate.options import DataGateOptions
from components.gate.options import GateOptions
from components.ingest.options import IngestOptions
from components.pusher.options import PushOptions
from corpus.options import CorpusOptions
from kubeflow.options import KubeflowOptions
from pipeline.engines.engine import EngineOptions
from pipeline.history.metadata import parse as parse_address
from pipeline.retrain.options import RetrainOptions
from trainer.options import RecipeOptions, TunerOptions
from transform.options import SpectrogramOptions

DEFAULT_CONFIG = Path(__file__).parent.parent / "configs" / "demo.yaml"


class Config(pydantic.BaseModel, frozen=True, extra="forbid"):
    """All that a user can set. Paths are relative to the folder in which the command is started."""

    name: str = pydantic.Field("nsynth", pattern=r"^[a-z][a-z0-9-]*$")
    """Name of the pipeline: its runs share a cache and a history."""
    workspace: Path = Path("workspace")
    """Everything that a run writes lies below this folder."""
    data: str | None = None
    """Folder with NSynth in any form; none means the demo corpus, rendered into the workspace."""
    metadata_server: str | None = None
    """Address of a database for the history, `postgresql://user@host:port/database` or `mysql://…`; none means a
    sqlite file in the workspace."""

    corpus: CorpusOptions = CorpusOptions()
    ingest: IngestOptions = IngestOptions()
    data_gate: DataGateOptions = DataGateOptions()
    spectrogram: SpectrogramOptions = SpectrogramOptions()
    recipe: RecipeOptions = RecipeOptions()
    tuner: TunerOptions = TunerOptions()
    gate: GateOptions = GateOptions()
    canary: CanaryOptions = CanaryOptions()
    push: PushOptions = PushOptions()
    bulk: BulkOptions = BulkOptions()
    engine: EngineOptions = EngineOptions()
    retrain: RetrainOptions = RetrainOptions()
    kubeflow: KubeflowOptions = KubeflowOptions()

    @pydantic.field_validator("metadata_server")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        if address is not None:
            parse_address(address)  # its own error does not tell the password, as pydantic's would
        return address

    @property
    def input_base(self) -> str:
        """Where ingest reads from."""
        return self.data or str(self.workspace / "data")

    @property
    def artifacts(self) -> Path:
        """Where TFX keeps the steps' outputs."""
        return self.workspace / "artifacts"

    @property
    def metadata(self) -> Path | str:
        """Where the history of all runs is kept: a sqlite file, or the address of a server."""
        return self.metadata_server or self.workspace / "metadata.sqlite"

    @property
    def accepted(self) -> str:
        """Where the data gate keeps the statistics of what it accepted."""
        return str(self.workspace / "accepted")

    @property
    def checkpoints(self) -> str:
        """Where a training that was killed finds its last checkpoint."""
        return str(self.workspace / "checkpoints")

    @property
    def models(self) -> str:
        """The folder that a model server watches."""
        return self.push.destination or str(self.workspace / "models")


class ConfigError(nsynth.UserError):
    """A configuration that cannot be used; names the key, the value and what is allowed."""


def load_config(path: Path | str = DEFAULT_CONFIG, overrides: Iterable[str] = ()) -> Config:
    """Reads a YAML file, applies `key.subkey=value` overrides in order, and validates the whole.

    Raises:
      ConfigError: the file cannot be read, or a key or value is not allowed; all faults are listed.
    """
    try:
        content = yaml.safe_load(Path(path).read_text()) or {}
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values, not {type(content).__name__}")
    for override in overrides:
        _apply(content, override)
    try:
        return Config.model_validate(content)
    except pydantic.ValidationError as error:
        faults = "\n".join(f"  {_explain(fault)}" for fault in error.errors())
        raise ConfigError(f"{path} cannot be used:\n{faults}") from error


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override}: write key=value, for example --set recipe.epochs=5")
    *parents, leaf = key.strip().split(".")
    for parent in parents:
        below = content.get(parent) or {}
        if not isinstance(below, dict):
            raise ConfigError(f"--set {override}: {parent} is a value, it has no key {leaf}")
        content[parent] = below
        content = below
    try:
        content[leaf] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: {value!r} is not a YAML value") from error


def _explain(fault: Mapping[str, Any]) -> str:
    """One line on one fault of pydantic's list: key, value, what is allowed."""
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "extra_forbidden":
        return f"{key} = {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
    allowed = sorted(_section(fault["loc"][:-1]))
    near = difflib.get_close_matches(str(fault["loc"][-1]), allowed, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{key} = {fault['input']!r}: unknown key{hint} (allowed: {', '.join(allowed)})"


def _section(location: Iterable[Any]) -> Iterable[str]:
    """Names of the keys allowed in the section at `location`."""
    model: Any = Config
    for part in location:
        model = (
            getattr(model, "model_fields", {})[part].annotation if hasattr(model, "model_fields") else None
        )
    return getattr(model, "model_fields", ())
