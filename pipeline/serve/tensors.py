"""TensorFlow Serving's JSON: requests to arrays, arrays to answers. NumPy only.

Rows (`instances`, `predictions`) and columns (`inputs`, `outputs`), bytes as `{"b64": ...}`, NaN and infinities as
bare words. Statuses and messages are those of its `util/json_tensor.cc`, with long values cut.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pipeline.serve.errors import ApiError

BYTES_SUFFIX = "_bytes"  # an output of this name holds bytes, not text
_KINDS = {"f": "float", "i": "int64", "u": "uint64", "O": "string", "b": "bool"}
_LARGEST_WHOLE = {4: 2**24 - 1, 8: 2**53 - 1}  # bytes of a float → the whole numbers that it holds exactly
_SHOWN = 200  # characters of a value in a message


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
        columns = {name: _plain(name, array) for name, array in outputs.items()}
        return json.dumps({"outputs": columns if several else next(iter(columns.values()))}).encode()
    sizes = {array.shape[0] if array.ndim else 0 for array in outputs.values()}
    if len(sizes) != 1 or sizes == {0}:
        raise ApiError(400, f"outputs have inconsistent or invalid batch sizes: {sorted(sizes)}")
    rows = [_plain(name, array) for name, array in outputs.items()]
    predictions = [dict(zip(outputs, row, strict=True)) for row in zip(*rows, strict=True)]
    return json.dumps({"predictions": predictions if several else rows[0]}).encode()


def _from_rows(document: dict[str, Any], specs: Mapping[str, TensorSpec]) -> dict[str, np.ndarray]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise _malformed(document, "Excepting 'instances' to be an list/array")
    if not rows:
        raise _malformed(document, "No values in 'instances' array")
    named = _is_object(rows[0])
    if not isinstance(rows[0], dict) and len(specs) > 1:
        raise ApiError(
            400,
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
        )
    for index, row in enumerate(rows):
        if _is_object(row) != named:
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
            f"Failed to process element: {index} of 'instances' list. JSON object: {_shown(row)} "
            f"must only have keys: {','.join(sorted(specs))}",
        )


def _from_columns(values: Any, specs: Mapping[str, TensorSpec]) -> dict[str, np.ndarray]:
    if not _is_object(values):
        if len(specs) > 1:
            raise ApiError(
                400,
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map",
            )
        [name] = specs
        return {name: _array(values, specs[name].dtype)}
    for name in specs:
        if name not in values:
            raise ApiError(400, f"Missing named input: {name} in 'inputs' object.")
    return {name: _array(values[name], spec.dtype) for name, spec in specs.items()}


def _stack(values: list[Any], dtype: np.dtype, name: str) -> np.ndarray:
    """One array of all rows; what is wrong with a row is said of that row."""
    try:
        return _array(values, dtype)
    except ApiError:
        first: np.ndarray | None = None
        for index, value in enumerate(values):
            try:
                array = _array(value, dtype)
            except ApiError as error:
                raise _in_element(index, name, error.message) from error
            first = array if first is None else first
            if array.size != first.size:
                raise _in_element(
                    index, name, f"Expecting tensor size: {first.size} but got: {array.size}"
                ) from None
            if array.shape != first.shape:
                words = f"Expecting shape {_shape(first.shape)} but got: {_shape(array.shape)}"
                raise _in_element(index, name, words) from None
        raise


def _array(value: Any, dtype: np.dtype) -> np.ndarray:
    """Return the array of one JSON value."""
    if dtype.kind in "fiu":
        try:
            array = np.array(value)
        except ValueError:  # lists of unlike lengths
            array = np.zeros((), object)
        if array.dtype.kind == dtype.kind or (dtype.kind == "f" and array.dtype.kind in "iu"):
            return _narrowed(array, dtype)
    shape: list[int] = []
    inner = value
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    flat: list[Any] = []
    _fill(value, dtype, shape, 0, flat)
    filled = np.empty(len(flat), dtype)
    filled[:] = flat
    return filled.reshape(shape)


def _narrowed(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the array in the type that is wanted, if that holds all its values."""
    if dtype.kind == "f":
        whole = array.dtype.kind in "iu"
        limit = _LARGEST_WHOLE[dtype.itemsize] if whole else np.finfo(dtype).max
        lost = (np.abs(array) > limit) & np.isfinite(array)
        if lost.any():
            value = array[lost].flat[0]
            words = f"Cannot convert JSON value: {value} to {_name(dtype)[:6]} without loss of precision."
            raise ApiError(400, words)
    return array.astype(dtype)


def _fill(value: Any, dtype: np.dtype, shape: list[int], level: int, flat: list[Any]) -> None:
    """Append all values in order."""
    if isinstance(value, list):
        if level >= len(shape):
            raise ApiError(400, f"Encountered list at unexpected level: {level} expected < {len(shape)}")
        if len(value) != shape[level]:
            raise ApiError(
                400,
                f"Encountered list at unexpected size: {len(value)} at level: {level} "
                f"expected size: {shape[level]}",
            )
        for item in value:
            _fill(item, dtype, shape, level + 1, flat)
        return
    if level != len(shape):
        raise ApiError(
            400,
            f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
            f"Expected at level: {len(shape)}",
        )
    flat.append(_scalar(value, dtype))


def _scalar(value: Any, dtype: np.dtype) -> Any:
    if dtype.kind == "O":
        if isinstance(value, dict):
            return _decoded(value)
        if isinstance(value, str):
            return value.encode()
    elif dtype.kind == "b":
        if isinstance(value, bool):
            return value
    elif isinstance(value, int if dtype.kind in "iu" else int | float) and not isinstance(value, bool):
        return value
    kind = "Object" if isinstance(value, dict) else _json_type(value)
    raise ApiError(400, f"JSON Value: {_shown(value)} Type: {kind} is not of expected type: {_name(dtype)}")


def _decoded(value: dict[str, Any]) -> bytes:
    if not _is_bytes(value):
        raise ApiError(400, f"JSON Value: {_shown(value)} not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "Unable to base64 decode") from error


def _check_shape(name: str, array: np.ndarray, shape: tuple[int | None, ...] | None) -> None:
    if shape is None:
        return
    fits = len(shape) == array.ndim and all(
        size in (None, found) for size, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        asked = _shape(tuple(-1 if size is None else size for size in shape))
        raise ApiError(
            400,
            f"input {name} has the shape {_shape(array.shape)}; the signature takes {asked} (-1: any size)",
        )


def _plain(name: str, array: np.ndarray) -> Any:
    """Return lists and numbers for JSON; a float32 has the fewest digits that tell it from its neighbours."""
    if array.dtype.kind == "O":
        flat = [_text(name, value) for value in array.ravel()]
        shaped = np.empty(len(flat), object)
        shaped[:] = flat
        return shaped.reshape(array.shape).tolist()
    if array.dtype == np.float32:
        return array.astype(str).astype(np.float64).tolist()
    return array.tolist()


def _text(name: str, value: bytes | str) -> Any:
    content = value.encode() if isinstance(value, str) else value
    if name.endswith(BYTES_SUFFIX):
        return {"b64": base64.b64encode(content).decode()}
    return content.decode(errors="replace")


def _is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not _is_bytes(value)


def _json_type(value: Any) -> str:
    if value is None:
        return "Null"
    if isinstance(value, bool | str | list | dict):
        return {bool: str(value), str: "String", list: "Array", dict: "Object"}[type(value)]
    return "Number"


def _name(dtype: np.dtype) -> str:
    return "double" if dtype == np.float64 else _KINDS[dtype.kind]


def _shape(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _shown(value: Any) -> str:
    """Return the value as JSON, cut; a long one is not written out first."""
    pieces, length = [], 0
    for piece in json.JSONEncoder().iterencode(value):
        pieces.append(piece)
        length += len(piece)
        if length > _SHOWN:
            return "".join(pieces)[:_SHOWN] + "…"
    return "".join(pieces)


def _malformed(value: Any, words: str) -> ApiError:
    return ApiError(400, f"JSON Value: {_shown(value)} {words}")


def _in_element(index: int, name: str, words: str) -> ApiError:
    key = f" key: {name}" if name else ""
    return ApiError(
        400,
        f"Failed to process element: {index}{key} of 'instances' list. Error: INVALID_ARGUMENT: {words}",
    )
