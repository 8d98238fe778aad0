"""Inspect tasks on a real model behind a real server, as a user runs them; the log reported."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from homines.core.types import LEGAL_MASS
from homines.models.catalogue import pull
from tests.helpers.running import HOMINES

pytestmark = pytest.mark.system

BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, str]]:
    """The environment in which openai-api/served/... is smollm2 behind `transformers serve`."""
    folder, port = str(pull()), free_port()
    command = [str(BIN / "transformers"), "serve", folder, "--host", "127.0.0.1", "--port", str(port)]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, env=offline, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            while True:
                assert server.poll() is None, f"{command} ended with {server.returncode}"
                try:
                    with urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                        break
                except (URLError, OSError):
                    time.sleep(0.5)  # until it listens; there is nothing to wait on
            yield {
                **os.environ,
                "SERVED_BASE_URL": f"http://127.0.0.1:{port}/v1",
                "SERVED_API_KEY": "none-needed",
                "MODEL": f"openai-api/served/{folder}",
            }
        finally:
            server.terminate()


def test_a_served_model_is_evaluated_imported_reported_and_fitted(
    served: dict[str, str], tmp_path: Path
) -> None:
    if not entry_points(group="inspect_ai", name="homines"):
        pytest.skip("the installed homines names no Inspect tasks; install it again (pip install -e .)")
    asked = ["-T", "frames=table(labels='X,Y')", "-T", "swap=false", "--max-tokens", "6", "--seed", "3"]
    evaluated = subprocess.run(
        [
            str(BIN / "inspect"),
            "eval",
            "homines/measure",
            "--model",
            served["MODEL"],
            *asked,
            "--display",
            "plain",
        ],
        cwd=tmp_path,
        env=served,
        capture_output=True,
        text=True,
    )
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    (log,) = (tmp_path / "logs").glob("*.eval")

    def homines(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*HOMINES, *words], cwd=tmp_path, capture_output=True, text=True)

    done = homines("import", str(log), "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["added"], told["failed"], told["absent"]) == (16, 0, 0)
    (row,) = told["rows"]
    assert row["mass"] < LEGAL_MASS  # the untrained model seldom gives a legal answer, and that is measured
    assert homines("report", "run").returncode == 0
    assert "none-needed" not in (tmp_path / "run" / "records.jsonl").read_text()
    assert "none-needed" not in (tmp_path / "run" / "config.json").read_text()
