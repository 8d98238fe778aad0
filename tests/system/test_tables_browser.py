"""Tables of a page can be sorted by a heading and searched, by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homines.reports import page as page_module
from homines.reports.page import Section
from tests.helpers import browsing

pytestmark = [pytest.mark.system, browsing.NEEDED]
SHOWN = """return [...document.querySelectorAll('#s-rates tbody tr')]
  .filter((row) => !row.hidden).map((row) => row.cells[0].textContent.trim())"""


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Any:
    rates = [0.31, -0.2, None, float("inf"), 1.0, 0.0, 0.05, 0.5, 0.62, 0.7, 0.81, 0.9]
    rows = [{"agent": f"agent {i}", "rate": rate} for i, rate in enumerate(rates)]
    path = page_module.write(
        tmp_path,
        title="A page",
        summary=["One."],
        sections=[Section("rates", "Rates", ("Rates.",), rows)],
        facts={},
    )
    browsing.visit(browser, path.as_uri())
    return browser


def test_a_heading_sorts_by_number_both_ways_what_is_missing_last(page: Any) -> None:
    head = page.find_elements("css selector", "#s-rates th button")[1]
    head.click()
    want = [1, 5, 6, 0, 7, 8, 9, 10, 11, 4, 3, 2]
    assert page.execute_script(SHOWN) == [f"agent {i}" for i in want]
    assert page.execute_script("return document.querySelector('[aria-sort]').getAttribute('aria-sort')") == (
        "ascending"
    )
    head.send_keys("\n")
    assert page.execute_script(SHOWN) == [f"agent {i}" for i in [*want[-2::-1], 2]]


def test_a_word_keeps_the_lines_that_hold_it(page: Any) -> None:
    field = page.find_element("css selector", "#s-rates input[type=search]")
    field.send_keys("AGENT 11")
    assert page.execute_script(SHOWN) == ["agent 11"]
    field.send_keys("\b")
    held = [f"agent {i}" for i in (0, 1, 4, 10, 11)]  # .31, agent 1, 1.00, .81 and agent 10, agent 11
    assert page.execute_script(SHOWN) == held
    assert "Lines that hold" in field.find_element("xpath", "..").text
