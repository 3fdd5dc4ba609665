"""The artifact types that this project adds to TFX's own, so that no component need import another."""

from tfx.types.artifact import Artifact


class QuarantinedNotes(Artifact):
    """The records that were not used, and the account of all that came in.

    `summary.json`: the account (components/ingest/account.py tells its keys). `records.jsonl`: a line for each
    record, why and where. `<split>-data_tfrecord-*`: the records, byte for byte.
    """

    TYPE_NAME = "QuarantinedNotes"


class DataVerdict(Artifact):
    """What DataGate says: `verdict.json` and `verdict.md`; the custom property `accepted` is 1 or 0."""

    TYPE_NAME = "DataVerdict"
