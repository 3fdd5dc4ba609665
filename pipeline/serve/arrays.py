"""One JSON value to one array and back, as TensorFlow Serving does it. NumPy only.

Bytes are `{"b64": ...}`. Messages are those of its `util/json_tensor.cc`, with long values cut.
"""

import base64
import binascii
import json
from typing import Any

import numpy as np

from pipeline.serve.errors import ApiError

BYTES_SUFFIX = "_bytes"  # an output of this name holds bytes, not text
_KINDS = {"f": "float", "i": "int64", "u": "uint64", "O": "string", "b": "bool"}
_LARGEST_WHOLE = {4: 2**24 - 1, 8: 2**53 - 1}  # bytes of a float → the whole numbers that it holds exactly
_SHOWN = 200  # characters of a value in a message


def to_array(value: Any, dtype: np.dtype) -> np.ndarray:
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
            f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
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
    raise ApiError(400, f"JSON Value: {shown(value)} Type: {kind} is not of expected type: {_name(dtype)}")


def _decoded(value: dict[str, Any]) -> bytes:
    if not _is_bytes(value):
        raise ApiError(400, f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "Unable to base64 decode") from error


def to_json(name: str, array: np.ndarray) -> Any:
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


def is_object(value: Any) -> bool:
    """Whether it is a JSON object that does not stand for bytes."""
    return isinstance(value, dict) and not _is_bytes(value)


def _json_type(value: Any) -> str:
    if value is None:
        return "Null"
    if isinstance(value, bool | str | list | dict):
        return {bool: str(value), str: "String", list: "Array", dict: "Object"}[type(value)]
    return "Number"


def _name(dtype: np.dtype) -> str:
    return "double" if dtype == np.float64 else _KINDS[dtype.kind]


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape as in TensorFlow Serving's messages."""
    return "[" + ",".join(map(str, shape)) + "]"


def shown(value: Any) -> str:
    """Return the value as JSON, cut; a long one is not written out first."""
    pieces, length = [], 0
    for piece in json.JSONEncoder().iterencode(value):
        pieces.append(piece)
        length += len(piece)
        if length > _SHOWN:
            return "".join(pieces)[:_SHOWN] + "…"
    return "".join(pieces)
