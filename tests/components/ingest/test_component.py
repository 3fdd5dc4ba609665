"""The component in TFX: spans, cache and Kubeflow's driver see what they expect of an ExampleGen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

import nsynth
from components.artifacts import QuarantinedNotes
from components.ingest.component import NSynthExampleGen
from components.ingest.driver import NSynthInputProcessor
from components.ingest.options import IngestOptions
from tests.stores import Store

OPTIONS = IngestOptions(min_shards=1, dev_fraction=0.2, valid_fraction=0.3, test_fraction=0.2)
BEAM_ARGS = [
    "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    "--setup_file=" + nsynth.__file__.replace("nsynth.py", "setup.py"),
]


class Workspace:
    """Runs the component by itself and looks up what it left in the metadata."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self._root = folder / "root"
        self._database = metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))

    def run(self, component: NSynthExampleGen) -> None:
        pipeline = Pipeline(
            "ingest",
            str(self._root),
            components=[component],
            enable_cache=True,
            metadata_connection_config=self._database,
            beam_pipeline_args=BEAM_ARGS,
        )
        LocalDagRunner().run(pipeline)

    def artifacts(self, type_name: str) -> list:
        with metadata.Metadata(self._database) as store:
            return store.store.get_artifacts_by_type(type_name)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.slow
def test_the_newest_span_is_read_and_nothing_twice(workspace: Workspace, notes, writers) -> None:
    def span(number: int) -> None:
        folder = workspace.data / f"span-{number}"
        folder.mkdir()
        writers["nsynth-train.tfrecord"](folder / "nsynth-train.tfrecord", notes)

    def read(**arguments) -> list[int]:
        workspace.run(NSynthExampleGen(str(workspace.data), "span-{SPAN}/*", OPTIONS, code="a", **arguments))
        found = workspace.artifacts(standard_artifacts.Examples.TYPE_NAME)
        spans = [artifact.custom_properties["span"].int_value for artifact in found]
        assert spans == [artifact.properties["span"].int_value for artifact in found]
        assert spans[::3] == spans[1::3] == spans[2::3], "the outputs tell different spans"
        fingerprints = [artifact.custom_properties["input_fingerprint"].string_value for artifact in found]
        assert fingerprints[::3] == fingerprints[1::3] == fingerprints[2::3]
        spans = spans[::3]
        accounts = workspace.artifacts(QuarantinedNotes.TYPE_NAME)
        assert spans == [account.custom_properties["span"].int_value for account in accounts]
        return spans

    span(1)
    assert read() == [1]
    assert read() == [1], "an unchanged span was read again"
    span(2)
    assert read() == [1, 2]
    one = range_config_pb2.StaticRange(start_span_number=1, end_span_number=1)
    assert read(range_config=range_config_pb2.RangeConfig(static_range=one)) == [1, 2, 1]
    assert len(workspace.artifacts(QuarantinedNotes.TYPE_NAME)) == 3
    [first, *_] = workspace.artifacts(QuarantinedNotes.TYPE_NAME)
    assert json.loads((Path(first.uri) / "summary.json").read_text())["used"] == len(notes)


@pytest.mark.slow
def test_changed_code_or_options_run_the_step_again(workspace: Workspace, notes, writers) -> None:
    writers["nsynth-train.tfrecord"](workspace.data / "nsynth-train.tfrecord", notes)
    runs = []
    for code, seed in (("a", 1), ("a", 1), ("b", 1), ("b", 2)):
        options = OPTIONS.model_copy(update={"seed": seed})
        workspace.run(NSynthExampleGen(str(workspace.data), options=options, code=code))
        runs.append(len(workspace.artifacts(QuarantinedNotes.TYPE_NAME)))
    assert runs == [1, 1, 2, 3]


def test_a_user_error_passes_through_tfx_unchanged(workspace: Workspace) -> None:
    with pytest.raises(nsynth.UserError, match="is empty"):
        workspace.run(NSynthExampleGen(str(workspace.data)))
    with pytest.raises(nsynth.UserError, match="Cannot find matching"):
        workspace.run(NSynthExampleGen(str(workspace.data), "span-{SPAN}/*"))
    (workspace.data / "README.md").touch()
    with pytest.raises(nsynth.RefusedDataError, match="holds no notes"):
        workspace.run(NSynthExampleGen(str(workspace.data)))


@pytest.mark.slow
def test_data_in_a_store_is_read_once_until_it_changes(
    workspace: Workspace, notes, writers, s3: Store
) -> None:
    def read(count: int) -> list[int]:
        writers["nsynth-train.tfrecord"](workspace.data / "nsynth-train.tfrecord", notes[:count])
        data = s3.upload(workspace.data)
        workspace.run(NSynthExampleGen(data, options=OPTIONS))
        found = workspace.artifacts(QuarantinedNotes.TYPE_NAME)
        return [artifact.custom_properties["notes_in"].int_value for artifact in found]

    assert read(44) == [44]
    workspace.run(NSynthExampleGen(f"{s3.root}/data", options=OPTIONS))
    assert len(workspace.artifacts(QuarantinedNotes.TYPE_NAME)) == 1, "an unchanged object was read again"
    assert read(40) == [44, 40]


def fingerprint(base: Path, split: str = "by_name", pattern: str = "*") -> str | None:
    """As the driver takes it; HeldOut and BulkNotes read all files as the split `valid`."""
    processor = NSynthInputProcessor(str(base), [example_gen_pb2.Input.Split(name=split, pattern=pattern)])
    return processor.get_input_fingerprint(*processor.resolve_span_and_version())


def test_a_change_inside_a_wav_folder_changes_the_fingerprint(workspace: Workspace, notes, writers) -> None:
    folder = writers["nsynth-train"](workspace.data / "nsynth-train", notes[:2])
    before = fingerprint(workspace.data), fingerprint(folder)
    wav = next((folder / "audio").iterdir())
    wav.write_bytes(wav.read_bytes() + b"\0")
    after = fingerprint(workspace.data), fingerprint(folder)
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("split", ["by_name", "valid"])
@pytest.mark.parametrize("as_file", [True, False])
def test_what_is_read_is_what_is_fingerprinted(workspace: Workspace, notes, writers, split, as_file) -> None:
    file = workspace.data / "nsynth-train.tfrecord"
    writers["nsynth-train.tfrecord"](file, notes[:2])
    base = file if as_file else workspace.data
    first, before = fingerprint(base, split), file.stat()
    for name in (".DS_Store", "README.md", "._nsynth-train.tfrecord"):
        (workspace.data / name).write_text("litter")
    assert fingerprint(base, split) == first
    file.write_bytes(file.read_bytes()[::-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert fingerprint(base, split) != first


def test_what_cannot_be_read_has_no_lasting_fingerprint(workspace: Workspace) -> None:
    (workspace.data / "README.md").touch()
    assert fingerprint(workspace.data) != fingerprint(workspace.data)


@pytest.mark.slow
def test_a_file_that_was_rewritten_is_read_again_and_an_unchanged_one_is_not(
    workspace: Workspace, notes, writers
) -> None:
    file = workspace.data / "nsynth-train.tfrecord"

    def accounts() -> list[int]:
        """How many notes were set aside, each time that the step ran."""
        workspace.run(NSynthExampleGen(str(file), options=OPTIONS))
        found = workspace.artifacts(QuarantinedNotes.TYPE_NAME)
        return [json.loads((Path(one.uri) / "summary.json").read_text())["quarantined"] for one in found]

    writers["nsynth-train.tfrecord"](file, notes)
    before = file.stat()
    assert accounts() == [0]
    (workspace.data / ".DS_Store").touch()
    assert accounts() == [0], "an unchanged file was read again"
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(nsynth.RefusedDataError, match="its checksum does not hold"):
        accounts()


@pytest.mark.slow
def test_kubeflow_resolves_the_span_in_its_driver(
    workspace: Workspace, notes, writers, tmp_path: Path
) -> None:
    """Driver and executor run as the entrypoints of TFX's container run them."""
    pytest.importorskip("kfp")
    from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver

    folder = workspace.data / "span-7"
    folder.mkdir()
    writers["nsynth-train.tfrecord"](folder / "nsynth-train.tfrecord", notes)
    component = NSynthExampleGen(str(workspace.data), "span-{SPAN}/*", OPTIONS)
    assert isinstance(component, FileBasedExampleGen), "the compiler would leave the driver out"
    parameters = {
        key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for key, value in component.exec_properties.items()
        if value is not None
    }
    kinds = {str: "STRING", int: "NUMBER_INTEGER"}
    spec = {"parameters": {key: {"parameterType": kinds[type(value)]} for key, value in parameters.items()}}
    splits = {"examples": nsynth.SPLITS, "scalars": nsynth.SPLITS, "sample": ("train", "valid")}
    titles = {**dict.fromkeys(splits, "tfx.Examples"), "quarantine": "tfx.File"}
    artifacts = {
        name: {"artifacts": [{"name": name, "uri": str(tmp_path / name), "type": {"schemaTitle": title}}]}
        for name, title in titles.items()
    }
    result = tmp_path / "executor_output.json"
    invocation = {
        "inputs": {"parameterValues": parameters},
        "outputs": {"artifacts": artifacts, "outputFile": str(result)},
    }
    arguments = [
        f"--json_serialized_invocation_args={json.dumps(invocation)}",
        f"--json_serialized_inputs_spec_args={json.dumps(spec)}",
    ]
    driver.main(driver._parse_flags(["driver", *arguments]))
    executor = "components.ingest.executor.Executor"
    command = [sys.executable, "-m", "kubeflow.light", "--executor_class_path", executor]
    subprocess.run([*command, *arguments, *BEAM_ARGS], check=True)
    for name, names in splits.items():
        [notes_of] = json.loads(result.read_text())["artifacts"][name]["artifacts"]
        assert notes_of["metadata"]["custom:span"] == notes_of["metadata"]["span"] == 7
        assert json.loads(notes_of["metadata"]["split_names"]) == list(names)
        assert list((tmp_path / name).glob("Split-train/data_tfrecord-*"))
    assert json.loads((tmp_path / "quarantine" / "summary.json").read_text())["used"] == len(notes)
