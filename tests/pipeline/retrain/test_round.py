"""A round: what is asked of the pipeline, what is written down, and that nothing is lost whatever happens.

A stand-in takes the place of the pipeline; tests/soak runs the real one.
"""

import errno
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

import nsynth
from pipeline.history.ledger import Outcome
from pipeline.retrain import lock
from pipeline.retrain.child import Result
from pipeline.retrain.options import RetrainOptions
from pipeline.retrain.round import Retraining
from pipeline.retrain.status import status

PUSHED = {"ending": "pushed", "words": "better", "version": 7, "run": "r", "accuracy": 0.5}
KEPT = {"ending": "kept", "words": "not better"}
PASSING = {"ending": "passing", "words": "disk full"}
FAILED = {"ending": "failed", "words": "a bug"}


def refuse(span: int) -> dict:
    return {"ending": "refused", "words": "one family only", "refused": span}


def changed(config, **options):
    retrain = RetrainOptions.model_validate(config.retrain.model_dump() | options)
    return config.model_copy(update={"retrain": retrain})


def test_a_new_span_is_judged_and_the_newest_ones_are_trained_on(config, stand_in, deliver):
    for span in (1, 2, 3):
        deliver(span)
    retraining = Retraining(config, stand_in.will(PUSHED, KEPT).start)
    first = retraining.retrain("me")
    deliver(4)
    second = retraining.retrain("me")
    assert [request["window"] for request in stand_in.asked] == [[1, 2, 3], [2, 3, 4]]
    assert [request["judge"] for request in stand_in.asked] == [[1, 2, 3], [4]]
    assert [request["new"] for request in stand_in.asked] == [[1, 2, 3], [4]]
    assert (first.outcome, first.version, first.accuracy) == (Outcome.PUSHED, 7, 0.5)
    assert (second.outcome, second.words) == (Outcome.KEPT, "not better")
    assert retraining.ledger.rounds() == [first, second]


def test_the_second_round_on_the_same_data_starts_nothing_unless_forced(config, stand_in, deliver):
    deliver(1)
    retraining = Retraining(config, stand_in.will(KEPT, KEPT).start)
    retraining.retrain("me")
    assert retraining.retrain("me").outcome is Outcome.NO_NEW_DATA
    assert len(stand_in.asked) == 1
    assert retraining.retrain("me", force=True).outcome is Outcome.KEPT


def test_a_refused_span_is_left_out_for_good_and_the_others_go_on(config, stand_in, deliver):
    deliver(1)
    deliver(2)
    retraining = Retraining(config, stand_in.will(refuse(1), PUSHED).start)
    assert retraining.retrain("me").outcome is Outcome.PUSHED
    refused, pushed = retraining.ledger.rounds()
    assert (refused.outcome, refused.refused.number, refused.words) == (Outcome.REFUSED, 1, "one family only")
    assert pushed.window == (2,)
    assert retraining.retrain("me").outcome is Outcome.NO_NEW_DATA


def test_a_span_that_force_has_had_accepted_is_used_from_then_on(config, stand_in, deliver):
    deliver(1)
    retraining = Retraining(config, stand_in.will(refuse(1), PUSHED, PUSHED).start)
    retraining.retrain("me")
    assert retraining.retrain("me", force=True).outcome is Outcome.PUSHED
    deliver(2)
    assert retraining.retrain("me").window == (1, 2)


def test_force_trains_on_the_others_if_a_span_is_refused_again(config, stand_in, deliver):
    deliver(1)
    deliver(2)
    retraining = Retraining(config, stand_in.will(refuse(2), PUSHED).start)
    retraining.retrain("me")
    stand_in.will(refuse(2), KEPT)
    done = retraining.retrain("me", force=True)
    assert (done.outcome, done.window) == (Outcome.KEPT, (1,))
    stand_in.will(refuse(2), refuse(1))
    assert retraining.retrain("me", force=True).refused.number == 1


def test_a_refused_span_that_is_delivered_anew_is_taken(config, stand_in, deliver):
    deliver(1)
    retraining = Retraining(config, stand_in.will(refuse(1), PUSHED).start)
    assert retraining.retrain("me").outcome is Outcome.REFUSED
    deliver(1, b"mended notes")
    assert retraining.retrain("me").outcome is Outcome.PUSHED


def test_what_may_pass_is_tried_again(config, stand_in, deliver):
    deliver(1)
    done = Retraining(config, stand_in.will(PASSING, PASSING, PUSHED).start).retrain("me")
    assert (done.outcome, done.attempts) == (Outcome.PUSHED, 3)


def test_after_its_attempts_a_round_fails_and_the_span_waits_for_the_next(config, stand_in, deliver):
    deliver(1)
    retraining = Retraining(config, stand_in.will(PASSING, PASSING, PASSING, PUSHED).start)
    done = retraining.retrain("me")
    assert (done.outcome, done.words) == (Outcome.FAILED, "disk full")
    assert retraining.retrain("me").outcome is Outcome.PUSHED


def test_what_will_not_pass_is_tried_once(config, stand_in, deliver):
    deliver(1)
    done = Retraining(config, stand_in.will(FAILED, PUSHED).start).retrain("me")
    assert (done.outcome, done.attempts) == (Outcome.FAILED, 1)


def test_a_child_that_dies_fails_the_round_and_not_the_caller(config, stand_in, deliver):
    deliver(1)
    done = Retraining(config, stand_in.will("die").start).retrain("me")
    assert done.outcome is Outcome.FAILED
    assert "SIGKILL" in done.words


def test_a_round_that_takes_too_long_is_ended(config, stand_in, deliver):
    deliver(1)
    done = Retraining(changed(config, time_limit_s=1), stand_in.will("hang").start).retrain("me")
    assert done.outcome is Outcome.TIMED_OUT
    assert not psutil.pid_exists(stand_in.wait_until_hanging())


def test_told_to_stop_the_child_is_ended_and_the_round_written_down(config, stand_in, deliver):
    deliver(1)
    stop = threading.Event()
    threading.Thread(target=lambda: (stand_in.wait_until_hanging(), stop.set()), daemon=True).start()
    done = Retraining(config, stand_in.will("hang").start).retrain("me", stop=stop)
    assert done.outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize("result", [PUSHED, KEPT, refuse(1)])
def test_what_the_child_has_told_stands_though_it_was_ended_on_its_way_out(config, stand_in, deliver, result):
    deliver(1)
    config = changed(config, time_limit_s=1)
    done = Retraining(config, stand_in.will({**result, "lingers": True}).start).retrain("me")
    assert (done.outcome, done.words) == (result["ending"], result["words"])


def test_all_attempts_share_the_time_of_the_round(config, deliver, monkeypatch):
    deliver(1)
    deadlines = []

    def passing(request, held, deadline, *_):
        deadlines.append(deadline)
        return Result(**PASSING)

    monkeypatch.setattr("pipeline.retrain.round.run_child", passing)
    Retraining(config).retrain("me")
    assert len(deadlines) == 3
    assert len(set(deadlines)) == 1


def test_nothing_is_waited_for_beyond_the_time_of_the_round(config, stand_in, deliver):
    deliver(1)
    config = changed(config, time_limit_s=30, retry={"attempts": 3, "wait_s": 60})
    done = Retraining(config, stand_in.will(PASSING, PUSHED).start).retrain("me")
    assert (done.outcome, done.words, done.attempts) == (Outcome.FAILED, "disk full", 1)


def test_training_starts_afresh_every_so_often(config, stand_in, deliver):
    config = changed(config, fresh_every=2)
    retraining = Retraining(config, stand_in.will(PUSHED, PUSHED, PUSHED).start)
    for span in (1, 2, 3):
        deliver(span)
        retraining.retrain("me")
    assert [request["config"]["recipe"]["warm_start"] for request in stand_in.asked] == [False, True, False]


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


@pytest.mark.parametrize(("holdout", "fits"), [("", False), ("span-000001", False), ("fixed", True)])
def test_held_out_notes_that_lie_in_a_span_are_told_before_anything_is_run(
    config, stand_in, deliver, tmp_path, holdout, fits
):
    deliver(1)
    link = tmp_path / "holdout"
    link.symlink_to(tmp_path / "spans" / holdout)
    retraining = Retraining(changed(config, holdout=link), stand_in.will(KEPT).start)
    if fits:
        assert retraining.retrain("me").outcome is Outcome.KEPT
    else:
        with pytest.raises(nsynth.UserError, match=r"retrain\.holdout"):
            retraining.retrain("me")
        assert not stand_in.asked


def test_spans_that_settle_are_named_with_the_time_when_they_are_taken(config, stand_in, deliver):
    for span in (1, 2, 3):
        deliver(span)
    done = Retraining(changed(config, settle_s=60), stand_in.start).retrain("me")
    assert done.outcome is Outcome.NO_NEW_DATA
    assert done.words.startswith("no span can be used yet; span-000001: nothing in it may change for 60 s")
    assert done.words.count("taken up from 20") == 3
    assert len(done.waiting) == 3


def test_span_0_can_be_refused_like_any_other(config, stand_in, deliver):
    deliver(0)
    deliver(1)
    retraining = Retraining(config, stand_in.will(refuse(0), PUSHED).start)
    assert retraining.retrain("me").outcome is Outcome.PUSHED
    assert retraining.ledger.rounds()[0].refused.number == 0
    assert retraining.retrain("me").outcome is Outcome.NO_NEW_DATA


def test_a_full_disk_before_the_child_is_started_may_pass(config, stand_in, deliver):
    deliver(1)
    full, start = [True, True], stand_in.will(PUSHED).start

    def starts_at_last(*arguments):
        if full and full.pop():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return start(*arguments)

    retraining = Retraining(config, starts_at_last)
    done = retraining.retrain("me")
    assert (done.outcome, done.attempts) == (Outcome.PUSHED, 3)
    full += [True] * 3
    done = retraining.retrain("me", force=True)
    assert (done.outcome, done.words) == (Outcome.FAILED, "No space left on device")
    assert list(retraining.folder.glob("round-*")) == []


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


def test_without_a_folder_of_spans_it_says_what_to_set(config):
    with pytest.raises(nsynth.UserError, match=r"retrain\.spans"):
        Retraining(changed(config, spans=None)).retrain("me")


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


def test_what_is_told_to_the_child_is_its_owners_alone_and_written_into_no_link(
    config, stand_in, deliver, tmp_path
):
    deliver(1)
    retraining = Retraining(config, stand_in.start)
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    retraining.folder.mkdir(parents=True)
    for name in ("round-000001.request.json", "round-000001.draft", "round-000001.json"):
        (retraining.folder / name).symlink_to(theirs)
    modes = []

    def start(request_file, alive, lock):
        modes.append(request_file.stat().st_mode & 0o777)
        return stand_in.start(request_file, alive, lock)

    stand_in.will(KEPT)
    assert Retraining(config, start).retrain("me").outcome is Outcome.KEPT
    assert modes == [0o600]
    assert theirs.read_text() == "theirs"


KILLED = textwrap.dedent("""
    import subprocess, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from pipeline.config import Config
    from pipeline.retrain.round import Retraining
    from conftest import StandIn
    stand_in = StandIn(Path(sys.argv[3]))
    Retraining(Config.model_validate_json(Path(sys.argv[1]).read_text()), stand_in.start).retrain("first")
""")


@pytest.mark.slow
def test_a_killed_round_is_found_out_and_taken_up(config, stand_in, deliver, tmp_path):
    deliver(1)
    stand_in.will("hang", PUSHED)
    (tmp_path / "config.json").write_text(config.model_dump_json())
    here = os.path.dirname(__file__)
    first = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "config.json", here, stand_in.folder])
    child = stand_in.wait_until_hanging()
    with pytest.raises(lock.LockedError, match=f"first, process {first.pid}"):
        Retraining(config, stand_in.start).retrain("second")
    first.send_signal(signal.SIGKILL)
    first.wait()
    os.kill(child, signal.SIGKILL)  # the real child ends by itself: see test_worker.py
    while psutil.pid_exists(child):
        time.sleep(0.05)
    retraining = Retraining(config, stand_in.start)
    assert retraining.retrain("second").outcome is Outcome.PUSHED
    crashed, pushed = retraining.ledger.rounds()
    assert crashed.outcome is Outcome.CRASHED
    assert list(retraining.folder.glob("round-*")) == [], "the killed round's files are still there"
    assert f"first, process {first.pid}" in crashed.words
    assert pushed.number == 2
