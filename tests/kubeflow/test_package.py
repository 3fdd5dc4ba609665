"""Files of compiled pipelines: written whole, read back the same, refused with reasons."""

from pathlib import Path

import pytest

import nsynth
from kubeflow.package import Package, read

SPEC = {
    "pipelineInfo": {"name": "p"},
    "root": {"inputDefinitions": {"parameters": {"data": {"defaultValue": "/data"}}}},
}
PLATFORMS = {"platforms": {"kubernetes": {}}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    package = Package(SPEC, PLATFORMS)
    package.write(tmp_path / "deep" / "p.yaml")
    assert read(tmp_path / "deep" / "p.yaml") == package
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["p.yaml"]


def test_a_version_is_named_by_its_content() -> None:
    package = Package(SPEC, PLATFORMS)
    assert package.version == Package(dict(SPEC), PLATFORMS).version
    assert package.version != Package(SPEC, {}).version
    assert package.version.startswith("p-")


def test_parameters_and_their_defaults() -> None:
    assert Package(SPEC, {}).parameters == {"data": "/data"}
    assert Package({"pipelineSpec": SPEC}, {}).name == "p"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(nsynth.UserError, match="cannot write"):
        Package(SPEC, {}).write(tmp_path / "file" / "p.yaml")


@pytest.mark.parametrize(
    ("content", "reason"), [("a: 1", "not a compiled"), ("[", "not YAML"), ("", "not a compiled")]
)
def test_a_file_that_is_something_else(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "p.yaml").write_text(content)
    with pytest.raises(nsynth.UserError, match=reason):
        read(tmp_path / "p.yaml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(nsynth.UserError, match="No such file"):
        read(tmp_path / "p.yaml")
