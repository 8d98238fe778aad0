"""`homines view` before strangers: requests of every form, run folders of every content, links and pipes."""

from __future__ import annotations

import json
import os
import re
import select
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homines.core.run_folder import RunFolder, default_folder
from homines.core.types import HominesError
from homines.people.plan import MOST_GAMES, SessionPlan
from homines.reports.page import Section
from homines.reports.page import write as write_page
from homines.view.guard import strange
from homines.view.live import live
from homines.view.playing import Sittings
from homines.view.runs import BROKEN, Index
from tests.helpers.viewing import Server

SECRET = "kept-out-of-every-answer"
PLAY = {"games": "ipd", "against": "grim"}
CONFIG = {"kind": "measure", "model": "mock", "games": ["ipd"]}


def filled(folder: Path, config: Mapping[str, Any] = CONFIG) -> Path:
    RunFolder(folder, config).close()
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A folder with a run whose files are links to what lies outside. The server says nothing on its standard
    error but what its own log has: no traceback."""
    outside = tmp_path_factory.mktemp("outside")
    root = outside / "runs"
    run = filled(root / "run")
    (outside / "secret.png").write_text(SECRET)
    filled(outside / "elsewhere", {**CONFIG, "model": SECRET})
    (run / "figures").mkdir()
    (run / "figures" / "x.png").symlink_to(outside / "secret.png")
    (run / "tables").symlink_to(outside)
    (run / ".git").mkdir()
    (run / ".git" / "config.json").write_text(SECRET)
    (run / "shown.json").symlink_to(run / ".git" / "config.json")
    (run / "report.html").write_text("<p>here</p><script>window.ran = 1</script>")
    (root / "away").symlink_to(outside / "elsewhere")
    linked = filled(root / "linked")
    (outside / "secret.jsonl").write_text(f'"{SECRET}"\n')
    (linked / "records.jsonl").symlink_to(outside / "secret.jsonl")
    with open(outside / "said", "w+") as said:
        running = Server(root, said)
        yield running
        assert running.stop() == 0
        said.seek(0)
        assert "Traceback" not in (text := said.read()), text


def send(server: Server, data: bytes, wait: float = 60) -> bytes:
    """What the server answers to these bytes; after `wait` seconds without a word (a "100 Continue" is one)
    it is told that no more of them come."""
    host, _, port = server.host.partition(":")
    with socket.create_connection((host, int(port)), 60) as connection:
        connection.sendall(data)
        parts: list[bytes] = []
        closed = False
        while True:
            if not closed and not select.select([connection], [], [], wait)[0]:
                connection.shutdown(socket.SHUT_WR)
                closed = True
            if not (part := connection.recv(1 << 16)):
                break
            parts.append(part)
    return b"".join(parts)


def request(
    server: Server, target: bytes, body: bytes | None = None, *headers: bytes, by: bytes = b""
) -> bytes:
    lines = [
        (by or (b"GET" if body is None else b"POST")) + b" " + target + b" HTTP/1.1",
        b"Connection: close",
        *headers,
    ]
    if not any(line.lower().startswith(b"host:") for line in headers):
        lines.append(b"Host: " + server.host.encode())
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
        if not any(line.lower().startswith(b"origin:") for line in headers):
            lines.append(b"Origin: " + server.address.encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    return int(found[1]) if found else 0


FORM = b"Content-Type: application/x-www-form-urlencoded"
FIELDS = urlencode(PLAY).encode()


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"&".join(b"a%d=1" % i for i in range(51)), 400),
        (FIELDS + b"&seed=" + b"9" * 5000, 400),
        (FIELDS + b"&rounds=" + b"9" * 5000, 400),
        (FIELDS + b"&seat=" + b"9" * 5000, 400),
        (b"run=a%00b", 400),
        (b"run=" + b"a" * 300, 400),
        (b"run=" + b"a/" * 5000, 400),
        (b"run=linked%2F..%2F..%2Felsewhere", 400),
        (b"run=away", 400),
        (b"run=.", 400),
        (b"run=linked", 400),
        (b"games=ipd&against=hf%2F" + b"a" * 300, 400),
        (b"games=%ff&against=grim", 400),
        (b"games=\xff&against=grim", 400),
        (b"games=%zz&against=grim", 400),
        (b"games=i%00pd&against=grim", 400),
        (b"against=grim&games=" + b";".join([b"ipd"] * 3000), 400),
        (b"against=grim&games=trust(" + b"(" * 5000 + b")", 400),
        (FIELDS + b"&save=yes&name=a%0Ab", 400),
        (b"[" * 10_000, 400),
        (b"x" * 20_001, 413),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_a_form_that_is_none_is_refused(server: Server, body: bytes, wanted: int) -> None:
    answer = send(server, request(server, b"/play", body, FORM))
    assert status(answer) == wanted
    assert SECRET.encode() not in answer


def test_a_body_of_another_kind_is_refused(server: Server) -> None:
    for kind in (b"application/json", b"multipart/form-data; boundary=x", b"text/plain"):
        answer = send(server, request(server, b"/play", b'{"games": ' * 900, b"Content-Type: " + kind))
        assert status(answer) == 415


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (b"/file/" + b"a" * 300, 404),
        (b"/run/" + b"a" * 300, 404),
        (b"/run/a%00b", 404),
        (b"/file/run%00/report.html", 404),
        (b"/own/%00", 404),
        (b"/play/" + b"a" * 300, 404),
        (b"/file/" + b"a" * 10_000, 414),
        (b"/?q=" + b"a" * 10_000, 414),
        (b"/?" + b"&".join(b"a%d=1" % i for i in range(51)), 400),
        (b"/?q=%00", 400),
        (b"/?q=%ff", 400),
        (b"/?q=%", 400),
        (b"/file/%zz", 400),
        (b"/file/run/%ed%a0%80.html", 404),
        (b"/?from=" + b"9" * 5000, 200),
        (b"/play?seed=" + b"9" * 5000, 200),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_an_address_that_is_none_is_refused(server: Server, target: bytes, wanted: int) -> None:
    assert status(send(server, request(server, target))) == wanted


@pytest.mark.parametrize(
    "path",
    [
        "run/figures/x.png",
        "run/tables/secret.png",
        "run/.git/config.json",
        "run/shown.json",
        "run/.lock",
        "away/config.json",
        "linked/records.jsonl",
    ],
)
def test_nothing_hidden_or_behind_a_link_is_served(server: Server, path: str) -> None:
    status_, _, text = server.ask(f"/file/{path}")
    assert (status_, SECRET in text) == (404, False)


def test_a_run_whose_files_are_links_is_not_read(server: Server) -> None:
    status_, _, text = server.ask("/run/linked")
    assert status_ == 200
    assert "records.jsonl is no plain file here" in text
    assert SECRET not in text
    assert SECRET not in server.ask("/")[2]


def test_names_and_methods_of_strangers_are_refused(server: Server) -> None:
    page = b"/"
    for host in (
        b"evil.example",
        b"",
        b"[::1",
        b"127.0.0.1.evil.example",
        b"127.0.0.1:99999999",
        b"a@localhost",
    ):
        assert status(send(server, request(server, page, None, b"Host: " + host))) == 400, host
    for method in (b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"BREW"):
        answer = send(server, request(server, page, by=method))
        assert status(answer) == 405, method
        assert b"This page is looked at" in answer
    for origin in (b"null", b"http://evil.example", b"http://localhost:1", b"file://"):
        assert status(send(server, request(server, b"/play", FIELDS, FORM, b"Origin: " + origin))) == 403
    for bad in (b"bytes=" + b"9" * 5000 + b"-", b"bytes=0-0,-1", b"bytes=" + b"0-0," * 2000, b"lines=x"):
        target = b"/file/run/report.html"
        assert status(send(server, request(server, target, None, b"Range: " + bad))) == 200


def test_a_stranger_s_report_runs_nothing(server: Server, tmp_path: Path) -> None:
    """Only the scripts that homines writes are named, by their hashes; our own page still names them too."""
    status_, headers, text = server.ask("/file/run/report.html")
    assert (status_, "window.ran" in text) == (200, True)
    policy = headers["content-security-policy"]
    (scripts,) = re.findall(r"script-src ([^;]*);", policy)
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert re.fullmatch(r"'sha256-[\w+/]+=*'( 'sha256-[\w+/]+=*')*", scripts)
    page = write_page(
        tmp_path / "ours", title="t", summary=["s"], sections=[Section("a", "A", ("text",))], facts={}
    )
    assert f"script-src {scripts};".replace("'", "&#39;") in page.read_text()


PIECES = st.sampled_from(
    [
        b"/",
        b"..",
        b".",
        b"%2e",
        b"%2f",
        b"%00",
        b"%",
        b"%ff",
        b"run",
        b"file",
        b"own",
        b"play",
        b"?",
        b"&",
        b"=",
        b"q",
        b"from",
        b"a" * 260,
        b"9" * 400,
        b".lock",
        b".git",
        b"report.html",
        b"\\",
        b"%ed%a0%80",
        b"#",
        b";",
    ]
)
TARGETS = st.lists(PIECES, max_size=12).map(lambda parts: b"/" + b"".join(parts)) | st.binary(max_size=40)
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"get", b"\xff", b""])
HEADERS = st.sampled_from(
    [
        b"Host: evil",
        b"Host: localhost",
        b"Origin: null",
        b"Range: bytes=0-",
        b"Expect: 100-continue",
        b"X: \xff\xfe",
        b"Content-Type: application/json",
        FORM,
        b"Transfer-Encoding: chunked",
        b"Content-Length: -1",
        b"Upgrade: h2c",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Cookie: a=b",
        b"If-None-Match: *",
        b"broken",
    ]
)
VALUES = st.sampled_from(
    [b"ipd", b"grim", b"9" * 5000, b"-1", b"%00", b"%f0", b"", b"trust(3)", b"yes", b"../../x"]
)
NAMES = st.sampled_from(
    [b"games", b"against", b"frame", b"labels", b"seat", b"rounds", b"seed", b"name", b"run"]
)
FORMS = st.lists(st.tuples(NAMES, VALUES | st.binary(max_size=12)), max_size=9).map(
    lambda held: b"&".join(name + b"=" + value for name, value in held)
)


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_is_an_error_of_the_server(server: Server, data: st.DataObject) -> None:
    target = data.draw(st.just(b"/play") | TARGETS)
    body = data.draw(st.none() | FORMS | st.binary(max_size=60))
    headers = data.draw(st.lists(HEADERS, max_size=3))
    answer = send(
        server, request(server, target, body, *headers, by=data.draw(st.just(b"") | METHODS)), wait=0.5
    )
    assert status(answer) < 500, answer[:300]
    assert SECRET.encode() not in answer


# --- what lies in the folder ---------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "kind",
    "model",
    "games",
    "game",
    "frames",
    "preference",
    "settings",
    "schedule",
    "command",
    "course",
    "data",
)
CURVE = ("step", "phase", "reward", "mass", "loss", "p")


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_content_of_a_run_folder_is_shown_or_told(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    config = data.draw(st.dictionaries(st.sampled_from(KEYS), JSON))
    rows = data.draw(st.lists(st.dictionaries(st.sampled_from(CURVE), JSON) | JSON, max_size=3))
    lines = data.draw(
        st.lists(JSON | st.dictionaries(st.sampled_from(("key", "choice", "decision")), JSON), max_size=2)
    )
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "provenance.json").write_text(json.dumps({"schema": data.draw(st.just(1) | JSON)}))
    (folder / "asked.json").write_text(json.dumps(data.draw(JSON)))
    (folder / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert len(Index(tmp_path).entries()) == 1
    live(folder)


def test_deep_large_and_odd_files_break_one_run_alone(tmp_path: Path) -> None:
    filled(tmp_path / "whole")
    deep = filled(tmp_path / "deep")
    (deep / "config.json").write_text("[" * 100_000)
    large = filled(tmp_path / "large")
    (large / "config.json").write_text(json.dumps({"model": "x" * 6_000_000}))
    rows = filled(tmp_path / "rows")
    (rows / "curve.jsonl").write_text('{"a":' * 100_000 + "\n")
    pipe = filled(tmp_path / "pipe")
    os.mkfifo(pipe / "records.jsonl")  # whoever reads it waits for ever
    found = {entry.path: entry for entry in Index(tmp_path).entries()}
    assert {path for path, entry in found.items() if entry.state == BROKEN} == {"deep", "large"}
    assert "nested too deeply" in found["deep"].why
    assert "larger than 5 MB" in found["large"].why
    assert "nested more than" in live(rows).notes[0]
    assert "records.jsonl is no plain file" in live(pipe).notes[0]
    assert strange(pipe) == ["records.jsonl"]
    assert live(tmp_path / "whole").notes == ()


# --- names that become folders -------------------------------------------------------------------


def test_long_names_are_cut_before_they_are_folders(tmp_path: Path) -> None:
    for what in ("x" * 1000, "字" * 300, "../" * 400, "\0" * 999):
        folder = default_folder(what, {})
        assert len(folder.name.encode()) <= 255
        assert folder.parent == Path("runs")
        (tmp_path / folder.name).mkdir()
    sittings = Sittings(tmp_path)
    spec = " " * 300 + "trust(3)"
    name = sittings.begin({"games": f"ipd;{spec}", "against": "grim", "save": "yes", "name": "字" * 60})
    assert sittings.view(name) is not None
    sittings.close()


def test_a_plan_is_bounded() -> None:
    with pytest.raises(HominesError, match=f"name 1 to {MOST_GAMES}"):
        SessionPlan(("ipd",) * (MOST_GAMES + 1), "grim", "table")
    for name in ("a\0b", "a\nb", "a\ud800"):
        with pytest.raises(HominesError, match="holds a control character"):
            SessionPlan(("ipd",), "grim", "table", person=name)
