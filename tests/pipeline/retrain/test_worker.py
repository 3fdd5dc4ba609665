"""The child: it ends with the one that started it, and tells how the run ended."""

import os
import subprocess
import sys
import textwrap

import nsynth
from pipeline.retrain import worker
from pipeline.retrain.child import end

WAITING = textwrap.dedent("""
    import threading, time
    from pipeline.retrain.worker import _end_with_parent
    threading.Thread(target=_end_with_parent, daemon=True).start()
    print("ready", flush=True)
    time.sleep(600)
""")


def waiting() -> tuple[subprocess.Popen, int]:
    alive, keep_alive = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdin=alive, stdout=subprocess.PIPE, start_new_session=True
    )
    os.close(alive)
    child.stdout.readline()
    return child, keep_alive


def test_it_ends_when_its_parent_does():
    child, keep_alive = waiting()
    assert child.poll() is None
    os.close(keep_alive)  # as the system does for a parent that is killed
    assert child.wait(timeout=20) < 0


def test_it_is_ended_with_all_that_it_started():
    child, keep_alive = waiting()
    end(child)
    assert child.poll() is not None
    os.close(keep_alive)


def test_errors_are_told_apart():
    assert worker._ending(KeyboardInterrupt(), "Trainer") == "interrupted"
    assert worker._ending(ConnectionResetError(), "ExampleGen-000001") == "passing"
    assert worker._ending(nsynth.UserError("damaged"), "ExampleGen-000001") == "refused"
    assert worker._ending(nsynth.UserError("diverged"), "Trainer") == "failed"
    assert worker._ending(ValueError("a bug"), "ExampleGen-000001") == "failed"
