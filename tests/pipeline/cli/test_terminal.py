"""The command in every surrounding: locale, terminal, folder, environment, closed streams. Each a real process."""

import os
import pty
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pipeline.history.ledger import Ledger

pytestmark = pytest.mark.slow
MARKER = "a file of the current folder was imported"
STAND_IN = """
import functools, pathlib, subprocess, sys
from pipeline.retrain import round
def start(request_file, alive, lock):
    code = '''import json, pathlib, sys
request = json.loads(pathlib.Path(sys.argv[1]).read_text())
pathlib.Path(request["result_file"]).write_text(json.dumps({"ending": "passing", "words": "try again"}))'''
    return subprocess.Popen([sys.executable, "-c", code, str(request_file)], stdin=alive, start_new_session=True)
round.Retraining = functools.partial(round.Retraining, start=start)
"""


def nsynth(
    *arguments: str, before: str = "", after: str = "", **kwargs
) -> subprocess.CompletedProcess[bytes]:
    """Runs the command in a process of its own, with Python statements around it."""
    code = (
        f"import sys; sys.argv = ['nsynth', *{arguments!r}]\n{before}\nfrom pipeline.cli.main import main\n"
        f"try: main()\nexcept SystemExit as leave: code = leave.code or 0\n{after}\nsys.exit(code)"
    )
    kwargs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **kwargs.pop("env", {})}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, "-c", code], env={**inherited, **environment}, check=False, **kwargs
    )


def command(body: str) -> str:
    """Statements that make `body` the command `nsynth probe`."""
    return (
        "import click\nfrom pipeline.cli.main import COMMANDS\nCOMMANDS['probe'] = ('__main__:probe', '')\n"
        f"@click.command()\ndef probe():\n{textwrap.indent(body, '    ')}"
    )


def table_of_settings(**kwargs) -> subprocess.CompletedProcess[bytes]:
    """A command that prints a table with a frame and characters that not every terminal has."""
    return nsynth("config", "show", "--changed", "--set", "corpus.soundfonts=['✓ é']", **kwargs)


@pytest.fixture(scope="module")
def latin_1(tmp_path_factory) -> dict[str, str]:
    """Environment of an ISO-8859-1 terminal."""
    folder = tmp_path_factory.mktemp("locales")
    if not shutil.which("localedef"):
        pytest.skip("localedef, which makes a locale, is missing")
    done = subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US.ISO-8859-1"], capture_output=True
    )
    if done.returncode:
        pytest.skip("the sources of locales are missing")
    return {"LOCPATH": str(folder), "LC_ALL": "en_US.ISO-8859-1"}


def test_an_iso_8859_1_terminal_gets_what_it_can_show(latin_1):
    answer = table_of_settings(env=latin_1)
    assert answer.returncode == 0, answer.stderr
    assert "+ é" in answer.stdout.decode("iso-8859-1")


def test_a_c_locale_gets_ascii():
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    answer = nsynth("config", "show", env=environment, after=r"print('\u2713 \xe9')")
    assert answer.returncode == 0, answer.stderr
    assert "+ ?" in answer.stdout.decode("ascii")


def test_under_any_locale_files_are_utf_8_here_and_in_processes_started(latin_1):
    after = (
        "import locale, subprocess\n"
        "print(open('/dev/null').encoding)\n"
        "print(subprocess.check_output([sys.executable, '-c', 'print(open(\"/dev/null\").encoding)'], text=True))"
    )
    answer = table_of_settings(env=latin_1, after=after)
    assert answer.stdout.split()[-2:] == [b"UTF-8", b"UTF-8"] or answer.stdout.split()[-2:] == [
        b"utf-8",
        b"utf-8",
    ]


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams(tmp_path, closed):
    """The next file opened must not become standard output."""
    answer = nsynth(
        "config", "show", preexec_fn=lambda: [os.close(descriptor) for descriptor in closed], cwd=tmp_path,
        after=f"print(open('kept', 'w').fileno() > 2, file=open({str(tmp_path / 'seen')!r}, 'w'))",
        stdin=None, stdout=None if 1 in closed else subprocess.PIPE,
        stderr=None if 2 in closed else subprocess.PIPE,
    )  # fmt: skip
    assert answer.returncode == (1 if 1 in closed else 0), answer.stderr
    assert b"standard output: it is closed" in (answer.stderr or b"") or closed != (1,)
    assert (tmp_path / "seen").read_text() == "True\n"


def test_a_reader_who_leaves_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    answer = nsynth("config", "reference", stdout=writing)
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [("--help",), ("config", "show"), ("status",)], ids=" ".join)
@pytest.mark.parametrize("full", [True, False], ids=["full disk", "closed"])
def test_an_answer_that_cannot_be_written_is_an_error(arguments, full, tmp_path):
    with open("/dev/full", "wb") as device:
        stream = {"stdout": device} if full else {"preexec_fn": lambda: os.close(1), "stdout": None}
        answer = nsynth(*arguments, cwd=tmp_path, **stream)
    reason = b"No space left on device" if full else b"it is closed"
    assert (answer.returncode, answer.stderr.count(b"\n")) == (1, 1), answer.stderr
    assert b"cannot write to standard output: " + reason in answer.stderr


@pytest.mark.parametrize("how", ["print('text')", "click.echo('text', nl=False)", "sys.stdout.write('text')"])
def test_nor_is_one_that_is_lost_as_the_command_ends(how):
    with open("/dev/full", "wb") as full:
        answer = nsynth("probe", before=command(f"import sys\n{how}"), stdout=full)
    assert (answer.returncode, answer.stderr.count(b"\n")) == (1, 1), answer.stderr


def test_nor_is_one_whose_error_the_command_ignores():
    body = "try: click.echo('text')\nexcept OSError: pass"
    with open("/dev/full", "wb") as full:
        answer = nsynth("probe", before=command(body), stdout=full)
    assert (answer.returncode, answer.stderr.count(b"\n")) == (1, 1), answer.stderr


def test_work_that_is_done_counts_more_than_what_it_prints():
    body = (
        "from pipeline.terminal import make_output_expendable\nmake_output_expendable()\nclick.echo('text')"
    )
    with open("/dev/full", "wb") as full:
        answer = nsynth("probe", before=command(body), stdout=full)
    assert answer.returncode == 0
    assert answer.stderr == b"nsynth: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("listener", ["left", "full"])
def test_a_round_to_which_nobody_listens_is_written_down_and_told_to_the_hook(tmp_path, listener):
    span = tmp_path / "spans" / "span-000001" / "nsynth-train.tfrecord"
    span.parent.mkdir(parents=True)
    span.write_bytes(b"notes")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    hook.chmod(0o755)
    settings = [
        f"workspace={tmp_path}/workspace", f"retrain.hooks={{failed: [{hook}]}}", "retrain.settle_s=0",
        "retrain.retry={attempts: 2, wait_s: 0.01}",
    ]  # fmt: skip
    if listener == "left":
        reading, writing = os.pipe()
        os.close(reading)
    else:
        writing = os.open("/dev/full", os.O_WRONLY)
    answer = nsynth(
        "retrain", "--spans", str(tmp_path / "spans"), *(part for s in settings for part in ("--set", s)),
        before=STAND_IN, stdout=writing, stderr=writing,
    )  # fmt: skip
    os.close(writing)
    assert answer.returncode == 1, "the round's own exit code"
    [line] = Ledger(tmp_path / "workspace" / "retrain" / "rounds.jsonl").rounds()
    assert (line.outcome, line.attempts, line.words) == ("failed", 2, "try again")
    assert (tmp_path / "called").exists()


def test_the_lines_of_a_round_s_process_may_go_nowhere():
    code = (
        "import os, logging\n"
        "from pipeline.logs import Console, follow_steps\nfrom pipeline.terminal import Stream\n"
        "reading, writing = os.pipe(); os.close(reading)\n"
        "with follow_steps(Console(file=Stream(writing))):\n"
        "    logging.getLogger().setLevel('INFO')\n"
        "    for line in ('is running.', 'is finished.'): logging.info('Component Trainer ' + line)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def foreign(tmp_path) -> Path:
    """A folder with modules that have the names of others."""
    for name in ("random", "queue", "nsynth", "pipeline", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit({MARKER!r})")
    return tmp_path


def test_modules_in_the_current_folder_are_not_imported_by_a_round(foreign):
    body = (
        "import os\nfrom pathlib import Path\nfrom pipeline.retrain.child import spawn\n"
        "started = spawn(Path('missing'), os.pipe()[0], 2); started.wait()"
    )
    answer = nsynth("probe", cwd=foreign, before=f"sys.path.remove('')\n{command(body)}")
    assert MARKER not in answer.stderr.decode()
    assert b"FileNotFoundError" in answer.stderr, "the round's process came to its request"


def test_nor_by_the_rendering_of_the_demo_notes(foreign):
    answer = nsynth("corpus", "--size", "tiny", "--out", "notes", cwd=foreign, before="sys.path.remove('')")
    assert answer.returncode == 0, answer.stderr
    assert (foreign / "notes" / "LICENCES.md").exists()


def test_the_user_s_settings_of_keras_do_not_reach_ours(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "image_data_format": "channels_first"}')
    body = (
        "import keras; print(keras.backend.backend(), keras.config.floatx(), keras.config.image_data_format(),"
        " keras.config.max_epochs())"
    )
    environment = {"KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path), "KERAS_MAX_EPOCHS": "1"}
    answer = nsynth("probe", env=environment, before=command(body))
    assert answer.stdout.split()[-4:] == [b"tensorflow", b"float32", b"channels_last", b"None"]


def test_it_starts_from_the_root_of_the_file_system_and_a_tilde_is_the_home_folder(tmp_path):
    (tmp_path / "my.yaml").write_text("{workspace: ~/ours, push: {destination: ~/models}}")
    arguments = ("config", "show", "--json", "--config", "~/my.yaml", "--set", "retrain.spans=~/spans")
    answer = nsynth(*arguments, cwd="/", env={"HOME": str(tmp_path)})
    assert answer.returncode == 0, answer.stderr
    for folder in ("ours", "models", "spans"):
        assert f'"{tmp_path}/{folder}"'.encode() in answer.stdout


def test_a_terminal_of_80_columns_shows_all_of_it():
    leader, follower = pty.openpty()
    answer = table_of_settings(stdout=follower, env={"TERM": "xterm", "COLUMNS": "80"})
    os.close(follower)
    shown = b""
    try:
        while more := os.read(leader, 65536):
            shown += more
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert answer.returncode == 0
    assert any("corpus.soundfonts" in line and "✓ é" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_control_characters_are_shown_not_obeyed(tmp_path):
    missing = f"{tmp_path}/\x1b]0;evil\x07\x1b[2J\u202e\x9b31m"
    answer = nsynth("inspect", missing)
    assert answer.returncode == 1
    told = answer.stderr.decode()
    assert "\\u001b]0;evil\\u0007\\u001b[2J\\u202e\\u009b31m" in told
    assert not any(character in told for character in "\x1b\x07\u202e\x9b")


def test_in_a_table_too():
    answer = nsynth("config", "show", "--changed", "--set", "data=\x1b[2J evil", env={"FORCE_COLOR": "1"})
    assert b"\x1b[1m" in answer.stdout, "rich's own codes pass"
    assert b"\x1b[2J" not in answer.stdout
    assert b"\\u001b[2J" in answer.stdout
