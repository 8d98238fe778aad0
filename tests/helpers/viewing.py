"""`homines view` in a process of its own, and a folder of runs of every kind for it to show."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from homines.core.run_folder import SCHEMA
from homines.core.types import Choice
from homines.reports.run_page import write as write_report
from tests.helpers.running import HOMINES

SCRIPT = "<script>window.ran=1</script>"
IMAGE = "<img src=x onerror='window.ran=1'>"
MIXED = "שלום مرحبا \u202egnp.exe\u202c 🦊 {{ 7*7 }} </ul></main>"
LONG = "unbreakable" * 40
PATIENCE = 120


class Server:
    """`homines view` in a process of its own."""

    def __init__(self, folder: Path, said: IO[str] | None = None) -> None:
        """said: where its standard error goes, where not to the test's own."""
        self.folder = folder
        command = [*HOMINES, "view", str(folder), "--port", "0", "--no-open", "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        assert self.process.stdout is not None
        self.address: str = json.loads(self.process.stdout.readline())["address"].rstrip("/")
        self.host = urlsplit(self.address).netloc

    def ask(
        self, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, headers and text; the path goes out as it is written here."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        body = None if form is None else urlencode(form)
        told = {k.replace("_", "-"): v for k, v in headers.items()}
        if form is not None:
            told = {"Origin": self.address, "Content-Type": "application/x-www-form-urlencoded"} | told
        try:
            connection.request("GET" if form is None else "POST", path, body, told)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def furnished(kit: Any, root: Path) -> Path:
    """Runs of every state, some of them hostile, and things outside that links lead to."""
    half = {"kind": "measure", "model": "mock", "games": ["ipd"]}
    records = kit.ask("mock", lambda r: even(), ("ipd",), (kit.table,))
    kit.fill(root / "finished", {**half, "command": "homines measure mock"}, records)
    write_report(root / "finished")
    kit.fill(root / "stopped", {**half, "command": "homines measure mock"}, records[:3])
    kit.fill(root / "deep" / "er" / "aligned", {"kind": "align", "model": "other", "preference": "moralis"})
    kit.fill(
        root / "evil",
        {"kind": SCRIPT, "model": IMAGE, "preference": MIXED, "games": [LONG, SCRIPT], "command": IMAGE},
        [],
        [{"step": i, "reward": i, "mass": 0.5, "p": {IMAGE: [0.1 * i, 1 - 0.1 * i]}} for i in range(3)],
    )
    (root / "broken").mkdir()
    (root / "broken" / "config.json").write_text('{"kind": "meas')
    (root / "half").mkdir()
    (root / "half" / "config.json").write_text("{}")
    kit.fill(root / "newer", half)
    (root / "newer" / "provenance.json").write_text(json.dumps({"schema": SCHEMA + 1}))
    (root.parent / "secret.json").write_text('"kept out"')
    (root / "finished" / "link.json").symlink_to(root.parent / "secret.json")
    (root / "within.html").symlink_to(root / "finished" / "report.html")
    kit.fill(root.parent / "elsewhere" / "run", half)
    (root / "away").symlink_to(root.parent / "elsewhere")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "token.json").write_text('"kept out"')
    (root / "finished" / "code.py").write_text("kept out")
    return root


def even() -> Any:
    return Choice.at([0.5, 0.5])
