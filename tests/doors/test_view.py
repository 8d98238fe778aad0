"""What `homines view` reads of a folder, whom its server answers, and with what."""

from __future__ import annotations

import html
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from homines.cli.view import carry_out_view, listening
from homines.core.run_folder import SCHEMA, RunFolder
from homines.core.types import HominesError
from homines.reports.run_page import write as write_report
from homines.reports.run_view import read
from homines.view.app import LONGEST, cut, page
from homines.view.live import charts, live
from homines.view.playing import Sittings, safe
from homines.view.runs import BROKEN, DONE, RUNNING, STOPPED, Index
from tests.helpers.viewing import Server, even, furnished


@pytest.fixture(scope="module")
def server(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(furnished(kit, tmp_path_factory.mktemp("view") / "runs"))
    yield running
    assert running.stop() == 0


# --- the runs ------------------------------------------------------------------------------------


def test_every_run_is_listed_with_its_state(server: Server) -> None:
    found = {entry.path: entry for entry in Index(server.folder).entries()}
    states = {path: entry.state for path, entry in found.items() if not path.startswith("play-")}
    assert states == {
        "finished": DONE,
        "stopped": STOPPED,
        "deep/er/aligned": STOPPED,
        "evil": STOPPED,
        "broken": BROKEN,
        "half": BROKEN,
        "newer": BROKEN,
    }
    assert "config.json is no JSON" in found["broken"].why
    assert "no provenance.json" in found["half"].why
    assert f"schema is {SCHEMA + 1}" in found["newer"].why


def test_what_changes_is_read_again_and_nothing_else(kit: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        kit.fill(tmp_path / name, {"kind": "measure", "model": name})
    index = Index(tmp_path)
    before = {entry.path: entry for entry in index.entries()}
    with RunFolder(tmp_path / "b", {"kind": "measure", "model": "b"}):
        held = {entry.path: entry.state for entry in index.entries()}
    assert held == {"a": STOPPED, "b": RUNNING}
    (tmp_path / "a" / "config.json").write_text('{"kind": "measure", "model": "changed"}')
    shutil.rmtree(tmp_path / "b")
    (after,) = index.entries()
    assert (before["a"].model, after.model) == ("a", "changed")


def test_looking_does_not_keep_a_run_from_starting(kit: Any, tmp_path: Path) -> None:
    """The lock is tried by one process again and again while another begins runs."""
    kit.fill(tmp_path / "run", {"kind": "measure"})
    script = (
        "import sys; from pathlib import Path; from homines.view.runs import written_to\n"
        "print('begun', flush=True)\nwhile True: written_to(Path(sys.argv[1]))"
    )
    looking = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    assert looking.stdout is not None
    try:
        assert looking.stdout.readline() == "begun\n"
        for _ in range(50):
            RunFolder(tmp_path / "run", {"kind": "measure"}).close()
    finally:
        looking.kill()
        looking.wait()
        looking.stdout.close()


def test_a_report_of_half_the_answers_does_not_make_a_run_done(kit: Any, tmp_path: Path) -> None:
    """Killed, and reported as far as it went: what was to be asked counts, failed questions as answered."""
    records = kit.ask("mock", lambda r: even(), ("ipd",), (kit.table,))
    others = kit.ask("mock+adapter", lambda r: even(), ("ipd",), (kit.table,))
    command = "homines measure mock --out 'my run'"
    folder = kit.fill(tmp_path / "run", {"kind": "measure", "model": "mock", "command": command}, records[:6])
    with RunFolder(folder, RunFolder(folder).config) as run:
        run.note("asked.json", {"model": "mock", "questions": len(records)})
        run.add(others)  # another model's answers say nothing of this one's
    write_report(folder)
    index = Index(tmp_path)
    (entry,) = index.entries()
    assert (entry.state, entry.why) == (STOPPED, f"6 of {len(records)} questions answered")
    assert entry.command == command
    (tmp_path / "report.html").write_text("the page of a study")
    assert next(e for e in index.entries() if e.path == "run").state == STOPPED
    (tmp_path / "report.html").unlink()
    running = Server(tmp_path)
    try:
        text = running.ask("/run/run")[2]
        assert "homines measure mock --out &#39;my run&#39;" in text
        assert "unfinished" in text
    finally:
        assert running.stop() == 0
    with RunFolder(folder, RunFolder(folder).config) as run:
        run.add([*records[6:-1], replace(records[-1], choice=None, error="no answer")])
        run.add([replace(records[-1], choice=None, error="no answer, again")])
    assert index.entries()[0].state == DONE
    with open(folder / "records.jsonl", "ab") as file:
        file.write(b'{"key": "torn')
    assert index.entries()[0].state == DONE


def test_a_study_s_runs_end_with_its_page(kit: Any, tmp_path: Path) -> None:
    kit.fill(tmp_path / "study" / "one", {"kind": "measure", "model": "m"})
    assert [entry.state for entry in Index(tmp_path).entries()] == [STOPPED]
    (tmp_path / "study" / "report.html").write_text("a page")
    found = {entry.path: (entry.kind, entry.state, entry.games) for entry in Index(tmp_path).entries()}
    assert found == {"study": ("study", DONE, "study"), "study/one": ("measure", DONE, "in study")}


def test_a_run_is_read_as_far_as_it_is_whole(kit: Any, tmp_path: Path) -> None:
    records = kit.ask("mock", lambda r: even(), ("ipd",), (kit.table,))
    kit.fill(tmp_path / "run", {"kind": "align", "settings": {"steps": 9}}, records[:4], [_step(1), _step(2)])
    with open(tmp_path / "run" / "records.jsonl", "a") as file:
        file.write('{"key": "torn')
    with open(tmp_path / "run" / "curve.jsonl", "a") as file:
        file.write('{"step": 3, "rew')
    found = live(tmp_path / "run")
    assert (found.answered, found.trained, found.steps, found.notes) == (4, 2, 9, ())
    assert [chart.title for chart in found.charts] == ["P(first action), by state", "Reward", "Legal mass"]
    assert found.types[0]["told"].startswith("C|C .50")
    (tmp_path / "run" / "records.jsonl").write_text("no record\n")
    assert "is no JSON" in live(tmp_path / "run").notes[0]


def _step(i: int) -> dict[str, Any]:
    return {"step": i, "reward": -i, "mass": 0.1 * i, "p": {"C,C": [0.1 * i, 1 - 0.1 * i]}}


def test_lines_lie_within_their_chart() -> None:
    rng = np.random.default_rng(0)
    curve = [{"step": i + 1, "loss": float(x)} for i, x in enumerate(rng.normal(0, 1e3, 5000))]
    (chart,) = charts(curve)
    points = [tuple(map(float, p.split(","))) for p in chart.lines[0].points.split()]
    assert len(points) <= 242
    assert all(0 <= x <= 320 and 17.9 <= y <= 114.1 for x, y in points)
    assert (points[0][0], points[-1][0]) == (0, 320)
    assert charts([{"step": 1, "loss": 2.0}])[0].lines[0].last == "2.00"
    assert charts([{"step": 1}]) == []


# --- the server ----------------------------------------------------------------------------------


def test_every_answer_has_its_policy(server: Server) -> None:
    for path in ("/", "/run/finished", "/play", "/nowhere", "/own/page.css", "/file/nowhere"):
        _, headers, _ = server.ask(path)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';"), path
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert len(headers.get_all("content-security-policy") or ()) == 1
    status, headers, text = server.ask("/file/finished/report.html")
    assert status == 200
    assert "<h1>" in text
    assert headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none';")


@pytest.mark.parametrize(
    "path",
    [
        "/file/../secret.json",
        "/file/finished/../../secret.json",
        "/file/%2e%2e/secret.json",
        "/file/finished/%2e%2e%2f%2e%2e%2fsecret.json",
        "/file//etc/passwd",
        "/file/%2Fetc%2Fpasswd",
        "/file/finished/link.json",
        "/file/away/run/config.json",
        "/file/.hidden/token.json",
        "/file/finished/.lock",
        "/file/finished/code.py",
        "/file/finished",
        "/file/finished/report.html%00.png",
        "/file/" + "a/" * 3000,
        "/own/app.py",
        "/own/../store.py",
        "/run/away/run",
        "/run/../elsewhere/run",
    ],
)
def test_nothing_outside_is_served(server: Server, path: str) -> None:
    status, _, text = server.ask(path)
    assert status == 404
    assert "kept out" not in text
    assert "root:" not in text


def test_a_link_is_not_followed_wherever_it_leads(server: Server) -> None:
    assert server.ask("/file/finished/report.html")[0] == 200
    assert server.ask("/file/within.html")[0] == 404


def test_only_this_machine_s_own_pages_are_answered(server: Server) -> None:
    assert server.ask("/", Host="evil.example")[0] == 400  # a name that was made to lead here
    form = {"games": "ipd", "against": "grim"}
    for origin in ("http://evil.example", "null", f"https://{server.host}", ""):
        status, _, text = server.ask("/play", form, Origin=origin)
        assert (status, "only forms of this page" in text) == (403, True), origin
    assert server.ask("/play", form, Host="localhost", Origin="http://localhost")[0] == 303
    with (
        pytest.raises((ConnectionRefusedError, TimeoutError)),
        socket.create_connection((_outward(), int(server.host.partition(":")[2])), 2),
    ):
        pass


def _outward() -> str:
    """This machine's address towards others; where it has none, one that nobody answers at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        try:
            out.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"
        return str(out.getsockname()[0])


def test_a_form_that_runs_code_or_is_no_form_is_refused(server: Server) -> None:
    for form, told in (
        ({"games": "os:getcwd", "against": "grim"}, "would import a module"),
        ({"games": "ipd", "against": "os:getcwd"}, "would import a module"),
        ({"games": "ipd", "against": "grim", "frame": "os:getcwd"}, "would import a module"),
        ({"games": "", "against": "grim"}, "name a game"),
        ({"games": "ipt", "against": "grim"}, "did you mean"),
        ({"games": "ipd", "against": "grm"}, "no model and no opponent called"),
        ({"games": "ipd", "against": "grim", "rounds": "many"}, "must be a whole number"),
        ({"games": "ipd", "against": "grim", "seat": "9"}, "nobody decides at seat 9"),
        ({"games": "ipd", "against": "grim", "name": "n" * 99}, "must be 1 to 60"),
        ({"run": "../elsewhere/run"}, "there is no run"),
        ({"run": "finished"}, "no config of a sitting"),
    ):
        status, _, text = server.ask("/play", form)
        assert status == 400, form
        assert told in text, form
    status, _, text = server.ask("/play", {"games": "x" * 30_000})
    assert (status, "larger than 20000 bytes" in text) == (413, True)
    assert server.ask("/play/nothere", {"turn": "0", "answer": "C"})[0] == 404


def test_pages_of_the_list(kit: Any, tmp_path: Path) -> None:
    from homines.view.app import matches, tally

    for i in range(3):
        kit.fill(tmp_path / f"run{i}", {"kind": "measure", "model": "m" if i else "other", "games": ["ipd"]})
    entries = Index(tmp_path).entries()
    blank = {"q": "", "kind": "", "model": "", "state": ""}
    assert all(matches(entry, blank) for entry in entries)
    assert [e.path for e in entries if matches(e, {**blank, "q": "IPD run1"})] == ["run1"]
    assert [e.path for e in entries if matches(e, {**blank, "model": "other"})] == ["run0"]
    assert tally(entries, "model") == {"m": 2, "other": 1}


def test_a_port_in_use_and_a_folder_that_is_none_are_told(tmp_path: Path) -> None:
    with listening(0) as held:
        port = held.getsockname()[1]
        with pytest.raises(HominesError, match=rf"port {port} cannot be used \(.*in use.*\); .* --port 0"):
            carry_out_view(tmp_path, port, False, False)
    with pytest.raises(HominesError, match="nowhere is no folder"):
        carry_out_view(tmp_path / "nowhere", 0, False, False)


def test_a_folder_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    running = Server(tmp_path)
    try:
        status, _, text = running.ask("/")
        assert status == 200
        assert "There is no run here yet" in text
        assert "homines measure" in text
    finally:
        assert running.stop() == 0


# --- a sitting on the server's side ------------------------------------------------------------------


def test_a_sitting_outlives_the_browser_and_the_server(kit: Any, tmp_path: Path) -> None:
    form = {"games": "ipd", "against": "tit_for_tat", "rounds": "3", "name": "ann", "save": "yes"}
    running = Server(tmp_path)
    try:
        place = running.ask("/play", form)[1]["location"]
        assert "round 1" in running.ask(place)[2]
        assert running.ask(place, {"turn": "0", "answer": "action1"})[0] == 303
        status, _, text = running.ask(place, {"turn": "1", "answer": "perhaps"})
        assert (status, "is none of" in text) == (400, True)
        assert running.ask(place, {"turn": "0", "answer": "action2"})[0] == 303  # sent twice: taken once
        assert "round 2" in running.ask(place)[2]
        assert running.ask("/play", form)[1]["location"] == place  # another browser: the same sitting
        assert place in running.ask("/play")[2]
        (folder,) = tmp_path.glob("play-ann-*")
        assert [e.state for e in Index(tmp_path).entries()] == [RUNNING]
        running.process.kill()
        running.process.wait()
    finally:
        assert running.process.stdout is not None
        running.process.stdout.close()
    assert [r.choice.p[0] for r in RunFolder(folder).records if r.model == "ann" and r.choice] == [1.0]
    running = Server(tmp_path)
    try:
        place = running.ask("/play", {"run": folder.name})[1]["location"]
        assert "round 2" in running.ask(place)[2]
        for turn in ("1", "2"):
            running.ask(place, {"turn": turn, "answer": "action2"})
        text = running.ask(place)[2]
        assert "What came of it" in text
        assert f"homines report {folder}" in text
        assert [e.state for e in Index(tmp_path).entries()] == [DONE]
    finally:
        assert running.stop() == 0


FORM = {"games": "ipd", "against": "tit_for_tat", "rounds": "1", "save": "yes"}


def play_on(sittings: Sittings, name: str) -> None:
    """Answer with the first option until it is over."""
    while not (seat := sittings._seats[name]).over:  # pyright: ignore[reportPrivateUsage]
        turn = seat.sitting.progress.turn
        assert turn is not None
        said = sittings.answer(name, {"turn": str(turn.number), "answer": turn.prompt.labels[0]})
        assert said == {"why": ""}


def news(sittings: Sittings, name: str) -> list[str]:
    told = sittings.view(name)
    assert told is not None
    return told["news"]


def test_the_same_form_begins_a_new_game_once_the_kept_one_is_over(tmp_path: Path) -> None:
    sittings = Sittings(tmp_path)
    first = sittings.begin(FORM)
    assert news(sittings, first) == []
    play_on(sittings, first)
    assert (
        len(list(tmp_path.glob("play-*/played.json"))) == 1
    )  # written with the last answer, not when looked at
    second = sittings.begin(FORM)
    assert second != first
    assert news(sittings, second) == ["You have played seed 0; this is a new draw, seed 1."]
    play_on(sittings, second)
    sittings.close()
    later = Sittings(tmp_path)  # the server was stopped between
    third = later.begin(FORM)
    assert news(later, third) == ["You have played seed 0 to 1; this is a new draw, seed 2."]
    play_on(later, third)
    assert {RunFolder(f).config["seed"] for f in tmp_path.glob("play-*")} == {0, 1, 2}
    # what came of one is still there where it is asked for by name
    old = next(f for f in tmp_path.glob("play-*") if RunFolder(f).config["seed"] == 0)
    told = later.view(later.begin({"run": old.name}))
    assert told is not None
    assert told["turn"] is None
    assert told["plan"].seed == 0
    later.close()


def test_an_open_sitting_goes_on_and_says_so(tmp_path: Path) -> None:
    sittings = Sittings(tmp_path)
    form = FORM | {"rounds": "3"}
    name = sittings.begin(form)
    sittings.answer(name, {"turn": "0", "answer": "action1"})
    assert sittings.begin(form) == name
    going_on = "This goes on with the sitting you left after 1 answer."
    assert going_on in news(sittings, name)
    sittings.answer(name, {"turn": "1", "answer": "action1"})
    assert going_on not in news(sittings, name)
    elsewhere = Sittings(tmp_path)
    with pytest.raises(HominesError, match="is open in another process"):
        elsewhere.begin(form)
    sittings.close()
    again = elsewhere.begin(form)
    assert news(elsewhere, again) == ["This goes on with the sitting you left after 2 answers."]
    elsewhere.close()


def test_sittings_that_are_over_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homines.view.playing.MOST_OPEN", 3)
    sittings = Sittings(tmp_path)
    first = sittings.begin(FORM)
    play_on(sittings, first)
    for _ in range(7):
        play_on(sittings, sittings.begin(FORM))
    assert len(list(tmp_path.glob("play-*/played.json"))) == 8
    assert sittings.view(first) is None
    loose = FORM | {"save": ""}
    held = [sittings.begin(loose) for _ in range(3)]
    with pytest.raises(HominesError, match="3 sittings are open; play one of those below to its end"):
        sittings.begin(loose)
    assert [name for name, _ in sittings.open()] == held[::-1]
    play_on(sittings, held[1])
    sittings.begin(loose)
    assert sittings.view(held[0]) is not None
    assert sittings.view(held[1]) is None
    sittings.close()


def test_a_command_to_copy_is_quoted(tmp_path: Path) -> None:
    root = tmp_path / "my runs"
    root.mkdir()
    sittings = Sittings(root)
    name = sittings.begin(FORM | {"name": "Jo Doe; ls"})
    play_on(sittings, name)
    told = sittings.view(name)
    assert told is not None
    words = ["homines", "report", str(told["folder"])]  # one game has no estimate
    assert shlex.split(told["next_command"]) == words
    assert f"<code>{escape(told['next_command'])}</code>" in bytes(page("sitting.html", **told).body).decode()
    assert shlex.split(RunFolder(told["folder"]).config["command"]) == ["homines", "view", str(root)]
    sittings.close()


def test_names_with_a_colon_are_no_modules() -> None:
    safe({"games": ["ipd"], "model": "ollama/llama3:8b"})
    for spec in ("os:getcwd", "hfs:load"):
        with pytest.raises(HominesError, match="would import a module"):
            safe({"games": ["ipd"], "model": spec})


def test_a_long_name_is_cut_in_its_middle_and_kept_whole_beside() -> None:
    name = "smollm2+/work/main/runs/av_dilemma/moralis-s0/adapter"
    shown = str(cut(name))
    assert f'title="{name}"' in shown
    assert len(shown.partition(">")[2].removesuffix("</bdi>")) == LONGEST
    assert shown.endswith("moralis-s0/adapter</bdi>")
    assert cut("mock") == "<bdi>mock</bdi>"
    assert "<b>" not in cut("<b>" * 40)


def test_a_run_s_page_names_frames_as_the_report_does(kit: Any, tmp_path: Path) -> None:
    records = kit.ask("mock", lambda r: even(), ("ipd",), (kit.table, kit.other))
    found = live(kit.fill(tmp_path / "run", {"kind": "measure", "model": "mock"}, records))
    short = read(tmp_path / "run").short
    assert {row["frame"] for row in found.types} == set(short.values())
    assert {row["spec"] for row in found.types} == set(short)
    assert all("(" not in row["frame"] for row in found.types)


def test_a_run_s_page_shows_what_was_asked(kit: Any, tmp_path: Path) -> None:
    records = kit.ask("mock", lambda r: even(), ("ipd",), (kit.table, "table(goal='Win.', begins='So:')"))
    kit.fill(tmp_path / "run", {"kind": "measure", "model": "mock"}, records)
    entry, now = Index(tmp_path).entry("run"), live(tmp_path / "run")
    told = page("run.html", entry=entry, live=now, below=[], follow=False)
    text = html.unescape(bytes(told.body).decode())
    assert "table; no goal stated" in text
    assert "table; goal stated: “Win.”; answer begun: “So:”" in text
    assert "you, B, your points, B's points\naction1, action1, 3, 3\n" in text
    assert "anything else" in text
