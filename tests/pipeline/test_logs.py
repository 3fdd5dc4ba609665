"""What a person sees while steps run, and where the rest goes."""

import io
import logging
import os
import re
import time

import pytest
import rich.console

from pipeline.logs import Console, chatter_to, follow_steps


@pytest.mark.parametrize("verbose", [False, True])
def test_what_libraries_print_goes_to_the_log_without_control_characters(tmp_path, capfd, verbose):
    console = Console()
    with chatter_to(tmp_path / "log", verbose):
        print("\x1b[2Jsearch space")
        os.write(2, b"from native code\n")
        console.print("ours")
    out, err = capfd.readouterr()
    if verbose:
        assert "search space" in out
        assert "from native code" in err
        return
    assert (out, err) == ("ours\n", "")
    log = (tmp_path / "log").read_text()
    assert "\\u001b[2Jsearch space" in log
    assert "from native code" in log


def test_control_characters_in_names_do_not_reach_the_log(tmp_path):
    with chatter_to(tmp_path / "log", verbose=False):
        logging.getLogger("pipeline").warning("note \x1b[31m%s", "\x9b0m")
    assert "note \\u001b[31m\\u009b0m" in (tmp_path / "log").read_text()


SHOWN = {
    "Transform": r"Transform [1-9]\d* of about 25 s: 1,000 notes",
    "Canary": r"Canary [1-9]\d* s: 1,000 notes",
}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_step_that_runs_shows_its_time_and_what_it_took_before():
    """On a terminal; the clock goes on without a message."""
    screen = io.StringIO()
    console = rich.console.Console(file=screen, force_terminal=True, width=80)
    with follow_steps(console, {"Transform": 25.2}):
        for step in ("Transform", "Canary"):
            logging.getLogger().warning("Component %s is running.", step)
            logging.getLogger("transform").warning("1,000 notes")
            while not re.search(SHOWN[step], screen.getvalue()):  # or the test's time limit ends it
                time.sleep(0.05)
