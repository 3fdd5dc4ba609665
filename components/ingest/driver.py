"""The ExampleGen driver: resolves {SPAN} and takes the fingerprint of the data, as TFX's own does."""

import os
from collections.abc import Iterable

from tfx.components.example_gen import driver, input_processor
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.utils import io_utils

import nsynth
from components.ingest import files
from components.ingest.sources import AUDIO_FOLDER, EXAMPLES_JSON


class NSynthInputProcessor(input_processor.FileBasedInputProcessor):
    """Looks into JSON/WAV folders, where TFX would see the folder's own age alone."""

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """The newest or the named span.

        Raises:
            nsynth.UserError: no folder matches the pattern.
        """
        try:
            return super().resolve_span_and_version()
        except ValueError as error:
            raise nsynth.UserError(f"{self._input_base_uri}: {error}. Look at the folder's spans.") from error

    def get_input_fingerprint(self, span: int, version: int | None) -> str | None:
        """Count, sizes and ages of the files that match, those inside JSON/WAV folders included."""
        fingerprint = super().get_input_fingerprint(span, version) or ""
        for split in self._splits:
            pattern = self.get_pattern_for_span_version(split.pattern, span, version)
            for parts in ((), (pattern,)):
                for found in files.match(os.path.join(self._input_base_uri, *parts, EXAMPLES_JSON)):
                    wavs = os.path.join(os.path.dirname(found), AUDIO_FOLDER, "*.wav")
                    for inside in (found, wavs):
                        fingerprint += "\n" + io_utils.generate_fingerprint(split.name, inside)
        return fingerprint


class Driver(driver.FileBasedDriver):
    """TFX's driver with the input processor above."""

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> NSynthInputProcessor:
        """The processor that knows JSON/WAV folders."""
        return NSynthInputProcessor(input_base_uri or "", splits, range_config)
