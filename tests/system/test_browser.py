"""The page as a reader meets it: headless Chromium, the page from a file, no network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.types import Choice, Decision, Record, digest
from homines.reports import charts, page
from homines.reports import run_page as report
from tests.helpers import browsing
from tests.helpers.traps import wait_for

pytestmark = [pytest.mark.system, browsing.NEEDED]
DRAWN = "return [...document.querySelectorAll('[data-chart]')].every((e) => e.dataset.drawn)"

SCRIPT = "<script>window.ran=1</script>"
IMAGE = "<img src=x onerror='window.ran=1'>"
BREAKOUT = "</script><script>window.ran=1</script><!--"
ENTITIES = "a&lt;b&amp;c \" ' ` {{ 7*7 }} {% raw %} ${1}"
EXPRESSION = "'] || (window.ran=1) || datum['"
LONG = "unbreakable" * 60
MIXED = "שלום مرحبا \u202egnp.exe\u202c 🦊👩‍👩‍👧 \x00\x1b[31m \ud83d"


def visit(browser: Any, path: Path, *, width: int = 1280, dark: bool = False, scripts: bool = True) -> None:
    browsing.visit(browser, path.as_uri(), width=width, dark=dark, scripts=scripts)
    wait_for(lambda: not scripts or browser.execute_script(DRAWN))


def requests(browser: Any) -> set[str]:
    """Addresses the page asked for, data: left out."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return {url for url in sent if not url.startswith("data:")}


def complaints(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def varied(r: Record) -> Choice:
    """Some probability, fixed by the question."""
    rng = np.random.default_rng(int(digest([r.model, r.frame, r.game, r.decision.key, r.order]), 16))
    p = rng.uniform(0.05, 0.95)
    return Choice.at([p, 1 - p], mass=float(rng.uniform(0.2, 1)))


def whole(kit: Any, folder: Path, *, evil: bool) -> Path:
    """A run with every chart; `evil`: every text in it is hostile."""
    model, after = (IMAGE, f"{IMAGE}+{BREAKOUT}") if evil else ("smollm2", "smollm2+adapter")
    games, frames = ("ipd", "ish"), (kit.table, kit.other)
    records = kit.ask(model, varied, games, frames) + kit.ask(after, varied, games, frames)
    told = {kit.table: SCRIPT, kit.other: MIXED, "ipd": LONG, "ish": EXPRESSION}
    if evil:
        records = [_spoiled(r, told["ipd" if r.game == "ipd" else "ish"]) for r in records]
        frames, games = (f"{SCRIPT}{LONG}", f"{MIXED}{ENTITIES}"), (LONG, EXPRESSION)
    records[5] = replace(records[5], choice=None, error=f"{ENTITIES}{SCRIPT}{MIXED}" if evil else "slow")
    states = (IMAGE, EXPRESSION) if evil else ("C,C", "C,D")
    curve = [
        {"step": i, "reward": i - 6.0, "mass": 0.2 * i, "p": {s: [0.1 * i, 1 - 0.1 * i] for s in states}}
        for i in (1, 2, 3)
    ]
    text = [SCRIPT, BREAKOUT, MIXED] if evil else ["Paris", "Rome", "Oslo"]

    def side(p: float, given: str) -> dict[str, Any]:
        row = {"question": f"{text[0]}?", "answer": text[1], "given": given, "right": p > 0.5, "p": p}
        return {"right": 1, "questions": 1, "accuracy": p, "perplexity": 10 / p, "answers": [row]}

    config = {
        "kind": "demo",
        "command": f"homines demo {BREAKOUT if evil else ''}",
        "model": model,
        "preference": f"{SCRIPT}{MIXED}" if evil else "utilitarian",
        "games": list(games),
        "training_frames": [frames[0]],
        "frames": list(frames),
        "settings": {SCRIPT if evil else "seed": BREAKOUT if evil else 1},
    }
    notes = {
        "sideeffects.json": {model: side(0.9, text[1]), after: side(0.3, text[2])},
        "training.json": {"seconds": 1.5, "steps": 3, "device": IMAGE if evil else "cpu"},
    }
    return report.write(kit.fill(folder, config, records, curve, notes))


def _spoiled(r: Record, game: str) -> Record:
    """The record with hostile words for everything that has a name."""
    frame = f"{SCRIPT}{LONG}" if "action1" in r.frame else f"{MIXED}{ENTITIES}"
    raw = r.decision.to_json()
    names = [IMAGE, MIXED]
    d = Decision.from_json(raw | {"actions": names, "theirs": [names]})
    return replace(r, decision=d, game=game, frame=frame, provenance={"revision": BREAKOUT})


@pytest.fixture(scope="module")
def good(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(kit, tmp_path_factory.mktemp("good") / "run", evil=False)


@pytest.fixture(scope="module")
def evil(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(kit, tmp_path_factory.mktemp("evil") / "run", evil=True)


def check_drawn(browser: Any) -> int:
    """Every chart is drawn, holds marks, has words for those who cannot see it; how many."""
    charts = browser.execute_script(
        """return [...document.querySelectorAll('[data-chart]')].map((e) => {
          const svg = e.querySelector('svg');
          return [e.dataset.chart, e.dataset.drawn, e.getAttribute('aria-label'),
                  svg && svg.querySelectorAll('.role-mark path, .role-mark line').length,
                  svg && svg.getBoundingClientRect().width, e.clientWidth];
        })"""
    )
    for name, drawn, label, marks, wide, room in charts:
        assert drawn == "yes", name
        assert len(label) > 20, name
        assert marks > 0, name
        assert 0.5 * min(room, 400) < wide <= room + 2, name
    return len(charts)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("which", ["good", "evil"])
def test_drawn_without_errors_requests_or_sideways_scrolling(
    which: str, width: int, browser: Any, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(which)
    visit(browser, path, width=width)
    assert check_drawn(browser) == 9  # of neither is an estimate bounded, so there is no chart of one
    assert complaints(browser) == []
    assert requests(browser) == {path.as_uri()}
    wide = "return document.documentElement.scrollWidth"
    assert browser.execute_script(wide) <= width
    browser.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.execute_script(wide) <= width


def test_hostile_text_is_shown_and_runs_nothing(browser: Any, evil: Path) -> None:
    visit(browser, evil)
    browser.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    shown = browser.execute_script("return document.body.innerText")
    for text in (
        SCRIPT,
        IMAGE,
        BREAKOUT,
        ENTITIES,
        EXPRESSION,
        LONG,
        "שלום مرحبا \\u202egnp.exe",
        "🦊👩‍👩‍👧 \\u0000\\u001b[31m \\ud83d",
    ):
        assert text in shown, text
    assert browser.execute_script("return window.ran") is None
    assert browser.execute_script("return document.querySelectorAll('img, script').length") == 3
    labels = browser.execute_script(
        "return [...document.querySelectorAll('[data-chart] option')].map((o) => o.textContent)"
    )
    assert any(label.startswith(SCRIPT) for label in labels)


def test_tooltips_show_hostile_text_as_text(browser: Any, evil: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    visit(browser, evil)
    mark = browser.find_element("css selector", "[data-chart=states] .mark-symbol.role-mark path")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(browser).move_to_element(mark).perform()
    tip = browser.execute_script("return document.getElementById('vg-tooltip-element').innerText")
    assert SCRIPT in tip or "שלום" in tip
    assert browser.execute_script("return window.ran") is None


def test_the_policy_refuses_what_is_not_the_page_s_own(browser: Any, good: Path) -> None:
    visit(browser, good)
    ran = browser.execute_script(
        """const added = document.createElement('script');
        added.textContent = 'window.ran = 1';
        document.body.append(added);
        return window.ran"""
    )
    assert ran is None
    assert any("Content Security Policy" in told for told in complaints(browser))


def test_the_frame_menu_leaves_one_frame(browser: Any, good: Path) -> None:
    from selenium.webdriver.support.ui import Select

    visit(browser, good)
    marks = "return document.querySelectorAll('[data-chart=states] .mark-symbol.role-mark path').length"
    every = browser.execute_script(marks)
    menu = Select(browser.find_element("css selector", "[data-chart=states] select"))
    assert [option.text for option in menu.options] == ["all", "table · action1/action2", "table · X/Y"]
    menu.select_by_index(1)
    wait_for(lambda: browser.execute_script(marks) == every // 2)


def test_charts_can_be_read_in_light_and_in_dark(browser: Any, good: Path) -> None:
    inks = """const texts = [...document.querySelectorAll('svg text')];
              return [...new Set(texts.map((e) => getComputedStyle(e).fill))]"""
    for dark in (False, True):
        visit(browser, good, dark=dark)
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        for ink in browser.execute_script(inks):
            light, low = luminance(ink), luminance(paper)
            assert (low < light) is dark
            assert (max(light, low) + 0.05) / (min(light, low) + 0.05) > 4.5


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2) of 'rgb(r, g, b)'."""
    parts = [int(x) / 255 for x in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_the_keyboard_reaches_the_skip_link_and_every_table(browser: Any, good: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    visit(browser, good, width=390)
    browser.find_element("tag name", "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
    assert browser.execute_script(
        """return [...document.querySelectorAll('table')].every(
             (t) => t.parentElement.tabIndex === 0 && t.parentElement.getAttribute('aria-label'))"""
    )


def test_without_scripts_the_numbers_are_still_there(browser: Any, good: Path) -> None:
    visit(browser, good, scripts=False)
    try:
        text = browser.find_element("tag name", "main").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "Without scripts this chart is not drawn" in text
    assert "Trained on: ipd" in text


# --- the page of a study ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of section, with hostile words for everything that has a name."""
    words = (SCRIPT, IMAGE, BREAKOUT, ENTITIES, EXPRESSION, LONG, MIXED)
    told = " ".join(words)
    points = [
        {"panel": p, "group": p, "series": s, "step": i, "value": i / 3, "low": 0, "high": 1}
        for p in words[:3]
        for s in words[3:]
        for i in range(4)
    ]
    cells = [{"row": a, "column": b, "value": len(a + b), "text": b} for a in words for b in words]
    wide = [{f"{SCRIPT} {i}": 0.5 for i in range(40)} | {LONG: LONG, "text": told}]
    sections = [
        page.Section("curves", told, (told,), points, charts.curves(points, told), told),
        page.Section("intervals", "Intervals", (), points[::4], charts.intervals(points[::4], told)),
        page.Section("heat", "Heat", (), cells[:4], charts.heat(cells, told)),
        page.Section("wide", "Wide", (), wide),
        page.Section("empty", told),
    ]
    folder = tmp_path_factory.mktemp("study")
    facts = {told: {IMAGE: BREAKOUT}}
    return page.write(folder, title=told, summary=[told], sections=sections, facts=facts, command=told)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_study_is_drawn_and_its_hostile_text_is_only_text(browser: Any, study: Path, width: int) -> None:
    visit(browser, study, width=width, dark=width < 600)
    charts = browser.execute_script(
        """return [...document.querySelectorAll('[data-chart]')].map((e) => [e.dataset.drawn,
          e.getAttribute('aria-label'), e.querySelectorAll('.role-mark path, .role-mark line').length])"""
    )
    assert [drawn for drawn, _, _ in charts] == ["yes"] * 3
    assert all(SCRIPT in label and marks > 3 for _, label, marks in charts)
    browser.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return window.ran") is None
    assert browser.execute_script("return document.querySelectorAll('img, script').length") == 3
    assert requests(browser) == {study.as_uri()}
    assert complaints(browser) == []
    shown = browser.execute_script("return document.body.innerText")
    for text in (SCRIPT, IMAGE, BREAKOUT, ENTITIES, EXPRESSION, LONG, "\\u202egnp.exe", "\\ud83d"):
        assert text in shown, text


def test_the_contents_of_a_study_lead_to_every_section(browser: Any, study: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    visit(browser, study, width=390)
    links = browser.find_elements("css selector", "nav.contents a")
    assert len(links) == 6
    for link in links:
        link.send_keys(Keys.ENTER)
        there = browser.execute_script("return document.querySelector(':target > h2').innerText")
        assert link.text in there
    held = """return [...document.querySelectorAll('.scroll, .chart.wide')].every((e) => e.tabIndex === 0)"""
    assert browser.execute_script(held)


def test_the_words_in_a_matrix_can_be_read_in_light_and_in_dark(browser: Any, study: Path) -> None:
    pairs = """const fill = (e) => getComputedStyle(e).fill;
               const held = document.querySelector('[data-chart=heat]');
               const words = [...held.querySelectorAll('.on_fill_marks text')].map(fill);
               const cells = [...held.querySelectorAll('.mark-rect.role-mark path')].map(fill);
               return words.map((word, i) => [word, cells[i]])"""
    for dark in (False, True):
        visit(browser, study, dark=dark)
        found = browser.execute_script(pairs)
        assert len(found) == 49
        for ink, paper in found:
            low, high = sorted((luminance(ink), luminance(paper)))
            assert (high + 0.05) / (low + 0.05) > 4.5
