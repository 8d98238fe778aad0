"""What a page of sections says, the files beside it, and the charts of a study."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core import format, spreadsheet
from homines.core.types import HominesError
from homines.reports import charts as charts_module
from homines.reports import page, tables
from homines.reports.page import Section

HOSTILE = (
    "<script>window.ran=1</script>", "</script><!--", "a&lt;b&amp;c \" ' {{ 7*7 }} {% raw %}", "-" * 400,
    "שלום \u202egnp.exe\u202c", "🦊👩‍👩‍👧", "\x00\x1b[31m", "\ud83d", "=1+1", "two\nlines\r\n", "",
)  # fmt: skip
TEXTS = st.text(st.characters() | st.sampled_from("\x00\u202e\ud800\x1b\\{}$&#%_^~<>|`[]*-\n"), max_size=12)

CURVES = [
    {"panel": p, "series": s, "step": i, "value": i / 4, "low": None if s == "b" else 0, "high": 1}
    for p in ("one", "two")
    for s in ("a", "b")
    for i in range(5)
]
INTERVALS = [
    {"panel": p, "group": g, "series": s, "value": 0.5, "low": 0.4, "high": 0.7}
    for p in ("one", "two")
    for g in ("x", "y")
    for s in ("a", "b")
]
HEAT = [{"row": r, "column": c, "value": i + j, "text": f"{i + j}"}
        for i, r in enumerate("zyx") for j, c in enumerate("ba")]  # fmt: skip


def make(folder: Path, *sections: Section, **others: Any) -> Path:
    told: dict[str, Any] = {"title": "A study", "summary": ["It holds."], "facts": {"seed": 7}}
    return page.write(folder, sections=sections, **(told | others))


def drawn(name: str) -> Section:
    charts = {
        "curves": (charts_module.curves, CURVES),
        "intervals": (charts_module.intervals, INTERVALS),
        "heat": (charts_module.heat, HEAT),
    }
    chart, rows = charts[name]
    return Section(name, name.capitalize(), rows=rows, chart=chart(rows, f"What {name} shows, in words."))


# --- the page --------------------------------------------------------------------------------------


def test_what_a_page_says(kit: Any, tmp_path: Path) -> None:
    rows = [{"who": "a", "reward": -0.5, "n": 3}, {"who": "b", "n": -4, "ok": True}]
    section = Section("main", "Main", ("Run `homines list` first.", "5 ` 6"), rows, note="Small `print`.")
    path = make(tmp_path / "new" / "folder", section, command="homines study x")
    page = kit.read(path)
    assert path == tmp_path / "new" / "folder" / "report.html"
    assert page.tables["Main"] == [
        ["who", "reward", "n", "ok"], ["a", "−.50", "3", "—"], ["b", "—", "−4", "yes"],
    ]  # fmt: skip
    assert page.tables["Settings and provenance"][1:] == [["seed", "7"]]
    html = path.read_text(encoding="utf-8")
    assert "<p>Run <code>homines list</code> first.</p>" in html
    assert "<p>5 ` 6</p>" in html
    assert '<p class="note">Small <code>print</code>.</p>' in html
    assert '<p class="lead">It holds.</p>' in html
    assert "<pre><code>homines study x</code></pre>" in html
    assert [a.get("class") for t, a in page.tags if t == "th"][:4] == [None, "num", "num", None]


def test_facts_are_flat_and_the_same_in_every_process(kit: Any, tmp_path: Path) -> None:
    facts = {"a": {"b": [1, 2], "c": ["x", "y"], "d": None}, "e": {"z", "y"}, "f": np.float64(0.5), "g": {}}
    page = kit.read(make(tmp_path, facts=facts))
    assert page.tables["Settings and provenance"][1:] == [
        ["a.b", "[1, 2]"], ["a.c", "x\ny"], ["a.d", "null"], ["e", '["y", "z"]'], ["f", "0.5"], ["g", "{}"],
    ]  # fmt: skip
    assert "No settings and no provenance" in kit.read(make(tmp_path, facts={})).text


@pytest.mark.parametrize(("n", "listed"), [(4, False), (5, True)])
def test_contents_where_there_are_more_than_four_sections(
    n: int, listed: bool, kit: Any, tmp_path: Path
) -> None:
    page = kit.read(make(tmp_path, *(Section(f"s{i}", f"Title {i}") for i in range(n))))
    links = [str(a["href"]) for t, a in page.tags if t == "a"][1:]
    there = {f"#{a['id']}" for _, a in page.tags if "id" in a}
    assert links == ([*(f"#s-s{i}" for i in range(n)), "#facts"] if listed else [])
    assert {*links, str(next(a["href"] for t, a in page.tags if t == "a"))} <= there
    assert page.text.count("There is nothing to show here yet.") == n


def test_a_long_table_shows_its_beginning_and_says_so(kit: Any, tmp_path: Path) -> None:
    page = kit.read(make(tmp_path, Section("long", "Long", rows=[{"i": i} for i in range(201)])))
    assert len(page.tables["Long"]) == 201
    assert "The first 200 of 201 lines; tables/long.csv holds them all." in page.text
    assert len((tmp_path / "tables" / "long.csv").read_text().splitlines()) == 202
    page = kit.read(make(tmp_path, Section("long", "Long", rows=[{"i": i} for i in range(200)])))
    assert "The first 200" not in page.text


def test_numbers_of_every_kind(kit: Any, tmp_path: Path) -> None:
    values = [np.float32(0.25), np.int64(3), float("nan"), float("inf"), None, 1e9, -0.001]
    page = kit.read(make(tmp_path, Section("n", "N", rows=[{"x": x} for x in values])))
    assert [row[0] for row in page.tables["N"][1:]] == [".25", "3", "—", "∞", "—", "1e+09", ".00"]


def test_the_page_loads_nothing_and_names_its_scripts(kit: Any, tmp_path: Path) -> None:
    page = kit.read(make(tmp_path, *map(drawn, ("curves", "intervals", "heat"))))
    [policy] = [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert set(json.loads(page.scripts[0])) == {"curves", "intervals", "heat"}
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "data", "action"):
            if value := attrs.get(name):
                assert value.startswith(("#", "data:")), (tag, name, value)
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)


def test_hostile_text_is_text_everywhere(kit: Any, tmp_path: Path) -> None:
    told = " ".join(HOSTILE)
    rows = [{word: word for word in HOSTILE}]
    curve = [{"panel": w, "series": w, "step": i, "value": 0.5} for w in HOSTILE for i in (0, 1)]
    chart = charts_module.curves(curve, told)
    section = Section("evil", told, (told,), rows, chart, told)
    path = make(tmp_path, section, title=told, summary=[told], facts={told: HOSTILE}, command=told)
    page = kit.read(path)
    assert [tag for tag, _ in page.tags].count("script") == 3
    for word in ("<script>window.ran=1</script>", "{{ 7*7 }} {% raw %}", "\\u202egnp.exe", "\\ud83d"):
        assert page.text.count(word) >= 6, word
    svg = (tmp_path / "figures" / "evil.svg").read_text(encoding="utf-8")
    assert "<script" not in svg


def test_the_same_input_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    sections = [*map(drawn, ("curves", "intervals", "heat"))]

    def held(folder: Path) -> dict[str, str]:
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    make(tmp_path / "one", *sections)
    first = held(tmp_path / "one")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_page as t; from pathlib import Path;"
        "t.make(Path(sys.argv[2]), *map(t.drawn, ('curves', 'intervals', 'heat')))"
    )
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", code, here, str(tmp_path / "two")], check=True)
    assert held(tmp_path / "two") == first
    assert set(first) == {
        "report.html",
        *(f"figures/{s.name}.{kind}" for s in sections for kind in ("png", "svg")),
        *(f"tables/{s.name}.{kind}" for s in sections for kind in ("csv", "tex")),
    }


def test_files_of_a_section_go_with_its_chart_and_rows(tmp_path: Path) -> None:
    make(tmp_path, drawn("heat"))
    (tmp_path / "figures" / "mine.png").write_bytes(b"kept")
    make(tmp_path, Section("heat", "Heat"))
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["figures/mine.png", "report.html"]


def test_a_chart_of_another_house_is_drawn_too(kit: Any, tmp_path: Path) -> None:
    chart = alt.Chart(alt.Data(values=[{"x": 1.0, "y": float("nan")}])).mark_point().encode(x="x:Q", y="y:Q")
    page = kit.read(make(tmp_path, Section("mine", "My <chart>", chart=chart)))
    assert json.loads(page.scripts[0])["mine"]["description"] == "My <chart>"
    assert (tmp_path / "figures" / "mine.png").read_bytes().startswith(b"\x89PNG")


def test_errors_name_value_rule_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(HominesError, match=r"'A b': a section's name .* rename it"):
        make(tmp_path, Section("A b", "x"))
    with pytest.raises(HominesError, match=r"'a' is there 2 times"):
        make(tmp_path, Section("a", "x"), Section("a", "y"))
    with pytest.raises(HominesError, match=r"its chart is a str, not an altair chart"):
        make(tmp_path, Section("a", "x", chart="bars"))
    (tmp_path / "figures").write_text("in the way")
    with pytest.raises(HominesError, match="cannot write the report"):
        make(tmp_path, Section("a", "x"))
    assert not (tmp_path / "report.html").exists()


# --- tables beside it ------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.lists(st.fixed_dictionaries({"x": TEXTS, "y": st.floats() | st.none()}), min_size=1, max_size=5))
def test_csv_holds_every_number_in_full_and_every_text(rows: list[dict[str, Any]]) -> None:
    text = tables.Table({key: row[key] for key in ("x", "y")} for row in rows).csv()
    text.encode("utf-8")
    head, *body = csv.reader(io.StringIO(text, newline=""))
    assert head == ["x", "y"]
    for row, (x, y) in zip(rows, body, strict=True):
        assert spreadsheet.unquote(x) == format.clean(row["x"])
        assert (y == "") if row["y"] is None else repr(float(y)) == repr(row["y"])


@settings(max_examples=100)
@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_tex_leaves_nothing_special(words: list[str]) -> None:
    tex = tables.Table([{word: word for word in words}]).tex()
    tex.encode("utf-8")
    begin, hline, head, again, *body, last, end, empty = tex.split("\n")
    assert re.fullmatch(r"\\begin\{tabular\}\{[lr]+\}", begin)
    assert (hline, again, last, end, empty) == (r"\hline",) * 3 + (r"\end{tabular}", "")
    columns = len(dict.fromkeys(words))
    for line in [head, *body]:
        assert line.endswith(r" \\")
        cells = line.removesuffix(r" \\").split(" & ")
        plain = re.sub(
            r"\\[{}$&#%_]|\\text[a-z]+\{\}|\{[\[*]\}|-\{\}|\$(?:-|\\infty)\$", "", " & ".join(cells)
        )
        assert not re.search(r"[\\{}$#%_^~<>|`\[*]|--", plain), line
        assert len(re.findall(r"(?<!\\)&", line)) == columns - 1


def test_tex_aligns_numbers_right() -> None:
    tex = tables.Table([{"who": "a_b", "x": -0.5, "y": None}]).tex()
    assert tex == (
        "\\begin{tabular}{lrr}\n\\hline\nwho & x & y \\\\\n\\hline\na\\_b & $-$.50 & — \\\\\n\\hline\n"
        "\\end{tabular}\n"
    )


# --- charts of a study -----------------------------------------------------------------------------


def domains(spec: Any) -> list[Any]:
    """Every domain of a position scale in a spec."""
    if isinstance(spec, list):
        return [found for held in spec for found in domains(held)]
    if not isinstance(spec, dict):
        return []
    own = [
        spec[k]["scale"].get("domain")
        for k in ("x", "y")
        if isinstance(spec.get(k), dict) and "scale" in spec[k]
    ]
    return own + [found for held in spec.values() for found in domains(held)]


@pytest.mark.parametrize("name", ["curves", "intervals", "heat"])
def test_every_chart_has_words(name: str) -> None:
    spec = page.spec(drawn(name).chart)
    assert spec["description"] == f"What {name} shows, in words."
    json.dumps(spec, allow_nan=False)


@pytest.mark.parametrize("name", ["curves", "intervals"])
def test_the_scale_is_zero_to_one_where_all_values_are(name: str) -> None:
    chart = getattr(charts_module, name)
    rows = {"curves": CURVES, "intervals": INTERVALS}[name]
    assert [0, 1] in domains(chart(rows, "x").to_dict())
    assert [0, 1] not in domains(chart([*rows, {**rows[0], "high": 1.5}], "x").to_dict())
    json.dumps(page.spec(chart([{**rows[0], "value": float("nan"), "low": np.float64("inf")}], "x")))


def test_many_series_differ_in_colour_or_dash() -> None:
    rows = [{"panel": "p", "series": str(i), "step": 0, "value": 0.5} for i in range(20)]
    line = charts_module.curves(rows, "x").to_dict()["spec"]["layer"][-1]["encoding"]
    marks = zip(line["color"]["scale"]["range"], line["strokeDash"]["scale"]["range"], strict=True)
    assert len({(colour, *dash) for colour, dash in marks}) == 20


def test_a_heat_keeps_its_order_and_its_ink_can_be_read() -> None:
    spec = charts_module.heat([*HEAT, {"row": "z", "column": "c", "value": None}], "x").to_dict()
    cells = spec["layer"][0]
    assert cells["encoding"]["x"]["sort"] == ["b", "a", "c"]
    assert cells["encoding"]["y"]["sort"] == ["z", "y", "x"]
    values = spec["data"]["values"]
    assert len({row["fill"] for row in values}) == 5
    for row in values:
        assert charts_module.contrast(row["ink"], row["fill"]) >= 4.5


@given(st.floats(0, 1))
def test_either_ink_can_be_read_on_any_shade(part: float) -> None:
    shade = charts_module.mix(part)
    assert max(charts_module.contrast(ink, shade) for ink in charts_module.INK) >= 4.5


def test_an_open_interval_is_cut_at_the_edge_and_what_is_unknown_is_not_drawn() -> None:
    rows = [
        {"target": 0.5, "series": "set", "low": 0.4, "high": float("inf")},
        {"target": 0.5, "series": "point", "value": 0.6, "low": float("-inf"), "high": 0.7},
        {"target": 1.0, "series": "point", "value": None, "low": None, "high": float("nan")},
    ]
    chart = charts_module.response(rows, "x").to_dict()
    json.dumps(chart, allow_nan=False)
    (shown, *_) = (v for v in _values(chart) if len(v) == 3)
    assert [(v["low"], v["high"], v["value"]) for v in shown] == [
        (0.4, 1.25, None),
        (-0.25, 0.7, 0.6),
        (None, None, None),
    ]
    assert shown[0]["place"] < 0.5 < shown[1]["place"]


def _values(spec: Any) -> list[list[Any]]:
    """Every list of rows in a spec."""
    if isinstance(spec, list):
        return [found for held in spec for found in _values(held)]
    if not isinstance(spec, dict):
        return []
    own = [spec["values"]] if isinstance(spec.get("values"), list) and "place" in str(spec["values"]) else []
    return own + [found for held in spec.values() for found in _values(held)]


@pytest.mark.parametrize("name", ["curves", "intervals", "heat", "response"])
def test_no_rows_are_an_error(name: str) -> None:
    with pytest.raises(HominesError, match=f"{name}: there are no rows to draw"):
        getattr(charts_module, name)([], "x")
