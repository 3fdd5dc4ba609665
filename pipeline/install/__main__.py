"""The command `python -m pipeline.install`: see the package."""

from __future__ import annotations

import argparse
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.install import environment, machine
from pipeline.install.stages import Stages

DOWNLOAD = "about 1 GB to download if nothing is cached"
KEPT_WHEEL = "share/nsynth"
"""Below the environment: the wheel, which engines elsewhere are sent (`pipeline/engines/engine.py`)."""


def main() -> int:
    """Set up an environment; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.install", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the environment to create or complete")
    parser.add_argument("--python", help="an interpreter of version 3.11 (default: found or downloaded)")
    parser.add_argument(
        "--variant", choices=("cpu", "gpu"), default="cpu", help="gpu: with the libraries for GPUs"
    )
    parser.add_argument(
        "--editable", type=Path, metavar="CHECKOUT", help="install this checkout, with its lock file"
    )
    parser.add_argument("--packages-only", action="store_true", help="install everything except the project")
    args = parser.parse_args()
    if reason := machine.refusal_here():
        print(reason, file=sys.stderr)
        return 1
    try:
        set_up(args)
    except environment.SetupError as error:
        print(
            f"\nSet-up stopped: {error}\nRun the same command to resume; nothing is downloaded twice.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command to resume; nothing is downloaded twice.", file=sys.stderr)
        return 130
    return 0


def set_up(args: argparse.Namespace) -> None:
    """Carry out all stages."""
    folder = args.folder.absolute()
    aside = folder.with_name(folder.name + "-setup")
    stages = Stages(3 if args.packages_only else 5)
    environment.check_target(folder)
    with stages.stage("the installer, uv"):
        uv = environment.bootstrap(aside, locked("bootstrap"))
    with stages.stage(f"Python {environment.PYTHON}") as stage:
        stage.rename(f"Python {environment.make_environment(uv, folder, args.python)} in {folder}")
    lock = (args.editable / "requirements.lock").read_text() if args.editable else locked("runtime")
    with stages.stage(f"packages: {DOWNLOAD}") as stage:
        total = len(re.findall(r"^[\w.-]+==", lock, re.MULTILINE))

        def report(done: int) -> None:
            gigabytes = environment.installed_bytes(folder) / 1e9
            stage.progress(f"{done} of {total}, {gigabytes:.1f} GB on disk")

        number = environment.install_locked(uv, folder, lock, report)
        if args.variant == "gpu":
            number += environment.install_locked(uv, folder, locked("gpu"), lambda done: None)
        stage.rename(f"packages: {number}, {environment.installed_bytes(folder) / 1e9:.1f} GB on disk")
    if not args.packages_only:
        with stages.stage("nsynth itself"):
            install_project(uv, folder, args.editable)
        with stages.stage("sounds of the first run"):
            fetch_sounds(folder)
        shutil.rmtree(aside)
        print(f"Ready: {folder}/bin/nsynth, or . {folder}/bin/activate and then nsynth")


def install_project(uv: list[str], folder: Path, checkout: Path | None) -> None:
    """Install the checkout, or the wheel that this module came in, and patch the modules that need a newer glibc."""
    if checkout:
        source = ["--editable", str(checkout)]
    else:
        wheel = next((path for path in Path(__file__).parents if path.is_file()), None)
        if not wheel:
            raise environment.SetupError("outside a wheel, give the checkout: --editable .")
        kept = folder / KEPT_WHEEL
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        shutil.copy(wheel, kept)
        source = [str(wheel)]
    environment.install_project(uv, folder, source)
    patch = [str(folder / "bin" / "python"), "-P", "-m", "pipeline.install.glibc"]
    environment.run(patch, "TFX's modules cannot be made to load here")


def fetch_sounds(folder: Path) -> None:
    """Fetch the SoundFonts of the demo; without them it has fewer instruments, so that set-up goes on."""
    done = subprocess.run(
        [str(folder / "bin" / "nsynth"), "corpus", "--fetch"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr.strip() + "\nThe first run will use fewer instruments and lower thresholds.")


def locked(name: str) -> str:
    """Read a lock of this package, also out of a wheel."""
    return (pkgutil.get_data("pipeline.install", f"{name}.lock") or b"").decode()


if __name__ == "__main__":
    sys.exit(main())
