"""The artifact type that ingest adds to TFX's own."""

from tfx.types.artifact import Artifact


class QuarantinedNotes(Artifact):
    """The records that were not used, and the account of all that came in.

    `summary.json`: the account (components/ingest/summary.py tells its keys). `records.jsonl`: a line for each
    record, why and where. `<split>-data_tfrecord-*`: the records, byte for byte.
    """

    TYPE_NAME = "QuarantinedNotes"
