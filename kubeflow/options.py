"""What a user may set about running on a cluster. Imports nothing heavy."""

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
      ValueError: it is none.
    """
    if not QUANTITY.fullmatch(text):
        raise ValueError(f"{text!r} is no Kubernetes quantity; write 2, 500m or 8Gi")
    number = re.match(r"[0-9.]+", text)
    assert number
    return float(number[0]) * _FACTORS[text[number.end() :]]


class StepOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """What one step is given. Anything left out is taken from the step `default`."""

    cpu: str | None = None
    """Cores, requested and at most: 2 or 500m."""
    memory: str | None = None
    """Requested and at most: 8Gi. A step that takes more is killed."""
    gpus: int | None = pydantic.Field(default=None, ge=0)
    gpu_type: str | None = None
    """nvidia.com/gpu on Kubeflow; NVIDIA_TESLA_T4 and the like on Vertex AI."""
    node_selector: dict[str, str] | None = None
    """Labels that the node must carry."""
    tolerates: tuple[str, ...] | None = None
    """Keys of the taints (NoSchedule) that the step may run in spite of, for example nvidia.com/gpu."""
    image: str | None = pydantic.Field(default=None, pattern=IMAGE_PATTERN)
    """Another image than the pipeline's, for example its GPU variant."""
    cache: bool | None = None
    """Whether an earlier result may be taken."""
    retries: int | None = pydantic.Field(default=None, ge=0, le=20)
    timeout_s: int | None = pydantic.Field(default=None, gt=0)
    """The step is stopped after so many seconds; Kubeflow only."""

    @pydantic.field_validator("cpu", "memory")
    @classmethod
    def _is_quantity(cls, text: str | None) -> str | None:
        if text is not None:
            quantity(text)
        return text

    def over(self, below: "StepOptions") -> "StepOptions":
        """Return these options, and those of `below` where nothing is set."""
        return below.model_copy(update=self.model_dump(exclude_none=True))


class KeyRef(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One key of a Secret or ConfigMap; its value never passes through here."""

    name: Name
    key: str = pydantic.Field(min_length=1)


NEVER_CACHED = StepOptions(cache=False)
"""Of a step that reads or changes what lies outside of the pipeline: Kubeflow's cache key would not notice."""

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
    """The image that `kubeflow/Dockerfile` builds; better with a digest than with a tag."""
    pipeline_root: str = pydantic.Field("minio://mlpipeline/nsynth", pattern=r"^(minio|s3|gs)://[^/]+(/.*)?$")
    """Object store below which the steps' outputs go."""
    artifacts: Literal["claim", "store"] | None = None
    """claim: outputs stay on the volume of `workspace`, and the object store holds a pointer to each; store: they are
    copied into the object store and from there into every pod that reads them. None: claim on Kubeflow, whose steps
    all mount that volume; store on Vertex AI."""
    pattern: str = pydantic.Field(default="*", min_length=1)
    """Which files of `data` are read. `span-{SPAN:6}/*`: those of a span folder such as span-000001, which the first
    step finds; `span-{SPAN}/*`: the same with any number of digits, such as span-1."""
    steps: dict[str, StepOptions] = {}
    """Step → what it is given; `default` counts for every step."""
    retry_after_s: int = pydantic.Field(60, gt=0)
    """Pause before the first retry; doubled each time, an hour at most."""
    volumes: dict[Name, str] = {"nsynth-data": "/data", "nsynth-models": "/models"}
    """Volume claim → where every step sees it. Kubeflow only; Vertex AI reads gs:// addresses."""
    config_maps: dict[EnvName, KeyRef] = {}
    """Environment variable → the ConfigMap's key with its value. Kubeflow only."""
    secrets: dict[EnvName, KeyRef] = {}
    """Environment variable → the Secret's key with its value. Kubeflow only."""
    image_pull_secret: Name | None = None
    service_account: Name | None = "nsynth-pipeline"
    namespace: Name | None = None
    """The user's, on a multi-user installation; none on a single-user one."""
    host: str | None = None
    """Address of the Kubeflow Pipelines API, such as http://localhost:8080; none asks KF_PIPELINES_ENDPOINT."""
    experiment: str = pydantic.Field("nsynth", min_length=1)

    def step(self, name: str) -> StepOptions:
        """Return all that counts for one step: its own options, then `default`, then what ships with the code."""
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
