"""The image without an engine: its build's own lines make its environment in an empty folder, and every command that
the docs and the manifests start there starts, as the image's user, with a root file system that is read-only."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import copy_context, without_checkout
from test_image import LOCKS, ROOT, entries, plain, stages

from kubeflow.cli import kubeflow
from pipeline.cli.main import COMMANDS

pytestmark = pytest.mark.e2e

USER = "10001"
EVERY_MODULE = """
import importlib, importlib.metadata, sys
files = importlib.metadata.files("nsynth-tfx")
modules = {str(f)[:-3].replace("/", ".") for f in files if f.suffix == ".py" and ".dist-info" not in str(f)}
for module in sorted(modules):
    if not module.endswith(("__main__", "run_probe", "probe")):
        importlib.import_module(module.removesuffix(".__init__"))
print(len(modules), "modules")
"""
HELP_OF = "===== help of "
EVERY_COMMAND = f"""
import sys
from pipeline.cli.main import main
for command in sys.argv[1:]:
    print({HELP_OF!r} + command, flush=True)
    sys.argv = ["nsynth", *command.split(), "--help"]
    try:
        main()
    except SystemExit as leave:
        assert not leave.code, command
    sys.stdout.flush()
"""


@dataclass
class Container:
    """What a container of the image would see, as far as namespaces give it."""

    environment: Path
    work: Path

    def run(self, *command: str, timeout_s: int = 300) -> subprocess.CompletedProcess[str]:
        """Runs a command as the image's user with a read-only root and one folder that can be written to."""
        variables = {
            "PATH": f"{self.environment}/bin:/usr/bin:/bin", "HOME": str(self.work), "TMPDIR": str(self.work),
            "LOGNAME": "nsynth", "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "2",
        }  # fmt: skip
        words = shlex.join(["env", "-i", *(f"{k}={v}" for k, v in variables.items()), *command])
        if os.geteuid() == 0:
            # This machine's Python, unlike the image's, may lie where other users cannot look.
            looks = "--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search"
            user = f"setpriv --reuid {USER} --regid {USER} --clear-groups {looks}"
            words = (
                f"mount --bind {self.work} {self.work} && mount -o remount,bind,ro / && "
                f"cd {self.work} && exec {user} {words}"
            )
            whole = ["unshare", "--mount", "--propagation", "private", "bash", "-ec", words]
        else:
            whole = ["bash", "-ec", f"cd {self.work} && exec {words}"]
        return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=timeout_s)


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Runs the instructions of the Dockerfile's first stage for folders of this test."""
    folder = tmp_path_factory.mktemp("container")
    for above in (folder, *folder.parents):
        if above.name.startswith(("container", "popen", "pytest")):
            above.chmod(0o755)  # pytest's folders are for their owner alone, the image's for all
    inside = {path: folder / path[1:] for path in ("/venv", "/wheel", "/build")}
    context, here = folder / "context", Path("/")
    copy_context(context)
    for word, argument in stages()[0]:
        if word == "WORKDIR":
            here = inside.get(argument, folder)
            here.mkdir(exist_ok=True)
        elif word == "COPY":
            source, target = argument.split()
            from_, to = context / source, here / target
            to.parent.mkdir(parents=True, exist_ok=True)
            if from_.is_dir():
                shutil.copytree(from_, to, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copyfile(from_, to)
        elif word == "RUN":
            step = re.sub(r"--mount=\S+ +", "", argument)
            step = re.sub(r"/(venv|wheel)\b", lambda found: str(inside[found[0]]), step)
            step = re.sub(r"(?<![\w/])python ", f"{sys.executable} ", step)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", f"VARIANT=cpu; {step}"],
                cwd=here, env=without_checkout(), capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr[-2000:]}"
    shutil.rmtree(context)
    shutil.rmtree(inside["/build"])
    work = folder / "work"
    work.mkdir()
    if os.geteuid() == 0:
        os.chown(work, int(USER), int(USER))
    yield Container(inside["/venv"], work)
    shutil.rmtree(folder)  # gigabytes


def documented() -> list[tuple[str, ...]]:
    """Every command of `nsynth`, those of `nsynth kubeflow`, and what the manifests start in the image."""
    nsynth = [("nsynth", name) for name in COMMANDS]
    nsynth += [("nsynth", "kubeflow", name) for name in kubeflow.commands]
    return [*nsynth, ("python", "-m", "kubeflow.entrypoint"), *sorted(set(_of_manifests()))]


def _of_manifests() -> Iterator[tuple[str, ...]]:
    for file in sorted((ROOT / "kubeflow" / "manifests").rglob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            for container in _containers(document):
                words = container.get("command", [])
                if "nsynth" in container.get("image", "") and words[0] in ("nsynth", "python"):
                    yield tuple(words[: 3 if words[0] == "python" else 2])


def _containers(value: object) -> Iterator[dict]:
    if isinstance(value, dict):
        yield from value.get("containers", [])
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)


def test_it_holds_the_locked_packages_and_the_wheel(container: Container) -> None:
    done = container.run("python", "-m", "pip", "list", "--format=freeze")
    assert done.returncode == 0, done.stderr
    installed = {plain(name): version for name, version in (row.split("==") for row in done.stdout.split())}
    assert installed.pop("nsynth-tfx")
    locked = {plain(name): version for name, (version, _) in entries(LOCKS / "runtime.lock").items()}
    assert installed == locked
    assert list((container.environment / "share" / "nsynth").glob("nsynth_tfx-*.whl"))


def test_every_user_may_read_it(container: Container) -> None:
    closed = [
        str(path)
        for path in container.environment.rglob("*")
        if not path.is_symlink() and not path.stat().st_mode & (0o001 if path.is_dir() else 0o004)
    ]
    assert closed == []


def test_every_module_of_ours_finds_its_packages(container: Container) -> None:
    done = container.run("python", "-P", "-c", EVERY_MODULE)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-2]) > 150


def test_every_documented_command_starts(container: Container) -> None:
    """Those of `nsynth` in one process: `nsynth` itself and each other program start in one of their own."""
    nsynth = [" ".join(words[1:]) for words in documented() if words[0] == "nsynth"]
    others = [words for words in documented() if words[0] != "nsynth"]
    assert len(nsynth) > 20
    failed = {}
    for words in (("nsynth",), *others):
        done = container.run(*words, "--help")
        if done.returncode or "usage" not in done.stdout.lower():
            failed[words] = done.stderr[-500:]
    assert failed == {}
    done = container.run("python", "-P", "-c", EVERY_COMMAND, *nsynth)
    assert done.returncode == 0, done.stderr[-2000:]
    helped = dict(part.split("\n", 1) for part in done.stdout.split(HELP_OF)[1:])
    assert [command for command in nsynth if "usage" not in helped[command].lower()] == []


def test_the_first_run_needs_nothing_but_the_image(container: Container) -> None:
    """The sounds, the settings and the schema come with it; only the working folder is written to."""
    done = container.run("nsynth", "run", "--config", "configs/tiny.yaml", timeout_s=900)
    assert done.returncode == 0, done.stderr[-2000:]
    assert list((container.work / "workspace" / "tiny" / "models").glob("[0-9]*"))


def test_a_round_without_new_data_says_so(container: Container) -> None:
    (container.work / "spans").mkdir()
    done = container.run("nsynth", "retrain", "--config", "configs/tiny.yaml", "--spans", "spans")
    assert done.returncode == 4, done.stderr[-2000:]


def test_the_pipeline_compiles_there(container: Container) -> None:
    settings = ["kubeflow.image=registry.example/nsynth:1", "data=/data/notes", "workspace=/models/nsynth"]
    sets = [word for setting in settings for word in ("--set", setting)]
    done = container.run("nsynth", "kubeflow", "compile", *sets, "-o", "nsynth.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "kubeflow.entrypoint" in (container.work / "nsynth.yaml").read_text()
