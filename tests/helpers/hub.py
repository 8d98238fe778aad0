"""A small Hub on loopback: the one route by which huggingface_hub fetches a file.

with serve({"org/adapter": Repository(folder)}) as hub:   # hub.url; hub.asked: "METHOD path" of every request
    ...
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROUTE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>[^/]+)")


@dataclass
class Repository:
    """A folder at one commit, which is also its branch main. gated: nobody is let in."""

    folder: Path
    commit: str = COMMIT
    gated: bool = False


@dataclass
class Hub:
    url: str
    repositories: Mapping[str, Repository]
    asked: list[str] = field(default_factory=list)

    def find(self, path: str) -> tuple[str | None, Repository | None, bytes]:
        """(error code of the Hub, repository, content) of a path."""
        match = ROUTE.fullmatch(path)
        repository = self.repositories.get(match["repository"]) if match else None
        if match is None or repository is None:
            return "RepoNotFound", None, b""
        if repository.gated:
            return "GatedRepo", repository, b""
        if match["revision"] not in ("main", repository.commit):
            return "RevisionNotFound", repository, b""
        file = repository.folder / match["file"]
        return (None, repository, file.read_bytes()) if file.exists() else ("EntryNotFound", repository, b"")


@contextmanager
def serve(repositories: Mapping[str, Repository]) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            code, repository, content = hub.find(self.path)
            self.send_response(200 if code is None else 403 if code == "GatedRepo" else 404)
            if code is not None:
                self.send_header("X-Error-Code", code)
            if repository is not None:
                self.send_header("X-Repo-Commit", repository.commit)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_GET = do_HEAD  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}", repositories)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
