"""The child: it ends with the one that started it, and tells how the run ended."""

import os
import subprocess
import sys
import textwrap

import nsynth
from pipeline.retrain import child_main
from pipeline.retrain.child import end

WAITING = textwrap.dedent("""
    import threading, time
    from pipeline.retrain.child_main import _end_with_parent
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
    assert child.wait(timeout=120) < 0


def test_it_is_ended_with_all_that_it_started():
    child, keep_alive = waiting()
    end(child)
    assert child.poll() is not None
    os.close(keep_alive)


def test_errors_are_told_apart():
    assert child_main._ending(KeyboardInterrupt(), "Trainer") == "interrupted"
    assert child_main._ending(ConnectionResetError(), "ExampleGen-000001") == "passing"
    assert child_main._ending(nsynth.RefusedDataError("damaged"), "ExampleGen-000001") == "refused"
    assert child_main._ending(nsynth.RefusedDataError("damaged"), "DataGate-000000") == "refused"
    assert child_main._refused_span(nsynth.RefusedDataError("damaged"), "DataGate-000000") == 0
    assert child_main._refused_span(nsynth.RefusedDataError("too few", 0), "Apart") == 0
    assert child_main._refused_span(nsynth.RefusedDataError("damaged"), "HeldOut") is None
    assert child_main._ending(nsynth.UserError("diverged"), "Trainer") == "failed"
    assert child_main._ending(ValueError("a bug"), "ExampleGen-000001") == "failed"


def test_only_data_at_fault_are_refused_and_only_where_it_is_known_whose_they_are():
    assert child_main._ending(nsynth.UserError("no permission"), "ExampleGen-000001") == "failed"
    assert child_main._ending(nsynth.RefusedDataError("damaged"), "HeldOut") == "failed"
    assert child_main._refused_span(nsynth.RefusedDataError("damaged"), "ExampleGen-000007") == 7
    assert child_main._refused_span(nsynth.RefusedDataError("collides", span=7), "Apart") == 7


def test_progress_is_shown_on_standard_error_and_chatter_goes_to_the_log(tmp_path):
    code = (
        "import logging, pathlib, sys, types\n"
        "from pipeline.retrain import child, child_main\n"
        "from pipeline.config import Config\n"
        "def steps(request):\n"
        "    for text in ('Component Trainer is running.', 'Component Trainer is finished.'):\n"
        "        logging.getLogger('absl').info(text)\n"
        "    return child.Result(ending='kept', words='')\n"
        "sys.modules['pipeline.retrain.run'] = types.SimpleNamespace(run_spans=steps)\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "files = {'log_file': folder / 'log', 'result_file': folder / 'result'}\n"
        "request = child.Request(config=Config(), window=(1,), judge=(1,), **files)\n"
        "result = child_main.run(request)\n"
        "assert set(result.facts['cpu_seconds']) == {'Trainer'}, result\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "✓ Trainer" in done.stderr
    assert done.stdout == ""
    assert "Component Trainer is running" in (tmp_path / "log").read_text()
