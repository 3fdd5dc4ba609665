"""The compiled pipeline as it is written to a file and sent to a cluster."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

import atomic
import nsynth

Target = Literal["kfp", "vertex"]
"""Open-source Kubeflow Pipelines, or Vertex AI."""


@dataclass(frozen=True)
class Package:
    """A PipelineSpec (or, for Vertex AI, a PipelineJob) and Kubernetes' part of it, as plain dicts."""

    spec: dict[str, Any]
    platforms: dict[str, Any]
    """KFP's PlatformSpec; empty where there is nothing to say."""

    @property
    def name(self) -> str:
        """Name of the pipeline."""
        return self.spec.get("pipelineSpec", self.spec)["pipelineInfo"]["name"]

    @property
    def version(self) -> str:
        """A name for this version: the same content has the same."""
        return f"{self.name}-{hashlib.sha256(self.text().encode()).hexdigest()[:12]}"

    @property
    def parameters(self) -> dict[str, Any]:
        """What may be set for each run → its default."""
        root = self.spec.get("pipelineSpec", self.spec)["root"]
        declared = root.get("inputDefinitions", {}).get("parameters", {})
        return {name: parameter.get("defaultValue") for name, parameter in declared.items()}

    def text(self) -> str:
        """YAML; the second document, if any, is for Kubernetes."""
        documents = [self.spec, self.platforms] if self.platforms else [self.spec]
        return yaml.safe_dump_all(documents, sort_keys=True, width=110)

    def write(self, path: Path) -> None:
        """Write the file at once or not at all.

        Raises:
          nsynth.UserError: the file cannot be written.
        """
        try:
            atomic.write(path, self.text())
        except OSError as error:
            raise nsynth.UserError(f"cannot write {path}: {error.strerror}") from error


def read(path: Path) -> Package:
    """Read what `write` wrote.

    Raises:
      nsynth.UserError: the file cannot be read, or is no compiled pipeline.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text()))
    except OSError as error:
        raise nsynth.UserError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise nsynth.UserError(f"{path} is not YAML; make it with `nsynth kubeflow compile`") from error
    spec = documents[0] if documents else None
    if not isinstance(spec, dict) or not ({"pipelineInfo", "pipelineSpec"} & set(spec)):
        raise nsynth.UserError(f"{path} is not a compiled pipeline; make it with `nsynth kubeflow compile`")
    return Package(spec, documents[1] if len(documents) > 1 else {})
