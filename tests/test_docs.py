"""The tutorials run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of every block that is run."""
    return [(m[1], m[2]) for m in BLOCK.finditer((DOCS / page).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", ["tutorial_preferences.md"])
def test_a_tutorial_runs_as_it_is_written(page: str, tmp_path: Path) -> None:
    assert len(blocks(page)) > 3
    bin_folder = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    said = ""
    for language, text in blocks(page):
        command = [sys.executable, "-c", text] if language == "python" else ["bash", "-eu", "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert "inequity against economicus" in said or "economicus against inequity" in said
    assert "2 types of inequity" in said
    assert "refused, and nothing lost" in said
    assert "what moralis(kappa=1) implies" in said
    assert (tmp_path / "runs" / "moralis" / "adapter" / "adapter_model.safetensors").exists()


def test_the_figure_of_identification_is_the_one_its_script_draws(tmp_path: Path) -> None:
    script = (DOCS / "identification.py").read_text(encoding="utf-8")
    copy = tmp_path / "identification.py"
    copy.write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, str(copy)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    page = (DOCS / "identification.md").read_text(encoding="utf-8")
    for line in done.stdout.splitlines():
        assert line in page
    assert (tmp_path / "identification.svg").exists()


def test_the_numbers_of_dilemmas_are_those_its_script_prints() -> None:
    pytest.importorskip("polars")
    script = [sys.executable, str(DOCS / "dilemmas.py")]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    page = (DOCS / "dilemmas.md").read_text(encoding="utf-8")
    for line in done.stdout.splitlines():
        assert line.rstrip() in page
