"""A folder that holds what the image would, and the small pipeline compiled."""

import compileall
import os
import re
import shutil
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from kubeflow.options import KubeflowOptions
from kubeflow.package import Package

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # step_runner and small_pipeline are imported by name
ROOT = HERE.parents[1]

OPTIONS = KubeflowOptions.model_validate(
    {
        "image": "registry.example/nsynth:1",
        "secrets": {"AWS_ACCESS_KEY_ID": {"name": "object-store", "key": "access-key"}},
        "config_maps": {"AWS_ENDPOINT_URL": {"name": "object-store", "key": "endpoint"}},
        "image_pull_secret": "registry",
        "steps": {
            "default": {"retries": 1, "memory": "6Gi"},
            "Count": {
                "gpus": 1,
                "memory": "16Gi",
                "image": "registry.example/nsynth:1-gpu",
                "node_selector": {"pool": "gpu"},
                "tolerates": ["nvidia.com/gpu"],
                "timeout_s": 7200,
            },
        },
    }
)


def in_image(path: str) -> bool:
    """Whether .dockerignore lets a path (relative to the project) into the image; the last rule that fits counts."""
    inside = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.split("#")[0].strip()
        kept = rule.startswith("!")
        pattern = rule.lstrip("!").rstrip("/")
        if pattern and any(_fits(str(part), pattern) for part in (Path(path), *Path(path).parents[:-1])):
            inside = kept
    return inside


def _fits(path: str, pattern: str) -> bool:
    """Docker anchors a pattern at the root, unless it begins with **/; a star does not cross a slash."""
    depth = len(Path(pattern.removeprefix("**/")).parts)
    tail = Path(path).parts[-depth:] if pattern.startswith("**/") else Path(path).parts
    wanted = Path(pattern.removeprefix("**/")).parts
    return len(tail) == len(wanted) and all(
        fnmatch(part, want) for part, want in zip(tail, wanted, strict=True)
    )


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image holds of the project: the wheel made of what .dockerignore leaves, unpacked."""
    folder = tmp_path_factory.mktemp("image")
    copy_context(folder / "context")
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "bdist_wheel", "--dist-dir", str(folder)],
        cwd=folder / "context", env=without_checkout(), check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "app")
    compileall.compile_dir(folder / "app", quiet=1)  # as pip does; no step may write there
    return folder / "app"


def copy_context(target: Path) -> None:
    """Copies what .dockerignore leaves of the project, as `COPY . .` does."""
    for folder, folders, files in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        links = [f for f in folders if (ROOT / here / f).is_symlink()]
        folders[:] = [f for f in folders if not f.startswith(".") and (here != Path() or in_image(f))]
        for name in (*files, *links):
            path = here / name
            if in_image(str(path)):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / path, target / path, follow_symlinks=False)


def without_checkout() -> dict[str, str]:
    """This process's environment, without the path to the source tree."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


@pytest.fixture(scope="session")
def lacking() -> set[str]:
    """Modules of this environment that no package of the image's lock brings."""
    lock = (ROOT / "pipeline" / "install" / "runtime.lock").read_text()
    locked = {_plain(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)} | {"nsynth-tfx"}
    found = packages_distributions().items()
    return {module for module, packages in found if not locked & {_plain(package) for package in packages}}


def _plain(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="session")
def small_package() -> Package:
    """The small pipeline, compiled with some of every option."""
    from small_pipeline import small_pipeline

    from kubeflow.compile import compile_pipeline

    return compile_pipeline(small_pipeline(), OPTIONS)
