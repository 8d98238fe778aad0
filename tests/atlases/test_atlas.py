"""An atlas as a user makes it, on stand-ins without weights: rows, columns, reruns, failures, the page."""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import homines as hm
from homines.atlases import collection, payoffs, preferences
from homines.atlases.collection import SECTIONS, complete, row_folder
from homines.atlases.options import AtlasOptions
from homines.atlases.page import everything, shown_text, write_atlas
from homines.atlases.page import line as page_line
from homines.atlases.table import Entry, columns, entries, facts, tidy
from homines.cli.app import main
from homines.cli.atlas import print_entries
from homines.core.progress import Follow
from homines.core.run_folder import RunFolder, StoreError
from homines.core.types import Choice, HominesError, Interrupted, Model, Prompt
from homines.inference.adapters import find_adapter
from homines.models.hf import hash_files
from homines.models.mock import HANDLERS, Mock, uniform

pytest.importorskip("polars")

Handler = Callable[[Prompt], Choice]
FIRST = ("states", "payoffs", "everyday")


def answers(row: collection.ModelRow) -> dict[str, list[str]]:
    """Keys of the answered questions by section, in the order of their records."""
    runs = {s.name: row.run(s) for s in SECTIONS}
    return {name: [r.key for r in run.records if r.choice] for name, run in runs.items() if run}


def add(out: Path, model: str, handler: Handler, **more: Any) -> Entry:
    """Add the row of a function from prompts to choices, under a name that is known; as it is read."""
    options = AtlasOptions(model=model, out=out, quick=True, **more)
    complete(options, loaded=Mock(handler, model))
    return next(entry for entry in entries(out) if entry.row.model == model)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sections that cost little."""
    few = tuple(s for s in SECTIONS if s.name in FIRST)
    monkeypatch.setattr(collection, "SECTIONS", few)
    monkeypatch.setattr(import_module("homines.atlases.table"), "SECTIONS", few)
    monkeypatch.setattr(import_module("homines.atlases.page"), "SECTIONS", few)


# --- the whole -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Entry]]:
    """An atlas of two models, the second one in its long form."""
    out = tmp_path_factory.mktemp("atlas")
    complete(AtlasOptions(model="mock", out=out, quick=True), command="homines atlas mock --quick")
    complete(AtlasOptions(model="mock/uniform", out=out), command="homines atlas mock/uniform")
    _, found = write_atlas(out, "homines atlas")
    return out, {entry.row.model: entry for entry in found}


def test_every_model_has_a_value_or_a_reason_in_every_column(whole: tuple[Path, dict[str, Entry]]) -> None:
    for entry in whole[1].values():
        assert list(entry.cells) == [column.name for column in columns()]
        for cell in entry.cells.values():
            assert (cell.value is not None) == (cell.outcome in ("read", "passed", "failed"))
            assert cell.value is not None or cell.reason
    assert whole[1]["mock"].cells["price"].outcome == "not asked"  # not in the short form
    assert "no probabilities" in whole[1]["mock"].cells["perplexity"].reason


def test_a_coin_is_at_the_null_of_every_column(whole: tuple[Path, dict[str, Entry]]) -> None:
    cells = whole[1]["mock/uniform"].cells
    assert [cells[f"C after {x}"].value for x in ("CC", "CD", "DC", "DD")] == [pytest.approx(0.5)] * 4
    for column in payoffs.COLUMNS:
        assert cells[column.name].value == pytest.approx(0)
    assert [c.value for name, c in cells.items() if name.startswith("saves")] == [pytest.approx(0)] * 9
    assert cells["everyday right"].value == 0  # of labels that are all as likely none is the likeliest
    assert cells["price"].value == pytest.approx(1.70, abs=0.01)  # the middle of the menu
    assert {cells[name].outcome for name in ("alpha", "beta", "kappa")} == {"not identified"}


def test_the_data_files_hold_every_cell(whole: tuple[Path, dict[str, Entry]]) -> None:
    out, found = whole
    with open(out / "atlas.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    heads = ["model", "column", "outcome", "value", "lower", "upper", "n", "legal mass", "instability"]
    assert list(lines[0]) == [*heads, "reason"]
    assert len(lines) == 2 * (1 + len(columns()))
    for line in lines:
        if line["column"] == "verdict":
            assert line["reason"] == found[line["model"]].headline
        elif line["value"]:
            assert float(line["value"]) == found[line["model"]].cells[line["column"]].value
    stored = json.loads((out / "atlas.json").read_text())
    assert [model["commands"] for model in stored["models"]] == [
        ["homines atlas mock --quick"],
        ["homines atlas mock/uniform"],
    ]
    assert len(stored["cells"]) == len(lines)


def test_the_page_begins_with_the_verdicts(whole: tuple[Path, dict[str, Entry]]) -> None:
    out, found = whole
    page = (out / "report.html").read_text()
    for entry in found.values():
        assert entry.headline.partition(":")[0] in page
    assert page.index("Verdicts") < page.index("All models") < page.index("The columns")
    assert {path.stem for path in (out / "figures").glob("*.svg")} >= {"states", "payoffs", "cars", "market"}


def test_a_rerun_asks_nothing_and_loads_no_model(
    whole: tuple[Path, dict[str, Entry]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = whole
    before = {path: path.stat().st_mtime_ns for path in out.rglob("records.jsonl")}
    monkeypatch.setattr(collection, "load", lambda *_, **__: pytest.fail("a model was loaded"))
    complete(AtlasOptions(model="mock/uniform", out=out))
    complete(AtlasOptions(model="mock/uniform", out=out, quick=True))  # it has more than that already
    assert {path: path.stat().st_mtime_ns for path in before} == before


# --- what a row lacks ------------------------------------------------------------------------------


def test_a_short_row_is_completed_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    asked: list[str] = []

    def handler(prompt: Prompt) -> Choice:
        asked.append(prompt.key)
        return uniform(prompt)

    options = AtlasOptions(model="mock", out=tmp_path, quick=True)
    first = answers(complete(options, loaded=Mock(handler)))
    n = len(asked)
    row = complete(replace(options, quick=False), loaded=Mock(handler))
    second = answers(row)
    assert not row.quick
    assert "market" in second.keys() - first.keys()
    assert all(second[name][: len(keys)] == keys for name, keys in first.items())
    assert len(asked) - n == sum(map(len, second.values())) - sum(map(len, first.values()))


@pytest.mark.usefixtures("short")
def test_a_row_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    options = AtlasOptions(model="mock", out=tmp_path, quick=True)
    calls = iter(range(1000))
    with pytest.raises(Interrupted):
        complete(options, follow=Follow(stop=lambda: next(calls) > 3))
    kept = {path: path.read_bytes() for path in tmp_path.rglob("records.jsonl")}
    assert sum(len(x) for x in kept.values()) > 0
    row = complete(options)
    assert all(path.read_bytes().startswith(begun) for path, begun in kept.items())
    assert all(len(keys) == len(set(keys)) for keys in answers(row).values())


def test_a_section_of_a_later_version_is_asked_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = AtlasOptions(model="mock", out=tmp_path, quick=True)
    with monkeypatch.context() as earlier:
        earlier.setattr(collection, "SECTIONS", SECTIONS[:2])
        complete(options)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("records.jsonl")}
    assert len(before) == 2
    assert "not asked yet" in entries(tmp_path)[0].cells["everyday right"].reason
    monkeypatch.setattr(collection, "SECTIONS", SECTIONS[:3])
    complete(options)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert entries(tmp_path)[0].cells["everyday right"].outcome == "read"


@pytest.mark.usefixtures("short")
def test_a_section_that_fails_is_told_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(model: Model, quick: bool) -> Any:
        if model.name == "mock/uniform":
            raise HominesError("the prompt does not fit this model's context")
        return payoffs.ask(model, quick)

    broken = replace(payoffs.SECTION, ask=refuse)
    monkeypatch.setattr(collection, "SECTIONS", (collection.SECTIONS[0], broken, collection.SECTIONS[2]))
    row = complete(AtlasOptions(model="mock/uniform", out=tmp_path, quick=True))
    cells = entries(tmp_path)[0].cells
    assert row.failed == 1
    assert cells["follows payoffs"].outcome == "error"
    assert "does not fit" in cells["follows payoffs"].reason
    assert cells["everyday right"].outcome == "read"
    monkeypatch.setattr(collection, "SECTIONS", (*collection.SECTIONS[:1], payoffs.SECTION))
    assert complete(AtlasOptions(model="mock/uniform", out=tmp_path, quick=True)).failed == 0


@pytest.mark.usefixtures("short")
def test_two_processes_do_not_write_one_row(tmp_path: Path) -> None:
    options = AtlasOptions(model="mock", out=tmp_path, quick=True)
    row = complete(options)
    sections = dict(row.facts["sections"], states={})
    (row.folder / "row.json").write_text(json.dumps({**row.facts, "sections": sections}))
    run = row.run(collection.SECTIONS[0])
    assert run is not None
    with RunFolder(run.folder, run.config), pytest.raises(StoreError, match="written by another process"):
        complete(options)
    assert complete(options).failed == 0


@pytest.mark.usefixtures("short")
def test_failed_questions_are_counted_and_asked_again(tmp_path: Path) -> None:
    entry = add(tmp_path, "mock", HANDLERS["broken"])
    assert entry.row.failed > 0
    assert "no legal answer" in entry.cells["everyday right"].reason
    assert add(tmp_path, "mock", uniform).row.failed == 0


# --- what the columns say --------------------------------------------------------------------------


def letter(prompt: Prompt) -> Choice:
    """Always the label A, else the alphabetically first."""
    least = min(prompt.labels)
    return Choice.at([1.0 * (label == least) for label in prompt.labels])


def test_variants_of_a_game_differ_in_their_payoffs_alone() -> None:
    asked = payoffs.ask(Mock(uniform), True)
    one = payoffs.payoff_variants(1)[0]
    assert len({(q.record.order, q.record.frame) for q in asked if q.record.game == one.plain}) == 4
    found = {
        spec: [q for q in asked if q.record.game == spec] for spec in (one.plain, one.exchanged, one.tenfold)
    }
    for a, b, c in zip(*found.values(), strict=True):
        assert (a.record.order, a.record.frame) == (b.record.order, b.record.frame)
        assert np.array_equal(b.record.decision.payoffs, a.record.decision.payoffs[:, ::-1, ::-1])
        assert np.array_equal(c.record.decision.payoffs, 10 * a.record.decision.payoffs)
        assert re.sub(r"\d+", "", a.prompt.text) == re.sub(r"\d+", "", b.prompt.text)


def first_row(prompt: Prompt) -> Choice:
    """The label in the first row of a table, else the first named."""
    named = min(prompt.labels, key=lambda label: prompt.text.find(f"\n{label}, ") % 10**6)
    return Choice.at([1.0 * (label == named) for label in prompt.labels])


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("handler", "spread"), [(letter, 1), (first_row, 0)])
def test_who_follows_a_label_or_a_place_follows_no_payoff(
    tmp_path: Path, handler: Handler, spread: float
) -> None:
    cells = add(tmp_path, "mock", handler).cells
    for column in payoffs.COLUMNS:
        assert cells[column.name].value == pytest.approx(0)
    assert cells["follows payoffs"].instability == pytest.approx(spread)


@pytest.mark.usefixtures("short")
def test_who_follows_a_label_does_not_the_same_act(tmp_path: Path) -> None:
    cells = add(tmp_path, "mock", letter).cells
    assert cells["the same act in other words"].outcome == "failed"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("sign", [1, -1])
def test_who_reads_payoffs_alone_follows_them_wholly(tmp_path: Path, sign: int) -> None:
    worth = {
        q.prompt.key: sign * (d.payoffs[0].sum(1))
        for q in payoffs.ask(Mock(uniform), True)
        for d in [q.record.decision]
    }

    def handler(prompt: Prompt) -> Choice:
        w: Any = worth.get(prompt.key)
        return uniform(prompt) if w is None else Choice.at([1.0 * (x == max(w)) for x in w])

    cells = add(tmp_path, "mock", handler).cells
    assert cells["follows payoffs"].value == pytest.approx(1)
    assert cells["follows its own payoff"].value == pytest.approx(sign)
    assert cells["moved by tenfold payoffs"].value == pytest.approx(0)


@pytest.mark.usefixtures("short")
def test_a_sampled_rate_has_its_interval_and_number(tmp_path: Path) -> None:
    cells = add(tmp_path, "mock", lambda prompt: Choice.at([3, 1, 0][: len(prompt.labels)], n=8)).cells
    cell = cells["C after CC"]
    assert cell.n == 16 * 8
    assert cell.lower is not None
    assert cell.upper is not None
    assert cell.lower < 0.75 < cell.upper
    exact = add(tmp_path, "mock/uniform", uniform).cells["C after CC"]
    assert (exact.n, exact.lower, exact.upper) == (None, None, None)


class Reader(Mock):
    """A stand-in that also tells the perplexity of a text."""

    def __init__(self, perplexity: float, name: str) -> None:
        super().__init__(uniform, name)
        self.of_text = perplexity

    def perplexity(self, text: str) -> float:
        assert text
        return self.of_text


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("perplexity", "outcome"), [(20.9, "passed"), (23.0, "failed")])
def test_what_a_training_lost_is_told_against_its_base(
    tmp_path: Path, perplexity: float, outcome: str
) -> None:
    base = AtlasOptions(model="mock", out=tmp_path, quick=True)
    complete(base, loaded=Reader(20.0, "mock"))
    trained = replace(base, model="mock/uniform", base="mock")
    complete(trained, loaded=Reader(perplexity, "mock/uniform"))
    cells = {entry.row.model: entry.cells["nothing else lost"] for entry in entries(tmp_path)}
    assert (cells["mock"].outcome, cells["mock"].reason) == ("not asked", "no base to compare with")
    assert cells["mock/uniform"].outcome == outcome
    assert cells["mock/uniform"].value == pytest.approx((perplexity / 20 - 1) / 0.1)
    assert cells["mock/uniform"].reason == "against mock"


def test_a_base_is_what_stands_before_the_adapter() -> None:
    assert collection.base_of("smollm2+a+b") == "smollm2"
    assert collection.base_of("smollm2") is None
    assert row_folder(Path("x"), "../..").name.count(".") == 0


@pytest.mark.usefixtures("short")
def test_a_base_that_was_given_stays(tmp_path: Path) -> None:
    options = AtlasOptions(model="smollm2+x", out=tmp_path, quick=True)
    for base in ("hf/mine", None):
        row = complete(replace(options, base=base), loaded=Mock(uniform, "smollm2+x"))
        assert row.base == "hf/mine"


@pytest.mark.usefixtures("short")
def test_a_row_is_of_one_number_type_and_has_another_base_than_itself(tmp_path: Path) -> None:
    options = AtlasOptions(model="mock/uniform", out=tmp_path, quick=True)
    row = complete(options, loaded=Mock(uniform), command="first")
    before = (row.folder / collection.ROW).read_bytes()
    with pytest.raises(HominesError, match=r"was read without --dtype, another agent; .* another --out"):
        complete(replace(options, dtype="bfloat16"), loaded=Mock(uniform), command="second")
    with pytest.raises(HominesError, match="--base mock/uniform is the model itself"):
        complete(replace(options, base="mock/uniform"), loaded=Mock(uniform), command="second")
    assert (row.folder / collection.ROW).read_bytes() == before
    assert complete(options, loaded=Mock(uniform), command="third").commands == row.commands


# --- revisions -------------------------------------------------------------------------------------


class Revised(Reader):
    """A stand-in of a revision; it counts what it is asked."""

    def __init__(self, revision: str, perplexity: float, name: str = "mock") -> None:
        super().__init__(perplexity, name)
        self.provenance = {"revision": revision}
        self.asked = 0

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        self.asked += len(prompts)
        return super().score(prompts)


@pytest.mark.usefixtures("short")
def test_another_revision_is_asked_anew_and_the_first_one_comes_back(tmp_path: Path) -> None:
    options = AtlasOptions(model="mock", out=tmp_path, quick=True)
    for revision, perplexity, asked in (("one", 20.0, True), ("two", 30.0, True), ("one", 99.0, False)):
        model = Revised(revision, perplexity)
        complete(options, loaded=model)
        (entry,) = entries(tmp_path)
        assert bool(model.asked) == asked
        assert entry.cells["perplexity"].value == {"one": 20.0, "two": 30.0}[revision]
        assert facts([entry])[0]["revision"] == revision
        assert {r.provenance["revision"] for run in entry.runs.values() for r in run.records} == {revision}


@pytest.mark.usefixtures("short")
def test_a_row_never_shows_two_revisions(tmp_path: Path) -> None:
    options = AtlasOptions(model="mock", out=tmp_path, quick=True)
    complete(options, loaded=Revised("one", 20.0))
    calls = iter(range(1000))
    with pytest.raises(Interrupted):
        complete(options, loaded=Revised("two", 30.0), follow=Follow(stop=lambda: next(calls) > 0))
    (entry,) = entries(tmp_path)
    assert not entry.runs
    assert "are of revision one, not two" in entry.cells["perplexity"].reason
    model = Revised("two", 30.0)
    complete(options, loaded=model)
    assert model.asked
    assert entries(tmp_path)[0].cells["perplexity"].value == 30.0


@pytest.mark.usefixtures("short")
def test_a_retrained_adapter_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    name, loads = f"hf/base+{adapter}", list[str]()

    def train(weights: str) -> None:
        (adapter / "adapter_model.safetensors").write_text(weights)

    def load(spec: str, **_: Any) -> Model:
        loads.append(spec)
        return Revised(f"commit+{hash_files(find_adapter(str(adapter)).files)}", 20.0, name)

    monkeypatch.setattr(collection, "load", load)
    options = AtlasOptions(model=name, out=tmp_path / "atlas", quick=True)
    for weights, n in (("first", 1), ("first", 1), ("second", 2), ("second", 2)):
        train(weights)
        row = complete(options)
        assert len(loads) == n
        assert row.revision == f"commit+{hash_files(find_adapter(str(adapter)).files)}"


# --- counted answers -------------------------------------------------------------------------------


def coin(prompt: Prompt) -> Choice:
    """A fair coin, counted twenty times."""
    rng, k = np.random.default_rng(int(prompt.key, 16) % 2**32), len(prompt.labels)
    return Choice.at(np.bincount(rng.integers(0, k, 20), minlength=k) / 20, n=20)


def test_counted_answers_have_their_number_in_every_section(tmp_path: Path) -> None:
    complete(AtlasOptions(model="mock", out=tmp_path), loaded=Mock(coin))
    (entry,) = entries(tmp_path)
    own = [column.name for section in SECTIONS for column in section.columns]
    cells = [entry.cells[name] for name in own if entry.cells[name].value is not None]
    assert {"price", "everyday right", "saves: young"} <= {cell.column for cell in cells}
    assert all(cell.n for cell in cells)
    assert ", n 3,840" in shown_text(entry.cells["follows its own payoff"])
    for name in ("follows payoffs", "moved by tenfold payoffs"):
        cell = entry.cells[name]
        assert (cell.lower, cell.upper, cell.n) == (None, None, 3840)
        assert "chance alone gives about .06" in cell.reason
        assert cell.value == pytest.approx(0.06, abs=0.02)


def test_an_interval_stays_within_the_unit_of_its_column() -> None:
    values = [0.0, 0.0, 0.02, 0.0, 0.4, 0.0, 0.01, 0.0]
    lower = {column.name: payoffs.interval_cell(column, values, []).lower for column in payoffs.COLUMNS}
    assert lower["follows payoffs"] == lower["moved by tenfold payoffs"] == 0
    assert lower["follows its own payoff"] == pytest.approx(-0.063, abs=0.001)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.1, 0.9, "read"),
        (-math.inf, 0.9, "read"),
        (-math.inf, math.inf, "not identified"),
        (math.nan, math.nan, "not identified"),
    ],
)
def test_an_estimate_without_bounds_is_none(low: float, high: float, outcome: str) -> None:
    cell = preferences.estimate_cell(
        {"value": 0.4, "low": low, "high": high, "why": "Too few."}, preferences.COLUMNS[0]
    )
    assert (cell.outcome, cell.value is None) == (outcome, outcome != "read")
    assert cell.reason


# --- what the page says ---------------------------------------------------------------------------


@pytest.mark.usefixtures("short")
def test_page_and_terminal_say_what_a_model_was_trained_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path, "qwen-0.5b", uniform)
    page, found = write_atlas(tmp_path)
    print_entries(found)
    assert "trained for code" in page.read_text()
    assert "trained for code" in capsys.readouterr().out


@pytest.mark.usefixtures("short")
def test_a_small_legal_mass_is_no_zero(tmp_path: Path) -> None:
    entry = add(tmp_path, "mock", lambda prompt: Choice.at([1.0] * len(prompt.labels), 0.003))
    (row,) = everything([entry]).rows
    assert row["legal mass by state"] == "3e-03"
    assert page_line(entry, entry.cells["C after CC"])["legal mass"] == "3e-03"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "odd",
    [
        {"commands": 5},
        {"base": ["x"]},
        {"revision": {}},
        {"sections": [1]},
        {"sections": {"states": {"seconds": "abc", "failed": "x", "questions": {}, "error": {"a": 1}}}},
    ],
)
def test_an_odd_row_is_read_and_completed(tmp_path: Path, odd: dict[str, Any]) -> None:
    options = AtlasOptions(model="mock", out=tmp_path, quick=True)
    row = complete(options, command="homines atlas mock")
    (row.folder / "row.json").write_text(json.dumps({**row.facts, **odd}))
    _, (entry,) = write_atlas(tmp_path)
    assert entry.cells["C after CC"].value is not None or "sections" in odd
    assert complete(options).failed == 0
    assert write_atlas(tmp_path)[1][0].cells["C after CC"].outcome == "read"


# --- the doors -------------------------------------------------------------------------------------


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["homines", "atlas", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.usefixtures("short")
def test_the_command_adds_a_row_and_writes_the_table_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path / "atlas"))
    assert command(monkeypatch, *out) == 2
    assert "holds no row" in capsys.readouterr().err
    assert command(monkeypatch, *out, "--quick") == 2
    assert "bears on the row of a model" in capsys.readouterr().err
    assert command(monkeypatch, "mock", *out, "--quick", "--dry-run") == 0
    assert "in all" in capsys.readouterr().out
    assert not (tmp_path / "atlas").exists()
    assert command(monkeypatch, "mock", *out, "--quick") == 0
    said = capsys.readouterr().out
    assert "C after CC" in said
    assert "atlas.csv" in said
    assert command(monkeypatch, *out, "--json") == 0
    assert {line["model"] for line in json.loads(capsys.readouterr().out)["cells"]} == {"mock"}
    assert command(monkeypatch, "mock/broken", *out, "--quick", "--json") == 1


@pytest.mark.usefixtures("short")
def test_python_gives_the_same_lines(tmp_path: Path) -> None:
    lines = hm.atlas(hm.load("mock"), out=tmp_path, quick=True, progress=False)
    assert lines == list(tidy(entries(tmp_path)))
    assert hm.atlas(out=tmp_path) == lines
    assert "C after CC" in repr(lines)
