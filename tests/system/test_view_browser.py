"""The pages of `homines view` as a person meets them: headless Chromium, a real server, a real run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from homines.core.run_folder import RunFolder
from tests.helpers.browsing import CHROMIUM, DRIVER, FLAGS, NEEDED, visit
from tests.helpers.viewing import IMAGE, LONG, MIXED, PATIENCE, SCRIPT, Server, furnished

pytestmark = [pytest.mark.system, NEEDED]


@pytest.fixture(scope="module")
def server(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(furnished(kit, tmp_path_factory.mktemp("view") / "runs"))
    yield running
    assert running.stop() == 0


def wait(browser: Any, ready: Callable[[], Any]) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    waiting = WebDriverWait(browser, PATIENCE, 0.05, [StaleElementReferenceException])
    return waiting.until(lambda _: ready())


def shown(browser: Any) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('#list .name')].map((e) => e.textContent).sort()"
    )


def complaints(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def hosts(browser: Any) -> set[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).netloc for url in sent if not url.startswith(("data:", "chrome"))}


def test_runs_are_searched_filtered_and_opened(browser: Any, server: Server) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    visit(browser, server.address)
    every = shown(browser)
    assert {"finished", "stopped", "broken", "evil", "deep/er/aligned"} <= set(every)
    field = browser.find_element("name", "q")
    field.send_keys("measure FIN")
    wait(browser, lambda: shown(browser) == ["finished"])
    assert "q=measure+FIN" in browser.current_url
    field.send_keys("zzz")
    wait(browser, lambda: "No run has all of this" in browser.find_element("id", "list").text)
    field.clear()
    field.send_keys(Keys.ENTER)
    wait(browser, lambda: shown(browser) == every)
    Select(browser.find_element("name", "state")).select_by_value("broken")
    wait(browser, lambda: shown(browser) == ["broken", "half", "newer"])
    assert "is no JSON" in browser.find_element("id", "list").text
    browser.get(f"{server.address}/?q=finished")  # an address can be kept and sent on
    browser.find_element("link text", "Report").click()
    wait(
        browser, lambda: browser.execute_script("return Boolean(document.querySelector('[data-drawn=yes]'))")
    )
    assert browser.execute_script("return self.origin") == "null"
    assert hosts(browser) == {server.host}
    assert complaints(browser) == []


def test_without_scripts_the_list_is_searched_by_its_form(browser: Any, server: Server) -> None:
    from selenium.webdriver.common.keys import Keys

    visit(browser, server.address, scripts=False)
    try:
        browser.find_element("name", "q").send_keys("finished", Keys.ENTER)
        wait(browser, lambda: "q=finished" in browser.current_url)
        assert [e.text for e in browser.find_elements("css selector", "#list .name")] == ["finished"]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_hostile_text_is_text_on_every_page(browser: Any, server: Server, width: int, dark: bool) -> None:
    for path in (
        "/",
        "/run/evil",
        f"/?q={quote(SCRIPT)}",
        f"/play?games={quote(IMAGE)}&against={quote(MIXED)}",
    ):
        visit(browser, server.address + path, width=width, dark=dark)
        assert browser.execute_script("return window.ran") is None, path
        assert browser.execute_script("return document.querySelectorAll('img, script').length") == 1, path
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, path
        assert complaints(browser) == [], path
    visit(browser, f"{server.address}/run/evil", width=width, dark=dark)
    text = browser.execute_script("return document.body.innerText")
    for told in (SCRIPT, IMAGE, f"{LONG[:200]}…", "\\u202egnp.exe", "{{ 7*7 }}"):
        assert told in text, told
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'ran = 1'; document.body.append(s)"
    )
    assert browser.execute_script("return window.ran") is None
    assert any("Content Security Policy" in told for told in complaints(browser))


WRITER = """
import sys
from homines.models.mock import load
from homines.core.registry import find
from homines.elicitation.questions import battery, questions
from homines.elicitation.asking import measure
from homines.core.run_folder import RunFolder as Run
model = load("", ())
asked = questions(model, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table(labels='X,Y')")])
with Run(sys.argv[1], {"kind": "align", "model": "mock", "games": ["ipd"], "settings": {"steps": 4}}) as run:
    for step, _ in enumerate(sys.stdin, 1):
        if step <= 4:
            run.log({"step": step, "reward": -1 / step, "mass": .2 * step, "p": {"C,C": [.2 * step, .5]}})
        else:
            measure(model, asked, run)
        print(step, flush=True)
    run.note("training.json", {"result": "adapter"})
"""


def test_a_run_is_followed_while_another_process_writes_it(browser: Any, server: Server) -> None:
    """Every line to the writer is a step; the page follows without being loaded again."""
    folder = server.folder / "living"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdin is not None
    assert writer.stdout is not None

    def on() -> None:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
        writer.stdout.readline()

    def place() -> str:
        return str(browser.execute_script("return document.getElementById('live').innerText"))

    on()
    visit(browser, f"{server.address}/run/living")
    browser.execute_script("window.same = true")
    assert "in progress" in place()
    assert "step 1 of 4" in place()
    on()
    wait(browser, lambda: "step 2 of 4" in place())
    wait(browser, lambda: "C,C .40" in place().replace("\n", " "))
    on()
    on()
    wait(browser, lambda: "step 4 of 4" in place())
    on()
    wait(browser, lambda: "16 of 16 questions answered" in place())
    assert "C|C" in place()
    line = "return document.querySelector('#live polyline').getAttribute('points').split(' ').length"
    assert browser.execute_script(line) == 4
    writer.stdin.close()
    assert writer.wait() == 0
    writer.stdout.close()
    wait(browser, lambda: "unfinished" in place())  # trained and measured; its report is not written yet
    assert browser.execute_script("return window.same")
    assert browser.execute_script("return document.getElementById('live').dataset.follow") is None
    assert complaints(browser) == []
    shutil.rmtree(folder)


def test_a_game_is_played_by_the_keyboard_and_survives_the_browser(server: Server) -> None:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.keys import Keys

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS:
        options.add_argument(flag)
    first = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        first.get(f"{server.address}/play?games=spd(3)&against=mock&seat=both&save=yes&name=eve")
        first.find_element("css selector", "button.main").send_keys(Keys.ENTER)
        wait(first, lambda: "You move first" in first.find_element("class name", "said").text)
        assert first.switch_to.active_element.get_attribute("class") == "said"  # no option is suggested
        first.switch_to.active_element.send_keys(Keys.TAB)
        first.switch_to.active_element.send_keys(Keys.ENTER)
        wait(first, lambda: "1 answer so far" in first.find_element("tag name", "main").text)
        os.kill(first.service.process.pid, signal.SIGKILL)  # pyright: ignore[reportOptionalMemberAccess]
    finally:
        first.quit()
    (folder,) = server.folder.glob("play-eve-*")
    assert sum(r.model == "eve" for r in RunFolder(folder).records) == 1
    second = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        second.get(f"{server.address}/run/{quote(folder.name)}")
        second.find_element("xpath", "//button[contains(., 'Go on')]").click()
        for done in (2, 3):
            wait(second, lambda: second.find_elements("css selector", ".options button"))
            second.find_elements("css selector", ".options button")[-1].click()
            wait(second, lambda n=done: f"{n} answers" in _text(second) or "What came of it" in _text(second))
        text = _text(second)
        assert "What came of it" in text
        assert "role" in text
        assert "no estimate" in text
        assert "cannot tell the parameters" in text
    finally:
        second.quit()
    assert sum(r.model == "eve" for r in RunFolder(folder).records) == 3
    shutil.rmtree(folder)


def _text(browser: Any) -> str:
    return str(browser.execute_script("return document.body.innerText"))


def test_the_keyboard_reaches_the_skip_link_first(browser: Any, server: Server) -> None:
    from selenium.webdriver.common.keys import Keys

    visit(browser, server.address, width=390)
    browser.find_element("tag name", "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
    unnamed = """return [...document.querySelectorAll('input, select, button')].filter(
        (e) => !e.hidden && !e.labels?.length && !e.textContent.trim()).length"""
    assert browser.execute_script(unnamed) == 0


def test_a_stranger_s_report_runs_nothing_and_ours_draws(browser: Any, server: Server) -> None:
    page = "<p id=here>here</p><script>document.title = 'ran'</script>"
    page += "<img src=x onerror=\"document.title='ran'\">"
    more = f"<script>fetch('{server.address}/').then(() => document.title = 'ran')</script>"
    (server.folder / "stranger.html").write_text(page + more)
    visit(browser, f"{server.address}/file/stranger.html")
    assert browser.find_element("id", "here").text == "here"
    assert browser.title != "ran"
    assert browser.execute_script("return self.origin") == "null"
    visit(browser, f"{server.address}/file/finished/report.html")
    wait(
        browser, lambda: browser.execute_script("return Boolean(document.querySelector('[data-drawn=yes]'))")
    )
