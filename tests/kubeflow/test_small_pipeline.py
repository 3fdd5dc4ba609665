"""Three light steps through the runner: with our entrypoint they work, with TFX's own command they do not."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import OPTIONS
from small_pipeline import small_pipeline
from step_runner import Cluster, Task

from components.claim import POINTER, Claim, lift
from kubeflow.compile import compile_pipeline
from kubeflow.package import Package

TFX_COMMAND = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"


def cluster_in(folder: Path, image: Path, lacking: set[str]) -> Cluster:
    """A cluster with two spans of data: the newest is empty."""
    shutil.copytree(image, folder / "app")
    shutil.copyfile(Path(__file__).parent / "small_pipeline.py", folder / "app" / "small_pipeline.py")
    for span, notes in ((1, "a b c"), (2, "")):
        (folder / f"data/span-{span}").mkdir(parents=True)
        (folder / f"data/span-{span}/notes.txt").write_text(notes)
    claims = {"nsynth-data": folder / "data", "nsynth-models": folder / "claim"}
    return Cluster(folder / "app", folder / "cluster", lacking, claims=claims)


@pytest.fixture
def cluster(image: Path, lacking: set[str], tmp_path: Path) -> Cluster:
    return cluster_in(tmp_path, image, lacking)


def parameters(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"data": str(tmp_path / "data"), "models": str(tmp_path / "claim" / "models"), **more}


@pytest.mark.e2e
def test_the_newest_span_goes_through_even_where_its_artifact_is_an_empty_folder(
    cluster: Cluster, small_package: Package, tmp_path: Path
) -> None:
    small_package.write(tmp_path / "p.yaml")
    done = cluster.run(tmp_path / "p.yaml", parameters(tmp_path))
    assert {name: task.state for name, task in done.items()} == dict.fromkeys(done, "SUCCEEDED")
    assert (tmp_path / "claim" / "models" / "span-2").read_text() == "none ['train'] ['train'] True"
    tally = done["Count"].artifacts["tally"]["metadata"]
    assert tally["examples_uri"] == done["ExampleGen"].artifacts["examples"]["uri"]


@pytest.mark.e2e
def test_a_named_span_goes_through_with_another_object_store(
    cluster: Cluster, small_package: Package, tmp_path: Path
) -> None:
    small_package.write(tmp_path / "p.yaml")
    cluster.root = "gs://bucket/root"
    span = '{"staticRange": {"startSpanNumber": 1, "endSpanNumber": 1}}'
    cluster.run(tmp_path / "p.yaml", parameters(tmp_path, range_config=span))
    assert (tmp_path / "claim" / "models" / "span-1").read_text() == "3 ['train'] ['train'] True"


@dataclass(frozen=True)
class ByClaim:
    """What a run on the claim has made; ExampleGen is taken from the cache by the next one."""

    cluster: Cluster
    folder: Path
    done: dict[str, Task]

    @property
    def workspace(self) -> Path:
        return self.folder / "claim" / "workspace"


@pytest.fixture(scope="module")
def by_claim(image: Path, lacking: set[str], tmp_path_factory: pytest.TempPathFactory) -> ByClaim:
    folder = tmp_path_factory.mktemp("claim")
    cluster = cluster_in(folder, image, lacking)
    file = folder / "p.yaml"
    compile_pipeline(small_pipeline(), OPTIONS, workspace=str(folder / "claim" / "workspace")).write(file)
    spec, platforms = yaml.safe_load_all(file.read_text())
    spec["root"]["dag"]["tasks"]["ExampleGen"]["cachingOptions"] = {"enableCache": True}
    file.write_text(yaml.safe_dump_all([spec, platforms]))
    return ByClaim(cluster, folder, cluster.run(file, parameters(folder)))


@pytest.mark.e2e
def test_by_claim_the_object_store_holds_pointers_alone(by_claim: ByClaim) -> None:
    done, folder = by_claim.done, by_claim.folder
    assert (folder / "claim" / "models" / "span-2").read_text() == "none ['train'] ['train'] True"
    tally = done["Count"].artifacts["tally"]["metadata"]
    assert tally["examples_uri"] == done["ExampleGen"].artifacts["examples"]["uri"]
    stored = [path.name for path in (by_claim.cluster.folder / "bucket").rglob("*") if path.is_file()]
    assert stored == [POINTER, POINTER]
    assert [record.step for record in Claim(by_claim.workspace).records()] == ["Count", "ExampleGen"]


@pytest.mark.e2e
def test_by_claim_what_the_cache_offers_but_is_gone_is_an_error_in_the_step_that_reads_it(
    by_claim: ByClaim,
) -> None:
    before = lift(by_claim.workspace)
    claim = Claim(by_claim.workspace)
    for record in claim.records():
        shutil.rmtree(claim.runs / record.run / record.step)
    done = by_claim.cluster.run(by_claim.folder / "p.yaml", parameters(by_claim.folder), stop_on_error=False)
    assert [done[step].state for step in ("ExampleGen", "Count", "Pusher")] == ["CACHED", "CACHED", "FAILED"]
    assert "Start the run again" in done["Pusher"].log
    assert lift(by_claim.workspace) != before


@pytest.mark.e2e
def test_without_the_entrypoint_the_first_step_dies(
    cluster: Cluster, small_package: Package, tmp_path: Path
) -> None:
    Package(small_package.spec, {}).write(tmp_path / "p.yaml")
    text = (tmp_path / "p.yaml").read_text()
    (tmp_path / "p.yaml").write_text(
        text.replace("kubeflow.entrypoint", TFX_COMMAND).replace("maxRetryCount: 1", "maxRetryCount: 0")
    )
    done = cluster.run(tmp_path / "p.yaml", parameters(tmp_path), stop_on_error=False)
    assert done["ExampleGen"].state == "FAILED"
    assert "system" in done["ExampleGen"].log  # it tries to import the type of executor-logs
    assert done["Count"].state == done["Pusher"].state == "OMITTED"
