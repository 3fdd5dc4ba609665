"""What measurements against stock TFX share."""

from pathlib import Path
from typing import Any

BEAM_ARGS = (
    "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    f"--setup_file={Path(__file__).parent.parent / 'setup.py'}",  # else TFX builds a source package
)


def write_without_gzip() -> None:
    """Stock TFX has no option for it: the suffix decides, so take the suffix away."""
    from apache_beam.io import tfrecordio

    construct = tfrecordio.WriteToTFRecord.__init__

    def without_suffix(self: Any, *args: Any, file_name_suffix: str = "", **kwargs: Any) -> None:
        construct(self, *args, file_name_suffix=file_name_suffix.removesuffix(".gz"), **kwargs)

    tfrecordio.WriteToTFRecord.__init__ = without_suffix
