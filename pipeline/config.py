"""The configuration: typed, frozen, read from one YAML file and validated once.

Each package defines its options in `options.py`; this module combines them. It imports no heavy packages, so that a
command can reject an invalid file at once.
"""

import difflib
import json
import os
import re
import types
import typing
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
from pipeline.errors import masked
from pipeline.history.metadata import parse as parse_address
from pipeline.retrain.options import RetrainOptions
from trainer.options import RecipeOptions, TunerOptions
from transform.options import SpectrogramOptions

CONFIGS = Path(__file__).with_name("configs")
"""The configurations that come with the project; in a checkout, a link to its `configs/`."""
DEFAULT_CONFIG = CONFIGS / "demo.yaml"
SMALL_DEMO = DEFAULT_CONFIG.with_name("demo-small.yaml")
"""The demo where only TimGM6mb is installed."""
SECRET = re.compile("password|passwd|secret|token|credential|hooks|watcher")
"""Keys whose values are not printed. The address of a hook or watcher is a secret too: it grants access."""
_PATTERN = re.compile(r"[*?\[\]]")


class Config(pydantic.BaseModel, frozen=True, extra="forbid"):
    """All settings. Paths are relative to the folder in which the command is started."""

    name: str = pydantic.Field("nsynth", pattern=r"^[a-z][a-z0-9-]*$")
    """Name of the pipeline: its runs share a cache and a history."""
    workspace: Path = Path("workspace")
    """Folder for everything that a run writes."""
    data: str | None = None
    """Folder with notes in any supported format, or its address (s3://, gs://, http://, https://). None: the demo
    corpus, rendered into the workspace."""
    metadata_server: str | None = None
    """Address of a database for the history, `postgresql://user@host:port/database` or `mysql://…`. None: a SQLite file
    in the workspace."""

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

    @pydantic.field_validator("workspace")
    @classmethod
    def _no_pattern(cls, folder: Path) -> Path:
        if _PATTERN.search(str(folder)):
            raise ValueError("TFX reads * ? [ ] in a path as a pattern; choose a folder without them")
        return folder

    @pydantic.field_validator("metadata_server")
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        if address is not None:
            parse_address(address)  # its own error does not tell the password, as pydantic's would
        return address

    @property
    def input_base(self) -> str:
        """Folder or address of the notes."""
        return self.data or str(self.workspace / "data")

    @property
    def artifacts(self) -> Path:
        """Folder of the steps' outputs."""
        return self.workspace / "artifacts"

    @property
    def metadata(self) -> Path | str:
        """History of all runs: a SQLite file, or the address of a server."""
        return self.metadata_server or self.workspace / "metadata.sqlite"

    @property
    def accepted(self) -> str:
        """Folder with the statistics of the data that DataGate accepted."""
        return str(self.workspace / "accepted")

    @property
    def checkpoints(self) -> str:
        """Folder of the checkpoints from which a killed training resumes."""
        return str(self.workspace / "checkpoints")

    @property
    def models(self) -> str:
        """The folder that a model server watches."""
        return self.push.destination or str(self.workspace / "models")

    def without_secrets(self) -> str:
        """Return the settings as JSON, for the history, without those that may contain a password."""
        return self.model_dump_json(exclude={"metadata_server": True, "retrain": {"hooks", "watcher"}})


class ConfigError(nsynth.UserError):
    """Report an invalid configuration: the key, the value and what is allowed."""


def load_config(path: Path | str = DEFAULT_CONFIG, overrides: Iterable[str] = ()) -> Config:
    """Read a YAML file, apply `key.subkey=value` overrides in order, and validate the result.

    A value that begins with `~/` refers to the home folder. The value of an override is YAML, except for keys of text
    and paths, which take it literally: `data=2024` and `data=nsynth #2` are folders, `data=null` is none.

    Raises:
      ConfigError: the file cannot be read, or a key or value is not allowed. The message lists all errors, each with
        the file or override that it comes from, and contains no password.
    """
    try:
        content = yaml.safe_load(located(path).read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {_without_content(error)}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values, not {type(content).__name__}")
    keys = [_apply(content, override) for override in overrides]
    try:
        return Config.model_validate(_at_home(content))
    except pydantic.ValidationError as error:
        raise ConfigError(_faults(error, path, keys)) from None


def located(path: Path | str) -> Path:
    """Return `path` or, if it does not exist and is configs/…, the file of that name that comes with the project."""
    path = Path(path).expanduser()
    shipped = CONFIGS.parent / path
    return shipped if not path.exists() and path.parts[:1] == (CONFIGS.name,) and shipped.is_file() else path


def text_override(key: str, value: str) -> str:
    """Return the override that sets `key` to this text, even if the text is valid YAML of another type."""
    return f"{key}={json.dumps(value)}"


def _apply(content: dict[str, Any], override: str) -> tuple[str, ...]:
    """Write the value of an override into the file's content; return the parts of its key."""
    key, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {masked(override)}: write key=value, for example --set recipe.epochs=5")
    parts = tuple(key.strip().split("."))
    *parents, leaf = parts
    for parent in parents:
        below = content.get(parent) or {}
        if not isinstance(below, dict):
            raise ConfigError(f"--set {masked(override)}: {parent} is a value, it has no key {leaf}")
        content[parent] = below
        content = below
    content[leaf] = _value(parts, value)
    return parts


def _value(key: tuple[str, ...], text: str) -> Any:
    """Parse the value of an override: YAML, or literal text if the key takes text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        if _takes_text(key):
            return text
        raise ConfigError(f"--set {'.'.join(key)}={masked(text)} is not a YAML value") from None
    quoted = re.fullmatch(r"'.*'|\".*\"", text.strip()) and isinstance(value, str)
    return text if _takes_text(key) and not quoted and text.strip() not in ("", "null") else value


def _takes_text(key: tuple[str, ...]) -> bool:
    fields = _section(key[:-1])
    kind = fields[key[-1]].annotation if key[-1] in fields else None
    alternatives = (
        typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else (kind,)
    )
    return not {str, Path}.isdisjoint(alternatives)


def _at_home(value: Any) -> Any:
    """Return the same with `~` and `~user` at the beginning of texts replaced by the home folder."""
    if isinstance(value, dict):
        return {key: _at_home(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_at_home(below) for below in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def _faults(error: pydantic.ValidationError, path: Path | str, overridden: list[tuple[str, ...]]) -> str:
    """Return a line for each error, below the file or override that it comes from."""
    by_place: dict[str, list[str]] = {}
    for fault in error.errors():
        keys = tuple(map(str, fault["loc"]))
        places = [".".join(key) for key in overridden if keys[: len(key)] == key]
        below = [".".join(key) for key in overridden if key[: len(keys)] == keys]
        place = f"{path} with --set {', '.join(below)}" if below else str(path)
        if places:
            place = f"--set {places[-1]}"
        by_place.setdefault(place, []).append(f"  {_explain(fault)}")
    return "\n".join("\n".join([f"{place} cannot be used:", *lines]) for place, lines in by_place.items())


def _explain(fault: Mapping[str, Any]) -> str:
    """Return one line for an error of pydantic: key, value, what is allowed."""
    key = ".".join(str(part) for part in fault["loc"])
    shown = f"{key}{_shown(key, fault['input'])}"
    if fault["type"] != "extra_forbidden":
        return f"{shown}: {masked(fault['msg'][0].lower() + fault['msg'][1:])}"
    allowed = sorted(_section(fault["loc"][:-1]))
    near = difflib.get_close_matches(str(fault["loc"][-1]), allowed, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{shown}: unknown key{hint} (allowed: {', '.join(allowed)})"


def _shown(key: str, value: Any) -> str:
    """Return the value, if it is a single one and cannot be a secret."""
    if (isinstance(value, (dict, list)) and value) or SECRET.search(key):
        return ""
    return f" = {(masked(value) if isinstance(value, str) else value)!r}"


def _without_content(error: Exception) -> str:
    """Return what is wrong and where, without the line of the file, which may contain a password."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else "it cannot be read"
    return f"{getattr(error, 'problem', '')} in line {mark.line + 1}, column {mark.column + 1}"


def _section(location: Iterable[Any]) -> Mapping[str, Any]:
    """Return the keys allowed in the section at `location`, with their definitions."""
    model: Any = Config
    for part in location:
        fields = getattr(model, "model_fields", {})
        model = fields[part].annotation if part in fields else None
    return getattr(model, "model_fields", {})
