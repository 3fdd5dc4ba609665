"""The container of a step without an engine: as far as namespaces give it, it sees and may write what a pod's would.

Part of the step runner (step_runner.py). As root on Linux, a command gets a root file system of its own, without this
machine's folders: the system's, Python's and the image's (read-only), the folders that KFP mounts into every pod, and
the claims of its step. It runs as the image's user, without any capability. Elsewhere it is a plain process, whose
folders lie below that of the pod.
"""

import functools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

USER = 10001
"""Of the image and of everything that its steps write."""
SCRATCH = ("minio", "s3", "gcs", ".local", ".cache", ".config", "tmp")
"""What KFP mounts at / of every pod for it to write to."""
SITE = "site"
"""Folder of the pod with a `sitecustomize.py`."""
SYSTEM = [
    Path("/", name) for name in ("bin", "etc", "lib", "lib32", "lib64", "sbin", "usr", "dev", "proc", "sys")
]
OPEN = ("/dev", "/proc", "/sys")
"""What the container runtime brings itself."""
OUTPUT_FILE = Path("tmp", "kfp_outputs", "output_metadata.json")
"""Where the launcher waits for an answer, below /."""

HIDE = """
import sys
# Neither the source tree, by its editable install, nor packages that the image lacks may be found.
class Hide:
    lacking = {lacking!r}
    def find_spec(self, name, path=None, target=None):
        sys.meta_path[:] = [f for f in sys.meta_path if "Editable" not in getattr(f, "__name__", "")]
        if name.partition(".")[0] in self.lacking:
            raise ModuleNotFoundError("the image has no " + name, name=name)
sys.meta_path.insert(0, Hide())
"""


@dataclass(frozen=True)
class Pod:
    """A fresh pod, whose folders for scratch lie in `folder`; `lacking` are modules that its image has not."""

    folder: Path
    isolated: bool
    lacking: Collection[str]

    def __post_init__(self) -> None:
        for name in (*SCRATCH, SITE, "root"):
            (self.folder / name).mkdir()
        (self.folder / OUTPUT_FILE).parent.mkdir()
        (self.folder / SITE / "sitecustomize.py").write_text(HIDE.format(lacking=set(self.lacking)))

    @property
    def root(self) -> Path:
        """What the container takes for /, as far as scratch is concerned."""
        return Path("/") if self.isolated else self.folder

    def run(
        self, words: Sequence[str], image: Path, claims: Iterable[Path], environment: dict[str, str]
    ) -> tuple[int, str]:
        """Run a command in the folder `image`, with the image's environment and more.

        Returns:
          Its exit code, and what it wrote.
        """
        variables = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.root / "tmp"),
            "LOGNAME": "nsynth",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{self.root / SITE}:{image}",
            **({} if self.isolated else {"NSYNTH_STAGING_ROOT": str(self.folder)}),
            **environment,
        }
        if self.isolated:
            give(self.folder)
            script = "\n".join(["set -e", *self._mount(image, claims), self._enter(image)])
            words = ["unshare", "--mount", "--propagation", "private", "bash", "-c", script, "pod", *words]
        done = subprocess.run(
            words, cwd=image, env=variables, text=True, capture_output=True, check=False, errors="replace"
        )
        return done.returncode, done.stdout + done.stderr

    def _mount(self, image: Path, claims: Iterable[Path]) -> list[str]:
        """Commands that make the root file system: few, since each is a process."""
        root = self.folder / "root"
        links = [str(folder) for folder in SYSTEM if folder.is_symlink()]
        first = [
            *((f, f, str(f) in OPEN) for f in SYSTEM if f.is_dir() and not f.is_symlink()),
            *((self.folder / name, Path("/", name), True) for name in SCRATCH),
            (self.folder / SITE, Path("/", SITE), False),
        ]
        within = [  # maybe below /tmp
            *((folder, folder, False) for folder in (*_of_python(), image)),
            *((folder, folder, True) for folder in claims),
        ]
        return [
            shlex.join(["mount", "-t", "tmpfs", "-o", "mode=755", "none", str(root)]),
            shlex.join(["cp", "--no-dereference", *links, str(root)]) if links else ":",
            *self._show("first", first),
            *self._show("within", within),
            shlex.join(["mount", "-o", "remount,ro", str(root)]),
        ]

    def _show(self, name: str, shown: Iterable[tuple[Path, Path, bool]]) -> list[str]:
        """Commands that show folders at places of the root file system, which a step may write to or not."""
        table, targets = self.folder / f"{name}.fstab", []
        with table.open("w") as file:
            for folder, place, writable in shown:
                targets.append(f"{self.folder}/root{place}")
                row = (str(folder), targets[-1], "none", "rbind" if writable else "rbind,ro", "0", "0")
                file.write(" ".join(map(_escaped, row)) + "\n")
        return [shlex.join(["mkdir", "-p", *targets]), shlex.join(["mount", "--all", "--fstab", str(table)])]

    def _enter(self, image: Path) -> str:
        user = f"setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs"
        none = "--inh-caps=-all --ambient-caps=-all --bounding-set=-all"
        root, here = shlex.quote(str(self.folder / "root")), shlex.quote(str(image))
        return f'exec {_program("chroot")} {root} {user} {none} env --chdir={here} -- "$@"'


def _escaped(word: str) -> str:
    """A field of fstab(5)."""
    return word.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")


def _of_python() -> list[Path]:
    """Folders with this Python: those of its environment, and those that the environment's links lead through."""
    folders, program = [Path(sys.prefix), Path(sys.base_prefix)], Path(sys.executable)
    while program.is_symlink():
        program = program.parent / os.readlink(program)
        folders.append(program.parents[1])
    return [folder for folder in dict.fromkeys(folders) if not any(folder.is_relative_to(s) for s in SYSTEM)]


def give(folder: Path) -> None:
    """Make the steps' user the owner of a folder and all that is in it, as `loader.yaml` does for a claim."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin")


@functools.cache
def why_not_isolated() -> str:
    """Why pods cannot be isolated here; empty if they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root on Linux can make pods with mounts and a user of their own"
    if missing := [name for name in ("unshare", "mount", "chroot", "setpriv") if not _program(name)]:
        return f"no {missing[0]} to make pods with mounts and a user of their own"
    trial = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "none", "/tmp"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return trial.stderr.strip()
