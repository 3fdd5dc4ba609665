"""Three light steps through the runner: with our entrypoint they work, with TFX's own command they do not."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import OPTIONS
from small_pipeline import small_pipeline
from step_runner import Cluster

from components.claim import POINTER, Claim, lift
from kubeflow.compile import compile_pipeline
from kubeflow.package import Package

TFX_COMMAND = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"


@pytest.fixture
def cluster(image: Path, lacking: set[str], tmp_path: Path) -> Cluster:
    shutil.copytree(image, tmp_path / "app")
    shutil.copyfile(Path(__file__).parent / "small_pipeline.py", tmp_path / "app" / "small_pipeline.py")
    for span, notes in ((1, "a b c"), (2, "")):
        (tmp_path / f"data/span-{span}").mkdir(parents=True)
        (tmp_path / f"data/span-{span}/notes.txt").write_text(notes)
    claims = {"nsynth-data": tmp_path / "data", "nsynth-models": tmp_path / "claim"}
    return Cluster(tmp_path / "app", tmp_path / "cluster", lacking, claims=claims)


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


@pytest.mark.e2e
def test_by_claim_the_object_store_holds_pointers_alone(cluster: Cluster, tmp_path: Path) -> None:
    package = compile_pipeline(small_pipeline(), OPTIONS, workspace=str(tmp_path / "claim" / "workspace"))
    package.write(tmp_path / "p.yaml")
    done = cluster.run(tmp_path / "p.yaml", parameters(tmp_path))
    assert (tmp_path / "claim" / "models" / "span-2").read_text() == "none ['train'] ['train'] True"
    tally = done["Count"].artifacts["tally"]["metadata"]
    assert tally["examples_uri"] == done["ExampleGen"].artifacts["examples"]["uri"]
    stored = [path.name for path in (cluster.folder / "bucket").rglob("*") if path.is_file()]
    assert stored == [POINTER, POINTER]
    assert [record.step for record in Claim(tmp_path / "claim" / "workspace").records()] == [
        "Count",
        "ExampleGen",
    ]


@pytest.mark.e2e
def test_by_claim_what_the_cache_offers_but_is_gone_is_an_error_in_the_step_that_reads_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    workspace = tmp_path / "claim" / "workspace"
    compile_pipeline(small_pipeline(), OPTIONS, workspace=str(workspace)).write(tmp_path / "p.yaml")
    cached, platforms = yaml.safe_load_all((tmp_path / "p.yaml").read_text())
    cached["root"]["dag"]["tasks"]["ExampleGen"]["cachingOptions"] = {"enableCache": True}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump_all([cached, platforms]))
    cluster.run(tmp_path / "p.yaml", parameters(tmp_path))
    before = lift(workspace)
    for record in Claim(workspace).records():
        shutil.rmtree(Claim(workspace).runs / record.run / record.step)
    done = cluster.run(tmp_path / "p.yaml", parameters(tmp_path), stop_on_error=False)
    assert [done[step].state for step in ("ExampleGen", "Count", "Pusher")] == ["CACHED", "CACHED", "FAILED"]
    assert "Start the run again" in done["Pusher"].log
    assert lift(workspace) != before


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
