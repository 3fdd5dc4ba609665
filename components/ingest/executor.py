"""The Beam executor of ingest: index, deal out, let each worker write its shards, account for every record."""

import errno
import itertools
import json
import os
import re
import shutil
import traceback
from functools import partial
from typing import Any

import apache_beam as beam
from absl import logging
from tfx.components.example_gen import utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import proto_utils

import cores
import nsynth
from components import sample as sample_of_notes
from components.documents.ingest import IngestAccount
from components.ingest import account, files
from components.ingest.index import Index, open_indexes
from components.ingest.options import IngestOptions
from components.ingest.sample import Sample
from components.ingest.shard import (
    Layout,
    Planned,
    Refused,
    put_aside,
    reports,
    scratch,
    split_folder,
    write_planned,
)
from components.ingest.shuffle import plan
from components.ingest.sources import Source, find
from components.step import Artifacts

SCALARS_KEY = "scalars"
SAMPLE_KEY = "sample"
QUARANTINE_KEY = "quarantine"
OPTIONS_KEY = "options"
CODE_KEY = "code"

_WORTH_PROCESSES = 2000  # notes whose writing takes longer than the start of worker processes
_SCALARS_BYTES = 2_000  # upper bound of what is written of a note besides its record
_USER_ERROR = re.compile(r"nsynth\.UserError: (.*?)(?: \[while running .*\])?$", re.MULTILINE)


class WriteShard(beam.DoFn):
    """Writes shards and counts records; yields nothing, so that no sound travels through the runner."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def start_bundle(self) -> None:
        """Begin to collect shards."""
        self._shards: list[Planned] = []

    def process(self, shard: Planned) -> None:
        """Take a shard in."""
        self._shards.append(shard)

    def finish_bundle(self) -> None:
        """Write the shards, side by side."""
        notes = sum(shard.notes for shard in self._shards)
        write = partial(write_planned, layout=self._layout)
        for written in cores.each(write, self._shards, processes=notes >= _WORTH_PROCESSES):
            for name, count in written.items():
                beam.metrics.Metrics.counter("nsynth_ingest", f"notes_{name}").inc(count)


class Executor(BaseBeamExecutor):
    """Executor of NSynthExampleGen."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Read the notes, write the examples, their scalars, a sample of them and the quarantine.

        Args:
            input_dict: nothing.
            output_dict: `examples`, `scalars`, `sample` and `quarantine`.
            exec_properties: `input_base`, `input_config` (patterns with the span filled in), `options`.

        Raises:
            nsynth.RefusedDataError: the data cannot be used; no examples are left then, the quarantine is.
            nsynth.UserError: a file or a folder cannot be read or written.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        options = IngestOptions.model_validate_json(exec_properties.get(OPTIONS_KEY) or "{}")
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        scalars = artifact_utils.get_single_instance(output_dict[SCALARS_KEY])
        sample = artifact_utils.get_single_instance(output_dict[SAMPLE_KEY])
        quarantine = artifact_utils.get_single_instance(output_dict[QUARANTINE_KEY])
        layout = Layout(examples.uri, scalars.uri, sample.uri, quarantine.uri)
        splits: list[str] = []
        try:
            shards, summary, chosen = self._ingest(exec_properties, options, layout)
            splits = [split for split in nsynth.SPLITS if any(split in s.routes.splits for s in shards)]
            account.write(summary, layout)
            account.stop_if_unusable(summary, splits, layout)
            sampled = chosen.write(layout)
        except BaseException:
            for artifact, split in itertools.product((*layout.notes, layout.sample), nsynth.SPLITS):
                files.remove_tree(split_folder(artifact, split))
            raise
        finally:
            for artifact in (*layout.notes, layout.sample):
                files.remove_tree(scratch(artifact))
            files.remove_tree(layout.reports)
        for notes, names in ((examples, splits), (scalars, splits), (sample, sampled)):
            notes.split_names = artifact_utils.encode_split_names(names)
            examples_utils.set_payload_format(notes, example_gen_pb2.FORMAT_TF_EXAMPLE)
        _name_span(exec_properties, [examples, scalars, sample], quarantine)
        counts = {"in": summary.notes_in, "used": summary.used, "quarantined": summary.quarantined}
        for name, count in counts.items():
            quarantine.set_int_custom_property(f"notes_{name}", count)

    def _ingest(
        self, exec_properties: dict[str, Any], options: IngestOptions, layout: Layout
    ) -> tuple[list[Planned], IngestAccount, Sample]:
        cache_dir = cache_folder(options, layout.examples)
        with open_indexes(_sources(exec_properties), cache_dir) as indexes:
            _check_room(indexes, layout)
            shards = put_aside(plan(indexes, options), layout)
            logging.info("Writing %d notes in %d shards", sum(i.notes for i in indexes), len(shards))
            self._write(shards, layout)
            base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
            origin = files.first_line(os.path.join(base, IngestAccount.ORIGIN_FILE))
            counted, sample = account.Account(indexes, options, origin), Sample()
            with files.whole_file(
                os.path.join(layout.quarantine, IngestAccount.RECORDS_FILE), layout.reports
            ) as lines:
                for shard, (used, refused) in zip(shards, reports(shards, layout), strict=True):
                    counted.add(used, refused)
                    sample.add(shard.name, used)
                    lines.writelines(_line(record) for record in refused)
            return shards, counted.summary(), sample

    def _write(self, shards: list[Planned], layout: Layout) -> None:
        """Run the workers. An error of theirs comes back wrapped in the runner's; the user gets its own words.

        Raises:
            nsynth.UserError: what a worker found.
        """
        try:
            with self._make_beam_pipeline() as pipeline:
                _ = (
                    pipeline
                    | "Shards" >> beam.Create(shards, reshuffle=False)
                    | "OneByOne" >> beam.Reshuffle()
                    | "Write" >> beam.ParDo(WriteShard(layout))
                )
        except Exception as error:
            told = _USER_ERROR.findall("".join(traceback.format_exception_only(error)))
            if told:
                raise nsynth.UserError(told[-1]) from error
            raise


def _name_span(exec_properties: dict[str, Any], notes: list[Artifact], quarantine: Artifact) -> None:
    """Say of each artifact which data it is of: TFX's driver tells the one that it knows, `examples`."""
    if utils.SPAN_PROPERTY_NAME in exec_properties:
        span = int(exec_properties[utils.SPAN_PROPERTY_NAME])
        for artifact in (*notes, quarantine):
            artifact.set_int_custom_property(utils.SPAN_PROPERTY_NAME, span)
        for artifact in notes:
            artifact.span = span  # a custom property alone is forgotten by Kubeflow
    if (version := exec_properties.get(utils.VERSION_PROPERTY_NAME)) is not None:
        for artifact in notes:
            artifact.set_int_custom_property(utils.VERSION_PROPERTY_NAME, int(version))
    if fingerprint := exec_properties.get(utils.FINGERPRINT_PROPERTY_NAME):
        for artifact in notes:
            artifact.set_string_custom_property(utils.FINGERPRINT_PROPERTY_NAME, fingerprint)


def cache_folder(options: IngestOptions, examples: str) -> str:
    """Where a step keeps what it knows of the files that it reads; `examples` is the folder of its output."""
    return options.cache_dir or os.path.join(os.path.dirname(os.path.dirname(examples)), ".cache")


def _sources(exec_properties: dict[str, Any]) -> list[Source]:
    input_config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config)
    folder = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    return [
        source
        for split in input_config.splits
        for source in find(folder, split.pattern, split.name if split.name in nsynth.SPLITS else None)
    ]


def _check_room(indexes: list[Index], layout: Layout) -> None:
    if not files.is_local(layout.examples):
        return
    files.make_folder(layout.examples)
    notes, audio_bytes = sum(index.notes for index in indexes), sum(index.bytes for index in indexes)
    put_aside = sum(
        min(limit, sum(index.notes for index in indexes if index.source.split == split))
        for split, limit in sample_of_notes.NOTES.items()
    )
    needed = (1 + put_aside / max(notes, 1)) * audio_bytes + _SCALARS_BYTES * notes
    free = shutil.disk_usage(layout.examples).free
    if needed > free:
        raise nsynth.UserError(
            f"The disk is too full: {layout.examples} needs {needed / 1e6:,.0f} MB, "
            f"{free / 1e6:,.0f} MB are free. Make room and run again."
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _line(record: Refused) -> bytes:
    return json.dumps(record._asdict()).encode() + b"\n"
