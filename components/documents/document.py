"""What a document is: a JSON file in an artifact, written and read through its model.

The file's name and keys stand in the model alone. A key that is not known is passed over and one that is missing
takes its default, so that files of other versions of this code can be read.
"""

from pathlib import Path
from typing import ClassVar, Self

import pydantic

import nsynth
from components import storage


class Part(pydantic.BaseModel):
    """A part of a document."""

    model_config = pydantic.ConfigDict(
        frozen=True, validate_by_name=True, validate_by_alias=True, ser_json_inf_nan="constants"
    )


class Document(Part):
    """A JSON file in the folder of an artifact."""

    FILE: ClassVar[str]
    TEXT_FILE: ClassVar[str] = ""
    """The same in words, where there is such a file."""

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read the file in `folder`.

        Raises:
          FileNotFoundError: it is not there.
          nsynth.UserError: it is damaged.
        """
        path = f"{folder}/{cls.FILE}"
        try:
            return cls.model_validate_json(storage.read_bytes(path))
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise nsynth.UserError(
                f"{path} is damaged: {where}: {first['msg']}. Run the step again, or remove the artifact."
            ) from error

    def write(self, folder: str | Path, text: str = "") -> None:
        """Write the file into `folder`, and `text` beside it."""
        storage.write_bytes(f"{folder}/{self.FILE}", self.to_json())
        if text:
            storage.write_bytes(f"{folder}/{self.TEXT_FILE}", text.encode())

    def to_json(self) -> bytes:
        """Return the content of the file."""
        return self.model_dump_json(indent=1, by_alias=True).encode()


class Figure(Part):
    """A measured value with its confidence interval."""

    value: float
    low: float
    high: float
