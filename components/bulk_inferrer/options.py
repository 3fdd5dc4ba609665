"""What a user may set about answers for many notes at once. Imports nothing heavy."""

import pydantic


class BulkOptions(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Notes that every blessed model is to answer, as a step of the graph; without `data` there is no such step."""

    data: str | None = None
    """Folder with notes in any of NSynth's forms; all of its files count, whatever they are called."""
