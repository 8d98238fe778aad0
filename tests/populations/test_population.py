"""`homines population`: specs of three kinds, refusals, what is asked, kept and computed, the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import homines as hm
from homines.cli.app import main
from homines.core.plugins import names
from homines.core.registry import TrustedSpec
from homines.core.types import Choice, HominesError, Prompt
from homines.models import kinds
from homines.models.mock import HANDLERS, Mock
from homines.populations.asking import Population, population
from homines.populations.findings import (
    coexistences,
    path_rows,
    rest_rows,
    theorem_table,
    time_rows,
    welfare_rows,
)
from homines.populations.kinds import agent_kind, canonical
from homines.populations.page import RESULT, sections, write_population
from homines.populations.plan import PopulationPlan
from homines.populations.verdict import headlines

CHICKEN = "symmetric(reward=3, sucker=1, temptation=4, punishment=0)"


def plan(*agents: str, **more: Any) -> PopulationPlan:
    return PopulationPlan(agents=agents, **more)


def found(folder: Path, *agents: str, **more: Any) -> Population:
    return population(plan(*agents, **more), folder)


def homines(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["homines", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(str(left.value.code or 0))


# --- which agent a spec names ----------------------------------------------------------------------


def test_no_name_is_of_two_kinds() -> None:
    folders = [set(kinds()), set(names("opponents")), set(names("preferences"))]
    assert sum(map(len, folders)) == len(set[str]().union(*folders))


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("mock/uniform", "model"),
        ("smollm2+runs/a/adapter", "model"),
        ("openai/gpt-4o", "model"),
        ("tit_for_tat", "strategy"),
        (" generous_tit_for_tat(generosity=0.5)", "strategy"),
        ("axelrod:GTFT(p=0.5)", "strategy"),
        ("moralis(kappa=.5)", "theory"),
        ("economicus", "theory"),
        (TrustedSpec("homines.preferences.moralis:Moralis(kappa=0.1)"), "theory"),
        (TrustedSpec("homines.opponents.grim:Grim()"), "strategy"),
    ],
)
def test_a_spec_names_one_kind_of_agent(spec: str, kind: str) -> None:
    assert agent_kind(spec) == kind


@pytest.mark.parametrize(
    ("spec", "near"),
    [
        ("tit_for_tatt", "tit_for_tat"),
        ("Moralis(kappa=0.5)", "moralis"),
        ("smollm", "smollm2"),
        ("economics", "economicus"),
    ],
)
def test_an_unknown_agent_is_told_its_near_names(spec: str, near: str) -> None:
    with pytest.raises(HominesError, match=rf"no agent called.*did you mean.*'{near}'"):
        agent_kind(spec)


def test_a_name_in_two_folders_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"opponents": ("fair",), "preferences": ("fair",)}
    monkeypatch.setattr("homines.populations.kinds.names", lambda folder: both[folder])
    with pytest.raises(HominesError, match=r"names a strategy and a theory.*module:object"):
        agent_kind("fair(x=1)")


def test_equal_agents_have_one_spelling() -> None:
    assert canonical("moralis") == canonical("moralis(kappa=.5)") == canonical(" moralis(0.5) ")
    assert canonical("moralis(kappa=0.4)") != canonical("moralis")


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agents", "more", "said"),
    [
        (("grim",), {}, "a population of 1 kind of agent"),
        ((), {}, "a population of 0 kind"),
        (("grim", "nash") * 7, {}, "more than 12"),
        (("grim", "grim"), {}, "grim is named twice"),
        (("moralis", "grim", "moralis(kappa=.5)"), {}, "are one agent"),
        (("grim", "mork"), {}, "did you mean 'mock'"),
        (("grim", "nash"), {"sigma": ("0", "1.5")}, "sigma must be a number in"),
        (("grim", "nash"), {"sigma": ("much",)}, "sigma 'much' is no number"),
        (("grim", "nash"), {"sigma": ()}, "no assortment"),
        (("grim", "nash"), {"size": 1}, "population size must be a whole number"),
        (("grim", "nash"), {"selection": -1.0}, "selection must be"),
        (("grim", "nash"), {"precision": -1.0}, "precision must be"),
        (("grim", "nash"), {"lapse": 2.0}, "lapse must be"),
        (("grim", "nash"), {"game": "spd"}, "two players who choose at the same time"),
        (("grim", "nash"), {"game": "bos"}, "places differ"),
        (("grim", "nash"), {"game": "public_goods_iterated(players=3)"}, "two players"),
        (("grim", "nash"), {"game": "pricing"}, "grim cannot play pricing"),
        (("deontological", "nash"), {"game": "duopoly"}, "deontological cannot play duopoly"),
        (("mock", "nash"), {"frame": "table(memory=2)"}, "one past round"),
        (("mock", "nash"), {"frame": "table(asks=belief)"}, "ask for a choice"),
        (("axelrod:Grudger", "nash"), {}, "remembers the whole past"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    agents: tuple[str, ...], more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(HominesError, match=said):
        population(plan(*agents, **more), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def mute(prompt: Prompt) -> Choice:
    """No legal answer after the other defected."""
    return Choice.of([-float("inf")] * 2) if "you got 0" in prompt.text else Choice.of([0.0, 0.0])


def test_a_model_without_legal_answers_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HANDLERS, "mute", mute)
    three = found(tmp_path, "mock/mute", "tit_for_tat", "always_defect")
    assert three.names == ["tit_for_tat", "always_defect"]
    assert headlines(three)[0].startswith(
        "mock/mute has no answer in 1 of 5 situations (no probability is on a"
    )
    assert three.matrix.shape == (2, 2)
    with pytest.raises(HominesError, match="with 1 agent left there is no population; its answers are kept"):
        found(tmp_path / "two", "mock/mute", "tit_for_tat")
    assert list((tmp_path / "two").glob("*/records.jsonl"))


def test_failed_questions_are_counted_and_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["population", "mock/broken", "tit_for_tat", "always_defect", "--out", str(tmp_path), "--json"]
    assert homines(typed, monkeypatch) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["failed"] > 0


def test_a_low_legal_mass_is_said_first_and_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HANDLERS, "shy", lambda _: Choice.of([0.0, 0.0], mass=0.2))
    rare = found(tmp_path, "mock/shy", "tit_for_tat")
    assert headlines(rare)[0].startswith("mock/shy rarely answers legally (legal mass .20)")
    text = write_population(rare).read_text()
    assert "†" in text


# --- what is asked and computed --------------------------------------------------------------------


def test_a_model_is_asked_every_situation_and_its_answers_are_its_policy(tmp_path: Path) -> None:
    met = found(tmp_path, "mock", "mock/uniform", "tit_for_tat")
    asked = met.members[0].records
    assert len({r.decision.key for r in asked}) == 5  # the first round, and four states
    assert len(asked) == 5 * 4 * 2  # in four orders and two label sets
    one = met.members[0].policy
    assert one is not None
    game = met.plan.form
    p = [c.p[0] for c in one([game.seat(0), *game.remembered(0)])]  # type: ignore[union-attr]
    spec = f"memory_one(start={p[0]}, cc={p[1]}, cd={p[2]}, dc={p[3]}, dd={p[4]})"
    same = found(tmp_path / "same", spec, "random", "tit_for_tat")
    assert same.matrix == pytest.approx(met.matrix, abs=1e-9)


def test_a_game_played_once_asks_one_situation(tmp_path: Path) -> None:
    once = found(tmp_path, "mock", "economicus", game=f"{CHICKEN[:-1]}, rounds=1)")
    assert len({r.decision.key for r in once.members[0].records}) == 1
    assert {s.name for s in sections(once)} >= {"payoffs", "asked", "theorem_1"}


def test_theory_agents_choose_by_precision_and_all_may_slip(tmp_path: Path) -> None:
    def own(**more: Any) -> float:
        return float(found(tmp_path, "moralis(kappa=0.5)", "random", **more).matrix[0, 0])

    assert own() == 3  # a best reply cooperates
    assert own(precision=0.0) == pytest.approx(2)  # the mean of the table
    assert 2 < own(precision=1.0) < 3
    assert 2 < own(lapse=0.1) < 3


def test_a_cooperator_with_kappa_of_sigma_is_repelled_or_not_by_assortment(tmp_path: Path) -> None:
    met = found(tmp_path, "economicus", "moralis(kappa=0.5)", sigma=(0.0, 0.5))
    said = headlines(met)
    assert said[0] == ("At assortment 0 no other agent here invades economicus, each repelled when rare.")
    assert any(s.startswith("At assortment 0.5 no other agent here invades moralis(kappa=0.5)") for s in said)
    assert any("ends at moralis(kappa=0.5) from 100% of all mixtures" in s for s in said)


def test_findings_agree_with_each_other(tmp_path: Path) -> None:
    met = found(tmp_path, "economicus", "altruist(weight=0.8)", "tit_for_tat", game=CHICKEN, lapse=0.01)
    for sigma in met.plan.sigma:
        times = [row["share of time"] for row in time_rows(met) if row["sigma"] == sigma]
        assert sum(times) == pytest.approx(1)
        mean = sum(t * met.matrix[i, i] for i, t in enumerate(times))
        assert [r["payoff"] for r in welfare_rows(met) if "rare" in r["population"]] == [pytest.approx(mean)]
    last: dict[str, float] = {}
    for row in path_rows(met):
        last[row["series"]] = row["value"]
    assert sum(last.values()) == pytest.approx(1)
    assert all(row["stability"] in ("stable", "unstable", "neutral") for row in rest_rows(met))
    assert theorem_table(met, 0.0) is not None
    assert theorem_table(found(tmp_path, "economicus", "random", game="ish"), 0.0) is None


def test_two_that_invade_each_other_are_warned_of(tmp_path: Path) -> None:
    met = found(tmp_path, "always_defect", "always_cooperate", game=CHICKEN)
    assert coexistences(met, 0.0) == [("always_defect", "always_cooperate")]
    assert any("stays mixed for very long" in s for s in headlines(met))


# --- folders, command, page, Python ----------------------------------------------------------------


def test_a_command_writes_a_page_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    typed = ["population", "mock", "tit_for_tat", "moralis(kappa=0.5)", "--out", str(out)]
    assert homines([*typed, "--dry-run"], monkeypatch) == 0
    assert capsys.readouterr().out == "mock: 40 questions\n"
    assert not out.exists()
    assert homines([*typed, "--sigma", "0", "--sigma", "0.25"], monkeypatch) == 0
    assert "Computed for these agents" in capsys.readouterr().out
    page = (out / "report.html").read_text()
    assert page.index("At assortment 0 ") < page.index("What is a theorem, and what is computed")
    assert "Alger &amp; Weibull 2013, theorem 1" in page
    assert "theorem_2" in page
    for name in ("payoffs", "invasion", "residents", "rest_points", "basins", "takeovers", "time", "welfare"):
        assert (out / "tables" / f"{name}.csv").exists()
    kept = json.loads((out / RESULT).read_text())
    assert kept["settings"]["sigma"] == [0, 0.25]
    assert kept["provenance"]["mock"]["schema"] == 1
    monkeypatch.setattr(Mock, "score", lambda *_: pytest.fail("it is answered already"))
    assert homines([*typed, "grim", "--size", "20"], monkeypatch) == 0  # other settings, another agent
    assert hm.report(next(out.glob("mock-*"))).exists()  # a run folder as any other


def test_python_takes_objects_and_models_in_memory(tmp_path: Path) -> None:
    met = hm.population(
        hm.load("mock"),
        hm.opponents.tit_for_tat(),
        hm.moralis(kappa=0.5),
        game=hm.games.ipd(),
        sigma=[0, 0.5],
        out=tmp_path,
        progress=False,
        size=30,
    )
    assert [row["agent"] for row in met.payoffs()] == ["mock", "tit_for_tat", "moralis(kappa=0.5)"]
    assert len(met.fixation()) == 2 * 6
    assert met.payoffs()[1]["from tit_for_tat"] == 3
    assert {len(rows) for rows in (met.residents(), met.time(), met.welfare())} == {6}
    assert met.invasion()
    assert met.rest_points()
    assert met.basins()
    assert met.verdict[0] in repr(met)
    assert met.report() == tmp_path / "report.html"
    with pytest.raises(HominesError, match="no option 'weight'"):
        hm.population("grim", "nash", weight=2)  # type: ignore[call-arg]
