"""The tutorials run as they are written, figures are those scripts print, the site builds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of every block that is run."""
    return [(m[1], m[2]) for m in BLOCK.finditer((DOCS / page).read_text(encoding="utf-8"))]


def follow(page: str, folder: Path) -> str:
    """Run every block of a page in order in this folder; all that they print."""
    bin_folder = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    said = ""
    for language, text in blocks(page):
        command = [sys.executable, "-c", text] if language == "python" else ["bash", "-eu", "-c", text]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    return said


TUTORIALS = {
    "tutorial_measure.md": ("measure of smollm2", "It does not answer: legal mass", "trust(5) story"),
    "tutorial_rl.md": ("smollm2+adapter", "base_model:", "report.html"),
    "tutorial_sft.md": ("symmetric 8", "adapter_model.safetensors"),
    "tutorial_people.md": ("alpha", "beta", "economicus against inequity"),
    "tutorial_market.md": ("cartel [1.925 1.925]", "profit gain", "answers in runs/"),
    "tutorial_game.md": ("my_games:hunt(stag=12)", "symmetric: [12.  5.]"),
    "tutorial_preference.md": ("envy       0.8", "training prompts"),
}


def test_every_tutorial_is_run() -> None:
    pages = {path.name for path in DOCS.glob("tutorial_*.md")}
    assert pages == {*TUTORIALS, "tutorial_preferences.md"}


@pytest.mark.parametrize("page", TUTORIALS)
def test_a_short_tutorial_runs_as_it_is_written(page: str, tmp_path: Path) -> None:
    said = follow(page, tmp_path)
    for words in TUTORIALS[page]:
        assert words in said, said


def test_the_long_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    assert len(blocks("tutorial_preferences.md")) > 3
    said = follow("tutorial_preferences.md", tmp_path)
    assert "inequity against economicus" in said or "economicus against inequity" in said
    assert "2 types of inequity" in said
    assert "refused, and nothing lost" in said
    assert "what moralis(kappa=1) implies" in said
    assert (tmp_path / "runs" / "moralis" / "adapter" / "adapter_model.safetensors").exists()


def test_the_figure_of_identification_is_the_one_its_script_draws(tmp_path: Path) -> None:
    script = (DOCS / "identification.py").read_text(encoding="utf-8")
    copy = tmp_path / "identification.py"
    copy.write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (DOCS / "identification.md").read_text(encoding="utf-8")
    for line in done.stdout.splitlines():
        assert line in page
    assert (tmp_path / "identification.svg").exists()


def test_the_tables_of_many_players_are_those_its_script_prints() -> None:
    script = [sys.executable, str(DOCS / "many_players.py")]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (DOCS / "many_players.md").read_text(encoding="utf-8")
    for line in done.stdout.splitlines():
        assert line in page


def test_the_numbers_of_dilemmas_are_those_its_script_prints() -> None:
    pytest.importorskip("polars")
    script = [sys.executable, str(DOCS / "dilemmas.py")]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (DOCS / "dilemmas.md").read_text(encoding="utf-8")
    for line in done.stdout.splitlines():
        assert line.rstrip() in page


def test_the_known_numbers_are_those_its_script_prints() -> None:
    done = subprocess.run([sys.executable, str(DOCS / "checks.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (DOCS / "checks.md").read_text(encoding="utf-8").splitlines()
    printed = done.stdout.splitlines()
    assert set(printed) <= set(page)
    assert len(printed) > 15
    for line in printed[2:]:
        *_, known, ours = (cell.strip() for cell in line.strip("|").split("|"))
        assert ours == known, line


# --- the site --------------------------------------------------------------------------------------

SITE = pytest.mark.skipif(
    find_spec("mkdocs") is None or find_spec("material") is None,
    reason="mkdocs-material is not installed here: pip install 'homines[docs]', as `make docs` does",
)


class Fetched(HTMLParser):
    """What a page makes a browser fetch, and the names of its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "source", "object", "embed"):
            self.links += [value for name, value in attrs if name in ("src", "href", "data") and value]


def build(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The site of a source tree, by its own script."""
    command = [sys.executable, str(root / "docs" / "build.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


@SITE
def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    done = build(DOCS.parent, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(list(DOCS.glob("*.md")))
    for page in pages:
        reader = Fetched()
        reader.feed(page.read_text(encoding="utf-8"))
        assert not [link for link in reader.links if "//" in link], page
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(.?https?:", style.read_text(encoding="utf-8")), style
    preferences = (site / "reference" / "preferences.html").read_text(encoding="utf-8")
    assert "u(x, y) = (1 - kappa) * pi(x, y) + kappa * pi(x, x)." in preferences


@SITE
def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("docs", "bench", "src"):
        shutil.copytree(DOCS.parent / name, root / name)
    for name in ("mkdocs.yml", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(DOCS.parent / name, root)
    with open(root / "docs" / "limits.md", "a", encoding="utf-8") as file:
        file.write("\n[nowhere](nowhere.md)\n")
    done = build(root, tmp_path / "out")
    assert done.returncode != 0
    assert "nowhere.md" in done.stdout + done.stderr
