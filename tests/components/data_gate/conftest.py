"""A schema with what the checks look at."""

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

SCHEMA = text_format.Parse(
    """
    feature { name: "instrument_family_str" type: BYTES }
    feature { name: "instrument_source_str" type: BYTES }
    feature { name: "pitch" type: INT }
    feature { name: "velocity" type: INT }
    feature { name: "rms_dbfs" type: FLOAT }
    feature { name: "peak_dbfs" type: FLOAT }
    feature { name: "spectral_centroid_hz" type: FLOAT }
    feature { name: "active_duration_s" type: FLOAT }
    """,
    schema_pb2.Schema(),
)
