"""Options of batch inference. Imports nothing heavy."""

import pydantic


class BulkOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Batch inference by blessed models, as a step of the pipeline; without `data` there is no such step."""

    data: str | None = None
    """Folder with notes in any of NSynth's formats. All its files are read, regardless of their names."""
