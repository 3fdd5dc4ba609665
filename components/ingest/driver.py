"""The ExampleGen driver: resolves {SPAN} as TFX's own does, and fingerprints just what will be read."""

import hashlib
import os
import time
from collections.abc import Iterable

from absl import logging
from tfx.components.example_gen import driver, input_processor
from tfx.orchestration.portable import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import standard_component_specs

import nsynth
from components.ingest import audio_files, files
from components.ingest.digests import Digests
from components.ingest.executor import OPTIONS_KEY, cache_folder
from components.ingest.options import IngestOptions
from components.ingest.sources import AUDIO_FOLDER, Form, Source, find


class NSynthInputProcessor(input_processor.FileBasedInputProcessor):
    """Fingerprints by content; TFX's looks at sizes and ages in seconds of whatever matches the pattern."""

    def __init__(
        self,
        input_base_uri: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        cache: str | None = None,
    ):
        """Set the processor up; digests of files are kept in the folder `cache`."""
        super().__init__(input_base_uri, splits, range_config)
        self._cache = cache

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Return the newest or the named span.

        Raises:
            nsynth.UserError: no folder matches the pattern.
        """
        if not files.is_local(self._input_base_uri):
            return self._remote_span(), None
        try:
            return super().resolve_span_and_version()
        except ValueError as error:
            raise nsynth.UserError(f"{self._input_base_uri}: {error}. Check the span folders.") from error

    def _remote_span(self) -> int:
        """Return the span that is named, 0 where the pattern has none: TFX lists no addresses."""
        if not self._is_match_span and not self._is_match_date:
            return 0
        if self._range_config and self._range_config.HasField("static_range"):
            return self._range_config.static_range.start_span_number
        raise nsynth.UserError(
            f"{self._input_base_uri}: the newest span can only be found on a disk. Give the address of a span."
        )

    def get_input_fingerprint(self, span: int, version: int | None) -> str | None:
        """Return number and size of the files that ingest will read, and the hash of their names and contents."""
        try:
            return self._fingerprint_of_sources(span, version)
        except (nsynth.UserError, OSError) as error:
            logging.info("no fingerprint: %s", error)
            return f"cannot be read ({time.time_ns()})"  # ingest will say why; nothing cached may stand in for it

    def _fingerprint_of_sources(self, span: int, version: int | None) -> str:
        lines, size = [], 0
        with Digests(self._cache) as digests:
            for split in self._splits:
                pattern = self.get_pattern_for_span_version(split.pattern, span, version)
                named = split.name if split.name in nsynth.SPLITS else None
                for source in find(self._input_base_uri, pattern, named):
                    for path, told in _files_of(source).items():
                        name = os.path.relpath(path, self._input_base_uri)
                        digest = f"{told.size} {told.changed_ns}" if told else digests.of(path)
                        lines.append(f"{source.split} {source.form} {name} {digest}")
                        size += (told or files.stat(path)).size
        total = hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return f"files:{len(lines)},bytes:{size},sha256:{total}"


class Driver(driver.FileBasedDriver):
    """TFX's driver with the input processor above."""

    _cache: str | None = None

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Remember where this step keeps what it knows of files, then go on as TFX's."""
        options = IngestOptions.model_validate_json(execution_info.exec_properties.get(OPTIONS_KEY) or "{}")
        [examples] = execution_info.output_dict[standard_component_specs.EXAMPLES_KEY]
        self._cache = cache_folder(options, examples.uri) if examples.uri else options.cache_dir
        return super().run(execution_info)

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> NSynthInputProcessor:
        """Return the processor that fingerprints by content."""
        return NSynthInputProcessor(input_base_uri or "", splits, range_config, self._cache)


def _files_of(source: Source) -> dict[str, files.Stat | None]:
    """Return the files that are read of a source, and what a listing tells of remote ones without an index."""
    if source.form == Form.AUDIO:
        return audio_files.listed(source.path, source.rows)
    if source.form != Form.JSONWAV:
        return {source.path: None}
    sounds = files.listing(os.path.join(os.path.dirname(source.path), AUDIO_FOLDER), "*.wav")
    return {source.path: None, **sounds}
