"""A model that another tool pushed is told before training, not after it."""

from pathlib import Path

import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

import nsynth
from components import storage
from components.registry import Registry
from components.serving_model import check_champion
from components.version import Record
from pipeline.config import Config


def saved_model(
    inputs: tuple[str, ...] = ("examples",),
    output: str = "probabilities",
    families: int = len(nsynth.FAMILIES),
    signature: str = "serving_default",
    kind: int = types_pb2.DT_STRING,
) -> bytes:
    """Content of a saved_model.pb with one signature."""
    model = saved_model_pb2.SavedModel()
    made = model.meta_graphs.add().signature_def[signature]
    for name in inputs:
        made.inputs[name].dtype = kind
    for size in (-1, families):
        made.outputs[output].tensor_shape.dim.add(size=size)
    return model.SerializeToString()


def push(models: Path, content: bytes, record: Record | None = None) -> None:
    """A version as another tool leaves it, or as ours does."""
    if record:
        Registry(models).publish(
            lambda folder: storage.write_bytes(f"{folder}/saved_model.pb", content), record
        )
    else:
        storage.write_bytes(f"{models}/7/saved_model.pb", content)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"no model", "damaged"),
        (b"", "no signature serving_default"),
        (saved_model(signature="predict"), "no signature serving_default"),
        (saved_model(inputs=("input_1",)), "takes input_1, not examples"),
        (saved_model(inputs=("examples", "mask")), "takes examples, mask, not examples"),
        (saved_model(inputs=()), "takes nothing"),
        (saved_model(kind=types_pb2.DT_FLOAT), "not examples"),
        (saved_model(output="dense"), "does not answer with probabilities of 11 families"),
        (saved_model(families=10), "does not answer with probabilities of 11 families"),
    ],
    # The order of a serialized map differs between processes, and pytest-xdist compares the names of the tests.
    ids=[
        "damaged",
        "empty",
        "signature",
        "one input",
        "two inputs",
        "no input",
        "type",
        "output",
        "families",
    ],
)
def test_a_foreign_model_that_serves_is_told_with_what_is_wrong(tmp_path, content, fault):
    push(tmp_path, content)
    with pytest.raises(
        nsynth.UserError, match=rf"{tmp_path}/7 is serving but is not a model .*{fault}.*push\.destination"
    ):
        check_champion(str(tmp_path))


def test_one_that_answers_as_ours_do_is_welcome_and_so_is_none(tmp_path):
    check_champion(str(tmp_path / "nothing"))
    push(tmp_path, saved_model())
    check_champion(str(tmp_path))


def test_an_older_foreign_version_is_no_obstacle(tmp_path):
    push(tmp_path, b"no model")
    push(tmp_path, saved_model(), Record(run="r"))
    check_champion(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["run", "round"])
def test_nothing_is_run_with_a_foreign_champion(tmp_path, monkeypatch, way):
    from pipeline import local_runner
    from pipeline.retrain import run

    config = Config(workspace=tmp_path)
    push(Path(config.models), saved_model(output="dense"))
    monkeypatch.setattr(local_runner, "compile_graph", lambda *_: pytest.fail("too late"))
    files = {"log_file": tmp_path / "log", "result_file": tmp_path / "result"}
    request = run.Request(config=config, window=(1,), judge=(1,), **files)
    with pytest.raises(nsynth.UserError, match="not a model of this pipeline"):
        local_runner.run_local(config) if way == "run" else run.run_spans(request)
