"""Options of runs on a cluster. Imports nothing heavy."""

import re
from typing import Annotated, Literal

import pydantic

EVERY_STEP = "default"
IMAGE_PATTERN = r"^[a-z0-9]([a-z0-9._/:-]*[a-z0-9])?(:[A-Za-z0-9_.-]+)?(@sha256:[0-9a-f]{64})?$"
K8S_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
ENV_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|Ki|[MGT]i?)?")
_FACTORS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
            "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}  # fmt: skip

Name = Annotated[str, pydantic.Field(pattern=K8S_NAME_PATTERN)]
EnvName = Annotated[str, pydantic.Field(pattern=ENV_PATTERN)]


def quantity(text: str) -> float:
    """Return the value of a Kubernetes quantity: 500m → 0.5, 8Gi → 8589934592.

    Raises:
      ValueError: it is not a quantity.
    """
    if not QUANTITY.fullmatch(text):
        raise ValueError(f"{text!r} is not a Kubernetes quantity; write for example 2, 500m or 8Gi")
    number = re.match(r"[0-9.]+", text)
    assert number
    return float(number[0]) * _FACTORS[text[number.end() :]]


class StepOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Resources and settings of one step. Omitted fields are taken from the step `default`."""

    cpu: str | None = None
    """Request and limit, in cores: 2 or 500m."""
    memory: str | None = None
    """Request and limit: 8Gi. A step that uses more is killed."""
    gpus: int | None = pydantic.Field(default=None, ge=0)
    """Number of GPUs."""
    gpu_type: str | None = None
    """nvidia.com/gpu on Kubeflow; for example NVIDIA_TESLA_T4 on Vertex AI."""
    node_selector: dict[str, str] | None = None
    """Labels that the node must have."""
    tolerates: tuple[str, ...] | None = None
    """Keys of taints (NoSchedule) that the step tolerates, for example nvidia.com/gpu."""
    image: str | None = pydantic.Field(default=None, pattern=IMAGE_PATTERN)
    """Image instead of the pipeline's, for example its GPU variant."""
    cache: bool | None = None
    """Whether a cached result may be used."""
    retries: int | None = pydantic.Field(default=None, ge=0, le=20)
    """Number of retries after a failure."""
    timeout_s: int | None = pydantic.Field(default=None, gt=0)
    """Time limit in seconds; Kubeflow only."""

    @pydantic.field_validator("cpu", "memory")
    @classmethod
    def _is_quantity(cls, text: str | None) -> str | None:
        if text is not None:
            quantity(text)
        return text

    def over(self, below: "StepOptions") -> "StepOptions":
        """Return these options, completed by those of `below`."""
        return below.model_copy(update=self.model_dump(exclude_none=True))


class KeyRef(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Reference to a key of a Secret or ConfigMap, without its value."""

    name: Name
    key: str = pydantic.Field(min_length=1)


NEVER_CACHED = StepOptions(cache=False)
"""For a step that reads or changes data outside the pipeline, which is not part of Kubeflow's cache key."""

DEFAULT_STEPS = {
    EVERY_STEP: StepOptions(cpu="2", memory="8Gi", gpus=0, gpu_type="nvidia.com/gpu", cache=True, retries=2),
    "ExampleGen": NEVER_CACHED,
    "DataGate": StepOptions(cache=False, retries=0),  # what it refuses it would refuse again
    "Apart": StepOptions(retries=0),
    "BulkNotes": NEVER_CACHED,
    "WarmStart": NEVER_CACHED,
    "Predictor": NEVER_CACHED,
    "Pusher": NEVER_CACHED,
    "Look": StepOptions(cpu="1", memory="2Gi", cache=False),
    "Report": StepOptions(cpu="1", memory="2Gi", cache=False),
}


class KubeflowOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Where and how the pipeline runs on a cluster."""

    image: str = pydantic.Field("localhost:5000/nsynth:latest", pattern=IMAGE_PATTERN)
    """Image built from `kubeflow/Dockerfile`; a digest is better than a tag."""
    pipeline_root: str = pydantic.Field("minio://mlpipeline/nsynth", pattern=r"^(minio|s3|gs)://[^/]+(/.*)?$")
    """Address in an object store for the steps' outputs."""
    artifacts: Literal["claim", "store"] | None = None
    """Where steps store their outputs. claim: on the volume of `workspace`, with a pointer to each output in the object
    store; store: in the object store, from which they are copied into every pod that reads them. None: claim on
    Kubeflow, where all steps mount that volume; store on Vertex AI."""
    pattern: str = pydantic.Field(default="*", min_length=1)
    """Files of `data` to read. `span-{SPAN:6}/*`: those of a span folder such as span-000001, which the first step
    finds; `span-{SPAN}/*`: the same with any number of digits, such as span-1."""
    steps: dict[str, StepOptions] = {}
    """Step → its resources and settings; `default` applies to every step."""
    retry_after_s: int = pydantic.Field(60, gt=0)
    """Wait before the first retry, in seconds; it doubles with each retry, up to an hour."""
    volumes: dict[Name, str] = {"nsynth-data": "/data", "nsynth-models": "/models"}
    """Volume claim → path at which every step mounts it. Kubeflow only; Vertex AI reads gs:// addresses."""
    config_maps: dict[EnvName, KeyRef] = {}
    """Environment variable → ConfigMap and key with its value. Kubeflow only."""
    secrets: dict[EnvName, KeyRef] = {}
    """Environment variable → Secret and key with its value. Kubeflow only."""
    image_pull_secret: Name | None = None
    """Secret with the credentials of the image's registry."""
    service_account: Name | None = "nsynth-pipeline"
    """Service account of the steps."""
    namespace: Name | None = None
    """Namespace of the user on a multi-user installation. None: a single-user installation."""
    host: str | None = None
    """Address of the Kubeflow Pipelines API, such as http://localhost:8080. None: KF_PIPELINES_ENDPOINT is used."""
    experiment: str = pydantic.Field("nsynth", min_length=1)
    """Experiment to which the runs belong."""

    def step(self, name: str) -> StepOptions:
        """Return the options of one step: its own, completed by `default` and by those of the code."""
        chain = [
            self.steps.get(name),
            DEFAULT_STEPS.get(name),
            self.steps.get(EVERY_STEP),
            DEFAULT_STEPS[EVERY_STEP],
        ]
        result = StepOptions()
        for options in chain:
            result = result.over(options) if options else result
        return result
