"""KServe's resources by KServe's own types, which `tools/kserve/run_tests` fetches; Kubernetes' ones within are checked
by test_manifests.py."""

import ast
import copy
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

SERVICE = Path(__file__).parents[2] / "kubeflow/manifests/serving/inference-service.yaml"
SIMPLE = {"str": str, "int": int, "bool": bool, "float": (int, float)}


class Types:
    """The types of a generated package, read without importing it."""

    def __init__(self, package: Path):
        self.classes: dict[str, dict[str, Any]] = {}
        for file in (package / "models").glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ClassDef):
                    fields = dict(_constants(node))
                    if fields.keys() >= {"openapi_types", "attribute_map"}:
                        self.classes[node.name] = {
                            fields["attribute_map"][name]: kind
                            for name, kind in fields["openapi_types"].items()
                        }

    def problems(self, value: Any, kind: str, where: str) -> Iterator[str]:
        """What is wrong with a value of that type; types of others are not looked into."""
        if inner := re.fullmatch(r"list\[(.+)\]", kind):
            if not isinstance(value, list):
                yield f"{where}: no list"
                return
            for number, item in enumerate(value):
                yield from self.problems(item, inner[1], f"{where}[{number}]")
        elif kind in SIMPLE:
            if not isinstance(value, SIMPLE[kind]):
                yield f"{where}: {value!r} is no {kind}"
        elif kind in self.classes:
            for key, item in value.items():
                if key in self.classes[kind]:
                    yield from self.problems(item, self.classes[kind][key], f"{where}.{key}")
                else:
                    yield f"{where}: KServe's {kind} has no {key}"


def _constants(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    for line in node.body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Dict):
            yield line.targets[0].id, ast.literal_eval(line.value)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def types() -> Types:
    folder = os.environ.get("NSYNTH_KSERVE")
    if not folder:
        pytest.skip("`tools/kserve/run_tests` fetches KServe's types and runs this")
    return Types(Path(folder) / "kserve")


@pytest.fixture
def service() -> dict[str, Any]:
    (found,) = [d for d in yaml.safe_load_all(SERVICE.read_text()) if d["kind"] == "InferenceService"]
    return copy.deepcopy(found)


def test_kserve_knows_every_field(types: Types, service: dict[str, Any]) -> None:
    assert list(types.problems(service, "V1beta1InferenceService", "service")) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"modelFormat": {"nam": "tensorflow"}}, "has no nam"),
        ({"modelFormat": {"name": 1}}, "1 is no str"),
        ({"storageURI": "pvc://models"}, "has no storageURI"),
        ({"args": "--port=1"}, "no list"),
    ],
)
def test_a_mistake_is_found(types: Types, service: dict[str, Any], change: dict, expected: str) -> None:
    service["spec"]["predictor"]["model"] |= change
    (problem,) = types.problems(service, "V1beta1InferenceService", "service")
    assert expected in problem
