"""A step's fingerprint changes with the code that it depends on, and with nothing else."""

import pytest

from pipeline import fingerprint


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of two packages."""
    for name in ("nsynth.py", "transform/log_mel.py", "trainer/model.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("ONE = 1\n")
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    fingerprint.code_fingerprint.cache_clear()
    yield tmp_path
    fingerprint.code_fingerprint.cache_clear()


def fresh(*paths: str) -> str:
    fingerprint.code_fingerprint.cache_clear()
    return fingerprint.code_fingerprint(*paths)


def test_same_code_same_fingerprint(project):
    assert fresh("transform") == fresh("transform")


@pytest.mark.parametrize("name", ["transform/log_mel.py", "nsynth.py"])
def test_a_changed_line_changes_it(project, name):
    before = fresh("transform")
    (project / name).write_text("ONE = 2\n")
    assert fresh("transform") != before


def test_a_renamed_file_changes_it(project):
    before = fresh("transform")
    (project / "transform/log_mel.py").rename(project / "transform/mel.py")
    assert fresh("transform") != before


def test_other_packages_and_other_files_do_not(project):
    before = fresh("transform")
    (project / "trainer/model.py").write_text("ONE = 2\n")
    (project / "transform/notes.txt").write_text("no code")
    assert fresh("transform") == before


@pytest.mark.parametrize(
    "line",
    [
        "import trainer.model",
        "from trainer import model",
        "from trainer.model import ONE",
        "def f():\n    import trainer.model",
    ],
)
def test_code_that_is_imported_counts_through_others_too(project, line):
    (project / "transform/log_mel.py").write_text("import transform.between\n")
    (project / "transform/between.py").write_text(f"{line}\n")
    before = fresh("transform/log_mel.py")
    (project / "trainer/model.py").write_text("ONE = 2\n")
    assert fresh("transform/log_mel.py") != before


def test_a_step_depends_on_no_code_of_the_orchestrators():
    """Else a changed report or command would train again."""
    fingerprint.code_fingerprint.cache_clear()
    for paths in fingerprint.STEP_CODE.values():
        rooms = {file.relative_to(fingerprint.ROOT).parts[0] for file in fingerprint.code_files(*paths)}
        assert not rooms & {"kubeflow", "corpus", "benchmarks", "tests"}, paths


def test_a_path_that_does_not_exist_is_an_error(project):
    with pytest.raises(FileNotFoundError):
        fresh("transfrom")


@pytest.mark.parametrize("step", fingerprint.STEP_CODE)
def test_the_table_names_what_exists(step):
    assert len(fingerprint.step_fingerprint(step)) == 16


@pytest.mark.parametrize(
    ("file", "changed", "unchanged"),
    [
        (
            "trainer/model.py",
            {"Trainer"},
            {"ExampleGen", "Apart", "Schema", "DataGate", "Drift", "Transform"},
        ),
        ("transform/log_mel.py", {"Transform"}, {"ExampleGen", "Apart", "Schema", "DataGate", "Drift"}),
        ("components/ingest/shard.py", {"ExampleGen"}, {"Schema", "DataGate", "Drift"}),
    ],
)
def test_of_this_project_a_changed_file_concerns_its_own_step_and_none_before_it(file, changed, unchanged):
    concerned = {
        step
        for step, paths in fingerprint.STEP_CODE.items()
        if fingerprint.ROOT / file in fingerprint.code_files(*paths)
    }
    assert changed <= concerned
    assert not concerned & unchanged
