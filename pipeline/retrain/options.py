"""What a user may set of unattended retraining. Imports nothing heavy."""

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
"""A command, run without a shell, or an http(s) address; both are given the round's line of the ledger as JSON."""


def _address(text: str) -> str:
    """Return a web address; what is wrong with one is told without it, since it may hold a secret."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("not an address; write https://host/path")
    return text


Address = Annotated[str, pydantic.AfterValidator(_address)]
"""Of a web server."""


class ScheduleOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """When rounds start by themselves."""

    cron: str = "0 3 * * *"
    """Minute, hour, day of month, month, day of week (0 is Sunday, or by name); all five have to fit."""
    timezone: str = "UTC"
    """Of the cron expression, such as Europe/Berlin."""
    jitter_s: int = Field(default=60, ge=0)
    """A round starts up to so much later, so that many machines do not start as one."""
    catch_up: bool = True
    """Whether rounds missed while the scheduler was down are made up for, by one."""
    stop_grace_s: float = Field(default=30.0, ge=0)
    """On SIGTERM a round that runs is given so long to finish before it is interrupted."""

    @pydantic.field_validator("cron")
    @classmethod
    def _cron(cls, expression: str) -> str:
        fields = len(expression.split())
        if fields != 5:
            raise ValueError(f"five fields are wanted (minute hour day month weekday), not {fields}")
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
    """What is done about faults that may pass: a full disk, a broken connection."""

    attempts: int = Field(default=3, ge=1)
    """Runs of a round, the first one included."""
    wait_s: float = Field(default=60.0, ge=0)
    """Before the second attempt; doubles with each one."""
    max_wait_s: float = Field(default=1800.0, ge=0)


class WatcherOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Addresses of an outside watcher, which notices when no round reports any more; each is asked with a GET.

    Services that watch such jobs call them start, success and fail.
    """

    start: Address | None = None
    """A round has begun."""
    success: Address | None = None
    """It did its work: pushed, kept, refused, or nothing new."""
    fail: Address | None = None
    """It failed, ran out of time or was interrupted."""


class CleanupOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """What `nsynth gc` leaves."""

    keep_runs: int = Field(default=3, ge=1)
    """The newest runs stay whole; of older ones only what a pushed model or the window needs."""
    keep_logs_days: float = Field(default=30.0, ge=0)
    keep_reports: int = Field(default=30, ge=1)
    """The newest pages of runs in `workspace/reports`."""
    after_round: bool = False
    """Whether every round that came to an end cleans up after itself."""


class RetrainOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Rounds of retraining on data that arrives in folders `span-<number>`."""

    spans: str | None = None
    """Folder with the span folders, or its address in a bucket (s3://, gs://)."""
    holdout: str | None = None
    """Folder with the fixed notes that every candidate is judged on, beside the newest span; or its address."""
    window: int = Field(default=10, ge=1)
    """How many of the newest spans are trained on."""
    settle_s: float = Field(default=60.0, ge=0)
    """A span is taken up once nothing in it has changed or arrived for so long: until then it may be half copied."""
    fresh_every: int = Field(default=0, ge=0)
    """Every so many rounds training starts afresh and not from the champion; 0 leaves it to recipe.warm_start."""
    time_limit_s: float = Field(default=6 * 3600.0, gt=0)
    """A round that takes longer is ended."""
    newest_margin: float | None = Field(default=0.1, ge=0, le=1)
    """How much accuracy a candidate may lose to the champion on the newest span; none: it is not asked there."""

    drift: DriftOptions = DriftOptions()
    retry: RetryOptions = RetryOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    cleanup: CleanupOptions = CleanupOptions()
    hooks: dict[Event, tuple[Hook, ...]] = {}
    """Outcome → commands or addresses to call."""
    hook_timeout_s: float = Field(default=30.0, gt=0)
    """For each hook and each call of the watcher, as a whole."""
    watcher: WatcherOptions = WatcherOptions()

    @pydantic.field_validator("spans", "holdout", mode="before")
    @classmethod
    def _place(cls, place: object, info: pydantic.ValidationInfo) -> object:
        """Return a folder or an address as text, always the same text for the same one."""
        if not isinstance(place, str | Path):
            return place
        if not address.is_remote(str(place)):
            return str(Path(place))
        if fault := address.fault(str(place)):
            raise ValueError(fault)
        if info.field_name == "spans" and address.is_web(str(place)):
            raise ValueError("a web server lists no folders; give a folder, or an address in a bucket")
        return str(place).rstrip("/")

    @pydantic.field_validator("hooks")
    @classmethod
    def _commands(cls, hooks: dict[Event, tuple[str, ...]]) -> dict[Event, tuple[str, ...]]:
        for event, group in hooks.items():
            for number, hook in enumerate(group, 1):
                try:
                    if not shlex.split(hook):
                        raise ValueError("it is blank")
                except ValueError as error:  # the hook itself may hold a secret
                    raise ValueError(
                        f"hook {number} for {event} is no command: {str(error).lower()}"
                    ) from error
        return hooks
