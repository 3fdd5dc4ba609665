"""What a person sees while steps run, and where the rest goes."""

import os

import pytest

from pipeline.logs import Console, chatter_to


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
    import logging

    with chatter_to(tmp_path / "log", verbose=False):
        logging.getLogger("pipeline").warning("note \x1b[31m%s", "\x9b0m")
    assert "note \\u001b[31m\\u009b0m" in (tmp_path / "log").read_text()
