"""A certificate as an engineer uses it: made, read, held against a later one; on stand-ins."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import homines as hm
from homines.atlases.section import Cell
from homines.certificates.certificate import (
    Certificate,
    canonical,
    cell_of,
    hash_of,
    read_certificate,
    seal,
    value_row,
)
from homines.certificates.comparison import check_kinds, compare
from homines.certificates.issue import Issue, certify
from homines.certificates.plan import FILE, CertificatePlan
from homines.certificates.recertification import certify_plan, read_earlier
from homines.certificates.sections import SECTIONS, columns
from homines.cli.app import main
from homines.core.progress import Follow
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Interrupted, Prompt
from homines.inference.sampled_answers import rate_interval
from homines.models.mock import Mock, hashed

Handler = Callable[[Prompt], Choice]


def issue(folder: Path, handler: Handler = hashed, model: str = "mock", **more: Any) -> Issue:
    """The short certificate of a function from prompts to choices."""
    plan = CertificatePlan(model=model, quick=True, **more)
    return certify(plan, folder, loaded=Mock(handler, model))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Issue:
    return issue(tmp_path_factory.mktemp("first"))


def counted(seed: int, n: int = 20) -> Handler:
    """Every answer is counted from n texts, drawn from the probabilities of `hashed`."""
    rng = np.random.default_rng(seed)

    def answer(prompt: Prompt) -> Choice:
        exact = hashed(prompt)
        drawn = rng.multinomial(n, [*(exact.mass * exact.p), max(0.0, 1 - exact.mass)])
        legal = drawn[:-1].sum()
        return Choice.at(drawn[:-1] if legal else np.ones(len(exact.p)), mass=legal / n, n=n)

    return answer


def shifted(prompt: Prompt) -> Choice:
    """Other weights: the first label a little likelier than `hashed` has it."""
    exact = hashed(prompt)
    return Choice.of(exact.logp + 0.4 * np.eye(len(exact.p))[0], mass=exact.mass)


# --- what is in it -----------------------------------------------------------------------------------


def test_every_value_has_a_number_or_a_reason(first: Issue) -> None:
    c = first.certificate
    assert [row["name"] for row in c.values] == list(columns())
    for row in c.values:
        assert row["value"] is not None or row["reason"], row["name"]
        assert all(row[key] for key in ("unit", "meaning", "interval"))
        if row["section"] != "checks" and row["value"] is not None and row["name"] != "perplexity":
            assert row["mass"] is not None, f"{row['name']}: no rate without legal mass"


def test_the_schema_is_that_of_the_file_and_refuses_what_it_does_not_name(first: Issue) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(files("homines.certificates").joinpath("schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads((first.folder / FILE).read_text()))
    assert set(schema["properties"]) == set(first.certificate.facts)
    with pytest.raises(HominesError, match="extra"):
        seal({**first.certificate.facts, "extra": 1})


def test_the_questions_of_the_records_lie_in_the_run_folders_word_by_word(first: Issue) -> None:
    for section in SECTIONS:
        records = [r for r in first.certificate.facts["records"] if r["section"] == section.name]
        keys = {r["question"] for r in records}
        assert records
        assert set(first.runs[section.name].prompts(keys)) == keys


def test_values_are_those_of_the_records(first: Issue) -> None:
    """P(right) of the everyday questions, computed from the file alone."""
    p = [r["p"][0] for r in first.certificate.facts["records"] if r["section"] == "everyday"]
    found = first.certificate.cells["probability of the right answer"].value
    assert found == pytest.approx(np.mean(p), abs=1e-5)


def test_the_page_begins_with_the_verdict_and_has_every_value(first: Issue) -> None:
    from homines.certificates.page import write_page

    text = write_page(first, command="homines certify mock --quick").read_text()
    parts = ("checks", *(section.name for section in SECTIONS), "asked", "verbatim", "cost", "meanings")
    places = [text.index(first.certificate.headline[:17]), *(text.index(f'id="s-{name}"') for name in parts)]
    assert places == sorted(places)
    assert all(name in text for name in columns())
    assert "stand-in" in text
    assert first.certificate.sha256 in text


def test_a_model_with_a_base_is_held_against_its_everyday_answers(tmp_path: Path) -> None:
    made = issue(tmp_path, hashed, "mock/uniform", base="mock")
    lost = made.certificate.cells["nothing else lost"]
    assert "against mock" in lost.reason  # a mock has no perplexity, so the check stays open
    assert made.certificate.facts["model"]["base"] == "mock"
    assert not made.certificate.passed


# --- a file ------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(first: Issue) -> None:
    for place in (first.folder, first.folder / FILE):
        assert read_certificate(place).facts == first.certificate.facts


@given(st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_canonical_json_is_one_text_for_equal_values(value: dict[str, Any]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical(value) == canonical(turned)
    assert hash_of(json.loads(canonical(value))) == hash_of(value)


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything that holds nothing else."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    empty = True
    for key, x in inner:
        empty = False
        yield from leaves(x, (*at, key))
    if empty:
        yield at


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_change_of_any_value_is_seen(first: Issue, tmp_path_factory: Any, data: st.DataObject) -> None:
    raw = copy.deepcopy(dict(first.certificate.facts))
    *way, last = data.draw(st.sampled_from(list(leaves(raw))))
    place: Any = raw
    for key in way:
        place = place[key]
    before = place[last]
    place[last] = data.draw(
        st.sampled_from([None, 0, 0.25, True, "other", [], {}]).filter(
            lambda x: x != before or type(x) is not type(before)
        )
    )
    path = tmp_path_factory.mktemp("changed") / FILE
    path.write_text(json.dumps(raw))
    with pytest.raises(HominesError):
        read_certificate(path)


def write(path: Path, first: Issue, **changes: Any) -> Path:
    """The certificate with other facts under a hash that holds, as a stranger may write it."""
    raw = {**copy.deepcopy(dict(first.certificate.facts)), **changes}
    raw["records_sha256"] = hash_of(raw["records"])
    raw["sha256"] = hash_of({key: x for key, x in raw.items() if key != "sha256"})
    path.write_text(canonical(raw))
    return path


def test_what_is_no_certificate_is_refused_with_a_remedy(first: Issue, tmp_path: Path) -> None:
    whole = (first.folder / FILE).read_text()
    texts = {
        "": "damaged",
        whole[: len(whole) // 2]: "damaged",
        "[1, 2]": "no certificate of homines",
        '{"a": 1}': "no certificate of homines",
        '{"certificate": "homines"}': "schema None",
        '{"certificate": "homines", "schema": true}': "schema True",
        "[" * 200 + "]" * 200: "nested",
        '{"certificate": "homines", "schema": 1}': "does not fit schema 1",
    }
    for text, reason in texts.items():
        (tmp_path / "file.json").write_text(text)
        with pytest.raises(HominesError, match=reason):
            read_certificate(tmp_path / "file.json")
    with pytest.raises(HominesError, match="cannot read"):
        read_certificate(tmp_path / "none.json")
    other = write(tmp_path / "later.json", first, schema=2)
    with pytest.raises(HominesError, match="has schema 2, this homines reads 1"):
        read_certificate(other)


def test_a_hash_that_holds_does_not_make_nonsense_a_certificate(first: Issue, tmp_path: Path) -> None:
    rows = first.certificate.values
    for values, reason in (
        ([*rows, rows[0]], "is there twice"),
        ([{**rows[3], "value": None}, *rows[4:]], "has no number"),
        ([{**rows[3], "mass": 1.5}], "values/0/mass"),
        ([{**rows[3], "lower": "much"}], "values/0/lower"),
        ([{**rows[3], "outcome": "splendid"}], "values/0/outcome"),
    ):
        with pytest.raises(HominesError, match=reason):
            read_certificate(write(tmp_path / FILE, first, values=values))


def test_open_ends_survive_the_file() -> None:
    cell = Cell(column="kappa", value=0.4, lower=-np.inf, upper=0.9, mass=1.0)
    row = value_row("preferences", {"unit": "", "meaning": "", "interval": ""}, cell)
    assert row["lower"] == "-inf"
    assert cell_of(json.loads(canonical(row))) == cell


# --- again -------------------------------------------------------------------------------------------


def test_an_exact_model_asked_twice_is_the_same(first: Issue, tmp_path: Path) -> None:
    again = issue(tmp_path)
    found = compare(first.certificate, again.certificate)
    assert not found.changed
    assert again.certificate.facts["records_sha256"] == first.certificate.facts["records_sha256"]
    for d in found.of("not comparable"):
        assert first.certificate.cells[d.name].value is None


def test_a_changed_model_is_changed_and_says_by_how_many_intervals(first: Issue, tmp_path: Path) -> None:
    found = compare(first.certificate, issue(tmp_path, shifted).certificate)
    assert found.changed
    of = {d.name: d for d in found.differences}
    assert of["single answers"].finding == of["C after CC"].finding == "changed"
    payoffs = of["follows payoffs"]
    cell = first.certificate.cells["follows payoffs"]
    assert None not in (cell.lower, cell.upper, cell.value, payoffs.change)
    half = (cell.upper - cell.value) if payoffs.change > 0 else (cell.value - cell.lower)  # type: ignore[operator]
    assert payoffs.intervals == pytest.approx(abs(payoffs.change) / half)  # type: ignore[arg-type]


def test_counted_answers_of_one_model_are_the_same_and_of_another_are_not(tmp_path: Path) -> None:
    one, two = (issue(tmp_path / str(seed), counted(seed), "openai/x").certificate for seed in (1, 2))
    found = compare(one, two)
    assert not found.changed, found.headline
    assert {d.finding for d in found.differences if d.name.startswith("C after")} == {"same"}
    spread = next(d for d in found.differences if d.name == "instability over words")
    assert spread.finding == "not comparable"  # chance alone spreads counted answers
    never = issue(tmp_path / "other", lambda p: Choice.at(np.eye(len(p.labels))[0], n=20), "openai/x")
    assert compare(one, never.certificate).changed


def synthetic(values: dict[str, Cell], kind: str = "api") -> Certificate:
    """A certificate of these values alone, all of one question."""
    about = {"unit": "probability", "meaning": "m", "interval": "i"}
    return seal(
        {
            "issued": "",
            "model": {"name": "x", "kind": kind, "revision": None, "base": None},
            "quick": True,
            "verdict": {"headline": "", "passed": True},
            "values": [value_row("states", about, cell) for cell in values.values()],
            "asked": {"states": {"questions": 1, "failed": 0, "sha256": "a"}},
            "cost": {"questions": 1, "tokens": None, "seconds": 0.0},
            "software": {},
            "records": [],
        }
    )


def test_an_unchanged_counted_model_is_called_changed_in_few_comparisons() -> None:
    """At most 5% over all values together, by a binomial bound at 1 in 10,000."""
    rng, draws, n = np.random.default_rng(0), 200, 40
    truth = {f"v{i}": p for i, p in enumerate(np.linspace(0.1, 0.9, 9))}

    def drawn() -> Certificate:
        shares = {name: rng.binomial(n, p) / n for name, p in truth.items()}
        cells: dict[str, Cell] = {}
        for name, p in shares.items():
            low, high = rate_interval(p, n)
            cells[name] = Cell(column=name, value=p, lower=low, upper=high, n=n, mass=1.0)
        return synthetic(cells)

    alarms = sum(compare(drawn(), drawn()).changed for _ in range(draws))
    assert alarms <= 0.05 * draws + 3.7 * (0.05 * 0.95 * draws) ** 0.5


@given(a=st.floats(0, 1), b=st.floats(0, 1), half=st.floats(0.01, 0.5), n=st.none() | st.integers(5, 100))
def test_findings_follow_their_rule(a: float, b: float, half: float, n: int | None) -> None:
    """Symmetric, and as the module says: by the tolerance where exact, by the intervals where counted."""
    one, two = (Cell(column="v", value=x, lower=x - half, upper=x + half, n=n, mass=1.0) for x in (a, b))
    there, back = (compare(synthetic({"v": x}), synthetic({"v": y})) for x, y in ((one, two), (two, one)))
    finding = there.differences[1]
    assert finding.finding == back.differences[1].finding
    if n is None:
        assert (finding.finding == "changed") == (abs(b - a) > 0.01)
        assert finding.intervals == pytest.approx(abs(b - a) / half)
    else:
        assert (finding.finding == "changed") == (abs(b - a) / (half * 2**0.5) > 1)


def test_what_has_no_ground_is_not_comparable() -> None:
    exact = Cell(column="v", value=0.5, mass=1.0)
    sampled = Cell(column="v", value=0.5, lower=0.4, upper=0.6, n=10, mass=1.0)
    bare = Cell(column="v", value=0.5, n=10, mass=1.0)
    none = Cell(column="v", outcome="not identified", reason="flat")
    open_ = Cell(column="v", value=0.5, lower=-np.inf, upper=np.inf, n=10, mass=1.0)
    for a, b in ((exact, sampled), (sampled, bare), (exact, none), (none, sampled), (open_, open_)):
        found = compare(synthetic({"v": a}), synthetic({"v": b})).differences[1]
        assert found.finding == "not comparable"
        assert found.reason
    assert compare(synthetic({"v": none}), synthetic({"v": none})).differences[1].finding == "same"
    gone = compare(synthetic({"v": exact}), synthetic({})).differences[1]
    assert (gone.finding, gone.reason) == ("not comparable", "not in the later certificate")


def test_other_questions_are_not_compared(first: Issue, tmp_path: Path) -> None:
    asked = {name: {**part, "sha256": "0" * 64} for name, part in first.certificate.facts["asked"].items()}
    other = read_certificate(write(tmp_path / FILE, first, asked=asked))
    found = compare(other, first.certificate)
    assert {d.finding for d in found.differences[1:]} == {"not comparable"}


# --- folders -----------------------------------------------------------------------------------------


def test_an_interrupted_certificate_goes_on_and_is_the_same_one(first: Issue, tmp_path: Path) -> None:
    asked: list[int] = []

    def handler(prompt: Prompt) -> Choice:
        asked.append(1)
        return hashed(prompt)

    plan = CertificatePlan(model="mock", quick=True)
    with pytest.raises(Interrupted):
        certify(plan, tmp_path, loaded=Mock(handler), follow=Follow(stop=lambda: len(asked) > 100))
    assert not (tmp_path / FILE).exists()
    made = certify(plan, tmp_path, loaded=Mock(handler))
    assert len(asked) == made.certificate.facts["cost"]["questions"]
    assert made.certificate.facts["records_sha256"] == first.certificate.facts["records_sha256"]
    again = certify(plan, tmp_path, loaded=Mock(handler)).certificate
    assert again.facts["issued"] == made.certificate.facts["issued"]
    assert len(asked) == made.certificate.facts["cost"]["questions"]


def test_a_certificate_is_never_compared_with_its_own_answers(first: Issue, tmp_path: Path) -> None:
    plan, earlier = read_earlier(CertificatePlan(model="mock", against=first.folder))
    assert plan.quick  # the form is that of the certificate
    with pytest.raises(HominesError, match="holds a certificate already"):
        certify_plan(plan, first.folder, earlier, loaded=Mock(hashed))
    certify_plan(plan, tmp_path, earlier, loaded=Mock(hashed))
    with pytest.raises(HominesError, match="finished comparison"):
        certify_plan(plan, tmp_path, earlier, loaded=Mock(shifted))


def test_the_other_form_and_the_other_kind_are_refused(first: Issue) -> None:
    with pytest.raises(HominesError, match="short form; ask with --quick"):
        certify(CertificatePlan(model="mock"), first.folder, loaded=Mock(hashed))
    for model in ("smollm2", "openai/gpt-4o", "hf/somewhere"):
        with pytest.raises(HominesError, match="different measurements"):
            check_kinds(first.certificate, model)
    check_kinds(first.certificate, "mock/uniform")
    with pytest.raises(HominesError, match=r"tolerance must be a number in \[0, 1\]"):
        CertificatePlan(model="mock", tolerance=2.0)


def test_failed_questions_leave_the_rest_and_are_counted(tmp_path: Path) -> None:
    def failing(prompt: Prompt) -> Choice:
        if "kitten" in prompt.text and "sugar" in prompt.messages[-1][1].lower():
            raise RuntimeError("no")
        if int(hash_of(prompt.text), 16) % 9 == 0:
            raise RuntimeError("this fails")
        return hashed(prompt)

    made = issue(tmp_path, failing).certificate
    failed = sum(r["p"] is None for r in made.facts["records"])
    assert made.failed == failed > 0
    assert made.cells["C after CC"].value is not None


# --- the doors ---------------------------------------------------------------------------------------


@pytest.fixture
def homines_(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["homines", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(str(left.value.code or 0)), said.out, said.err

    return run


def test_exit_codes_are_those_of_the_help(
    first: Issue, homines_: Callable[..., tuple[int, str, str]]
) -> None:
    assert "3 changed against a certificate" in " ".join(homines_("--help")[1].split())
    against = str(first.folder / FILE)
    code, said, _ = homines_("certify", "mock", "--against", against)
    assert code == 0
    assert said.startswith("The same as the certificate")
    code, said, _ = homines_("certify", "mock/uniform", "--against", against, "--json")
    told = json.loads(said)
    assert code == 3
    assert told["comparison"]["changed"]
    assert told["comparison"]["against"]["sha256"] == first.certificate.sha256
    assert read_certificate(told["folder"]).sha256 == told["sha256"]
    missing, other = ("mock", "--against", "missing.json"), ("smollm2", "--against", against)
    for words in (("mock/nonsense",), missing, other):
        code, _, error = homines_("certify", *words)
        assert code == 2
        assert error.strip().splitlines()[-1].startswith("homines: ")
        assert "Traceback" not in error


def test_a_dry_run_asks_nothing(homines_: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, said, _ = homines_("certify", "mock", "--quick", "--dry-run", "--json")
    assert code == 0
    assert {name: part["questions"] for name, part in json.loads(said).items()} == {
        section.name: len(section.ask(Mock(hashed), True)) for section in SECTIONS
    }
    assert not list(tmp_path.iterdir())


def test_from_python(first: Issue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = hm.certify("mock", against=first.folder, progress=False)
    assert found.changed is False
    assert "The same as the certificate" in repr(found)
    assert found.folder.name.endswith("again-1")
    assert hm.certify("mock", against=first.folder, progress=False).folder.name.endswith("again-2")
    assert len(found.values()) == len(columns())
    assert RunFolder(next(found.folder.glob("mock-*")) / "states").records
    with pytest.raises(HominesError, match="no option 'fast'"):
        hm.certify("mock", fast=True)  # pyright: ignore[reportCallIssue]
