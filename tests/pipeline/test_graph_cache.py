"""The compiled graph is kept for exactly these settings and this code, and covers all code that it is built by."""

import pytest
from tfx.proto.orchestration import pipeline_pb2

from pipeline import fingerprint, graph_cache
from pipeline.config import Config


@pytest.fixture
def config(tmp_path):
    return Config(workspace=tmp_path / "workspace", data=str(tmp_path / "data"))


@pytest.fixture
def graph():
    graph = pipeline_pb2.Pipeline()
    graph.pipeline_info.id = "nsynth"
    graph.nodes.add().pipeline_node.node_info.id = "ExampleGen"
    return graph


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A project of one file."""
    file = tmp_path / "code" / "pipeline" / "graph.py"
    file.parent.mkdir(parents=True)
    file.write_text("ONE = 1\n")
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path / "code")
    monkeypatch.setattr(graph_cache, "CODE", ("pipeline",))
    return file


def test_it_is_kept(config, graph):
    assert graph_cache.load(config) is None
    graph_cache.save(config, graph)
    assert graph_cache.load(config) == graph


@pytest.mark.parametrize(
    "change",
    [{"name": "another"}, {"data": "elsewhere"}, {"metadata_server": "mysql://nsynth@host/history"}],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_need_another(config, graph, change):
    graph_cache.save(config, graph)
    assert graph_cache.load(config.model_copy(update=change)) is None


@pytest.mark.parametrize("change", ["edit", "rename", "add"])
def test_other_code_needs_another(config, graph, code, change):
    graph_cache.save(config, graph)
    assert graph_cache.load(config) == graph
    if change == "edit":
        code.write_text("ONE = 2\n")
    elif change == "rename":
        code.rename(code.with_name("other.py"))
    else:
        code.with_name("more.py").write_text("")
    assert graph_cache.load(config) is None


def test_another_version_of_tfx_needs_another(config, graph, monkeypatch):
    graph_cache.save(config, graph)
    monkeypatch.setattr(graph_cache.importlib.metadata, "version", lambda name: "0.0")
    assert graph_cache.load(config) is None


def test_other_ways_to_the_workers_need_another(config, graph, monkeypatch):
    graph_cache.save(config, graph)
    monkeypatch.setattr("pipeline.engines.engine.shipped", lambda: "--extra_package=other.whl")
    assert graph_cache.load(config) is None


@pytest.mark.parametrize(
    "harm", [lambda content: content[:-1], lambda content: b"\xff" + content, lambda _: b""]
)
def test_a_damaged_file_is_none(config, graph, harm):
    graph_cache.save(config, graph)
    file = config.workspace / graph_cache.FILE
    file.write_bytes(harm(file.read_bytes()))
    assert graph_cache.load(config) is None


def test_a_password_is_not_kept(config, graph):
    config = config.model_copy(update={"metadata_server": "mysql://nsynth:Unused-Secret@host/history"})
    graph_cache.save(config, graph)
    assert b"Unused" not in (config.workspace / graph_cache.FILE).read_bytes()


def test_all_code_that_builds_and_runs_the_graph_is_covered():
    needed = fingerprint.code_files("pipeline/local_runner.py")
    covered = {file.relative_to(fingerprint.ROOT).parts[0] for file in needed}
    assert len(needed) > 50
    assert covered <= set(graph_cache.CODE)
