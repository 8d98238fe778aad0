"""Estimates of whose preferences the answers look like."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.types import Record
from homines.elicitation.questions import battery, questions
from homines.estimation.agent_estimates import TOO_FEW, UNBOUNDED, estimates, numbers, parameters_of
from homines.estimation.fit import fit
from homines.estimation.observations import from_records
from homines.estimation.published import HUMANS
from homines.preferences.deontological import Deontological
from homines.preferences.economicus import Economicus
from homines.preferences.inequity import Inequity
from homines.preferences.kantian import Kantian
from homines.preferences.moralis import Moralis
from homines.reports.run_view import interval
from homines.theory.choice import LogitAgent


class Theory:
    """A model that plays as a preference does, in words."""

    name = "theory"
    provenance = {"revision": "1"}  # noqa: RUF012


def answered(preference: object, *games: str, precision: float = 0.1, frame: str = "table") -> list[Record]:
    """Records of an agent with this preference, read exactly."""
    asked = questions(Theory(), {g: battery(find("games", g)) for g in games}, [find("frames", frame)])  # pyright: ignore[reportArgumentType]
    agent = LogitAgent(preference, precision)  # pyright: ignore[reportArgumentType]
    return [replace(q.record, choice=agent([q.record.decision])[0]) for q in asked]


def test_what_an_agent_was_made_of_comes_back() -> None:
    truth = Inequity(alpha=0.4, beta=0.2)
    games = [f"ultimatum({i})" for i in range(1, 7)] + [f"trust({i})" for i in range(1, 7)]
    rows = {(r["family"], r["parameter"]): r for r in estimates(answered(truth, *games), truth)}
    for name in ("alpha", "beta"):
        row = rows["inequity", name]
        assert row["theory"] == getattr(truth, name)
        assert isinstance(row["low"], float)
        assert isinstance(row["high"], float)
        assert row["mass"] == 1.0
        assert row["observations"] > 0
        assert row["decisions"] <= row["asked"]


def test_a_family_is_fitted_where_it_is_defined_and_says_on_how_much() -> None:
    records = answered(Economicus(), "ipd", "ish", "dictator", precision=0.5)
    rows = {(r["family"], r["parameter"]): r for r in estimates(records)}
    row = next(r for (family, name), r in rows.items() if name == "kappa")
    assert 0 < row["decisions"] < row["asked"]  # a dictator's game has no like place to change into


def test_where_nothing_tells_there_is_a_sentence_and_no_number() -> None:
    rows = estimates(answered(Economicus(), "ipd"))
    assert all(r["value"] is None and r["why"].endswith(".") for r in rows if r["family"] == "inequity")
    assert {r["parameter"] for r in rows} >= {"kappa", "alpha", "beta"}
    assert [r["value"] for r in estimates([])] == [None] * 4


def test_reading_a_record_imports_nothing(tmp_path: Path) -> None:
    strange = [replace(r, game="os:system('true')") for r in answered(Economicus(), "ipd")]
    assert all(r["value"] is None for r in estimates(strange))


@pytest.mark.parametrize(
    ("preference", "wanted"),
    [
        (Moralis(0.5), {"moralis", "kantian(alpha=0)"}),
        (Economicus(), {"moralis", "kantian(alpha=0)", "inequity"}),
        (Inequity(0.3, 0.1), {"inequity"}),
        (Kantian(0.3, 0.1, 0.2), set[str]()),
        (Deontological(), set[str]()),
        (None, set[str]()),
    ],
)
def test_theory_is_told_where_it_is_of_the_family(preference: object, wanted: set[str]) -> None:
    assert set(parameters_of(preference)) == wanted  # pyright: ignore[reportArgumentType]


def test_published_estimates_name_their_source_and_turn_the_sign() -> None:
    people = next(h for h in HUMANS if h.who == "all")
    assert people.values == {"alpha": -0.083, "beta": 0.261}
    assert "2019" in people.source
    # their alpha is a weight on the other when behind: the same utility with the sign turned
    bfs = find("preferences", "bfs(alpha=0.083, beta=0.261)")
    d = find("games", "dictator").seat(0) if hasattr(find("games", "dictator"), "seat") else None
    d = d or battery(find("games", "dictator"))[0]
    assert (bfs(d) - Inequity(**people.values)(d)).round(12).max() == 0


def test_an_open_end_is_told_in_words() -> None:
    assert interval(-math.inf, 0.5) == "−∞ to .50"
    assert interval(-0.25, math.inf) == "−.25 to ∞"
    assert interval(math.nan, math.nan) == "" == interval(None, None)


def test_choices_that_are_hardly_ever_legal_are_left_out_where_there_are_others() -> None:
    truth = Inequity(alpha=0.4, beta=0.2)
    games = [f"ultimatum({i})" for i in range(1, 7)] + [f"trust({i})" for i in range(1, 7)]

    def told(records: list[Record], mass: float) -> list[Record]:
        return [replace(r, choice=replace(r.choice, mass=mass)) for r in records if r.choice is not None]

    fair = told(answered(truth, *games), 0.9)
    mute = told(answered(Inequity(alpha=-0.4, beta=0.6), *games, frame="story"), 0.01)
    want, found, alone = estimates(fair), estimates([*fair, *mute]), estimates(mute)
    assert [row["value"] for row in found] == [row["value"] for row in want]
    assert [row["mass"] for row in found] == [row["mass"] for row in want]
    assert [row["mass"] for row in alone if row["observations"]] == pytest.approx([0.01] * len(alone))
    assert any(row["value"] is not None for row in alone)


def test_an_estimate_stands_beside_other_beliefs_and_games_left_out() -> None:
    games = [f"ultimatum({i})" for i in range(1, 7)] + [f"trust({i})" for i in range(1, 7)]
    rows = [
        r for r in estimates(answered(Inequity(alpha=0.4, beta=0.2), *games)) if r["family"] == "inequity"
    ]
    for row in rows:
        assert row["uniform"] == pytest.approx(row["value"])  # no belief was asked
        assert row["elicited"] is None
        assert row["correct"] != pytest.approx(row["value"], abs=1e-3)
        assert row["random"] < row["held_out"] <= row["in_sample"] + 1e-9
    assert {row["held_out"] for row in estimates([])} == {None}


def test_what_the_choices_do_not_tell_has_a_reason_and_no_number() -> None:
    games = [f"ultimatum({i})" for i in range(1, 7)] + [f"trust({i})" for i in range(1, 7)]
    estimate = fit(from_records(answered(Inequity(alpha=0.4, beta=0.2), *games)), "inequity")
    value, se, low, high, why = numbers(estimate, "alpha")
    assert None not in (value, se, low, high)
    assert not why
    for ends, reason in (((-math.inf, math.inf), UNBOUNDED), ((math.nan, math.nan), TOO_FEW)):
        blind = replace(estimate, intervals=np.tile(ends, (len(estimate.names), 1)))
        assert numbers(blind, "alpha") == (None, None, None, None, reason)
    open_end = replace(estimate, intervals=np.tile((0.1, math.inf), (len(estimate.names), 1)))
    assert numbers(open_end, "alpha")[2:] == (0.1, math.inf, "")
    chance = replace(estimate, expected=estimate.null - 1)
    assert chance.explainable is None
    assert "chance alone" in chance.fit_in_words
