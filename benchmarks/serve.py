"""`nsynth serve`: requests a second and latency, beside TensorFlow alone in one process."""

import base64
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

import nsynth
from benchmarks import harness
from benchmarks.classify import serving
from components.example_proto import serialize
from pipeline.classify import tensorflow_without_keras

CLIENTS = (1, 8, 32)
BARE_BATCHES = (1, 32)
PREDICT = "/v1/models/nsynth:predict"


@click.command()
@click.option("--model", type=click.Path(exists=True, path_type=Path),
              help="A pushed version. Default: the one that serves in workspace/models.")  # fmt: skip
@click.option("--seconds", default=10.0, show_default=True, help="Of each measurement, after a warm-up.")
@harness.output_option("serve")
def main(model: Path | None, seconds: float, output: Path) -> None:
    """Ask a server with one note a request, by several clients at a time, then TensorFlow alone."""
    model = model or serving()
    note = np.random.default_rng(0).normal(0, 0.1, nsynth.NOTE_SAMPLES).astype(np.float32)
    example = base64.b64encode(serialize({nsynth.AUDIO: note})).decode()
    bodies = {
        "tf.Example, base64": json.dumps({"instances": [{"b64": example}]}).encode(),
        "waveform, JSON": json.dumps(
            {"signature_name": "serving_waveform", "instances": [note.round(5).astype(float).tolist()]}
        ).encode(),
    }
    rows: list[dict[str, Any]] = []
    with served(model) as port:
        for kind, body in bodies.items():
            for clients in CLIENTS:
                measured = measure(lambda body=body: asker(port, body), clients, seconds)  # type: ignore[misc]
                rows.append({"what": f"nsynth serve, {kind}", "clients": clients, **measured})
    signature = tensorflow_without_keras().saved_model.load(str(model)).signatures["serving_waveform"]
    for size in BARE_BATCHES:
        measured = measure(lambda size=size: bare(signature, note, size), 1, seconds)  # type: ignore[misc]
        measured["per_s"] *= size
        rows.append({"what": f"TensorFlow alone, batches of {size}", "clients": 1, **measured})
    machine = harness.machine()
    click.echo(f"{'':<40} clients  notes/s  p50, ms  p95, ms")
    for row in rows:
        click.echo(f"{row['what']:<40} {row['clients']:>7} {row['per_s']:>8.0f} {row['p50_ms']:>8.1f} "
                   f"{row['p95_ms']:>8.1f}")  # fmt: skip
    click.echo(f"load {machine['load_1_min']:.1f} on {machine['cores']} cores, clients included")
    harness.save(output, {"machine": machine, "model": str(model), "rows": rows})


@contextmanager
def served(model: Path) -> Iterator[int]:
    """Yield the port of a server of one model."""
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as folder:
        os.symlink(model.resolve(), Path(folder, "1"))
        command = harness.nsynth_command("serve", "--models", folder, "--port", "0")
        process = subprocess.Popen([*command, "--max-requests", "64"], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("not served"):
                    raise click.ClickException(line)
                if found := re.search(r"serving .*:(\d+)/", line):
                    yield int(found[1])
                    return
            raise click.ClickException("the server did not start")
        finally:
            process.terminate()
            process.wait()


def asker(port: int, body: bytes) -> Callable[[], None]:
    """Send one request on a connection of its own, which stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask() -> None:
        connection.request("POST", PREDICT, body)
        answer = connection.getresponse()
        if answer.status != 200:
            raise click.ClickException(answer.read().decode())
        answer.read()

    return ask


def bare(signature: Any, note: np.ndarray, size: int) -> Callable[[], None]:
    """Ask the model in this process about `size` notes."""
    tf = tensorflow_without_keras()
    batch = np.repeat(note[None], size, axis=0)
    return lambda: signature(audio=tf.constant(batch))["probabilities"].numpy()


def measure(make: Callable[[], Callable[[], None]], clients: int, seconds: float) -> dict[str, float]:
    """Call as fast as they are answered, by `clients` at a time: calls a second, p50 and p95 in milliseconds."""
    times: list[float] = []
    ready = threading.Barrier(clients)

    def work() -> None:
        call = make()
        for _ in range(3):
            call()
        ready.wait()
        until = time.monotonic() + seconds
        while (began := time.monotonic()) < until:
            call()
            times.append(time.monotonic() - began)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p95 = np.percentile(times, [50, 95])
    return {"per_s": len(times) / seconds, "p50_ms": 1000 * float(p50), "p95_ms": 1000 * float(p95)}


if __name__ == "__main__":
    sys.exit(main())
