"""The model that serves, in a real pipeline: steps find it, and the cache notices when it changes."""

from pathlib import Path
from typing import Any

import ml_metadata as mlmd
import pytest
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.types import standard_artifacts

import nsynth
from components import storage
from components.champion.component import Champion
from components.champion.executor import ChampionExecutor
from components.predictor.component import Predictor
from components.registry import Registry
from components.serving_model import copy_serving
from components.version import Record, model_digest
from pipeline.history.past_runs import load_run


def make_model(folder: Path, content: str) -> Path:
    """What passes for an exported model where nobody loads it."""
    storage.write_bytes(f"{folder}/Format-Serving/saved_model.pb", content.encode())
    return folder


def push(registry: Registry, model: Path, compared_with: int = 0):
    folder = f"{model}/Format-Serving"
    record = Record(digest=model_digest(folder), compared_with=compared_with)
    return registry.publish(lambda target: storage.copy_folder(folder, target), record)


class NothingAsked(BaseExecutor):
    """Stands in for Predictor's executor: copies the champion, and asks nobody."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        [model], [champion] = input_dict["model"], output_dict["champion"]
        copy_serving(champion, exec_properties["push_destination"], exec_properties["version"], model)


class Judge(Predictor):
    """Predictor as the pipeline knows it: interface and driver."""

    EXECUTOR_SPEC = ExecutorClassSpec(NothingAsked)


class Runs:
    """Runs Champion, or a step that judges a candidate, and tells what it found."""

    def __init__(self, folder: Path, destination: str):
        self.folder, self.destination = folder, destination
        self.config = metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))

    def run(self, candidate: Path | None) -> tuple[int, Path, str]:
        """Returns the version, the folder with its copy, and the execution's state."""
        nodes: list = [Champion(push_destination=self.destination)]
        if candidate:
            examples = Importer(source_uri=str(self.folder), artifact_type=standard_artifacts.Examples)
            importer = Importer(source_uri=str(candidate), artifact_type=standard_artifacts.Model)
            nodes = [examples.with_id("Notes"), importer.with_id("Candidate")]
            notes, model = (node.outputs["result"] for node in nodes)
            nodes.append(Judge(examples=notes, model=model, push_destination=self.destination, split="valid"))
        LocalDagRunner().run(
            Pipeline(
                pipeline_name="p" if candidate else "warm",
                pipeline_root=str(self.folder / "root"),
                components=nodes,
                enable_cache=True,
                metadata_connection_config=self.config,
            )
        )
        step = load_run(mlmd.MetadataStore(self.config)).steps["Judge" if candidate else "Champion"]
        copied = step.output("champion" if candidate else "model")
        return int(copied.properties["version"]), copied.path, step.state


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path, str(tmp_path / "models"))


def test_the_life_of_a_candidate(runs, tmp_path):
    registry = Registry(runs.destination)
    first = make_model(tmp_path / "first", "1")

    version, folder, state = runs.run(first)
    assert (version, state) == (0, "COMPLETE")
    assert list(folder.iterdir()) == [], "no champion yet: an empty folder"
    assert runs.run(first)[2] == "CACHED"

    champion = push(registry, first)
    assert runs.run(first)[::2] == (0, "CACHED"), "pushed in between: the unchanged run stays cached"

    second = make_model(tmp_path / "second", "2")
    version, folder, state = runs.run(second)
    assert (version, state) == (champion.number, "COMPLETE")
    assert (folder / "Format-Serving" / "saved_model.pb").read_text() == "1"
    push(registry, second, compared_with=champion.number)
    assert runs.run(second)[::2] == (champion.number, "CACHED")

    third = make_model(tmp_path / "third", "3")
    back = registry.rollback()
    assert runs.run(third)[0] == back.number, "compared with what serves after the rollback"
    pushed = push(registry, make_model(tmp_path / "other", "4"))
    version, folder, state = runs.run(third)
    assert (version, state) == (pushed.number, "COMPLETE"), "the same candidate, but a new champion"
    assert (folder / "Format-Serving" / "saved_model.pb").read_text() == "4"


def test_without_a_candidate_it_is_what_serves_now(runs, tmp_path):
    registry = Registry(runs.destination)
    assert runs.run(None)[::2] == (0, "COMPLETE")
    pushed = push(registry, make_model(tmp_path / "first", "1"))
    assert runs.run(None)[::2] == (pushed.number, "COMPLETE")
    assert runs.run(None)[::2] == (pushed.number, "CACHED")


def test_the_executor_finds_the_version_where_no_driver_ran(new_artifact, tmp_path):
    """As on Kubeflow."""
    registry = Registry(tmp_path / "models")
    pushed = push(registry, make_model(tmp_path / "first", "1"))
    properties = {"push_destination": registry.destination, "code": ""}
    output = new_artifact("Model", "champion")
    ChampionExecutor().Do({}, {"model": [output]}, properties)
    assert output.get_int_custom_property("version") == pushed.number

    candidate, destination = new_artifact("Model", "first"), registry.destination
    for told in (None, pushed.number):
        again = copy_serving(new_artifact("Model", "again"), destination, told, candidate)
        assert again == 0, "it was compared with nothing when it was pushed"


def test_a_way_back_after_the_version_was_told_changes_nothing(new_artifact, tmp_path):
    """What a step is told is what its result is cached under."""
    registry = Registry(tmp_path / "models")
    push(registry, make_model(tmp_path / "first", "1"))
    told = push(registry, make_model(tmp_path / "second", "2")).number
    assert registry.rollback(None, "").number > told
    for number in (told, 0):
        output = new_artifact("Model", f"champion-{number}")
        properties = {"push_destination": registry.destination, "code": "", "version": number}
        ChampionExecutor().Do({}, {"model": [output]}, properties)
        assert output.get_int_custom_property("version") == number


def test_a_version_that_went_meanwhile_counts_as_none(new_artifact, tmp_path):
    output = new_artifact("Model", "champion")
    properties = {"push_destination": str(tmp_path / "models"), "code": "", "version": 5}
    ChampionExecutor().Do({}, {"model": [output]}, properties)
    assert output.get_int_custom_property("version") == 0
    assert list(Path(output.uri).iterdir()) == []


def test_a_champion_that_was_cut_is_nobody_to_compare_with(new_artifact, tmp_path):
    pushed = push(Registry(tmp_path / "models"), make_model(tmp_path / "first", "1"))
    Path(pushed.path, "saved_model.pb").write_bytes(b"")
    properties = {"push_destination": str(tmp_path / "models"), "code": ""}
    with pytest.raises(
        nsynth.UserError, match=r"differ from those that were evaluated.*Roll back to another version"
    ):
        ChampionExecutor().Do({}, {"model": [new_artifact("Model", "champion")]}, properties)
