"""What `homines view` does: serve the pages of a folder to this machine until it is stopped."""

from __future__ import annotations

import json
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from homines.cli.options import AsJson, Fields, Values
from homines.core.types import HominesError
from homines.elicitation.survey import Survey
from homines.inference.processes import quiet

LOOPBACK = "127.0.0.1"


def view(
    placement: Annotated[Values, Fields(Survey, "device dtype")],
    folder: Annotated[Path, typer.Argument(help="What to list: a folder with runs below it.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8642,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    as_json: AsJson = False,
) -> None:
    """Serve the pages of a folder."""
    quiet()
    carry_out_view(folder, port, open_, as_json, **placement)


def carry_out_view(folder: Path, port: int, open_it: bool, as_json: bool, **placement: Any) -> None:
    """Serve until interrupted. Raises HominesError without a folder, a server, or a free port."""
    if not folder.is_dir():
        raise HominesError(f"{folder} is no folder; name one that holds runs, as runs")
    try:
        import uvicorn

        from homines.view.app import application
    except ImportError as failure:
        raise HominesError(
            f"the page needs starlette and uvicorn ({failure}); install them: pip install 'homines[view]'"
        ) from failure
    app = application(folder.resolve(), **placement)
    server_socket = listening(port)
    address = f"http://{LOOPBACK}:{server_socket.getsockname()[1]}/"
    print(json.dumps({"address": address}) if as_json else f"{folder} is at {address} (Ctrl-C stops)")
    sys.stdout.flush()
    if open_it:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    settings = uvicorn.Config(
        app, log_level="warning", lifespan="off", ws="none", proxy_headers=False, server_header=False
    )
    server = uvicorn.Server(settings)
    try:
        server.run(sockets=[server_socket])
    except KeyboardInterrupt:
        pass  # how one leaves
    finally:
        app.state.sittings.close()


def listening(port: int, host: str = LOOPBACK) -> socket.socket:
    """A socket at this port, of this machine's own unless a host is named; 0: any free one."""
    server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server_socket.bind((host, port))
        server_socket.listen(128)
    except OSError as failure:
        server_socket.close()
        raise HominesError(
            f"port {port} cannot be used ({failure.strerror or failure}); take another, or --port 0 for any "
            "that is free"
        ) from failure
    return server_socket
