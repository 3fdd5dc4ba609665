"""The API's swagger, as the package kfp-server-api holds it: in the code that was generated from it.

Answers which queries an operation takes, and what its body and its reply look like, down to the last field.
"""

import functools
import inspect
import re
from dataclasses import dataclass
from typing import Any

import kfp_server_api

PREFIX = "/apis/v2beta1"
PRIMITIVES: dict[str, Any] = {
    "str": str, "bool": bool, "int": int, "object": object, "float": (int, float), "datetime": str,
}  # fmt: skip
INT64 = {"max_concurrency", "interval_second"}
"""Text in the swagger; protobuf's JSON takes a number as well."""


class Unlike(ValueError):  # noqa: N818
    """Something that the swagger does not allow."""


@dataclass(frozen=True)
class Operation:
    """One path and method; the models are named as in kfp_server_api."""

    queries: frozenset[str]
    body: str | None
    reply: str


def operation(method: str, path: str) -> Operation:
    """Looks up a request, such as GET /runs/r1.

    Raises:
      Unlike: there is no such path.
    """
    # pipelines/upload is a name, pipelines/{pipeline_id} would fit it too: the one with fewer blanks is meant.
    for template, made in sorted(_operations(method), key=lambda item: item[0].count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), PREFIX + path):
            return made
    raise Unlike(f"no such path {method} {path}")


@functools.cache
def _operations(method: str) -> list[tuple[str, Operation]]:
    found = []
    for api in vars(kfp_server_api).values():
        if not inspect.isclass(api) or not api.__module__.startswith("kfp_server_api.api."):
            continue
        for _, function in inspect.getmembers(api, inspect.isfunction):
            source = inspect.getsource(function)
            called = re.search(r"call_api\(\s*'([^']+)', '([A-Z]+)'", source)
            if called and called[2] == method:
                body = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
                kind = re.search(rf":type {body[1]}: (\w+)", source) if body else None
                reply = re.search(r"response_type='(\w+)'", source)
                queries = frozenset(re.findall(r"query_params\.append\(\('([\w.]+)'", source))
                assert reply
                found.append((called[1], Operation(queries, kind[1] if kind else None, reply[1])))
    return found


def check(value: Any, kind: str, where: str = "body") -> None:
    """Compares a value with a model, field by field.

    Raises:
      Unlike: an unknown field, a wrong type, a value that is not in the list.
    """
    if kind in PRIMITIVES:
        fits = isinstance(value, PRIMITIVES[kind]) and (kind != "int" or not isinstance(value, bool))
        if not fits and not (where.rpartition(".")[2] in INT64 and type(value) is int):
            raise Unlike(f"{where}: {value!r} is no {kind}")
    elif kind.startswith("dict("):
        _expect(value, dict, where)
        for key, item in value.items():
            check(item, kind[5:-1].split(", ", 1)[1], f"{where}.{key}")
    elif kind.startswith("list["):
        _expect(value, list, where)
        for index, item in enumerate(value):
            check(item, kind[5:-1], f"{where}[{index}]")
    else:
        _check_model(value, kind, where)


def _check_model(value: Any, kind: str, where: str) -> None:
    model = getattr(kfp_server_api, kind)
    if not model.openapi_types:  # a list of allowed values
        if value not in model.allowable_values:
            raise Unlike(f"{where}: {value!r} is not one of {model.allowable_values}")
        return
    _expect(value, dict, where)
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    for key, item in value.items():
        if key not in names:
            raise Unlike(f"{where}: {kind} has no field {key}")
        check(item, model.openapi_types[names[key]], f"{where}.{key}")


def _expect(value: Any, kind: type, where: str) -> None:
    if not isinstance(value, kind):
        raise Unlike(f"{where}: {value!r} is no {kind.__name__}")
