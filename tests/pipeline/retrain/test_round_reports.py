"""Who learns how a round ended: the ledger, hooks and the watcher. A stand-in takes the place of the pipeline."""

import errno
import os
import shlex
import sys
from pathlib import Path

import pytest

import nsynth
from pipeline.history.ledger import Outcome
from pipeline.retrain import lock
from pipeline.retrain.round import Retraining
from pipeline.retrain.status import status
from tests.pipeline.retrain.results import FAILED, KEPT, PUSHED, changed, refuse


def test_hooks_are_called_by_outcome_and_their_failures_written_down(config, stand_in, deliver, tmp_path):
    deliver(1)
    tell = shlex.join([sys.executable, "-c", f"open({str(tmp_path / 'told')!r}, 'w').write(input())"])
    config = changed(config, hooks={"pushed": (tell, "no-such-command"), "kept": ("no-such-either",)})
    done = Retraining(config, stand_in.will(PUSHED).start).retrain("me")
    assert '"version":7' in (tmp_path / "told").read_text()
    [line] = Retraining(config).ledger.rounds()
    assert done.outcome is Outcome.PUSHED
    assert ["no-such-command" in warning for warning in line.warnings] == [True]


def failures(config, tmp_path):
    """The configuration with a hook for failures, and where it tells that it was called."""
    told = tmp_path / "told"
    hook = shlex.join([sys.executable, "-c", f"open({str(told)!r}, 'a').write(input())"])
    return changed(config, hooks={"failed": (hook,)}), told


def test_no_folder_or_a_misnamed_one_is_a_failed_round_with_its_line_and_hook(
    config, stand_in, deliver, tmp_path
):
    config, told = failures(config, tmp_path)
    retraining = Retraining(config, stand_in.start)
    done = retraining.retrain("me")
    assert done.outcome is Outcome.FAILED
    assert "no such folder" in done.words
    (tmp_path / "spans" / "Span_5").mkdir(parents=True)
    assert "call it span-000005" in retraining.retrain("me").words
    assert [line.outcome for line in retraining.ledger.rounds()] == [Outcome.FAILED] * 2
    assert told.read_text().count('"outcome":"failed"') == 2
    deliver(1)
    stand_in.will(KEPT)
    done = retraining.retrain("me")
    assert done.outcome is Outcome.KEPT, "the others go on"
    assert done.waiting == ("Span_5: call it span-000005, spans have six digits",)


def test_a_damaged_version_is_named_and_costs_no_line(config, stand_in, deliver):
    deliver(1)
    broken = Path(config.models) / "7" / "assets.extra" / "nsynth.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    (Path(config.models) / "7" / "saved_model.pb").write_bytes(b"m")
    done = Retraining(config, stand_in.will(PUSHED).start).retrain("me")
    assert (done.outcome, done.champion) == (Outcome.PUSHED, 7)
    assert f"{broken} is damaged" in done.warnings[0]
    assert f"{broken} is damaged" in status(config, 1)["faulty_models"][0]


def test_a_folder_of_models_that_cannot_be_read_costs_no_line(config, stand_in, deliver):
    deliver(1)
    config.workspace.mkdir()
    Path(config.models).write_text("not a folder")
    done = Retraining(config, stand_in.will(PUSHED).start).retrain("me")
    assert done.outcome is Outcome.PUSHED
    assert "which version serves is unknown" in done.warnings[0]


def test_a_push_that_was_never_written_down_has_a_line_of_its_own_and_the_round_goes_on(
    config, stand_in, deliver, tmp_path
):
    deliver(1)
    deliver(2)
    tell = shlex.join([sys.executable, "-c", f"open({str(tmp_path / 'told')!r}, 'a').write(input())"])
    retraining = Retraining(
        changed(config, hooks={"pushed": (tell,)}), stand_in.will({**PUSHED, "late": [1]}, KEPT).start
    )
    assert retraining.retrain("me").outcome is Outcome.KEPT
    pushed, kept = retraining.ledger.rounds()
    assert (pushed.outcome, pushed.late, pushed.window) == (Outcome.PUSHED, True, (1,))
    assert (kept.late, kept.window) == (False, (1, 2))
    assert stand_in.asked[1]["judge"] == [2], "span 1 is settled by the push"
    assert '"version":7' in (tmp_path / "told").read_text()
    stand_in.will({**PUSHED, "late": [1, 2]})
    assert retraining.retrain("me", force=True).late, "forced, a push is all that is asked for"


def watched(config, address):
    """The configuration with a watcher of three addresses."""
    return changed(config, watcher={which: f"{address}/{which}" for which in ("start", "success", "fail")})


@pytest.mark.parametrize(
    ("result", "last"),
    [
        (PUSHED, "success"),
        (KEPT, "success"),
        (refuse(1), "success"),
        (FAILED, "fail"),
        ("die", "fail"),
        (None, "success"),
    ],
)
def test_a_watcher_hears_that_a_round_begins_and_how_it_ends(
    config, stand_in, deliver, webhook, result, last
):
    address, called = webhook
    (Path(config.retrain.spans)).mkdir()
    if result:
        deliver(1)
        stand_in.will(result)
    Retraining(watched(config, address), stand_in.start).retrain("me")
    assert [(method, path) for method, path, _, _ in called] == [("GET", "/start"), ("GET", f"/{last}")]


def test_a_watcher_that_cannot_be_reached_is_a_warning_without_its_token(config, stand_in, deliver, webhook):
    deliver(1)
    options = {"start": "http://127.0.0.1:1/token", "success": f"{webhook[0]}/broken"}
    done = Retraining(changed(config, watcher=options), stand_in.will(KEPT).start).retrain("me")
    assert done.warnings == (
        "retrain.watcher.start (http://127.0.0.1:1): cannot be reached: Connection refused",
    )
    assert done.outcome is Outcome.KEPT


def test_a_watcher_of_a_locked_workspace_hears_nothing(config, deliver, webhook):
    address, called = webhook
    retraining = Retraining(watched(config, address))
    with lock.hold(retraining.lock_file, "nsynth gc"), pytest.raises(lock.LockedError):
        retraining.retrain("me")
    assert called == []


@pytest.mark.parametrize("damage", ["scribble", "fifo", "link", "locked by a link"])
def test_what_no_line_can_tell_is_told_by_hook_and_watcher(
    config, stand_in, deliver, tmp_path, webhook, damage
):
    deliver(1)
    config, told = failures(config, tmp_path)
    retraining = Retraining(watched(config, webhook[0]), stand_in.start)
    retraining.folder.mkdir(parents=True)
    match damage:
        case "scribble":
            retraining.ledger.file.write_text("scribble\n")
        case "fifo":
            os.mkfifo(retraining.ledger.file)
        case "link":
            retraining.ledger.file.symlink_to(tmp_path / "elsewhere")
        case "locked by a link":
            retraining.lock_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(nsynth.UserError) as error:
        retraining.retrain("me")
    assert told.read_text().count('"outcome":"failed"') == 1
    assert str(error.value)[:30] in told.read_text()
    assert webhook[1][-1][1] == "/fail"


@pytest.mark.parametrize("result", [PUSHED, FAILED])
def test_a_line_that_finds_no_room_is_told_by_hook_and_is_no_success(
    config, stand_in, deliver, tmp_path, monkeypatch, result
):
    deliver(1)
    config, told = failures(config, tmp_path)
    retraining = Retraining(config, stand_in.will(result).start)

    def full(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(retraining.ledger, "append", full)
    with pytest.raises(nsynth.UserError, match=r"round 1 is not in the ledger \(No space left"):
        retraining.retrain("me")
    assert told.read_text().count('"outcome":"failed"') == 1, "once"
