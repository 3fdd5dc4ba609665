"""Options of Pusher. Imports nothing heavy."""

import pydantic


class PushOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Where versions are published and how many are kept."""

    destination: str | None = None
    """Folder (or gs:// address) that a model server watches. None: `<workspace>/models`."""
    copy_to: str | None = pydantic.Field(None, pattern=r"^(s3|gs)://[^/@]+(/.*)?$")
    """Address in a bucket (`s3://` or `gs://`) to which versions are also copied. None: no copies."""
    keep: int = pydantic.Field(5, ge=2)
    """Number of versions to keep, the serving version included; at least one remains for a rollback."""
