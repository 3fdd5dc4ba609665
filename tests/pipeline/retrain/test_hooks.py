"""Hooks get the round's line, and their own failures are told and nothing else."""

import shlex
import socketserver
import sys
import threading
import time

import psutil
import pydantic
import pytest

from pipeline.retrain import hooks
from pipeline.retrain.hooks import call_hooks
from pipeline.retrain.options import RetrainOptions

LINE = '{"number": 1}'


@pytest.fixture
def no_http():
    """Address of a server that answers with a greeting of its own, as a mail server does."""

    class Greet(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1000)
            self.request.sendall(b"220 mail.example ready\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Greet) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_a_command_gets_the_event_and_the_line(tmp_path):
    told = tmp_path / "told"
    code = f"import os, sys; open({str(told)!r}, 'w').write(os.environ['NSYNTH_EVENT'] + sys.stdin.read())"
    assert call_hooks([python(code)], "pushed", LINE, 20) == []
    assert told.read_text() == "pushed" + LINE


def test_an_address_is_posted_to(webhook):
    address, called = webhook
    assert call_hooks([address], "refused", LINE, 20) == []
    assert [(method, event, body) for method, _, event, body in called] == [("POST", "refused", LINE)]


def test_each_failure_is_told_and_the_others_are_called(webhook, tmp_path):
    address, called = webhook
    hooks = [
        python("import sys; sys.exit('no mail today')"),
        "no-such-command",
        f"{address}/broken",
        "http://127.0.0.1:1/",
        address,
    ]
    failures = call_hooks(hooks, "failed", LINE, 60)
    wanted = (
        "exit code 1: no mail today",
        "No such file",
        "answered 500",
        "cannot be reached",
    )
    assert len(failures) == len(wanted)
    assert all(words in failure for words, failure in zip(wanted, failures, strict=True))
    assert len(called) == 2


@pytest.mark.slow
def test_a_hook_that_takes_too_long_is_ended_and_the_next_one_is_called(tmp_path):
    done = tmp_path / "done"
    [failure] = call_hooks(["sleep 600", f"touch {done}"], "failed", LINE, 2)
    assert "longer than 2 s" in failure
    assert done.exists()


def test_no_http_and_no_address_are_told_like_any_other_failure(no_http, webhook):
    address, called = webhook
    failures = call_hooks([no_http, "http://no address/", " ", address], "pushed", LINE, 5)
    assert ["cannot be reached" in failure for failure in failures] == [True, True, False]
    assert len(called) == 1


def test_whatever_a_hook_raises_is_told(monkeypatch):
    def surprise(*_):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(hooks, "_run", surprise)
    assert call_hooks(["a"], "pushed", LINE, 1) == ["hook 1 for pushed (a): ZeroDivisionError: of all things"]


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_hook_is_refused_in_the_options(blank):
    with pytest.raises(pydantic.ValidationError, match=r"blank|at least 1 character"):
        RetrainOptions(hooks={"pushed": (blank,)})


TOKEN = "T0K3N-from-the-vault"


def test_a_failed_hook_is_named_without_its_secrets(webhook):
    address, _ = webhook
    hooks = [
        f"{address}/broken?{TOKEN}",
        f"http://user:{TOKEN}@127.0.0.1:1/{TOKEN}/",
        f"http://127.0.0.1:1/{TOKEN}/ and a blank",
        f"no-such-command --token={TOKEN}",
        shlex.join([sys.executable, "-c", "import sys; sys.exit(str(sys.argv))", f"Bearer {TOKEN}"]),
        shlex.join([sys.executable, "-c", "import sys; sys.exit(sys.argv[1].split()[1])", f"Bearer {TOKEN}"]),
        f"'{TOKEN}",
    ]
    failures = call_hooks(hooks, "failed", LINE, 5)
    assert len(failures) == len(hooks)
    assert TOKEN not in " ".join(failures)
    assert failures[0].startswith(f"hook 1 for failed ({address}): answered 500")
    assert failures[3] == "hook 4 for failed (no-such-command): cannot be run: No such file or directory"


@pytest.mark.parametrize("where", ["other", "ftp", "file"])
def test_a_redirect_is_not_followed(webhook, where):
    address, called = webhook
    [failure] = call_hooks([f"{address}/to-{where}"], "failed", LINE, 5)
    assert "a redirect to" in failure
    assert "not followed" in failure
    assert len(called) == 1


@pytest.mark.slow
def test_an_answer_that_trickles_in_ends_with_the_time_of_the_whole_call(webhook):
    address, _ = webhook
    began = time.monotonic()
    [failure] = call_hooks([f"{address}/trickle"], "failed", LINE, 1)
    assert "took longer than 1 s" in failure
    assert time.monotonic() - began < 300, "half of the time that the answer takes"


@pytest.mark.slow
@pytest.mark.parametrize("last", ["wait", "exit 3", "exit 0"])
def test_what_a_hook_has_started_ends_with_it_and_costs_no_more_time(tmp_path, last):
    hook = shlex.join(["sh", "-c", f"sleep 900 & echo $! > {tmp_path}/pid; {last}"])
    began = time.monotonic()
    failures = call_hooks([hook], "failed", LINE, 2 if last == "wait" else 60)
    assert time.monotonic() - began < 600, "it waits for what the hook has started"
    assert len(failures) == (last != "exit 0")
    assert not is_running(int((tmp_path / "pid").read_text()))


def is_running(pid: int) -> bool:
    """Whether it is, a moment later; one that nobody has asked after yet is not."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
def test_a_hook_that_reads_nothing_or_never_stops_talking_is_no_obstacle():
    assert call_hooks(["true"], "failed", LINE * 100_000, 20) == []
    [failure] = call_hooks(
        [python("while True: print('x' * 999, file=__import__('sys').stderr)")], "failed", LINE, 1
    )
    assert "took longer than 1 s" in failure


def test_the_password_of_the_history_is_nothing_for_hooks(monkeypatch):
    monkeypatch.setenv("NSYNTH_METADATA_PASSWORD", "secret")
    assert (
        call_hooks(
            [python("import os; assert 'NSYNTH_METADATA_PASSWORD' not in os.environ")], "kept", LINE, 20
        )
        == []
    )


def test_a_hook_that_cannot_be_run_is_refused_without_being_quoted():
    with pytest.raises(pydantic.ValidationError) as told:
        RetrainOptions(hooks={"failed": ("true", f"curl '{TOKEN}")})
    [fault] = told.value.errors(include_input=False)
    assert fault["msg"] == "Value error, hook 2 for failed is not a command: no closing quotation"
