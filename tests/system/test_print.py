"""Pages on paper: nothing is wider than an A4 page, and what paper leaves out is said."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homines.reports.run_page import reports
from tests.helpers import browsing
from tests.helpers.traps import wait_for
from tests.reports.test_comparison_page import made
from tests.system.test_browser import DRAWN, good, whole  # noqa: F401

pytestmark = [pytest.mark.system, browsing.NEEDED]
A4 = 718
"""Pixels between the margins of Chromium's A4 page."""
WIDER = """
const body = document.body;
return [[body.scrollWidth, body.clientWidth, 'the page']].concat(
  [...document.querySelectorAll('table, figure, svg, p, pre, dl, .scroll')]
    .filter((e) => e.checkVisibility())
    .map((e) => [Math.ceil(e.getBoundingClientRect().right), body.clientWidth,
                 e.tagName + ' ' + e.textContent.trim().slice(0, 40)])
).filter(([wide, room]) => wide > room + 1)
"""


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of nine agents."""
    folder = tmp_path_factory.mktemp("nine")
    named = [folder / f"core-deontological-of-seed-{i}" for i in range(9)]
    return reports([made(run, "uniform", "ipd", "ish") for run in named], folder / "page")


@pytest.fixture
def paper(browser: Any) -> Iterator[Any]:
    """Opens a page as it is set on A4."""

    def open_(path: Path) -> Any:
        browsing.visit(browser, path.as_uri(), width=1280)
        size = {"width": A4, "height": 1043, "deviceScaleFactor": 1, "mobile": False}
        wait_for(lambda: browser.execute_script(DRAWN))
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        browser.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        return browser

    yield open_
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_nine_agents_fit_the_paper_and_what_is_left_out_is_said(paper: Any, nine: Path) -> None:
    page = paper(nine)
    assert page.execute_script(WIDER) == []
    shown = page.execute_script("return document.body.innerText")
    assert "On paper the first 14 of 20 columns; tables/behaviour.csv holds them all." in shown
    seen = """const cells = [...document.querySelectorAll('.table.cut tbody tr')[0].children];
              return cells.filter((e) => e.checkVisibility()).length"""
    assert page.execute_script(seen) == 14
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen"})
    assert page.execute_script(seen) == 20
    assert "On paper" not in page.execute_script("return document.body.innerText")


def test_a_single_run_fits_the_paper(paper: Any, good: Path) -> None:  # noqa: F811
    assert paper(good).execute_script(WIDER) == []


def test_hostile_words_fit_the_paper(kit: Any, paper: Any, tmp_path: Path) -> None:
    assert paper(whole(kit, tmp_path / "run", evil=True)).execute_script(WIDER) == []


def test_the_pdf_has_pages_of_a4_and_the_title(paper: Any, nine: Path, tmp_path: Path) -> None:
    told = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
    made_of = base64.b64decode(paper(nine).execute_cdp_cmd("Page.printToPDF", told)["data"])
    assert made_of.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", made_of)) >= 2
    assert b"(9 agents side by side)" in made_of  # the document's name, not compressed
    if not shutil.which("pdftotext"):
        return
    (tmp_path / "page.pdf").write_bytes(made_of)
    done = subprocess.run(["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True)
    assert "9 agents side by side" in done.stdout
