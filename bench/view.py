"""How fast `homines view` lists thousands of runs: the first look, the next, and one page over HTTP.

    python bench/view.py [--runs 3000] [--folder /tmp]

Run folders are generated with Run itself; no page is drawn for them. Writes bench/view.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

from homines.core.run_folder import RunFolder
from homines.view.runs import Index

HERE = Path(__file__).parent
MODELS = ("smollm2", "hf/Qwen/Qwen3-0.6B", "mock")
TURNS = 5


def generate(root: Path, many: int) -> None:
    """Run folders as studies lay them, ten in one folder, each with a config, a provenance and a report."""
    for i in range(many):
        folder = root / f"study-{i // 10:04d}" / f"run-{i % 10}"
        settings = {"seed": i, "lr": 3e-4, "steps": 24, "kl": 0.05, "objective": "myopic"}
        told = {"kind": "align", "model": MODELS[i % 3], "preference": f"moralis(kappa={i % 11 / 10})"}
        games = ["ipd", "ish", "icn", "bos"]
        with RunFolder(
            folder, {**told, "games": games, "settings": settings, "command": "homines align"}
        ) as run:
            run.note("training.json", {"result": "adapter"})
        (folder / "report.html").write_text("<!doctype html>")


def seconds(work: object) -> float:
    start = time.perf_counter()
    work()  # pyright: ignore[reportCallIssue]
    return round(time.perf_counter() - start, 3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--folder", default=None)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="view-bench-", dir=given.folder))
    try:
        generate(root, given.runs)
        index = Index(root)
        found = {"runs": given.runs, "first look": seconds(index.entries)}
        assert len(index.entries()) == given.runs
        found["next look"] = min(seconds(index.entries) for _ in range(TURNS))
        command = [sys.executable, "-c", "from homines.cli.app import main; main()"]
        command += ["view", str(root), "--port", "0", "--no-open", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]

            def page(query: str = "") -> None:
                with urlopen(f"{address}?{query}") as answer:
                    assert b"<ul class=" in answer.read()

            found["first page"] = seconds(page)
            found["next page"] = min(seconds(page) for _ in range(TURNS))
            found["search"] = min(seconds(lambda: page("q=qwen+kappa%3D0.3")) for _ in range(TURNS))
            server.terminate()
    finally:
        shutil.rmtree(root)
    print(json.dumps(found, indent=1))
    (HERE / "view.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
