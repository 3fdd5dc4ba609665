"""A fix for ML Metadata's PostgreSQL support: it cannot store text with a backslash.

Such text is quoted by libpq as an escape string, E'…', of which ML Metadata takes off the wrong characters; the
server then answers `syntax error at or near …`. TFX writes backslashes with every Evaluator, since its metrics'
settings are JSON within JSON. So on the way to the server each backslash becomes a character that Unicode has set
aside for private use, and a backslash again on the way back.
"""

import functools
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto.metadata_store_pb2 import ConnectionConfig

BACKSLASH, STAND_IN = "\\", "\uf05c"


@functools.cache
def fix() -> None:
    """Make every MetadataStore of this process that is connected to PostgreSQL take and give any text."""
    call = MetadataStore._call

    @functools.wraps(call)
    def fixed(self: MetadataStore, name: str, request: Message, response: Message, **more: Any) -> Any:
        config = self._config
        if not (isinstance(config, ConnectionConfig) and config.HasField("postgresql")):
            return call(self, name, request, response, **more)
        replace(request, BACKSLASH, STAND_IN)
        try:
            return call(self, name, request, response, **more)
        finally:
            replace(request, STAND_IN, BACKSLASH)
            replace(response, STAND_IN, BACKSLASH)

    MetadataStore._call = fixed


def replace(message: Message, old: str, new: str) -> None:
    """Replace text in all strings of a message, in place."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            if field.is_repeated:
                value[:] = [text.replace(old, new) for text in value]
            elif old in value:
                setattr(message, field.name, value.replace(old, new))
        elif isinstance(value, Message):
            replace(value, old, new)
        elif field.type == field.TYPE_MESSAGE:  # several, or a map
            for part in value.values() if isinstance(value, Mapping) else value:
                if isinstance(part, Message):
                    replace(part, old, new)
