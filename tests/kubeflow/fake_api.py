"""A server on loopback that speaks Kubeflow Pipelines' v2beta1 API as far as the client uses it, and, as the server
behind Kubeflow's page does, passes requests on to ML Metadata.

Every query and body is checked, field by field and down to the last object, against the API's swagger (swagger.py);
an unknown field or a wrong type is a 400, as in the real server. So is every reply: the client must not be tested
against something that no server says.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import yaml
from swagger import PREFIX, Unlike, check, operation

SERVICE, CONTENT_TYPE = "/ml_metadata.MetadataStoreService/", "application/grpc-web+proto"
START = datetime(2026, 1, 2, 3, 4, 5)


class Trouble(Exception):  # noqa: N818
    """An answer that is no 200."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass
class FakeApi:
    """The server's state, its moods, and all that it was sent."""

    url: str = ""
    metadata: Callable[[str, bytes], bytes] | None = None
    """Answers a method of ML Metadata; without it this is the bare API server."""
    multi_user: bool = False
    namespaces: tuple[str, ...] = ("team-a",)
    token: str | None = None
    trouble: tuple[int, str] | None = None
    trouble_from: int = 0
    """Requests answered well before the trouble starts."""
    elsewhere: str = ""
    """Where a redirect leads, if the trouble is one."""
    delay_s: float = 0
    page_size: int = 100
    run_states: list[str] = field(default_factory=lambda: ["PENDING", "RUNNING", "SUCCEEDED"])
    pipelines: list[dict] = field(default_factory=list)
    versions: list[dict] = field(default_factory=list)
    experiments: list[dict] = field(default_factory=list)
    runs: list[dict] = field(default_factory=list)
    recurring: list[dict] = field(default_factory=list)
    requests: list[tuple[str, str, dict, Any]] = field(default_factory=list)

    def sent(self, method: str, path: str) -> list[Any]:
        """Bodies (or queries, for uploads) of the requests to a path."""
        return [body for m, p, _, body in self.requests if (m, p) == (method, path)]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, token: str) -> Any:
        """What the real server would answer."""
        self.requests.append((method, path, query, body))
        time.sleep(self.delay_s)
        if self.trouble and len(self.requests) > self.trouble_from:
            raise Trouble(*self.trouble)
        if self.token and token != f"Bearer {self.token}" and path != "/healthz":
            raise Trouble(401, "Request header error: there is no user identity header.")
        if query.get("namespace") and not self.multi_user:
            raise Trouble(400, "In single-user mode, the namespace must be empty")
        if query.get("namespace") and query["namespace"] not in self.namespaces:
            raise Trouble(403, f"User is not authorized to use namespace {query['namespace']}")
        handler = getattr(self, f"_{method.lower()}_{path.split('/')[1]}", None)
        if handler is None:
            raise Trouble(404, f"no such path {path}")
        try:
            asked = operation(method, path)
            if unknown := set(query) - asked.queries:
                raise Unlike(f"no query {sorted(unknown)}")
            if asked.body:
                check(body, asked.body)
        except Unlike as error:
            raise Trouble(400, str(error)) from error
        reply = handler(path.split("/")[2:], query, body)
        if not isinstance(reply, bytes):  # a web page, for the test that wants one
            check(reply, asked.reply, "reply")
        return reply

    def tick(self) -> None:
        """Starts a run of every schedule, as the controller of schedules does when their time has come.

        A schedule that names no version gets the newest: "If unset, the latest pipeline version is used", says the
        API of V2beta1PipelineVersionReference, since release 2.5.
        """
        for schedule in self.recurring:
            reference = schedule["pipeline_version_reference"]
            newest = next(v for v in self.versions if v["pipeline_id"] == reference["pipeline_id"])
            named = {"pipeline_version_id": newest["pipeline_version_id"], **reference}
            kept = {key: schedule[key] for key in ("display_name", "experiment_id", "runtime_config")}
            self._post_runs(
                [],
                {},
                {
                    **kept,
                    "pipeline_version_reference": named,
                    "recurring_run_id": schedule["recurring_run_id"],
                },
            )

    def _named(self, items: list[dict], key: str, identity: str) -> dict:
        found = next((item for item in items if item[key] == identity), None)
        if not found:
            raise Trouble(404, f"{identity} not found")
        return found

    def _get_healthz(self, rest: list[str], query: dict, body: Any) -> Any:
        return {"multi_user": self.multi_user, "pipeline_store": "database"}

    def _get_pipelines(self, rest: list[str], query: dict, body: Any) -> Any:
        if rest:  # pipelines/<id>/versions
            return self._page(
                [v for v in self.versions if v["pipeline_id"] == rest[0]], query, "pipeline_versions"
            )
        wanted = json.loads(query["filter"])["predicates"][0]
        check(wanted, "V2beta1Predicate", "filter")
        return {"pipelines": [p for p in self.pipelines if p["display_name"] == wanted["string_value"]]}

    def _post_pipelines(self, rest: list[str], query: dict, body: Any) -> Any:
        documents = list(yaml.safe_load_all(body))
        if documents[0].get("schemaVersion") != "2.1.0":
            raise Trouble(400, "invalid v2 pipeline spec")
        if rest == ["upload"]:
            if any(p["display_name"] == query["name"] for p in self.pipelines):
                raise Trouble(409, "Already exist error")
            self.pipelines.append(
                {
                    "pipeline_id": f"p{len(self.pipelines) + 1}",
                    "display_name": query["name"],
                    "created_at": self._now(),
                }
            )
            self._add_version(self.pipelines[-1]["pipeline_id"], query["name"])
            return self.pipelines[-1]
        if any(
            (v["display_name"], v["pipeline_id"]) == (query["name"], query["pipelineid"])
            for v in self.versions
        ):
            raise Trouble(409, "Already exist error")
        return self._add_version(query["pipelineid"], query["name"])

    def _now(self) -> str:
        """A second later with every request."""
        return f"{START + timedelta(seconds=len(self.requests)):%Y-%m-%dT%H:%M:%SZ}"

    def _add_version(self, pipeline_id: str, name: str) -> dict:
        identity = f"v{len(self.versions) + 1}"
        version = {
            "pipeline_id": pipeline_id,
            "pipeline_version_id": identity,
            "display_name": name,
            "created_at": self._now(),
        }
        self.versions.insert(0, version)
        return version

    def _get_experiments(self, rest: list[str], query: dict, body: Any) -> Any:
        if not query.get("filter"):
            return self._page(self.experiments, query, "experiments")
        name = json.loads(query["filter"])["predicates"][0]["stringValue"]
        return {"experiments": [e for e in self.experiments if e["display_name"] == name]}

    def _post_experiments(self, rest: list[str], query: dict, body: Any) -> Any:
        if self.multi_user and body.get("namespace") not in self.namespaces:
            raise Trouble(403, f"User is not authorized to use namespace {body.get('namespace')}")
        self.experiments.append({**body, "experiment_id": f"e{len(self.experiments) + 1}"})
        return self.experiments[-1]

    def _post_runs(self, rest: list[str], query: dict, body: Any) -> Any:
        if rest and rest[0].endswith(":terminate"):
            self._named(self.runs, "run_id", rest[0].removesuffix(":terminate"))["state"] = "CANCELING"
            return {}
        known = {v["pipeline_version_id"] for v in self.versions}
        if body["pipeline_version_reference"]["pipeline_version_id"] not in known:
            raise Trouble(404, "PipelineVersion not found")
        run = {
            **body,
            "run_id": f"r{len(self.runs) + 1}",
            "state": self.run_states[0],
            "created_at": self._now(),
        }
        self.runs.append(run)
        return run

    def _get_runs(self, rest: list[str], query: dict, body: Any) -> Any:
        if not rest:
            return self._page(self.runs, query, "runs")
        run = self._named(self.runs, "run_id", rest[0])
        run["state"] = self.run_states[0] if len(self.run_states) == 1 else self.run_states.pop(0)
        return run

    def _post_recurringruns(self, rest: list[str], query: dict, body: Any) -> Any:
        for action, status in ((":disable", "DISABLED"), (":enable", "ENABLED")):
            if rest and rest[0].endswith(action):
                found = self._named(self.recurring, "recurring_run_id", rest[0].removesuffix(action))
                found["status"] = status
                return {}
        if len(body["trigger"]["cron_schedule"]["cron"].split()) != 6:
            raise Trouble(400, "Schedule cron is not a supported format")
        made = {
            **body,
            "recurring_run_id": f"s{len(self.recurring) + 1}",
            "status": "ENABLED",
            "created_at": self._now(),
        }
        self.recurring.append(made)
        return made

    def _get_recurringruns(self, rest: list[str], query: dict, body: Any) -> Any:
        return self._page(self.recurring, query, "recurringRuns")

    def _delete_recurringruns(self, rest: list[str], query: dict, body: Any) -> Any:
        self.recurring = [r for r in self.recurring if r["recurring_run_id"] != rest[0]]
        return {}

    def _page(self, items: list[dict], query: dict, key: str) -> dict:
        start = int(query.get("page_token") or 0)
        size = min(self.page_size, int(query.get("page_size") or 10))
        newest_first = query.get("sort_by") == "created_at desc"
        items = sorted(items, key=lambda item: item.get("created_at", ""), reverse=newest_first)
        page = {key: items[start : start + size], "total_size": len(items)}
        return {**page, "next_page_token": str(start + size)} if start + size < len(items) else page


@contextmanager
def serve(api: FakeApi) -> Iterator[FakeApi]:
    """Answers on a free port of loopback until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            url = urlparse(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            multipart = "multipart" in self.headers.get("Content-Type", "")
            status, answer = 200, None
            try:
                if url.path.startswith(SERVICE):
                    return self._pass_on(url.path.removeprefix(SERVICE), raw)
                body = _file_of(raw) if multipart else json.loads(raw) if raw else None
                path = re.sub(f"^{PREFIX}", "", url.path)
                answer = api.answer(self.command, path, query, body, self.headers.get("Authorization", ""))
            except Trouble as trouble:
                status, answer = trouble.status, {"error": str(trouble), "code": 3, "message": str(trouble)}
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self._send(status, content, "application/json")

        def _pass_on(self, method: str, body: bytes) -> None:
            """Answer for ML Metadata, which asks for the token as the API does."""
            if api.token and self.headers.get("Authorization") != f"Bearer {api.token}":
                self._send(401, b"Authentication required for metadata access", "text/plain")
            elif api.metadata is None or self.headers["Content-Type"] != CONTENT_TYPE:
                self._send(404, b"Not Found", "text/plain")
            else:
                self._send(200, api.metadata(method, body), CONTENT_TYPE)

        def _send(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", api.elsewhere)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the client had no patience
                self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815 (http.server's names)

        def log_message(self, *args: Any) -> None:
            """Stays silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _file_of(raw: bytes) -> str:
    """Content of the one file of a multipart body."""
    boundary = raw.split(b"\r\n", 1)[0]
    part = raw.split(boundary)[1]
    return part.partition(b"\r\n\r\n")[2].rsplit(b"\r\n", 1)[0].decode()
