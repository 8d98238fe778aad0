"""`homines fit` as it is typed: CSV and runs, tables and JSON, and what is not identified."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homines.cli.app import main
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Decision, Record, frozen
from homines.elicitation.asking import measure
from homines.elicitation.survey import Survey
from homines.reports.estimate_console import (
    _interval,  # pyright: ignore[reportPrivateUsage]
    _value,  # pyright: ignore[reportPrivateUsage]
)
from homines.theory.choice import LogitAgent
from tests.helpers.theorist import Theorist

Homines = Callable[..., tuple[int, str, str]]


@pytest.fixture
def homines_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Homines:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["homines", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        assert isinstance(code, int)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Forty subjects of two types, 24 divisions each."""
    rng = np.random.default_rng(0)
    paid = rng.integers(10, 100, (24, 2, 2))
    kinds = [LogitAgent(find("preferences", spec), 0.1) for spec in ("bfs(.2,.5)", "bfs(-.3,0)")]
    lines = ["subject,game,decision,option,own,other,chosen"]
    for i in range(40):
        for k, pair in enumerate(paid):
            p = kinds[i % 4 == 0]([Decision(("X", "Y"), frozen(pair))])[0].p
            x = rng.random() < p[0]
            for j, option in enumerate("XY"):
                chosen = int((j == 0) == x)
                lines.append(f"s{i},g{k},{k},{option},{pair[0, j]},{pair[1, j]},{chosen}")
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_and_the_same_as_json(homines_: Homines, people: Path) -> None:
    code, out, _ = homines_("fit", str(people), "--family", "inequity")
    assert code == 0
    assert "alpha" in out
    assert "clustered by subject (40)" in out
    code, out, _ = homines_("fit", str(people), "--family", "inequity", "--json")
    told = json.loads(out)
    (e,) = told["estimates"]
    assert set(e["parameters"]) == {"alpha", "beta", "precision"}
    assert e["parameters"]["beta"]["low"] < e["parameters"]["beta"]["value"] < e["parameters"]["beta"]["high"]
    assert e["converged"]


def test_a_test_named_twice_is_one(homines_: Homines, people: Path) -> None:
    again = (
        "--against",
        "economicus",
        "--against",
        "economicus",
        "--family",
        "altruist",
        "--against",
        "altruist",
    )
    _, out, _ = homines_("fit", str(people), "--family", "inequity", *again, "--no-rivals", "--json")
    tests = [(t["narrow"], t["p_holm"] / t["p"]) for t in json.loads(out)["tests"]]
    assert [narrow for narrow, _ in tests] == ["economicus", "altruist"]
    assert max(ratio for _, ratio in tests) <= 2


def test_rounding_of_an_exact_fit_is_no_error() -> None:
    assert (_value(1.46e-16), _interval(0.1 - 1e-16, 0.1)) == ("0.000", "[0.100, 0.100]")
    assert (_value(0.00012345), _interval(0.0867, 0.108)) == ("0.000123", "[0.0867, 0.108]")


def test_families_are_tested_against_each_other(homines_: Homines, people: Path) -> None:
    code, out, _ = homines_(
        "fit",
        str(people),
        "--family",
        "inequity",
        "--family",
        "economicus",
        "--against",
        "altruist",
        "--json",
    )
    assert code == 0
    tests = {t["narrow"]: t for t in json.loads(out)["tests"]}
    assert tests["economicus"]["df"] == 2
    assert tests["economicus"]["p"] < 1e-3
    assert tests["altruist"]["df"] == 1


def test_a_family_is_judged_on_subjects_left_out(homines_: Homines, people: Path) -> None:
    families = ("--family", "inequity", "--family", "economicus")
    code, out, _ = homines_("fit", str(people), *families)
    assert code == 0
    assert "without each of 10 parts of the subjects in turn" in out
    assert "best held out first: inequity" in out
    assert "(Holm" not in out  # one test
    assert "by belief about the others" not in out  # nobody else acts
    code, out, _ = homines_("fit", str(people), *families, "--against", "altruist", "--json")
    told = json.loads(out)
    inequity, economicus = (e["held_out"] for e in told["estimates"])
    assert inequity["random"] < economicus["held_out"] < inequity["held_out"] < inequity["in_sample"] < 0
    assert all(t["p"] <= t["p_holm"] <= 2 * t["p"] for t in told["tests"])


def test_a_plan_says_how_many_games_and_answers(homines_: Homines, people: Path) -> None:
    plan = ("fit", str(people), "--family", "inequity", "--plan", "se(beta)<.02")
    code, out, _ = homines_(*plan)
    assert code == 0
    assert "se(beta) < 0.02" in out
    assert "answers to each question" in out
    code, out, _ = homines_(*plan, "--truth", "inequity(.2,.4)", "--precision", ".1", "--json")
    told = json.loads(out)
    assert told["assumed"] == "inequity(.2,.4) at precision 0.1"
    assert told["misfit"] == told["unseen"] == 0
    assert [row[0] for row in told["rows"]] == [1, 5, 20, 100]
    for extra in (("--family", "economicus"), ("--classes", "2")):
        code, _, err = homines_(*plan, *extra)
        assert (code, "--plan is for one --family" in err) == (2, True)
    for extra in (("--truth", "economicus"), ("--precision", ".1")):
        code, _, err = homines_("fit", str(people), "--family", "inequity", *extra)
        assert (code, "--truth is for --plan" in err) == (2, True)
    code, _, err = homines_(*plan, "--precision", ".2")
    assert (code, "add --truth" in err) == (2, True)
    code, _, err = homines_(*plan, "--against", "economicus")
    assert (code, "leave out --against" in err) == (2, True)


def test_a_plan_rests_on_the_choices_that_fit_reads(homines_: Homines) -> None:
    """Those at which the family has values; parts of plans unless --no-plans."""
    games = tuple(f"symmetric({r}, 1, {t}, {p})" for r, t, p in ((5, 6, 3), (6, 9, 2), (4, 8, 3)))
    theorist = Theorist("moralis(kappa=0.4)", 0.3)
    of_bos = answers(Theorist("economicus", 0.3), "bos")
    folder_of(answers(theorist, *games) + [replace(r, model=theorist.name) for r in of_bos])
    plan = ("fit", "run", "--family", "moralis", "--plan", "se(kappa)<.1")
    code, out, err = homines_(*plan, "--json")
    assert code == 0, err
    assert json.loads(out)["left_out"] == 8
    assert json.loads(out)["value"] == pytest.approx(0.4, abs=1e-4)
    code, out, err = homines_(*plan)
    assert "note: 8 choices are left out: moralis has no values at their decisions" in out
    folder_of(answers(theorist, "spd(3)", "spd(6)", "trust(5)", "ultimatum(4)"), "points")
    code, out, err = homines_("fit", "points", *plan[2:], "--json")
    assert code == 0, err
    assert json.loads(out)["value"] == pytest.approx(0.4, abs=1e-4)
    code, _, err = homines_("fit", "points", *plan[2:], "--no-plans")
    assert (code, "needs a symmetric game" in err) == (2, True)


def test_coefficients_may_differ_from_subject_to_subject(homines_: Homines, people: Path) -> None:
    code, out, err = homines_("fit", str(people), "--family", "inequity", "--random", "--draws", "100")
    assert code == 0, err
    assert "random coefficients of inequity" in out
    assert "100 Halton draws a" in out
    code, out, _ = homines_(
        "fit", str(people), "--family", "inequity", "--random", "--draws", "100", "--json"
    )
    (e,) = json.loads(out)["estimates"]
    assert set(e["coefficients"]) == {"alpha", "beta", "ln precision"}
    assert e["loglik"] > e["pooled"] > e["null"]
    code, _, err = homines_("fit", str(people), "--family", "inequity", "--random", "--classes", "2")
    assert (code, "leave out --classes" in err) == (2, True)


def test_types_are_told_largest_first(homines_: Homines, people: Path) -> None:
    code, out, _ = homines_("fit", str(people), "--family", "inequity", "--classes", "2", "--json")
    assert code == 0
    (m,) = json.loads(out)["estimates"]
    assert [round(t["share"], 2) for t in m["types"]] == pytest.approx([0.75, 0.25], abs=0.1)
    assert sum(m["posterior"]["s0"]) == pytest.approx(1)
    code, out, _ = homines_("fit", str(people), "--family", "inequity", "--classes", "2")
    assert "2 types of inequity" in out


def test_one_family_of_several_may_not_be_identified(homines_: Homines, people: Path) -> None:
    code, out, _ = homines_("fit", str(people), "--family", "inequity", "--family", "bfs")
    assert code == 0
    assert "bfs: these 24 decisions cannot tell" in out
    code, out, _ = homines_("fit", str(people), "--family", "inequity", "--family", "charness_rabin")
    assert code == 0
    assert "say the same about these decisions" in out
    code, _, err = homines_("fit", str(people), "--family", "bfs")
    assert code == 2
    assert "flat along +1.00*gamma" in err or "flat along +1.00*delta" in err


def test_a_run_is_fitted(homines_: Homines, tmp_path: Path) -> None:
    games = [f"--game={name}({k})" for name in ("spd", "trust", "ultimatum") for k in range(1, 7)]
    code, _, _ = homines_("measure", "mock", *games, "--beliefs", "--out", "run")
    assert code == 0
    code, out, err = homines_("fit", "run", "--family", "kantian", "--json")
    if code == 0:
        (e,) = json.loads(out)["estimates"]
        assert e["exact"]
        assert e["cluster"] == "game"
        assert e["clusters"] == 18
    else:  # a mock answers by a hash: its choices may well not rise with anything
        assert "do not rise" in err


def answers(agent: Theorist, *games: str) -> list[Record]:
    """What an agent says to the questions that `measure` asks in these games."""
    asked = Survey(agent.name, games or ("battery",)).questions(agent)
    agent.prepare(asked)
    return measure(agent, asked)


def folder_of(records: list[Record], name: str = "run") -> Path:
    """A run folder, here."""
    with RunFolder(name, {"kind": "align", "model": records[0].model}) as run:
        run.add(records)
    return run.folder


def test_every_agent_of_a_run_is_estimated_by_itself(homines_: Homines) -> None:
    base, trained = Theorist("kantian(0, .2, .1)", 0.1), Theorist("kantian(0, .2, .7)", 0.1)
    records = [*answers(base), *answers(trained)]
    folder_of([*records, replace(records[0], model="mute", choice=None, error="no answer")])
    code, out, _ = homines_("fit", "run", "--family", "kantian(alpha=0)", "--against", "moralis", "--json")
    assert code == 0
    told = json.loads(out)
    found = {e["agent"]: e["parameters"]["kappa"]["value"] for e in told["estimates"]}
    assert found == pytest.approx({base.name: 0.1, trained.name: 0.7}, abs=1e-4)
    assert [t["agent"] for t in told["tests"]] == [base.name, trained.name]
    (refused,) = told["refused"]
    assert (refused["agent"], refused["what"]) == ("mute", "kantian(alpha=0)")
    assert "none of these records holds an answer" in refused["why"]
    code, out, _ = homines_("fit", "run", "--family", "kantian(alpha=0)")
    assert [line for line in out.splitlines() if line in found] == [base.name, trained.name]
    code, out, _ = homines_("fit", "run", "--family", "moralis", "--model", trained.name, "--json")
    assert [e["agent"] for e in json.loads(out)["estimates"]] == [trained.name]
    code, _, err = homines_("fit", "run", "--family", "inequity", "--model", "mute")
    assert (code, "none of these records" in err) == (2, True)


def test_the_agents_of_a_run_are_the_subjects_of_its_types(homines_: Homines) -> None:
    kinds = [f"inequity(alpha=0, beta={b})" for b in (0.1, 0.11, 0.12, 0.13, 0.5, 0.51)]
    folder_of([r for kind in kinds for r in answers(Theorist(kind, 0.1, n=20))])
    code, out, err = homines_("fit", "run", "--family", "inequity(alpha=0)", "--classes", "2", "--json")
    assert code == 0, err
    (types,) = json.loads(out)["estimates"]
    assert types["agent"] is None
    assert [t["share"] for t in types["types"]] == pytest.approx([2 / 3, 1 / 3], abs=0.05)


def test_what_a_family_has_no_values_for_is_left_out_and_counted(homines_: Homines) -> None:
    games = tuple(f"symmetric({r}, 1, {t}, {p})" for r, t, p in ((5, 6, 3), (6, 9, 2), (4, 8, 3)))
    other = Theorist("economicus", 0.3)
    records = answers(Theorist("moralis(kappa=0.4)", 0.3), *games)
    folder_of(records + [replace(r, model=records[0].model) for r in answers(other, "bos")])
    code, out, err = homines_("fit", "run", "--family", "moralis", "--family", "economicus", "--json")
    assert code == 0, err
    told = json.loads(out)
    moralis, economicus = told["estimates"]
    assert moralis["parameters"]["kappa"]["value"] == pytest.approx(0.4, abs=1e-4)
    assert economicus["observations"] - moralis["observations"] == 8  # four states, labels exchanged
    assert moralis["notes"][-1] == "8 choices are left out: moralis has no values at their decisions"
    assert [t["difference"] > 0 for t in told["tests"]] == [True]


def test_families_of_other_choices_are_not_ranked(homines_: Homines) -> None:
    """moralis has no values in bos, altruist has: their held-out log-likelihoods are of other choices."""
    games = tuple(f"symmetric({r}, 1, {t}, {p})" for r, t, p in ((5, 6, 3), (6, 9, 2), (4, 8, 3)))
    theorist = Theorist("moralis(kappa=0.4)", 0.3)
    of_bos = answers(Theorist("altruist(weight=0.3)", 0.3), "bos")
    folder_of(answers(theorist, *games) + [replace(r, model=theorist.name) for r in of_bos])
    families = ("--family", "moralis", "--family", "altruist")
    apart = "held out not compared with the 24 choices of moralis: altruist (32)"
    code, out, _ = homines_("fit", "run", *families)
    assert code == 0
    assert apart in " ".join(out.split())
    assert "best held out first" not in out
    code, out, _ = homines_("fit", "run", *families, "--family", "moralis(kappa=.39)")
    assert "best held out first: moralis −.685, moralis(kappa=.39) −.685; held out" in " ".join(out.split())
    assert apart in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("people.csv", "--family", "inequality"), "no preference called 'inequality'"),
        (("people.csv", "--family", "inequity(alpha=high)"), "alpha must be a number"),
        (("people.csv", "--family", "inequity", "--belief", "hope"), "no belief called 'hope'"),
        (("people.csv", "--family", "inequity", "--cluster", "town"), "no cluster called 'town'"),
        (("people.csv", "--family", "inequity", "--classes", "30"), "too few for 30 classes"),
        (("people.csv", "--family", "inequity", "--classes", "2", "--risk"), "leave out --risk"),
        (("people.csv", "--family", "inequity", "--model", "m"), "is a file"),
        (("nobody", "--family", "inequity", "--model", "m"), "cannot read nobody: No such file"),
        (("nobody", "--family", "inequity", "--by", "prompt"), "cannot read nobody: No such file"),
        (("people.csv", "--family", "inequity", "--against", "nonsense"), "no preference called 'nonsense'"),
        (
            ("people.csv", "--family", "inequity", "--against", "economicus", "--classes", "2"),
            "--against tests",
        ),
        (("people.csv", "--family", "inequity", "--level", "7"), "level 7"),
        (("people.csv", "--family", "inequity", "--classes", "2", "--seed", "-1"), "seed must be"),
        (("nowhere.csv", "--family", "inequity"), "cannot read nowhere.csv"),
        ((".", "--family", "inequity"), "is no run folder"),
    ],
)
def test_a_mistake_is_one_sentence(
    homines_: Homines, people: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert people.exists()
    code, out, err = homines_("fit", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_plan_says_what_misfit_it_could_not_see(homines_: Homines, tmp_path: Path) -> None:
    """Eighteen divisions, five answers to each, drawn from the family itself."""
    rng = np.random.default_rng(1)
    agent = LogitAgent(find("preferences", "inequity(.3, .5)"), 0.05)
    lines = ["subject,game,decision,option,own,other,chosen"]
    for k in range(18):
        paid = rng.integers(10, 100, (2, 2))
        chosen = rng.multinomial(5, agent([Decision(("X", "Y"), frozen(paid))])[0].p)
        lines += [f"me,g{k},{k},{'XY'[j]},{paid[0, j]},{paid[1, j]},{chosen[j]}" for j in (0, 1)]
    (tmp_path / "pilot.csv").write_text("\n".join(lines) + "\n")
    code, out, err = homines_("fit", "pilot.csv", "--family", "inequity", "--plan", "se(beta)<.02")
    assert code == 0, err
    said = " ".join(out.split())
    assert "18 games do not tell misfit from 0 (5% level)" in said
    assert "less than .733 from it would not show" in said
    assert "with these games 2963 answers to each would do" in said
