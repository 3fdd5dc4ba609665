"""Requests and answers in TensorFlow Serving's JSON: what is read, what is refused and with which words."""

import base64
import json

import numpy as np
import pytest

from pipeline.serve.errors import ApiError
from pipeline.serve.tensors import TensorSpec, answer_of, inputs_of, parse, signature_of

FLOATS = TensorSpec(np.dtype(np.float32), (None, 2), "x:0")
TEXTS = TensorSpec(np.dtype(object), (None,), "s:0")
WHOLE = TensorSpec(np.dtype(np.int64), (None,), "i:0")


def inputs(document: object, **specs: TensorSpec) -> dict[str, np.ndarray]:
    return inputs_of(parse(json.dumps(document).encode()), specs)[0]


def refusal(document: object, **specs: TensorSpec) -> str:
    with pytest.raises(ApiError) as refused:
        inputs(document, **specs)
    assert refused.value.status == 400
    return refused.value.message


@pytest.mark.parametrize(
    "document",
    [
        {"instances": [[1, 2.5], [3, 4]]},
        {"instances": [{"x": [1, 2.5]}, {"x": [3, 4]}]},
        {"inputs": [[1, 2.5], [3, 4]]},
        {"inputs": {"x": [[1, 2.5], [3, 4]]}},
    ],
)
def test_rows_and_columns_hold_the_same(document):
    [array] = inputs(document, x=FLOATS).values()
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 2.5], [3, 4]]


def test_bytes_come_as_base64_and_text_as_it_is():
    coded = {"b64": base64.b64encode(b"\xff\x00").decode()}
    for document in ({"instances": [coded, "ä"]}, {"instances": [{"s": coded}, {"s": "ä"}]}):
        assert inputs(document, s=TEXTS)["s"].tolist() == [b"\xff\x00", "ä".encode()]
    assert inputs({"inputs": {"s": ["", coded]}}, s=TEXTS)["s"].tolist() == [b"", b"\xff\x00"]
    assert inputs({"instances": [{"b64": "/w"}]}, s=TEXTS)["s"].tolist() == [b"\xff"], "without padding"


def test_several_inputs_each_get_their_own():
    document = {"instances": [{"i": 7, "x": [1, 2]}, {"x": [3, 4], "i": 8}]}
    found = inputs(document, x=FLOATS, i=WHOLE)
    assert found["i"].tolist() == [7, 8]
    assert found["x"].tolist() == [[1, 2], [3, 4]]


def test_not_a_number_is_a_value():
    [array] = inputs_of(parse(b'{"instances": [[NaN, -Infinity]]}'), {"x": FLOATS})[0].values()
    assert np.isnan(array[0, 0])
    assert array[0, 1] == -np.inf


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"instances = 1", "JSON Parse error: Expecting value at offset: 0"),
        (b"\xff\xfe\xfd", "JSON Parse error"),
        (b"[1]", "JSON Value: [1] Is not object"),
        (b"[" * 100_000, "JSON Parse error"),
    ],
)
def test_what_is_no_json_object_is_refused(body, message):
    with pytest.raises(ApiError) as refused:
        parse(body)
    assert refused.value.message.startswith(message)
    assert refused.value.status == 400


ELEMENT = "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
NAMED = "Failed to process element: 0 key: y of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": [], "inputs": []}, "expecting only one of 'inputs' or 'instances' keys to exist"),
        ({"instances": 1}, "Excepting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        (
            {"instances": [[1, 2], ["a", 2]]},
            ELEMENT + 'JSON Value: "a" Type: String is not of expected type: float',
        ),
        (
            {"instances": [[1, 2], [True, 2]]},
            None,  # a bool among numbers is taken for one
        ),
        ({"instances": [[True, False]]}, "JSON Value: true Type: True is not of expected type: float"),
        ({"instances": [[1, 2], [None, 2]]}, ELEMENT + "JSON Value: null Type: Null is not of expected"),
        ({"instances": [[1, 2], [1, 2, 3]]}, ELEMENT + "Expecting tensor size: 2 but got: 3"),
        ({"instances": [[1, 2], [[1], [2]]]}, ELEMENT + "Expecting shape [2] but got: [2,1]"),
        ({"instances": [[1, 2], [1, [2]]]}, ELEMENT + "Encountered list at unexpected level: 1 expected < 1"),
        ({"instances": [[1, 2], {"x": [1, 2]}]}, "Expecting value/list but got object at item 1"),
        ({"instances": [{"x": [1, 2]}, [1, 2]]}, "Expecting object but got list at item 1"),
        ({"instances": [{"y": [1, 2]}]}, NAMED + "JSON object: does not have named input: y"),
        ({"instances": [{}]}, "must only have keys: x"),
        ({"instances": [[1e39, 2]]}, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ({"instances": [[2**24, 2]]}, "Cannot convert JSON value: 16777216 to float without loss"),
        ({"instances": [1, 2]}, "input x has the shape [2]; the signature takes [-1,2]"),
        ({"inputs": {"y": 1}}, "Missing named input: x in 'inputs' object."),
        ({"inputs": [[1, 2], [3]]}, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ({"inputs": [[1, 2], 3]}, "JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at"),
    ],
)
def test_what_does_not_fit_a_number_is_refused(document, message):
    if message is None:
        assert inputs(document, x=FLOATS)["x"].tolist() == [[1, 2], [1, 2]]
    else:
        assert message in refusal(document, x=FLOATS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"b64": "%%%"}, "Unable to base64 decode"),
        (1, "JSON Value: 1 Type: Number is not of expected type: string"),
        ({"b64": 1}, "does not have named input: b64"),
        ([{"b64": 1}], "not formatted correctly for base64 data"),
    ],
)
def test_what_does_not_fit_a_string_is_refused(value, message):
    assert message in refusal({"instances": [value]}, s=TEXTS)


def test_several_inputs_need_names():
    both = {"x": FLOATS, "i": WHOLE}
    assert "expecting list of objects" in refusal({"instances": [[1, 2]]}, **both)
    assert "expecting an object" in refusal({"inputs": [[1, 2]]}, **both)
    assert "must only have keys: i,x" in refusal({"instances": [{"x": [1, 2]}]}, **both)


def test_whole_numbers_are_no_fractions():
    assert "is not of expected type: int64" in refusal({"instances": [1.5]}, i=WHOLE)
    assert inputs({"instances": [2**62]}, i=WHOLE)["i"].tolist() == [2**62]


def test_a_long_value_is_cut_in_the_message():
    assert len(refusal({"instances": {"a": "b" * 10_000}}, x=FLOATS)) < 400


def test_the_signature_is_a_string():
    assert signature_of({}) == "serving_default"
    assert signature_of({"signature_name": "other"}) == "other"
    with pytest.raises(ApiError, match="'signature_name' key must be a string value"):
        signature_of({"signature_name": 1})


OUTPUTS = {
    "p": np.array([[0.1, np.nan], [0.2, 1]], np.float32),
    "name": np.array([b"flute", b"organ"], object),
    "raw_bytes": np.array([b"\xff", b""], object),
}


def test_answers_by_rows_and_by_columns():
    rows = json.loads(answer_of(OUTPUTS, by_rows=True))["predictions"]
    assert rows[1] == {"p": [0.2, 1.0], "name": "organ", "raw_bytes": {"b64": ""}}
    columns = json.loads(answer_of(OUTPUTS, by_rows=False))["outputs"]
    assert columns["name"] == ["flute", "organ"]
    assert columns["raw_bytes"] == [{"b64": "/w=="}, {"b64": ""}]
    assert b"[0.1, NaN]" in answer_of(OUTPUTS, by_rows=True), "the fewest digits, and NaN as a bare word"


def test_one_output_has_no_name():
    one = {"p": OUTPUTS["p"][1:]}
    assert json.loads(answer_of(one, by_rows=True)) == {"predictions": [[0.2, 1.0]]}
    assert json.loads(answer_of(one, by_rows=False)) == {"outputs": [[0.2, 1.0]]}


def test_rows_need_a_row_for_each_instance():
    with pytest.raises(ApiError, match="inconsistent or invalid batch sizes"):
        answer_of({"a": np.zeros(2), "b": np.zeros(3)}, by_rows=True)
