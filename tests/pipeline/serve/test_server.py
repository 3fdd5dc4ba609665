"""The server as a client sees it: the API, its limits, pushes while it answers, and its end."""

import base64
import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile

import nsynth
from components.registry import Registry
from pipeline.classify import Classifier
from tests.pipeline.serve.conftest import push, running

pytestmark = pytest.mark.slow

PREDICT = "/v1/models/nsynth:predict"


def wav(audio: np.ndarray, rate: int = nsynth.SAMPLE_RATE_HZ) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, audio, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def example(audio: np.ndarray) -> dict[str, str]:
    from components.example_proto import serialize

    record = serialize({nsynth.AUDIO: audio})
    return {"b64": base64.b64encode(record).decode()}


def waveform(*audio: np.ndarray) -> dict:
    return {"signature_name": "serving_waveform", "instances": [a.round(5).tolist() for a in audio]}


def test_both_signatures_answer_what_the_model_does(server, models, notes):
    audio = np.stack([note.audio for note in notes[:3]])
    expected = Classifier(models[0]).probabilities(audio)
    rows = server.ask(PREDICT, {"instances": [example(a) for a in audio]}).json["predictions"]
    np.testing.assert_allclose([row["probabilities"] for row in rows], expected, atol=1e-5)
    assert [row["family_id"] for row in rows] == expected.argmax(1).tolist()
    assert [nsynth.FAMILIES[row["family_id"]] for row in rows] == [row["family"] for row in rows]
    columns = server.ask(PREDICT, {"signature_name": "serving_waveform", "inputs": audio.tolist()}).json
    np.testing.assert_allclose(columns["outputs"]["probabilities"], expected, atol=1e-5)
    named = server.ask(PREDICT, {"inputs": {"examples": [example(audio[0])]}}).json
    np.testing.assert_allclose(named["outputs"]["probabilities"], expected[:1], atol=1e-5)


def test_a_version_may_be_asked_by_its_number(server, notes):
    number = server.registry.serving().number
    path = f"/v1/models/nsynth/versions/{number}:predict"
    assert len(server.ask(path, {"instances": [example(notes[0].audio)]}).json["predictions"]) == 1


def test_status_and_metadata(server):
    number = str(server.registry.serving().number)
    told = {"version": number, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/nsynth", f"/v1/models/nsynth/versions/{number}"):
        assert server.ask(path).json == {"model_version_status": [told]}
    metadata = server.ask("/v1/models/nsynth/metadata")
    assert metadata.headers["Content-Type"] == "application/json"
    assert metadata.json["model_spec"] == {"name": "nsynth", "signature_name": "", "version": number}
    described = metadata.json["metadata"]["signature_def"]["signature_def"]["serving_waveform"]
    sizes = [dim["size"] for dim in described["inputs"]["audio"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", str(nsynth.NOTE_SAMPLES)]
    assert described["outputs"]["family"]["dtype"] == "DT_STRING"
    assert described["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (PREDICT, b"", 400, "JSON Parse error: The document is empty"),
        (PREDICT, {"instances": ["no example"]}, 400, "Could not parse example input, value: 'no example'"),
        (PREDICT, {"signature_name": "x", "instances": [1]}, 400,
         'Serving signature name: "x" not found in signature def'),
        (PREDICT, {"signature_name": "serving_waveform", "instances": [[0.0]]}, 400,
         "input audio has the shape [1,1]; the signature takes [-1,64000]"),
        ("/v1/models/foo:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(foo)"),
        ("/v1/models/nsynth/versions/7:predict", {"instances": [1]}, 404,
         "Servable not found for request: Specific(nsynth, 7)"),
        (f"/v1/models/nsynth/versions/{2**64}:predict", {"instances": [1]}, 400, "Failed to convert version"),
        ("/v1/models/nsynth/labels/stable:predict", {"instances": [1]}, 400,
         "Unrecognized servable version label: stable"),
        ("/v1/models/nsynth:classify", {"examples": [{}]}, 400,
         "Expected classification signature method_name to be tensorflow/serving/classify. "
         "Was: tensorflow/serving/predict"),
        ("/v1/models/nsynth:explain", {}, 400, "Malformed request: POST /v1/models/nsynth:explain"),
        ("/v1/models/nsynth:predict", None, 400, "Malformed request: GET /v1/models/nsynth:predict"),
        ("/v1/models", None, 400, "Missing model name in request."),
        ("/v1/models/foo", None, 404, "Could not find any versions of model foo"),
        ("/v1/models/nsynth/versions/7", None, 404, "Could not find version 7 of model nsynth"),
        ("/v1/models/nsynth/versions/7/metadata", None, 404, "Specific(nsynth, 7)"),
        ("/v2/models", None, 404, "Not Found"),
    ],
)  # fmt: skip
def test_errors_are_those_of_tensorflow_serving(server, path, body, status, message):
    answer = server.ask(path, body)
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert message in answer.json["error"]


def test_a_recording_is_answered_as_nsynth_classify_does(server, models, notes, tmp_path):
    both = np.concatenate([notes[0].audio, notes[20].audio])
    (tmp_path / "both.wav").write_bytes(wav(both))
    [expected] = Classifier(models[0]).answers([tmp_path / "both.wav"])
    heard = server.ask("/classify", wav(both)).json
    assert [
        (c["name"], pytest.approx(c["probability"], abs=1e-4)) for c in heard["classes"]
    ] == expected.top()
    assert (heard["windows"], heard["seconds"], heard["cut_short"]) == (2, 8.0, False)
    picture = heard["spectrogram"]
    levels = base64.b64decode(picture["levels"])
    assert len(levels) == picture["bands"] * picture["columns"]
    assert max(levels) == 255
    assert max(heard["waveform"]["high"]) == pytest.approx(both.max(), abs=1e-3)
    long = server.ask("/classify", wav(np.tile(notes[0].audio, 9))).json
    assert (long["windows"], long["cut_short"]) == (8, True)


def test_novelty_is_told_where_the_model_tells_it(server, models, notes, tmp_path):
    loud = notes[0].audio / np.abs(notes[0].audio).max()
    for audio, unlike in ((notes[0].audio, False), (loud, True)):
        heard = server.ask("/classify", wav(audio)).json
        assert heard["novelty"] == pytest.approx(np.abs(audio).max() / 0.6, abs=1e-3)
        assert heard["unlike_training_data"] is unlike
    assert "novelty" in server.ask(PREDICT, {"instances": [example(loud)]}).json["predictions"][0]
    push(Registry(tmp_path / "models"), models[1])
    with running(tmp_path / "models") as served:
        assert {"novelty", "unlike_training_data"}.isdisjoint(served.ask("/classify", wav(loud)).json)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no sound", "cannot be read as audio"),
        (b"", "cannot be read as audio"),
        (wav(np.zeros(100)), "silent"),
        (wav(np.zeros(0)), "holds no sound"),
        (wav(np.array([np.nan])), "not finite numbers"),
    ],
    ids=["text", "nothing", "silence", "no samples", "not a number"],  # a WAV holds the time of its writing
)
def test_what_is_no_sound_is_refused(server, content, message):
    answer = server.ask("/classify", content)
    assert answer.status == 400
    assert message in answer.json["error"]


def test_health_and_metrics(server):
    number = server.registry.serving().number
    assert server.ask("/healthz").json == {"status": "ok", "version": str(number)}
    before = server.ask("/metrics")
    assert before.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    server.ask(PREDICT, b"")
    lines = server.ask("/metrics").body.decode().splitlines()
    assert f"nsynth_model_version {number}" in lines
    counts = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert int(counts['nsynth_requests_total{method="predict",code="400"}']) >= 1
    total = counts['nsynth_request_seconds_count{method="predict"}']
    assert counts['nsynth_request_seconds_bucket{method="predict",le="+Inf"}'] == total
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(families) == len(set(families)) == 7


def test_a_body_has_a_limit(server):
    answer = server.ask(PREDICT, b" " * (5 << 20))
    assert answer.status == 413
    assert "larger than 4,194,304 bytes" in answer.json["error"]


def test_only_so_many_requests_are_answered_at_a_time_and_for_so_long(tmp_path, models):
    folder = tmp_path / "models"
    push(Registry(folder), models[0])
    with running(folder, "--max-requests", "2", "--timeout", "2") as served:
        host = urlsplit(served.url)
        slow = [socket.create_connection((host.hostname, host.port)) for _ in range(2)]
        for client in slow:
            client.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode())
        deadline = time.monotonic() + 60
        while b"nsynth_requests_in_flight 2" not in served.ask("/metrics").body:
            assert time.monotonic() < deadline
        refused = served.ask(PREDICT, {"instances": ["x"]})
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert "try again" in refused.json["error"]
        assert served.ask("/healthz").status == 200
        for client in slow:
            assert b"408" in client.makefile("rb").readline(), "the body had not arrived"
            client.close()
        assert served.ask(PREDICT, {"instances": ["x"]}).status == 400


def test_a_port_in_use_is_one_line(server):
    port = str(urlsplit(server.url).port)
    command = [sys.executable, "-m", "pipeline.cli.main", "serve", "--models", "x", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == (
        f"nsynth: cannot listen on 127.0.0.1, port {port}: Address already in use. Choose another with --port "
        "or --host\n"
    )


def test_it_waits_for_the_first_push(tmp_path, models, notes):
    with running(tmp_path / "models") as served:
        assert served.ask("/healthz").status == 503
        assert served.ask("/classify", wav(notes[0].audio)).status == 503
        assert served.ask(PREDICT, {"instances": [1]}).status == 404
        push(served.registry, models[0])
        deadline = time.monotonic() + 60
        while served.ask("/healthz").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert served.ask("/classify", wav(notes[0].audio)).status == 200


def test_two_hundred_pushes_lose_no_request(tmp_path, models, notes):
    """Two models in turn, and a rollback at the end; each answer is that of one of them."""
    audio = notes[0].audio.round(5)
    expected = [Classifier(model).probabilities(audio[None])[0] for model in models]
    assert np.abs(expected[0] - expected[1]).max() > 0.1
    folder = tmp_path / "models"
    push(Registry(folder), models[0])
    with running(folder) as served:
        body = json.dumps({"signature_name": "serving_waveform", "instances": [audio.tolist()]}).encode()
        stop, faults, seen = threading.Event(), [], [0, 0]

        def read() -> None:
            while not stop.is_set():
                answer = served.ask(PREDICT, body)
                found = answer.json["predictions"][0]["probabilities"] if answer.status == 200 else None
                near = [found is not None and np.allclose(found, e, atol=1e-4) for e in expected]
                if any(near):
                    seen[near.index(True)] += 1
                else:
                    faults.append(answer)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()

        def wait_for(number: int) -> None:
            deadline = time.monotonic() + 60
            while served.ask("/healthz").json["version"] != str(number):
                assert time.monotonic() < deadline
                time.sleep(0.1)

        for number in range(200):
            pushed = push(served.registry, models[(number + 1) % 2])
            served.registry.retain(5)
            if number % 25 == 24:  # the server skips versions that are replaced before it looks: let it swap
                wait_for(pushed)
        wait_for(served.registry.rollback().number)
        stop.set()
        for reader in readers:
            reader.join()
        assert faults == []
        assert min(seen) > 0
        states = served.ask("/v1/models/nsynth").json["model_version_status"]
        assert [s["state"] for s in states if s["state"] != "END"] == ["AVAILABLE"]
        assert len(states) > 5, "it has swapped again and again"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_has_begun_be_answered(tmp_path, models, notes, number):
    folder = tmp_path / "models"
    push(Registry(folder), models[0])
    body = json.dumps(waveform(notes[0].audio)).encode()
    with running(folder) as served:
        host = urlsplit(served.url)
        client = socket.create_connection((host.hostname, host.port))
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body[:1000])
        while b"nsynth_requests_in_flight 1" not in served.ask("/metrics").body:
            time.sleep(0.05)
        served.process.send_signal(number)
        deadline = time.monotonic() + 60
        while _listens(host.hostname, host.port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        client.sendall(body[1000:])
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"predictions"' in answer
        assert served.process.wait(timeout=60) == 0
        assert served.process.stdout.read().splitlines()[-1] == "ended"


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port)).close()
        return True
    except ConnectionRefusedError:
        return False


def test_the_whole_page_is_allowed_by_its_policy_and_nothing_else(server):
    page = server.ask("/")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert b"http://" not in page.body.replace(b"http://www.w3.org", b"")
    assert len(page.body) < 30_000


def test_folders_are_those_of_the_configuration(tmp_path, models):
    """Without --models, push.destination serves."""
    push(Registry(Path(tmp_path, "workspace", "models")), models[0])
    command = [sys.executable, "-m", "pipeline.cli.main", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--set", f"workspace={tmp_path / 'workspace'}"], stdout=subprocess.PIPE, text=True
    )
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert lines[0].endswith("serves now\n")
    assert lines[1].startswith("serving nsynth at http://127.0.0.1:")
