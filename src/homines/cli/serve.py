"""Command line of `homines serve`; the work is in serving/."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from homines.cli.options import AsJson, Fields, Values
from homines.cli.view import LOOPBACK, listening
from homines.core.types import HominesError
from homines.elicitation.survey import Survey
from homines.inference.processes import quiet

PORT = 8643
CONNECTIONS = 64
"""Connections at once, at most."""


def serve(
    source: Annotated[Values, Fields(Survey, "model device dtype")],
    host: Annotated[str, typer.Option(help="IPv4 address; any but loopback needs a key.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = PORT,
    certificate: Annotated[
        Path | None, typer.Option(help="The model's certificate.json; replies then have its hash.")
    ] = None,
    waiting: Annotated[int, typer.Option(min=1, max=1024, help="Requests that may wait.")] = 16,
    as_json: AsJson = False,
) -> None:
    """Serve a model's exact probabilities as decisions, until interrupted."""
    quiet()
    loopback = is_loopback(host)
    try:
        import uvicorn

        from homines.serving.app import application
        from homines.serving.gate import VARIABLE, check_key
        from homines.serving.identity import identity
    except ImportError as failure:
        raise HominesError(
            f"serving needs starlette and uvicorn ({failure}); install them: pip install 'homines[view]'"
        ) from failure
    key = check_key(os.environ.get(VARIABLE), loopback=loopback)
    server_socket = listening(port, host)  # a port in use costs no loading
    try:
        model = served_model(**source)
        who = identity(model, certificate)
        app = application(model, who, key=key, loopback=loopback, most_waiting=waiting)
        address = f"http://{host}:{server_socket.getsockname()[1]}"
        print(json.dumps({"address": address, **who}) if as_json else describe(address, who))
        sys.stdout.flush()
        config = uvicorn.Config(
            app,
            log_level="warning",
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
        )
        uvicorn.Server(config).run(sockets=[server_socket])
    except KeyboardInterrupt:
        pass  # how one leaves
    finally:
        server_socket.close()


def served_model(model: str, **placement: Any) -> Any:
    """The model, loaded. Raises HominesError for one behind an API: it gives no exact probabilities, and each
    request would be paid for."""
    from homines.models import behind, load

    if behind(model):
        raise HominesError(
            f"{model} is behind an API, and exact probabilities alone are served; name a model that is here "
            "or on a server of your own (hf/, vllm/, sglang/, llamacpp/)"
        )
    return load(model, **placement)


def is_loopback(host: str) -> bool:
    """Whether this IPv4 address is this machine's own. Raises HominesError for what is none."""
    if host == "localhost":
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        raise HominesError(
            f"--host {host!r} is no IPv4 address; write one, as {LOOPBACK}, or 0.0.0.0 for all here"
        ) from None


def describe(address: str, who: dict[str, Any]) -> str:
    """Where the model is served, and who it is."""
    certificate = f", certificate {who['certificate'][:12]}" if who["certificate"] else ""
    return (
        f"{who['model']} ({who['revision']}{certificate}) is at {address}: POST /v1/decisions and "
        f"/v1/systemone (Ctrl-C stops)"
    )
