"""What a user may set about pushing. Imports nothing heavy."""

import pydantic


class PushOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Where models go and how many stay."""

    destination: str | None = None
    """Folder (or gs:// address) that a model server watches; none means `<workspace>/models`."""
    copy_to: str | None = pydantic.Field(None, pattern=r"^(s3|gs)://[^/@]+(/.*)?$")
    """Address in a bucket (`s3://` or `gs://`) to which the versions are copied too; none means nowhere."""
    keep: int = pydantic.Field(5, ge=2)
    """Versions that stay in the folder; the serving one is always among them, and one to go back to."""
