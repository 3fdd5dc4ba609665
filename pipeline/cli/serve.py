"""`nsynth serve`: serves the champion over HTTP."""

import os
import sys
from pathlib import Path

import click

from components.registry import Registry
from pipeline.cli.options import LocalPath, config_option, set_option
from pipeline.config import load_config
from pipeline.terminal import make_output_expendable


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on; 0.0.0.0 opens the server to the network.")  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8501, show_default=True, help="Port; 0: any free port."
)
@click.option("--models", "folder", type=LocalPath(file_okay=False),
              help="Folder with the versions. Default: push.destination.")  # fmt: skip
@click.option(
    "--name", default="nsynth", show_default=True, help="Name of the model in the path /v1/models/NAME."
)
@click.option("--max-requests", type=click.IntRange(1), default=32, show_default=True,
              help="Requests processed at a time; others get status 429.")  # fmt: skip
@click.option("--max-body-mb", type=click.IntRange(1), default=32, show_default=True,
              help="Largest request body, in MB.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=30.0, show_default=True,
              help="Seconds to receive a request, to answer it, and to shut down.")  # fmt: skip
@config_option
@set_option
@click.pass_context
def serve(ctx: click.Context, host: str, port: int, folder: Path | None, name: str, max_requests: int,
          max_body_mb: int, timeout: float, config_file: Path, overrides: tuple[str, ...]) -> None:  # fmt: skip
    """Serve the champion: TensorFlow Serving's REST API, and a web page to try it.

    The version with the highest number serves. A push or rollback is detected within a second: the new version is
    loaded beside the old one and then takes over, without losing requests. A version whose files differ from those
    that were evaluated is not loaded.

    /healthz reports whether a model serves, /metrics has metrics for Prometheus. On SIGTERM or Ctrl-C, requests that
    have begun are answered, then the server ends.
    """
    registry = Registry(folder or load_config(config_file, overrides).models)
    make_output_expendable()
    verbose, out = ctx.find_root().obj["verbose"], sys.stdout
    if not verbose:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    from pipeline.logs import chatter_to
    from pipeline.serve.server import Limits, Server, bind
    from pipeline.serve.versions import Versions

    def tell(line: str) -> None:
        click.echo(line, file=out)  # standard output may be redirected while TensorFlow starts

    with bind(host, port) as sock:  # before TensorFlow is imported, which takes seconds
        versions = Versions(name, registry, tell)
        with chatter_to(Path(os.devnull), verbose):
            versions.start()
        if versions.serving is None:
            tell(f"no model to serve in {registry.destination} yet; waiting for a push")
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{sock.getsockname()[1]}/"
        server = Server(versions, Limits(max_body_mb << 20, max_requests, timeout, timeout, timeout))
        server.run(sock, on_ready=lambda: tell(f"serving {name} at {address}"))
        versions.stop()
    tell("ended")
