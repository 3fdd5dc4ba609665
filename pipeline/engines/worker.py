"""Starts a Beam worker that has nothing of ours but what the job shipped.

Engines that start workers as processes call this with the arguments that Beam's containers get. It asks the engine
for the job's options and files, installs the packages among them into a folder of their own, and becomes Beam's
worker. Third-party packages come from the environment that runs this file, which must be like the submitter's; of
this project only the shipped package is on the path, so no worker can come to depend on a checkout beside it.

This file imports nothing of ours.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import (
    beam_artifact_api_pb2,
    beam_artifact_api_pb2_grpc,
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    beam_runner_api_pb2,
)
from apache_beam.portability.common_urns import artifact_roles
from google.protobuf import json_format

_PACKAGES = (".tar.gz", ".whl")
_TIMEOUT_S = 60


ENDPOINTS = ("logging_endpoint", "artifact_endpoint", "control_endpoint")


def main() -> None:
    """Fetch, install, and replace this process by the worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", required=True, help="name that the engine gives the worker")
    parser.add_argument("--provision_endpoint", required=True, help="host:port that tells the rest")
    for name in ENDPOINTS:
        parser.add_argument(f"--{name}", help="host:port, where it is not what the provision endpoint tells")
    arguments, _ = parser.parse_known_args()
    info = provision(arguments.id, arguments.provision_endpoint)
    for name in ENDPOINTS:
        if url := getattr(arguments, name):
            getattr(info, name).url = url
    with tempfile.TemporaryDirectory() as folder:
        packages = fetch(arguments.id, info, Path(folder))
        shipped = install(
            packages, private_folder(Path(tempfile.gettempdir()) / f"nsynth-worker-{os.getuid()}")
        )
    environment = {**os.environ, **contract(arguments.id, info), **search_path(shipped)}
    os.execve(sys.executable, worker_command(), environment)


def provision(worker: str, endpoint: str) -> beam_provision_api_pb2.ProvisionInfo:
    """Ask the engine what this worker is to work on."""
    with grpc.insecure_channel(endpoint) as channel:
        stub = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        return stub.GetProvisionInfo(request, **_call(worker)).info


def fetch(worker: str, info: beam_provision_api_pb2.ProvisionInfo, folder: Path) -> list[Path]:
    """Download the packages among the job's files, under the names they were staged with."""
    paths = []
    with grpc.insecure_channel(info.artifact_endpoint.url) as channel:
        stub = beam_artifact_api_pb2_grpc.ArtifactRetrievalServiceStub(channel)
        request = beam_artifact_api_pb2.ResolveArtifactsRequest(artifacts=info.dependencies)
        for artifact in stub.ResolveArtifacts(request, **_call(worker)).replacements:
            path = folder / _staged_name(artifact)
            if not path.name.endswith(_PACKAGES):
                continue
            wanted = beam_artifact_api_pb2.GetArtifactRequest(artifact=artifact)
            with path.open("wb") as file:
                file.writelines(piece.data for piece in stub.GetArtifact(wanted, **_call(worker)))
            paths.append(path)
    return paths


def install(packages: Iterable[Path], cache: Path) -> list[Path]:
    """Install each package into a folder of `cache` named by what is in it, once; give the folders.

    Raises:
      subprocess.CalledProcessError: pip failed; its output is on stderr.
    """
    folders = []
    for package in packages:
        folder = cache / fingerprint(package)
        if not folder.exists():
            unfinished = tempfile.mkdtemp(dir=cache)
            pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            options = ("--no-deps", "--no-build-isolation", "--no-index", "--target", unfinished)
            subprocess.run([*pip, *options, str(package)], check=True, stdout=sys.stderr)
            try:
                os.rename(unfinished, folder)
            except OSError:  # another worker was faster
                shutil.rmtree(unfinished)
        folders.append(folder)
    return folders


def private_folder(folder: Path) -> Path:
    """Make a folder that nobody else can write to, or make sure that it is one: code is run from it.

    Raises:
      PermissionError: it is a link or no folder, belongs to somebody else, or others may change what is in it.
    """
    parent = folder.parent.stat()
    if parent.st_mode & stat.S_IWOTH and not parent.st_mode & stat.S_ISVTX:
        raise PermissionError(
            f"{folder.parent}: others can replace what lies in it; set TMPDIR to a private folder"
        )
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(
            f"{folder}: not a folder of user {os.getuid()}; remove it, or set TMPDIR elsewhere"
        )
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PermissionError(f"{folder}: others had access to it; look at what is in it, and remove it")
    return folder


def fingerprint(package: Path) -> str:
    """Return the hash of the names and contents in a package: each job packs the same files anew, at another time."""
    digest = hashlib.sha256()
    for name, content in sorted(_members(package)):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


def _members(package: Path) -> Iterator[tuple[str, bytes]]:
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist())
    else:
        with tarfile.open(package) as archive:
            files = [member for member in archive.getmembers() if member.isfile()]
            yield from ((member.name, archive.extractfile(member).read()) for member in files)  # type: ignore[union-attr]


def contract(worker: str, info: beam_provision_api_pb2.ProvisionInfo) -> dict[str, str]:
    """Return the environment variables by which Beam's worker knows its engine."""
    return {
        "WORKER_ID": worker,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "LOGGING_API_SERVICE_DESCRIPTOR": str(info.logging_endpoint),
        "CONTROL_API_SERVICE_DESCRIPTOR": str(info.control_endpoint),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def search_path(shipped: Iterable[Path]) -> Mapping[str, str]:
    """Shipped packages first, then the environment's; with `-S`, links to checkouts are not followed."""
    return {"PYTHONPATH": os.pathsep.join([*map(str, shipped), sysconfig.get_path("purelib")])}


def worker_command() -> list[str]:
    """Beam's worker, without the current folder (-P) and without .pth files (-S) on its path."""
    return [sys.executable, "-P", "-S", "-m", "apache_beam.runners.worker.sdk_worker_main"]


def _call(worker: str) -> dict[str, Any]:
    """Return what each call to the engine carries: it tells its workers apart by name."""
    return {"metadata": (("worker_id", worker),), "timeout": _TIMEOUT_S}


def _staged_name(artifact: beam_runner_api_pb2.ArtifactInformation) -> str:
    """Return the file name that the submitter gave, without any folder."""
    if artifact.role_urn != artifact_roles.STAGING_TO.urn:
        raise ValueError(f"a file with the role {artifact.role_urn}; only staged ones are known here")
    role = beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(artifact.role_payload)
    return os.path.basename(role.staged_name)


if __name__ == "__main__":
    main()
