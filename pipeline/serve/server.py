"""The HTTP server: routes, limits, errors, and an orderly end."""

import asyncio
import json
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
from aiohttp import web

import nsynth
from pipeline.classify import is_unlike, likeliest
from pipeline.serve import metrics, page, sound, tensors
from pipeline.serve.batching import Batcher
from pipeline.serve.errors import ApiError
from pipeline.serve.metrics import Metrics
from pipeline.serve.servable import Servable
from pipeline.serve.versions import Versions
from trainer.heads import NOVELTY

# The paths of TensorFlow Serving (model_servers/http_rest_api_util.cc).
_NAMED = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_ASKED = re.compile(_NAMED + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(_NAMED + r"(?P<metadata>/metadata)?", re.IGNORECASE)
_WAVEFORM = "serving_waveform"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What a client may ask of the server."""

    body_bytes: int = 32 << 20
    requests: int = 32
    """That are being answered at a time, status and metrics left out."""
    read_s: float = 30.0
    """Until the body of a request has arrived."""
    answer_s: float = 30.0
    """Until the model has answered."""
    drain_s: float = 30.0
    """For the requests that are being answered when the server is told to end."""


def bind(host: str, port: int) -> socket.socket:
    """Open the port.

    Raises:
        nsynth.UserError: it is in use, or the address is none of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        known = (
            error.errno if error.errno and error.errno > 0 else 0
        )  # negative: an address that is not found
        reason = os.strerror(known) if known else str(error.strerror or error)
        raise nsynth.UserError(
            f"cannot listen on {host}, port {port}: {reason}. Choose another with --port or --host"
        ) from error


class Server:
    """Answers requests for the versions of one model."""

    def __init__(self, versions: Versions, limits: Limits | None = None):
        """Serve what `versions` has loaded."""
        self.versions, self.limits = versions, limits or Limits()
        self.metrics = Metrics()
        self.in_flight = 0
        self._draining = False
        self._batcher = Batcher(self.metrics.batch)
        self._pool = ThreadPoolExecutor(
            2, "json"
        )  # few, since a body takes many times its size while it is read
        self._page = page.render(versions.name)

    def run(self, sock: socket.socket, on_ready: Callable[[], None] = lambda: None) -> None:
        """Answer until SIGTERM or SIGINT, then finish what has begun.

        Args:
            sock: listens.
            on_ready: called when the first request can be answered.
        """
        asyncio.run(self._run(sock, on_ready))

    async def _run(self, sock: socket.socket, on_ready: Callable[[], None]) -> None:
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=self.limits.drain_s)
        await runner.setup()
        site = web.SockSite(runner, sock)
        await site.start()
        on_ready()
        await ended.wait()
        await site.stop()
        await self._drain()
        await runner.cleanup()
        self._batcher.close()
        self._pool.shutdown()

    async def _drain(self) -> None:
        """Wait for the requests that have begun; aiohttp itself would not read the rest of their bodies."""
        self._draining = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.limits.drain_s
        while self.in_flight and loop.time() < deadline:
            await asyncio.sleep(0.02)

    def application(self) -> web.Application:
        """Return all routes."""
        app = web.Application(middlewares=[self._guard], client_max_size=self.limits.body_bytes)
        app.router.add_get("/", self._get_page, name="page")
        app.router.add_get("/healthz", self._get_health, name="healthz")
        app.router.add_get("/metrics", self._get_metrics, name="metrics")
        app.router.add_post("/classify", self._classify, name="classify")
        app.router.add_route("GET", "/v1/{rest:.*}", self._get_model, name="status")
        app.router.add_route("*", "/v1/{rest:.*}", self._predict, name="predict")
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Limit how many requests are answered at a time, count them, and turn errors into JSON."""
        began, bounded = time.monotonic(), request.method == "POST"
        response: web.StreamResponse
        try:
            if bounded and self.in_flight >= self.limits.requests:
                raise ApiError(
                    429, f"{self.in_flight} requests are being answered, as many as allowed: try again"
                )
            self.in_flight += bounded
            try:
                response = await handler(request)
            finally:
                self.in_flight -= bounded
        except ApiError as error:
            response = _json({"error": error.message}, error.status)
        except web.HTTPRequestEntityTooLarge:
            size = f"{self.limits.body_bytes:,} bytes"
            response = _json({"error": f"the body is larger than {size}, the limit of this server"}, 413)
        except web.HTTPException as error:
            response = _json({"error": f"{error.reason}: {request.method} {request.path}"}, error.status)
        except ConnectionError:
            raise
        except Exception as error:
            _log.exception("a request failed")
            response = _json({"error": f"internal error: {type(error).__name__}"}, 500)
        if response.status in (429, 503):
            response.headers["Retry-After"] = "1"
        if self._draining:
            response.force_close()
        response.headers["X-Content-Type-Options"] = "nosniff"
        route = request.match_info.route.name or "other"
        self.metrics.request(route, response.status, time.monotonic() - began)
        return response

    async def _get_page(self, request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": self._page.policy, "Referrer-Policy": "no-referrer"}
        return web.Response(text=self._page.html, content_type="text/html", headers=headers)

    async def _get_health(self, request: web.Request) -> web.Response:
        serving = self.versions.serving
        if serving is None:
            return _json({"status": "no model"}, 503)
        return _json({"status": "ok", "version": str(serving.number)})

    async def _get_metrics(self, request: web.Request) -> web.Response:
        serving = self.versions.serving
        text = self.metrics.render(
            self.in_flight, serving.number if serving else 0, self.versions.loads, self.versions.failures
        )
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _get_model(self, request: web.Request) -> web.Response:
        """Return the status of the versions, or the metadata of one."""
        path = request.rel_url.raw_path
        if path.lower() in ("/v1/models", "/v1/models/metadata"):
            raise ApiError(400, "Missing model name in request.")
        asked = _STATUS.fullmatch(path)
        if not asked:
            raise ApiError(400, f"Malformed request: GET {path}")
        name, number, label = _spec(asked)
        if asked["metadata"]:
            served = self._find(name, number, label)
            model = {"name": name, "signature_name": "", "version": str(served.number)}
            return _json({"model_spec": model, "metadata": {"signature_def": served.metadata()}})
        states = self.versions.states if name == self.versions.name else {}
        if number is not None and number not in states:
            raise ApiError(404, f"Could not find version {number} of model {name}")
        if not states:
            raise ApiError(404, f"Could not find any versions of model {name}")
        rows = [
            {
                "version": str(version),
                "state": found.state,
                "status": {"error_code": found.error_code, "error_message": found.error_message},
            }
            for version, found in states.items()
            if number in (None, version)
        ]
        return _json({"model_version_status": rows})

    async def _predict(self, request: web.Request) -> web.Response:
        path = request.rel_url.raw_path
        asked = _ASKED.fullmatch(path) if request.method == "POST" else None
        if not asked:
            raise ApiError(400, f"Malformed request: {request.method} {path}")
        name, number, label = _spec(asked)
        document = await self._in_pool(tensors.parse, await self._read(request))
        signature = tensors.signature_of(document)
        served = self._find(name, number, label)
        method = asked["method"].lower()
        if method != "predict":
            kind = {"classify": "classification", "regress": "regression"}[method]
            words = f"Expected {kind} signature method_name to be tensorflow/serving/{method}"
            raise ApiError(400, f"{words}. Was: {served.method(signature)}")
        specs = served.signature(signature).inputs
        inputs, by_rows = await self._in_pool(tensors.inputs_of, document, specs)
        del document
        outputs = await self._ask(served, signature, inputs)
        answer = await self._in_pool(tensors.answer_of, outputs, by_rows)
        return web.Response(body=answer, content_type="application/json")

    async def _classify(self, request: web.Request) -> web.Response:
        """Answer an audio file, with what the page needs to draw it."""
        served = self.versions.serving
        if served is None:
            raise ApiError(503, "no model has been pushed yet")
        heard = await self._in_pool(sound.decode, await self._read(request))
        outputs = await self._ask(served, _WAVEFORM, {nsynth.AUDIO: heard.windows})
        probabilities = outputs["probabilities"].mean(axis=0)
        if not np.isfinite(probabilities).all():
            raise ApiError(500, "the model's answer is not finite")
        ranked = [{"name": name, "probability": round(float(p), 6)} for name, p in likeliest(probabilities)]
        novelty = float(outputs[NOVELTY].mean()) if NOVELTY in outputs else None
        facts: dict[str, Any] = {
            "version": str(served.number),
            "classes": ranked,
            "windows": len(heard.windows),
            "seconds": round(len(heard.samples) / nsynth.SAMPLE_RATE_HZ, 3),
            "cut_short": heard.cut_short,
        }
        if novelty is not None and np.isfinite(novelty):
            facts |= {"novelty": round(novelty, 4), "unlike_training_data": is_unlike(novelty)}
        return _json(facts | await self._in_pool(sound.draw, heard.samples))

    async def _read(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(self.limits.read_s):
                return await request.read()
        except TimeoutError as error:
            raise ApiError(408, f"the body had not arrived after {self.limits.read_s:g} s") from error

    async def _ask(
        self, served: Servable, signature: str, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        served.signature(signature)
        try:
            async with asyncio.timeout(self.limits.answer_s):
                return await asyncio.wrap_future(self._batcher.submit(served, signature, inputs))
        except TimeoutError as error:
            raise ApiError(504, f"the model had not answered after {self.limits.answer_s:g} s") from error

    def _find(self, name: str, number: int | None, label: str | None) -> Servable:
        if label is not None and name == self.versions.name:
            raise ApiError(400, f"Unrecognized servable version label: {label}")
        return self.versions.find(name, number)

    async def _in_pool(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


def _spec(asked: re.Match[str]) -> tuple[str, int | None, str | None]:
    """Name, version and label that a path asks for."""
    number = None if asked["version"] is None else int(asked["version"])
    if number is not None and number >= 2**63:
        raise ApiError(400, f"Failed to convert version: {number} to numeric.")
    return unquote(asked["name"]), number, unquote(asked["label"]) if asked["label"] else None


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), status=status, content_type="application/json")
