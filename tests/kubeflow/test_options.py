"""Options of a step come from the step, then from what ships, then from the default; nonsense is refused."""

import pydantic
import pytest

from kubeflow.options import KubeflowOptions, StepOptions, quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("500m", 0.5), ("1.5", 1.5), ("8Gi", 8 * 2**30), ("8G", 8e9), ("4Ki", 4096), ("1k", 1000)],
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "8 Gi", "8GB", "-1", "Gi", "1e3", "8gi"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        quantity(text)


def test_a_step_takes_what_it_lacks_from_the_default() -> None:
    options = KubeflowOptions(
        steps={"default": StepOptions(memory="4Gi", retries=5), "Trainer": StepOptions(gpus=1, memory="16Gi")}
    )
    trainer = options.step("Trainer")
    assert (trainer.gpus, trainer.memory, trainer.retries, trainer.cpu) == (1, "16Gi", 5, "2")
    assert options.step("Transform").memory == "4Gi"
    assert options.step("Transform").gpus == 0


def test_steps_that_touch_the_world_are_not_cached_unless_told_by_name() -> None:
    assert [KubeflowOptions().step(s).cache for s in ("ExampleGen", "WarmStart", "Predictor", "Pusher")] == [
        False
    ] * 4
    assert KubeflowOptions().step("Transform").cache
    everywhere = KubeflowOptions(steps={"default": StepOptions(cache=True)})
    assert not everywhere.step("Pusher").cache
    by_name = KubeflowOptions(steps={"ExampleGen": StepOptions(cache=True)})
    assert by_name.step("ExampleGen").cache


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "Nsynth:latest"),
        ("image", "nsynth latest"),
        ("pipeline_root", "/artifacts"),
        ("pipeline_root", "minio://"),
        ("volumes", {"Not_A_Claim": "/data"}),
        ("secrets", {"AWS KEY": {"name": "a", "key": "b"}}),
        ("secrets", {"AWS_KEY": {"name": "a", "key": "b", "value": "hunter2"}}),
        ("steps", {"Trainer": {"memory": "lots"}}),
        ("steps", {"Trainer": {"gpu": 1}}),
        ("namespace", "Team A"),
    ],
)
def test_nonsense_is_refused(key: str, value: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        KubeflowOptions.model_validate({key: value})


@pytest.mark.parametrize(
    "image",
    ["nsynth", "nsynth:1", "registry.example:5000/team/nsynth:1.0-GPU", "r.example/n@sha256:" + "0" * 64],
)
def test_images(image: str) -> None:
    assert KubeflowOptions(image=image).image == image
