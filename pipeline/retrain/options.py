"""Options of unattended retraining. Imports nothing heavy."""

import re
import shlex
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic
from pydantic import Field

from components.drift.options import DriftOptions
from components.remote import address

_ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")

Event = Literal["pushed", "kept", "refused", "failed"]
Hook = Annotated[str, Field(min_length=1)]
"""A command, run without a shell, or an http(s) address; both get the round's record as JSON."""


def _address(text: str) -> str:
    """Return a web address. The error message does not contain it, because it may contain a secret."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("not an address; write https://host/path")
    return text


Address = Annotated[str, pydantic.AfterValidator(_address)]
"""An address of a web server."""


class ScheduleOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """When `nsynth schedule` starts rounds."""

    cron: str = "0 3 * * *"
    """Minute, hour, day of month, month, day of week (0 is Sunday, or by name); all five must match."""
    timezone: str = "UTC"
    """Time zone of the cron expression, such as Europe/Berlin."""
    jitter_s: int = Field(default=60, ge=0)
    """Largest random delay of a round, in seconds, so that many machines do not start at the same time."""
    catch_up: bool = True
    """Whether one round makes up for rounds missed while the scheduler was down."""
    stop_grace_s: float = Field(default=30.0, ge=0)
    """Time, in seconds, that a running round has to finish after SIGTERM before it is interrupted."""

    @pydantic.field_validator("cron")
    @classmethod
    def _cron(cls, expression: str) -> str:
        fields = len(expression.split())
        if fields != 5:
            raise ValueError(f"it has {fields} fields; write five (minute hour day month weekday)")
        return expression

    @pydantic.field_validator("timezone")
    @classmethod
    def _timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no such time zone; write UTC or one like Europe/Berlin") from error
        return name


class RetryOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Retries after transient errors, such as a full disk or a lost connection."""

    attempts: int = Field(default=3, ge=1)
    """Attempts for a round, the first one included."""
    wait_s: float = Field(default=60.0, ge=0)
    """Wait before the second attempt, in seconds; it doubles with each further attempt."""
    max_wait_s: float = Field(default=1800.0, ge=0)
    """Longest wait between two attempts, in seconds."""


class WatcherOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Addresses of a monitoring service, which notices when rounds no longer report. Each is called with GET."""

    start: Address | None = None
    """Address to call when a round starts."""
    success: Address | None = None
    """Address to call when a round has done its work: pushed, kept, refused or no new data."""
    fail: Address | None = None
    """Address to call when a round failed, timed out or was interrupted."""


class CleanupOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """What `nsynth gc` keeps."""

    keep_runs: int = Field(default=3, ge=1)
    """Number of newest runs to keep completely. Of older runs, only what a pushed model or the window needs is kept."""
    keep_logs_days: float = Field(default=30.0, ge=0)
    """Age of the oldest logs to keep, in days."""
    keep_reports: int = Field(default=30, ge=1)
    """Number of newest run pages to keep in `workspace/reports`."""
    after_round: bool = False
    """Whether each finished round also cleans up."""


class RetrainOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Retraining on data that arrives in folders `span-<number>`."""

    spans: str | None = None
    """Folder with the span folders, or its address in a bucket (s3://, gs://)."""
    holdout: str | None = None
    """Folder with fixed notes on which every candidate is evaluated, in addition to the newest span; or its address."""
    window: int = Field(default=10, ge=1)
    """Number of newest spans to train on."""
    settle_s: float = Field(default=60.0, ge=0)
    """A span is used when nothing in it has changed or arrived for this many seconds; before, it may be incomplete."""
    fresh_every: int = Field(default=0, ge=0)
    """Train from scratch, not from the champion's weights, every this many rounds. 0: recipe.warm_start decides."""
    time_limit_s: float = Field(default=6 * 3600.0, gt=0)
    """Time limit of a round, in seconds, all attempts together."""
    newest_margin: float | None = Field(default=0.1, ge=0, le=1)
    """How much accuracy a candidate may lose to the champion on the newest span. None: it is not evaluated there."""

    drift: DriftOptions = DriftOptions()
    retry: RetryOptions = RetryOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    cleanup: CleanupOptions = CleanupOptions()
    hooks: dict[Event, tuple[Hook, ...]] = {}
    """Outcome → commands or addresses to call."""
    hook_timeout_s: float = Field(default=30.0, gt=0)
    """Time limit of each hook and of each call of the watcher, in seconds."""
    watcher: WatcherOptions = WatcherOptions()

    @pydantic.field_validator("spans", "holdout", mode="before")
    @classmethod
    def _place(cls, place: object, info: pydantic.ValidationInfo) -> object:
        """Return a folder or an address as normalized text."""
        if not isinstance(place, str | Path):
            return place
        if not address.is_remote(str(place)):
            return str(Path(place))
        if fault := address.fault(str(place)):
            raise ValueError(fault)
        if info.field_name == "spans" and address.is_web(str(place)):
            raise ValueError("a web server cannot list folders; give a folder, or an address in a bucket")
        return str(place).rstrip("/")

    @pydantic.field_validator("hooks")
    @classmethod
    def _commands(cls, hooks: dict[Event, tuple[str, ...]]) -> dict[Event, tuple[str, ...]]:
        for event, group in hooks.items():
            for number, hook in enumerate(group, 1):
                try:
                    if not shlex.split(hook):
                        raise ValueError("it is blank")
                except ValueError as error:  # without the hook, which may contain a secret
                    raise ValueError(
                        f"hook {number} for {event} is not a command: {str(error).lower()}"
                    ) from error
        return hooks
