"""The way to the API server of Kubeflow Pipelines: reaching it, in time, and telling its errors in plain words."""

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin

import click

import nsynth
from pipeline import web

NOTICE_S = 0.8
"""After this long without an answer, a line says what is waited for. A lost packet is sent again after a second."""
CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 60


@dataclass(frozen=True)
class Server:
    """Where the API is and who asks."""

    host: str
    """Such as http://localhost:8080, or https://host/pipeline behind a gateway."""
    namespace: str | None = None
    """Of the user, on a multi-user installation; none otherwise."""
    token: str | None = None


def knock(server: Server) -> None:
    """Ask whether an API answers, and whether it lets us into the namespace, before anything slow is done.

    The health alone would not tell: it is answered without a token. The SDK would try five times, each without a
    limit of time.

    Raises:
      nsynth.UserError: nobody answers there, or not to us.
    """
    health = _ask(server, "healthz")
    if not server.namespace and isinstance(health, dict) and health.get("multi_user"):
        raise nsynth.UserError(
            f"{server.host} is a multi-user installation: give your namespace with --namespace"
        )
    namespace = f"&{urlencode({'namespace': server.namespace})}" if server.namespace else ""
    _ask(server, f"experiments?page_size=1{namespace}")


def _ask(server: Server, path: str) -> Any:
    """Return the answer to one small question, or an error in our words."""
    headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
    try:
        with _notice(server):
            answer = web.request(
                f"{server.host.rstrip('/')}/apis/v2beta1/{path}", CONNECT_TIMEOUT_S, headers=headers
            )
        return json.loads(answer)
    except web.RequestError as error:
        if error.redirect:
            raise nsynth.UserError(_redirected(server, error.redirect)) from error
        if error.status is not None:
            said = _message(error.content) if error.content.strip() else str(error)
            raise nsynth.UserError(_explain(server, error.status, said)) from error
        raise nsynth.UserError(
            f"{server.host} {error}. Is it the API's address, and is the port forwarded? "
            "kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80"
        ) from error
    except ValueError as error:
        raise nsynth.UserError(
            f"{server.host} is not a Kubeflow Pipelines API, or asks for a log-in: give the address of the API"
        ) from error


@contextlib.contextmanager
def _notice(server: Server) -> Iterator[None]:
    """Tell the user what is waited for, once that takes NOTICE_S."""
    words = f"no answer from {server.host} yet; waiting up to {CONNECT_TIMEOUT_S} s"
    timer = threading.Timer(NOTICE_S, click.echo, (words,), {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Give every request of the client made inside a limit of time, and let none go on to another address.

    The SDK sets no limit and follows redirects, with the token where the host stays the same.
    """
    import kfp_server_api
    import urllib3

    class ImpatientApiClient(kfp_server_api.ApiClient):
        def __init__(self, configuration: Any = None, **kwargs: Any):
            configuration = configuration or kfp_server_api.Configuration.get_default_copy()
            configuration.retries = urllib3.Retry(redirect=False)
            super().__init__(configuration, **kwargs)

        def request(self, *args: Any, _request_timeout: Any = None, **kwargs: Any) -> Any:
            limit = _request_timeout or (CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S)
            return super().request(*args, _request_timeout=limit, **kwargs)

    patient = kfp_server_api.ApiClient
    kfp_server_api.ApiClient = ImpatientApiClient
    try:
        yield
    finally:
        kfp_server_api.ApiClient = patient


@contextlib.contextmanager
def plain_words(server: Server) -> Iterator[None]:
    """Keep the SDK's chatter away and tell its errors as ours."""
    import kfp_server_api
    import urllib3

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except kfp_server_api.ApiException as error:
        if error.status and 300 <= error.status < 400:
            target = web.host_of(urljoin(server.host, (error.headers or {}).get("Location", "")))
            raise nsynth.UserError(_redirected(server, target)) from error
        raise nsynth.UserError(_explain(server, error.status, _message(error.body))) from error
    except urllib3.exceptions.HTTPError as error:
        raise nsynth.UserError(f"{server.host} stopped answering: {error}") from error
    except (ValueError, RuntimeError, TimeoutError) as error:
        raise nsynth.UserError(f"{server.host}: {error}") from error


def _message(body: Any) -> str:
    """Return what the server said: gRPC's `message` or `error`, else the beginning of the text."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    with contextlib.suppress(ValueError, AttributeError):
        content = json.loads(text)
        text = content.get("message") or content.get("error") or text
    return text.strip().splitlines()[0][:300] if text.strip() else "no reason given"


def _redirected(server: Server, target: str) -> str:
    return (
        f"{server.host} sends us on to {target}, which is not followed, since the token is for {server.host} alone. "
        "It may want you to log in; if the API has moved, give its new address as --host"
    )


def _explain(server: Server, status: int | None, message: str) -> str:
    """One sentence on what to do about an answer of the server."""
    if status == 401:
        return f"{server.host} wants to know who you are ({message}): the token is missing or has expired"
    if status == 403:
        where = (
            f"namespace {server.namespace}" if server.namespace else "this installation; name a --namespace"
        )
        return f"{server.host} refuses you ({message}): no rights in {where}"
    if status == 404:
        return f"{server.host} does not know this ({message}): check the namespace, the id and the address"
    if status and status >= 500:
        return (
            f"{server.host} is in trouble ({status}: {message}): try again, then look at its ml-pipeline pod"
        )
    return f"{server.host} refused the request ({status}: {message})"
