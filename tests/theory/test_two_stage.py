"""Mechanisms as games: subgame-perfect play of preferences against closed forms, and what prompts tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from homines.core.registry import find
from homines.core.types import Choice, HominesError, Prompt
from homines.datasets.best_answers import implied_answers
from homines.elicitation.asking import measure
from homines.elicitation.promises import promise_rows
from homines.elicitation.questions import Question, battery, questions
from homines.elicitation.survey import Survey
from homines.games.contract import contract
from homines.games.mediator import mediator
from homines.games.promise import promise
from homines.games.punishment import punishment
from homines.games.reputation import reputation
from homines.games.trust import trust
from homines.models.mock import Mock
from homines.preferences.altruist import Altruist
from homines.preferences.economicus import Economicus
from homines.preferences.inequity import Inequity
from homines.preferences.utilitarian import Utilitarian
from homines.reports import run_page
from homines.theory.game_forms import Plan, veil
from homines.theory.two_stage import TwoStage, perfect_plays

SELFISH = Economicus()
SAID = [(a, x) for a in range(2) for x in range(2)]
amount = st.floats(0, 10)


def acts(plan: Plan, k: int) -> dict[Any, int]:
    return {history: a for (player, history), a in plan.items() if player == k}


@given(amount, amount)
def test_one_averse_to_inequity_punishes_where_it_pays_its_aversion(alpha: float, fine: float) -> None:
    """(9, 3) without punishment, (9 - fine, 2) with it: alpha (fine - 1) > 1 while it stays behind."""
    assume(fine < 6.9)
    assume(abs(alpha * (fine - 1) - 1) > 1e-6)
    punishes = alpha * (fine - 1) > 1
    plans = perfect_plays(punishment(fine=fine), SELFISH, Inequity(alpha=alpha, beta=0.3))
    assume(abs(fine - 3) > 1e-6)
    after_defection = ((1, None),)
    for plan in plans:
        assert plan[1, after_defection] == (0 if punishes else 1)
        assert plan[1, ((0, None),)] == 1
        assert plan[0, ()] == (0 if punishes and fine > 3 else 1)


def test_nobody_punishes_for_points() -> None:
    (plan,) = perfect_plays(punishment(), SELFISH)
    assert (plan[0, ()], plan[1, ((1, None),)], plan[1, ((0, None),)]) == (1, 1, 1)


@given(st.floats(0, 5))
def test_promises_bind_one_who_counts_points_by_their_penalty_alone(penalty: float) -> None:
    """T - R and P - S are 1: below it every promise is broken, above it every one is kept."""
    assume(abs(penalty - 1) > 1e-6 and not 0 < penalty < 1e-6)
    plans = perfect_plays(promise(penalty), SELFISH)
    kept = 0 if penalty > 1 else 1
    for plan in plans:
        for a, x in SAID:
            assert plan[0, ((a, x),)] == (kept if a == 0 else 1)
    first = {(plan[0, ()], plan[1, ()]) for plan in plans}
    # talk is free without a penalty; a kept promise costs R - T and S - P, a broken one the penalty
    assert first == ({*SAID} if penalty == 0 else {(1, 1)})


@given(st.floats(0, 5))
def test_a_contract_is_signed_where_its_fine_makes_both_cooperate(fine: float) -> None:
    assume(abs(fine - 1) > 1e-6)
    assume(fine > 1e-6)
    plans = perfect_plays(contract(fine), SELFISH)
    signed = {(plan[0, ()], plan[1, ()]) for plan in plans}
    for plan in plans:
        assert plan[0, ((0, 0),)] == (0 if fine > 1 else 1)
        assert all(plan[0, (pair,)] == 1 for pair in SAID[1:])
    assert ((0, 0) in signed) == (fine > 1)
    assert (1, 1) in signed


def test_leaving_it_to_a_mediator_is_an_equilibrium_beside_defection() -> None:
    found = {(plan[0, ()], plan[1, ()]) for plan in perfect_plays(mediator(), SELFISH)}
    assert found == {(1, 1), (2, 2)}


@given(st.floats(0.1, 9), st.floats(0.1, 9))
def test_gifts_are_given_by_those_who_count_all_points(benefit: float, cost: float) -> None:
    assume(abs(benefit - cost) > 1e-6)
    game = reputation(benefit, cost)
    for preference, gives in ((SELFISH, False), (Utilitarian(), benefit > cost)):
        (plan,) = perfect_plays(game, preference)
        assert set(plan.values()) == {0 if gives else 1}
    helped = perfect_plays(game, SELFISH, Utilitarian())
    assert all(plan[0, ()] == 1 for plan in helped)  # its gift is not what it is helped for


def test_a_bystander_is_one_in_either_role_behind_the_veil() -> None:
    behind = veil(reputation(benefit=5, cost=2, endowment=5))
    gives, keeps = behind.names.index("GGG"), behind.names.index("KKK")
    assert behind.table[:, gives, keeps].tolist() == [[3, 3], [5, 10], [10, 5]]
    assert behind.table[:, keeps, gives].tolist() == [[10, 5], [3, 3], [5, 10]]


def test_backward_induction_is_that_of_the_trust_game() -> None:
    (plan,) = perfect_plays(trust(3), SELFISH)
    assert (plan[0, ()], plan[1, ((0, None),)]) == (1, 1)
    (kind,) = perfect_plays(trust(3), SELFISH, Altruist(0.9))
    assert (kind[0, ()], kind[1, ((0, None),)]) == (0, 0)


@given(st.integers(0, 2**16), st.floats(0, 1))
def test_no_player_gains_by_another_plan(seed: int, alpha: float) -> None:
    """A perfect play is an equilibrium of whole plans in every subgame of any two-stage game."""
    mine = np.random.default_rng(seed).integers(0, 9, (2, 2, 2, 2)).astype(float)
    words = ("", "")
    game = TwoStage(
        ("P", "S"), ("C", "D"), mine, "rule", ("p", "s"), (words, words), ((("c", "d"),) * 2,) * 2
    )
    preference = Altruist(alpha)

    def worth(k: int, first: Sequence[int], second: Sequence[int]) -> float:
        paid = game.payoffs(((first[0], first[1]), (second[0], second[1])))
        return float(paid[k] + alpha * paid[1 - k])

    for plan in perfect_plays(game, preference)[:4]:

        def played(first: Sequence[int], plan: Plan = plan) -> list[int]:
            return [plan[k, ((first[0], first[1]),)] for k in range(2)]

        path = [plan[0, ()], plan[1, ()]]
        for k in range(2):
            for a, x in SAID:
                for b in range(2):
                    other = played((a, x))
                    other[k] = b
                    assert worth(k, (a, x), other) <= worth(k, (a, x), played((a, x))) + 1e-9
            for a in range(2):
                first = list(path)
                first[k] = a
                assert worth(k, first, played(first)) <= worth(k, path, played(path)) + 1e-9


def test_what_is_not_of_two_stages_is_refused() -> None:
    for spec in ("ipd", "public_goods"):
        with pytest.raises(HominesError, match="perfect_plays takes games of"):
            perfect_plays(find("games", spec), SELFISH)
    with pytest.raises(HominesError, match="does not say what then follows"):
        implied_answers(find("preferences", "moralis(kappa=1)"), promise())
    with pytest.raises(HominesError, match="must hold finite numbers"):
        TwoStage(("P", "S"), ("C", "D"), np.zeros((2, 2, 2)), "", (), (), ())


@pytest.mark.parametrize("frame", ["table", "sentences", "story", "experiment", "market"])
@pytest.mark.parametrize("game", [promise(), promise(2), contract()])
def test_prompts_tell_the_past_and_the_payoffs_in_any_labels(frame: str, game: TwoStage) -> None:
    words = find("frames", f"{frame}(labels='X,Y')")
    order = ((0, 1),) * words.places
    for d in battery(game):
        text = words(d, order).text
        assert "X" in text
        assert "Y" in text
        assert d.rule in text
        for told in d.does:
            assert told in text
        assert " C " not in text
        assert " D " not in text
    assert len(battery(game)) == 5


def chooser(kept: float) -> Mock:
    """Promises with .7; after its own promise cooperates with this, a tenth less where alone; else .2."""

    def answer(prompt: Prompt) -> Choice:
        if "promise" in prompt.labels:
            return Choice.at([0.7, 0.3], mass=0.9)
        p = 0.2
        if "You gave your word" in prompt.text:
            p = kept - 0.1 * ("the other gave none" in prompt.text)
        return Choice.at([p, 1 - p], mass=0.8)

    return Mock(answer, "promiser")


def test_broken_promises_are_counted_beside_defection_without_one(tmp_path: Path) -> None:
    survey = Survey("promiser", ("promise",))
    model = chooser(0.9)
    with survey.run(tmp_path) as run:
        records = measure(model, survey.questions(model), run)
    (row,) = promise_rows(records)
    assert row["promises"] == pytest.approx(0.7)
    assert row["broken"] == pytest.approx(0.15)
    assert row["broken, both promised"] == pytest.approx(0.1)
    assert row["broken, alone"] == pytest.approx(0.2)
    assert row["defects without a promise"] == pytest.approx(0.8)
    assert row["legal mass"] == pytest.approx(np.mean([0.9] + [0.8] * 4))
    assert "Promises" in run_page.write(tmp_path).read_text()


def test_a_promise_that_is_never_heard_has_no_rate() -> None:
    silent = Mock(lambda prompt: Choice.at([0.5, 0.5], mass=float("promise" in prompt.labels)), "silent")
    asked: list[Question] = questions(silent, {"promise": battery(promise())}, [find("frames", "table")])
    (row,) = promise_rows(measure(silent, asked))
    assert row["broken"] is None
    assert row["promises"] == pytest.approx(0.5)
