"""Hooks get the round's line, and their own failures are told and nothing else."""

import http.server
import shlex
import socketserver
import sys
import threading

import pydantic
import pytest

from pipeline.retrain import hooks
from pipeline.retrain.hooks import call_hooks
from pipeline.retrain.options import RetrainOptions

LINE = '{"number": 1}'


@pytest.fixture
def webhook():
    """Address of a server and the list of what was posted to it; it answers 500 to `/broken`."""
    posted = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            posted.append((self.headers["X-Nsynth-Event"], body))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()


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
    address, posted = webhook
    assert call_hooks([address], "refused", LINE, 20) == []
    assert posted == [("refused", LINE)]


@pytest.mark.slow
def test_each_failure_is_told_and_the_others_are_called(webhook, tmp_path):
    address, posted = webhook
    hooks = [
        python("import sys; sys.exit('no mail today')"),
        "no-such-command",
        python("import time; time.sleep(60)"),
        f"{address}/broken",
        "http://127.0.0.1:1/",
        address,
    ]
    failures = call_hooks(hooks, "failed", LINE, 1)
    wanted = (
        "exit code 1: no mail today",
        "No such file",
        "longer than 1 s",
        "answered 500",
        "cannot be reached",
    )
    assert len(failures) == len(wanted)
    assert all(words in failure for words, failure in zip(wanted, failures, strict=True))
    assert len(posted) == 2


def test_no_http_and_no_address_are_told_like_any_other_failure(no_http, webhook):
    address, posted = webhook
    failures = call_hooks([no_http, "http://no address/", " ", address], "pushed", LINE, 5)
    assert ["cannot be reached" in failure for failure in failures] == [True, True, False]
    assert len(posted) == 1


def test_whatever_a_hook_raises_is_told(monkeypatch):
    def surprise(*_):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(hooks, "_run", surprise)
    assert call_hooks(["a"], "pushed", LINE, 1) == ["hook 'a' for pushed: ZeroDivisionError: of all things"]


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_hook_is_refused_in_the_options(blank):
    with pytest.raises(pydantic.ValidationError, match=r"blank|at least 1 character"):
        RetrainOptions(hooks={"pushed": (blank,)})
