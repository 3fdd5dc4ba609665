"""A workspace has an identity of its own: reached by other paths, moved and copied, it never loses what it made."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd

import nsynth
from pipeline.cli import main
from pipeline.config import Config
from pipeline.history import identity
from pipeline.history.metadata import connect
from pipeline.retrain import lock
from pipeline.workspace import open_workspace
from tests.pipeline.past import History
from tests.pipeline.servers import postgresql


def files(folder: Path) -> dict[str, bytes]:
    """All that lies in a folder, as it is."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def artifacts(workspace: Path) -> set[str]:
    """Files of artifacts that are there."""
    return {name for name in files(workspace / "artifacts") if name.endswith("content")}


def call(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command."""
    result = CliRunner().invoke(main.cli, arguments, obj={"verbose": False}, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout, result.stderr


def gc(workspace: Path | str, *more: str) -> tuple[dict, str]:
    """What `nsynth gc --yes` removed, and what it said."""
    said, told = call(
        "gc", "--yes", "--json", f"--set=workspace={workspace}", "--set=retrain.cleanup.keep_runs=1", *more
    )
    return json.loads(said), told


def fill(workspace: Path) -> History:
    """A champion of two runs ago, a run that nobody needs, the last run; the champion's eight files must stay."""
    history = History(Config(workspace=workspace))
    history.whole_run("2025-01-01", 101, span=1, model_pushed=True)
    history.whole_run("2025-01-02", 102, span=2)
    history.whole_run("2025-01-03", 103, span=3)
    return history


KEPT = {
    f"{step}/{key}/{number}/content"
    for number, span in ((101, 1), (103, 3))
    for step, key in (
        (f"ExampleGen-{span:06d}", "Examples"),
        (f"ExampleGen-{span:06d}", "Quarantine"),
        ("Transform", "Examples"),
        ("Trainer", "Model"),
    )
}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A workspace as it was made before there were identities, by a relative path."""
    (tmp_path / "made").mkdir()
    monkeypatch.chdir(tmp_path / "made")
    fill(Path("workspace"))
    return tmp_path / "made" / "workspace"


@pytest.fixture
def used(home) -> Path:
    """The same, opened once."""
    call("status", f"--set=workspace={home}")
    return home


def test_a_workspace_of_today_goes_on_working_and_is_named_once(home):
    planned, told = gc("workspace")
    assert "has an identity now: 12 recorded addresses carried over" in told
    assert len(planned["items"]) == 4
    assert artifacts(home) == KEPT
    assert gc("workspace") == ({"items": [], "size_bytes": 0, "kept_bytes": planned["kept_bytes"]}, "")


def _link(home: Path) -> Path:
    (home.parent / "link").symlink_to(home)
    return home.parent / "link"


def _relative(home: Path) -> str:
    (home.parent / "below").mkdir()
    os.chdir(home.parent / "below")
    return "../workspace"


def _moved(home: Path) -> Path:
    return home.rename(home.parent / "elsewhere")


def _renamed_parent(home: Path) -> Path:
    parent = home.parent.rename(home.parent.with_name("renamed"))
    os.chdir(parent)
    return parent / "workspace"


@pytest.mark.parametrize("opened_before", [True, False])
@pytest.mark.parametrize("reach", [_link, _relative, _moved, _renamed_parent])
def test_by_whatever_path_what_is_needed_stays(home, reach, opened_before):
    if opened_before:
        call("models", "--json", f"--set=workspace={home}")
    other = reach(home)
    planned, _ = gc(other)
    assert len(planned["items"]) == 4
    assert artifacts(Path(other)) == KEPT


def test_a_link_and_a_relative_path_are_the_same_workspace(used):
    before = identity.read(used)
    for other in (_link(used), _relative(used)):
        opened = open_workspace(Config(workspace=Path(other)))
        assert opened == (Config(workspace=used), "")
    assert identity.read(used) == before


@pytest.mark.slow
def test_another_mount_is_the_same_workspace(used, tmp_path):
    """In a mount namespace of its own, the workspace is seen at a second place."""
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    (tmp_path / "mounted").mkdir()
    mount = f"mount --bind {used} {tmp_path / 'mounted'}"
    if (
        not shutil.which("unshare")
        or subprocess.run([*namespace, "bash", "-c", mount], capture_output=True).returncode
    ):
        pytest.skip("this machine allows no mount in a user namespace")
    command = f"{sys.executable} -m pipeline.cli gc --set workspace={tmp_path / 'mounted'}"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [
            *namespace,
            "bash",
            "-c",
            f"{mount} && cd {root} && {command} --set retrain.cleanup.keep_runs=1 --yes",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert artifacts(used) == KEPT


def test_a_move_is_told_once_and_takes_everything_along(used):
    before = identity.read(used)
    moved = _moved(used)
    said, told = call("models", "--json", f"--set=workspace={moved}")
    assert f"was moved from {used} to {moved}: 12 recorded addresses carried over" in told
    assert call("models", "--json", f"--set=workspace={moved}") == (said, "")
    assert identity.read(moved) == identity.Identity(id=before.id, address=str(moved))
    assert {
        a.uri.removeprefix(f"{moved}/artifacts/") for a in connect(moved / "metadata.sqlite").get_artifacts()
    } >= {"Trainer/Model/101"}
    assert not used.exists()


def test_a_move_is_one_transaction_that_is_done_again_if_it_was_cut_short(used, monkeypatch):
    moved = _moved(used)
    with monkeypatch.context() as cut:
        cut.setattr(identity, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            open_workspace(Config(workspace=moved))
    assert "was moved" in open_workspace(Config(workspace=moved)).message
    assert gc(moved)[1] == ""
    assert artifacts(moved) == KEPT


@pytest.mark.parametrize("opened_before", [True, False])
def test_a_copy_becomes_itself_and_never_touches_the_original(home, tmp_path, opened_before):
    if not opened_before:  # then the history tells of the original only if it was made by its full path
        shutil.rmtree(home)
        fill(home)
    else:
        call("models", "--json", f"--set=workspace={home}")
    original, copy = files(home), tmp_path / "copy"
    shutil.copytree(home, copy)
    planned, told = gc(copy)
    assert f"{copy} is a copy of the workspace {home} and has an identity of its own now: 12" in told
    assert len(planned["items"]) == 4
    assert artifacts(copy) == KEPT
    assert files(home) == original
    assert gc(copy)[1] == ""
    shutil.rmtree(copy)
    assert len(gc(home)[0]["items"]) == 4
    assert artifacts(home) == KEPT


@pytest.mark.parametrize("linked", ["artifacts", "metadata.sqlite", "models", "retrain"])
def test_a_copy_that_shares_a_part_with_its_original_is_refused(used, tmp_path, linked):
    original, copy = files(used), tmp_path / "copy"
    shutil.copytree(used, copy)
    part = copy / linked
    shutil.rmtree(part) if part.is_dir() else part.unlink()
    part.symlink_to(used / linked)
    for command in (["status"], ["gc", "--yes"]):
        with pytest.raises(nsynth.UserError, match=f"{linked} is still the original's"):
            call(*command, f"--set=workspace={copy}")
    assert files(used) == original


def test_a_copy_by_hard_links_is_refused(used, tmp_path):
    original = files(used)
    shutil.copytree(used, tmp_path / "copy", copy_function=os.link)
    with pytest.raises(nsynth.UserError, match=r"metadata\.sqlite is still the original's"):
        gc(tmp_path / "copy")
    assert files(used) == original


def test_a_workspace_that_is_in_use_is_not_carried_over(used):
    moved = _moved(used)
    with lock.hold(moved / "retrain" / "lock", "a round"), pytest.raises(lock.LockedError, match="a round"):
        call("models", "--json", f"--set=workspace={moved}")
    assert "was moved" in call("models", "--json", f"--set=workspace={moved}")[1]


def test_reading_makes_no_workspace(tmp_path):
    told = call("status", "--json", f"--set=workspace={tmp_path / 'none'}")
    assert json.loads(told[0])["rounds"] == []
    assert list(tmp_path.iterdir()) == []


def test_an_identity_that_cannot_be_read_is_told(used):
    (used / "workspace.json").write_text("{")
    with pytest.raises(nsynth.UserError, match=r"workspace\.json cannot be read \(it is damaged\)"):
        gc(used)
    assert len(artifacts(used)) == 12


def test_with_an_emptied_history_nothing_goes(used):
    (used / "metadata.sqlite").unlink()
    with pytest.raises(nsynth.UserError, match=r"the history .* does not exist"):
        gc(used)
    connect(used / "metadata.sqlite")
    with pytest.raises(nsynth.UserError, match="does not list 12 of the folders"):
        gc(used)
    # Numbers begin anew: the folders of before bear the numbers of new executions.
    history = History(Config(workspace=used))
    for _ in range(103):
        history.step("2026-01-01", node="Trainer")
    for path in (used / "artifacts").glob("*/*/*"):
        os.utime(path, (1e9, 1e9))
    with pytest.raises(nsynth.UserError, match="does not list 12 of the folders"):
        gc(used)
    assert len(artifacts(used)) == 12


def test_with_the_history_of_another_workspace_nothing_goes(used, tmp_path):
    fill(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "metadata.sqlite", used / "metadata.sqlite")
    with pytest.raises(nsynth.UserError, match=f"12 artifacts outside of {used}"):
        gc(used)
    assert len(artifacts(used)) == 12


def test_an_artifact_that_is_a_link_goes_as_a_link(used, tmp_path):
    unneeded = used / "artifacts" / "Transform" / "Examples" / "102"
    kept = unneeded.rename(tmp_path / "kept")
    unneeded.symlink_to(kept)
    gc(used)
    assert not unneeded.is_symlink()
    assert (kept / "content").exists()


@pytest.fixture
def server():
    """Address of an empty database."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(postgresql())


@pytest.mark.slow
def test_on_a_metadata_server_a_copy_leaves_the_history_to_its_original(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config(workspace=Path("workspace"), metadata_server=server)
    history = History(config)
    history.whole_run("2025-01-01", 101, span=1, model_pushed=True)
    history.whole_run("2025-01-02", 102, span=2)
    history.whole_run("2025-01-03", 103, span=3)
    home, at = tmp_path / "workspace", f"--set=metadata_server={server}"
    planned, told = gc(home, at)
    assert "has an identity now: 12" in told
    assert len(planned["items"]) == 4
    shutil.copytree(home, tmp_path / "copy")
    before = {a.id: (a.uri, a.state) for a in history.store.get_artifacts()}
    with pytest.raises(nsynth.UserError, match=f"belongs to the workspace {home}"):
        gc(tmp_path / "copy", at)
    assert {a.id: (a.uri, a.state) for a in history.store.get_artifacts()} == before
    assert artifacts(tmp_path / "copy") == artifacts(home) == KEPT
    moved = _moved(home)
    planned, told = gc(moved, at)
    assert "was moved" in told
    assert planned["items"] == []
    assert artifacts(moved) == KEPT
    live = [a.uri for a in history.store.get_artifacts() if a.state == mlmd.Artifact.LIVE]
    assert all(uri.startswith(str(moved)) for uri in live)


def test_what_tfx_left_of_its_drivers_is_no_disagreement(used):
    """They are numbered by the time, not after an execution."""
    scratch = used / "artifacts" / "Trainer" / ".system" / "driver_execution" / "1795829201684776"
    scratch.mkdir(parents=True)
    assert str(scratch) in {item["path"] for item in gc(used)[0]["items"]}
    assert not scratch.exists()


@pytest.mark.slow
def test_a_copy_from_before_there_were_identities_does_not_take_the_server_from_its_original(
    server, tmp_path
):
    home, at = tmp_path / "workspace", f"--set=metadata_server={server}"
    History(Config(workspace=home, metadata_server=server)).whole_run("2025-01-01", 101, span=1)
    shutil.copytree(home, tmp_path / "copy")
    with pytest.raises(
        nsynth.UserError, match=f"names artifacts in the workspace {home}, which is still there"
    ):
        gc(tmp_path / "copy", at)
    assert gc(home, at)[0]["items"] == []
    assert artifacts(tmp_path / "copy") == artifacts(home)
    assert len(artifacts(home)) == 4


def test_a_server_that_is_down_keeps_nobody_from_looking(home):
    told = call(
        "status", "--json", f"--set=workspace={home}", "--set=metadata_server=mysql://u@127.0.0.1:1/h"
    )
    assert json.loads(told[0])["rounds"] == []
    assert identity.read(home) is None


READERS = [
    "run",
    "retrain",
    "schedule",
    "status",
    "runs",
    "report",
    "gc",
    "models",
    "models promote --reason x",
]


@pytest.mark.parametrize("command", [*READERS, "models rollback", "lineage 1", "evaluate --data somewhere"])
def test_every_command_opens_the_workspace_before_it_does_anything(tmp_path, monkeypatch, command):
    def refuse(config: Config, create: bool = False) -> None:
        raise nsynth.UserError(f"opened {config.workspace}")

    monkeypatch.setattr("pipeline.workspace.open_workspace", refuse)
    with pytest.raises(nsynth.UserError, match=f"opened {tmp_path}"):
        call(*command.split(), f"--set=workspace={tmp_path}")
    assert list(tmp_path.iterdir()) == []
