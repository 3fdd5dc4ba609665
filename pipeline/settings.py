"""List every setting with type, default and meaning, read from the option classes, and where a run's values come from.

The source of docs/configuration.md and `nsynth config`. Imports nothing heavy.
"""

import ast
import inspect
import json
import re
import textwrap
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import annotated_types
import pydantic
from pydantic.fields import FieldInfo

from pipeline.config import SECRET, Config

HIDDEN = "(set; not shown)"


@dataclass(frozen=True)
class Setting:
    """One key of the configuration file."""

    key: str
    """Dotted, as `--set` takes it."""
    kind: str
    """What is allowed: type and bounds."""
    default: Any
    meaning: str
    """Description; empty if there is none."""


def settings(
    defaults: pydantic.BaseModel | None = None, prefix: str = "", above: str = ""
) -> Iterator[Setting]:
    """Yield all keys in the order of the classes, sections flattened.

    Args:
      defaults: the section to list, with its default values; None: the whole file.
      prefix: dotted key of the section, ending with a dot.
      above: meaning of the section, for keys without a meaning.
    """
    defaults = Config() if defaults is None else defaults
    meanings = _docstrings(type(defaults))
    for name, field in type(defaults).model_fields.items():
        meaning = " ".join((field.description or meanings.get(name, "")).split())
        default = getattr(defaults, name)
        if isinstance(default, pydantic.BaseModel):
            yield from settings(default, f"{prefix}{name}.", meaning)
        else:
            yield Setting(f"{prefix}{name}", _kind(field), _plain(default), meaning or above)


def sections() -> dict[str, str]:
    """Return section → first line of its class's docstring; the section `""` holds the keys at the top."""
    found = {"": ""}
    for name, field in Config.model_fields.items():
        if section := _section(field.annotation):
            found[name] = (inspect.getdoc(section) or "").partition("\n")[0]
    return found


def as_text(value: Any) -> str:
    """Return a value as it would be written in the file, without passwords in addresses."""
    return re.sub(r"(://[^:/@\s\"]+):[^@/\s\"]*@", r"\1:…@", json.dumps(value, ensure_ascii=False))


def values(
    config: Config, file: Mapping[str, Any], overrides: Iterable[str]
) -> Iterator[tuple[str, Any, str]]:
    """Yield key, value and origin of every setting of a run.

    Args:
      config: the settings as loaded.
      file: the content of the configuration file.
      overrides: the `key=value` of the command line.

    Yields:
      The key, its value (HIDDEN if it may contain a secret) and one of `default`, `file`, `--set`.
    """
    given = [override.partition("=")[0].strip() for override in overrides]
    for setting in settings():
        value: Any = config
        for part in setting.key.split("."):
            value = getattr(value, part)
        if any(
            setting.key == key or setting.key.startswith(f"{key}.") or key.startswith(f"{setting.key}.")
            for key in given
        ):
            origin = "--set"
        else:
            origin = "file" if _stands_in(file, setting.key) else "default"
        yield setting.key, _plain(value) if not value or not SECRET.search(setting.key) else HIDDEN, origin


def reference() -> str:
    """Return the page docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "This page lists every setting of the YAML file. Without `--config`, commands use `configs/demo.yaml`.",
        "`--set KEY=VALUE` overrides a setting. `nsynth config show` prints the values that a run would use and where",
        "each value comes from.",
        "",
        "The value of `--set` is YAML, except for keys of type string or path, which take it literally:",
        "`data=2024` and `data=nsynth #2` are folders. `data=null` removes a value. `~/` at the start of a string is",
        "the home folder.",
        "",
        "This page is generated: `nsynth config reference > docs/configuration.md`.",
    ]
    everything = list(settings())
    for section, summary in sections().items():
        rows = [
            s for s in everything if s.key.startswith(f"{section}.") or (not section and "." not in s.key)
        ]
        lines += ["", f"## {section or 'Top level'}", ""]
        lines += [summary, ""] if summary else []
        lines += ["| key | allowed | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{row.key}` | {_cell(row.kind)} | `{_cell(as_text(row.default))}` | {_cell(row.meaning)} |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _stands_in(file: Mapping[str, Any], key: str) -> bool:
    content: Any = file
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return False
        content = content[part]
    return True


def _plain(value: Any) -> Any:
    """Return the value without pydantic models, ready for JSON."""
    return pydantic.TypeAdapter(Any).dump_python(value, mode="json")


def _section(annotation: Any) -> type[pydantic.BaseModel] | None:
    return annotation if inspect.isclass(annotation) and issubclass(annotation, pydantic.BaseModel) else None


def _kind(field: FieldInfo) -> str:
    bounds = []
    for constraint in field.metadata:
        match constraint:
            case annotated_types.Ge(ge):
                bounds.append(f"≥ {ge}")
            case annotated_types.Gt(gt):
                bounds.append(f"> {gt}")
            case annotated_types.Le(le):
                bounds.append(f"≤ {le}")
            case annotated_types.Lt(lt):
                bounds.append(f"< {lt}")
    return ", ".join([_type_name(field.annotation), *bounds])


def _type_name(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{argument}`" for argument in arguments)
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if annotation is type(None):
        return "none"
    if origin in (tuple, list, set, frozenset):
        return f"list of {_type_name(arguments[0])}"
    if origin in (dict, Mapping):
        return f"{_type_name(arguments[0])} → {_type_name(arguments[1])}"
    if arguments:
        return " or ".join(_type_name(argument) for argument in arguments)
    if section := _section(annotation):
        return f"keys {', '.join(section.model_fields)}"
    return {str: "string", bool: "boolean", int: "integer", float: "number", Path: "path"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )


@cache
def _docstrings(model: type[pydantic.BaseModel]) -> dict[str, str]:
    """Return field → the string literal below its definition, base classes included."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not issubclass(cls, pydantic.BaseModel) or cls is pydantic.BaseModel:
            continue
        try:
            source = inspect.getsource(cls)
        except OSError:  # made from the dataset's contract at run time: its fields have descriptions
            continue
        body = ast.parse(textwrap.dedent(source)).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = text
    return found
