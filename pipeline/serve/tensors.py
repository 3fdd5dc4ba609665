"""TensorFlow Serving's JSON: requests to arrays, arrays to answers. NumPy only.

Rows (`instances`, `predictions`) and columns (`inputs`, `outputs`), NaN and infinities as bare words. Statuses and
messages are those of its `util/json_tensor.cc`.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pipeline.serve.arrays import is_object, shape_text, shown, to_array, to_json
from pipeline.serve.errors import ApiError


class TensorSpec(NamedTuple):
    """An input or output of a signature."""

    dtype: np.dtype
    """`object` for strings."""
    shape: tuple[int | None, ...] | None
    """None: any rank; None within: any size."""
    tensor: str
    """Name in the graph."""


def parse(body: bytes) -> dict[str, Any]:
    """Read the JSON object of a request.

    Raises:
        ApiError: it is none.
    """
    if not body:
        raise ApiError(400, "JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise ApiError(400, f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ApiError(400, f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise _malformed(document, "Is not object")
    return document


def signature_of(document: dict[str, Any]) -> str:
    """Name of the signature that a request asks for.

    Raises:
        ApiError: it is no string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise _malformed(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return name or "serving_default"


def inputs_of(
    document: dict[str, Any], specs: Mapping[str, TensorSpec]
) -> tuple[dict[str, np.ndarray], bool]:
    """Read the inputs of a request.

    Returns:
        An array for each input, and whether they were given by rows.

    Raises:
        ApiError: they are missing, malformed or of another type or shape than the signature takes.
    """
    by_rows = "instances" in document
    if by_rows and "inputs" in document:
        raise _malformed(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if not by_rows and "inputs" not in document:
        raise ApiError(400, "Missing 'inputs' or 'instances' key")
    arrays = _from_rows(document, specs) if by_rows else _from_columns(document["inputs"], specs)
    for name, array in arrays.items():
        _check_shape(name, array, specs[name].shape)
    return arrays, by_rows


def answer_of(outputs: Mapping[str, np.ndarray], by_rows: bool) -> bytes:
    """Write the answer, in the form in which the inputs were given.

    Raises:
        ApiError: outputs that do not have a row for each instance cannot be given by rows.
    """
    several = len(outputs) > 1
    if not by_rows:
        columns = {name: to_json(name, array) for name, array in outputs.items()}
        return json.dumps({"outputs": columns if several else next(iter(columns.values()))}).encode()
    sizes = {array.shape[0] if array.ndim else 0 for array in outputs.values()}
    if len(sizes) != 1 or sizes == {0}:
        raise ApiError(400, f"outputs have inconsistent or invalid batch sizes: {sorted(sizes)}")
    rows = [to_json(name, array) for name, array in outputs.items()]
    predictions = [dict(zip(outputs, row, strict=True)) for row in zip(*rows, strict=True)]
    return json.dumps({"predictions": predictions if several else rows[0]}).encode()


def _from_rows(document: dict[str, Any], specs: Mapping[str, TensorSpec]) -> dict[str, np.ndarray]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise _malformed(document, "Excepting 'instances' to be an list/array")
    if not rows:
        raise _malformed(document, "No values in 'instances' array")
    named = is_object(rows[0])
    if not isinstance(rows[0], dict) and len(specs) > 1:
        raise ApiError(
            400,
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
        )
    for index, row in enumerate(rows):
        if is_object(row) != named:
            expected, found = ("object", "list") if named else ("value/list", "object")
            raise ApiError(400, f"Expecting {expected} but got {found} at item {index} of input list")
        if named:
            _check_keys(index, row, specs)
    if not named:
        [name] = specs
        return {name: _stack(rows, specs[name].dtype, "")}
    return {name: _stack([row[name] for row in rows], s.dtype, name) for name, s in specs.items()}


def _check_keys(index: int, row: dict[str, Any], specs: Mapping[str, TensorSpec]) -> None:
    for key in row:
        if key not in specs:
            raise _in_element(index, key, f"JSON object: does not have named input: {key}")
    if row.keys() != specs.keys():
        raise ApiError(
            400,
            f"Failed to process element: {index} of 'instances' list. JSON object: {shown(row)} "
            f"must only have keys: {','.join(sorted(specs))}",
        )


def _from_columns(values: Any, specs: Mapping[str, TensorSpec]) -> dict[str, np.ndarray]:
    if not is_object(values):
        if len(specs) > 1:
            raise ApiError(
                400,
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map",
            )
        [name] = specs
        return {name: to_array(values, specs[name].dtype)}
    for name in specs:
        if name not in values:
            raise ApiError(400, f"Missing named input: {name} in 'inputs' object.")
    return {name: to_array(values[name], spec.dtype) for name, spec in specs.items()}


def _stack(values: list[Any], dtype: np.dtype, name: str) -> np.ndarray:
    """One array of all rows; what is wrong with a row is said of that row."""
    try:
        return to_array(values, dtype)
    except ApiError:
        first: np.ndarray | None = None
        for index, value in enumerate(values):
            try:
                array = to_array(value, dtype)
            except ApiError as error:
                raise _in_element(index, name, error.message) from error
            first = array if first is None else first
            if array.size != first.size:
                raise _in_element(
                    index, name, f"Expecting tensor size: {first.size} but got: {array.size}"
                ) from None
            if array.shape != first.shape:
                words = f"Expecting shape {shape_text(first.shape)} but got: {shape_text(array.shape)}"
                raise _in_element(index, name, words) from None
        raise


def _check_shape(name: str, array: np.ndarray, shape: tuple[int | None, ...] | None) -> None:
    if shape is None:
        return
    fits = len(shape) == array.ndim and all(
        size in (None, found) for size, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        asked = shape_text(tuple(-1 if size is None else size for size in shape))
        raise ApiError(
            400,
            f"input {name} has the shape {shape_text(array.shape)}; the signature takes {asked} (-1: any size)",
        )


def _malformed(value: Any, words: str) -> ApiError:
    return ApiError(400, f"JSON Value: {shown(value)} {words}")


def _in_element(index: int, name: str, words: str) -> ApiError:
    key = f" key: {name}" if name else ""
    return ApiError(
        400,
        f"Failed to process element: {index}{key} of 'instances' list. Error: INVALID_ARGUMENT: {words}",
    )
