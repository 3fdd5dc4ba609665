"""A round: what is asked of the pipeline, what is written down, and that nothing is lost whatever happens.

A stand-in takes the place of the pipeline; tests/soak runs the real one.
"""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

import nsynth
from pipeline.history.ledger import Outcome
from pipeline.retrain import lock
from pipeline.retrain.child import Result
from pipeline.retrain.round import Retraining
from tests.pipeline.retrain.results import FAILED, KEPT, PASSING, PUSHED, changed, refuse


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert done.words.startswith(
        "no span can be used yet; span-000001: changed recently: it must not change for 60 s"
    )
    assert done.words.count("ready at 20") == 3
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


def test_without_a_folder_of_spans_it_says_what_to_set(config):
    with pytest.raises(nsynth.UserError, match=r"retrain\.spans"):
        Retraining(changed(config, spans=None)).retrain("me")


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
