"""Synthetic data: labels come from the utility, arithmetic is right, balance and disjointness hold."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core.registry import find
from homines.core.types import Choice, Decision, HominesError, Record
from homines.datasets.best_answers import implied_answers
from homines.datasets.folder import read, write
from homines.datasets.generator import generate
from homines.datasets.reasons.outcomes import terms_of
from homines.datasets.recipe import ANSWERED_BY, Recipe, drawable
from homines.elicitation.questions import situation
from homines.estimation.strategy_method import points
from homines.games.spd import spd
from homines.theory.choice import expected_utility, logit, stated_beliefs
from homines.theory.game_forms import NormalForm, Repeated, plan_probability, veil
from homines.training.exam import score_answers

PREFERENCES = (
    "economicus",
    "moralis(kappa=1)",
    "moralis(kappa=0.25)",
    "inequity(alpha=0.5, beta=0.3)",
    "kantian(alpha=0.2, beta=0.4, kappa=0.3)",
    "charness_rabin(rho=0.4, sigma=-0.1)",
    "altruist(weight=0.5)",
    "utilitarian",
    "maximin",
    "bfs(alpha=0.1, beta=0.3, gamma=0.2, delta=-0.1)",
)


@pytest.mark.parametrize("preference", PREFERENCES)
def test_every_answer_maximises_the_utility(preference: str) -> None:
    u = find("preferences", preference)
    train, test, _ = generate(Recipe(preference, train=60, test=20, words=("A,B", "left,right")))
    for row in (*train, *test):
        eu = expected_utility(u(row.decision), stated_beliefs(row.decision))
        assert row.answer == int(eu.argmax())
        _, cue, answer = row.completion.rpartition("Answer:")
        assert cue
        assert answer.strip() == row.prompt.labels[row.answer]


KINDS = tuple(kind for kind in drawable() if kind not in ANSWERED_BY)


@pytest.mark.parametrize("game", KINDS)
def test_every_game_that_can_be_drawn_gives_new_decisions(game: str) -> None:
    train, test, _ = generate(
        Recipe("inequity(alpha=0.3, beta=0.2)", (game,), train=45, test=15, stakes=("99",), asks=("bare",))
    )
    keys = [row.decision.key for row in (*train, *test)]
    assert len(keys) == 60 == len(set(keys))
    assert not {row.game for row in train} & {row.game for row in test}
    first = [{r.decision.payoffs.tobytes() for r in rows if not r.decision.history} for rows in (train, test)]
    assert not first[0] & first[1]
    kinds = ("spd", "trust", "ultimatum")
    published = {find("games", f"{kind}({k})").table.tobytes() for kind in kinds for k in range(1, 7)}
    for row in (*train, *test):
        made = find("games", row.game)
        stage = made.stage if isinstance(made, Repeated) else made
        assert getattr(stage, "table", row.decision.payoffs).tobytes() not in published


def test_recipes_that_differ_in_words_hold_the_same_games() -> None:
    def games(**changes: Any) -> list[list[str]]:
        train, test, _ = generate(Recipe("economicus", train=30, test=10, **changes))
        return [[row.game for row in rows] for rows in (train, test)]

    assert games() == games(asks=("bare",)) == games(words=("A,B", "X,Y")) == games(frames=("story",))
    assert games() != games(seed=1)


@pytest.mark.parametrize("frame", ["bare", "table(labels='P,Q')", "table(asks='belief')"])
def test_a_frame_that_cannot_tell_the_rows_is_refused(frame: str) -> None:
    with pytest.raises(HominesError, match="cannot tell the rows"):
        Recipe("economicus", frames=(frame,))


def test_either_of_two_best_answers_is_right() -> None:
    """An agent that is indifferent where its preference is does all that it implies."""
    recipe = Recipe("moralis(kappa=1)", ("ultimatum",), train=4, test=20, ties="both")
    _, rows, _ = generate(recipe)
    tied = {key for key, n in Counter(row.decision.key for row in rows).items() if n > 1}
    assert tied
    held = [row for row in rows if row.decision.key in tied]
    records = [
        Record(row.decision, row.frame, row.order, row.prompt.labels, "m", choice=Choice.of([0.0, 0.0]))
        for row in held
    ]
    found = score_answers(held, records)
    assert (found["share"], found["right"]) == (1, 1)
    single = generate(Recipe("economicus", ("symmetric",), train=1, test=0))[0]
    coin = [replace(records[0], decision=single[0].decision)]
    assert score_answers(single, coin)["right"] == 0.5  # of two as likely answers one is best


def test_games_set_apart_are_never_drawn() -> None:
    train, _, _ = generate(Recipe("economicus", train=40, test=0))
    kept = tuple(row.game for row in train[:10])
    again, test, _ = generate(Recipe("economicus", train=40, test=10, apart=kept))
    assert not {row.game for row in (*again, *test)} & set(kept)


def test_labels_and_places_are_balanced_and_independent_of_each_other() -> None:
    train, _, _ = generate(Recipe("economicus", train=160, test=0, words=("A,B", "X,Y")))
    cells = [(row.prompt.labels[row.answer], row.order[0].index(row.answer)) for row in train]
    assert {cell: cells.count(cell) for cell in set(cells)} == {(w, k): 20 for w in "ABXY" for k in (0, 1)}
    assert {row.prompt.labels[0] for row in train} == set("ABXY")  # the action's label turns too


@pytest.mark.parametrize("preference", ["altruist(weight=0.37)", "economicus", "moralis(kappa=0.5)"])
@pytest.mark.parametrize("games", [("trust",), ("spd", "symmetric"), ("ultimatum", "trust")])
def test_no_letter_tells_who_moves(preference: str, games: tuple[str, ...]) -> None:
    """Within each kind of situation every label, and every place, is the answer as often as the others."""
    train, _, _ = generate(Recipe(preference, games, train=200, test=0, words=("X,Y",), stakes=("99",)))
    seen: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row in train:
        here = row.game.partition("(")[0], situation(row.decision)
        seen.setdefault(here, []).append((row.prompt.labels[row.answer], row.order[0].index(row.answer)))
    for cells in seen.values():
        counts = [cells.count((label, place)) for label in "XY" for place in (0, 1)]
        assert max(counts) - min(counts) <= 1


def test_exchanging_the_actions_makes_no_new_game() -> None:
    train, test, _ = generate(Recipe("moralis(kappa=1)", train=500, test=150))

    def form(d: Decision) -> tuple[float, ...]:
        return min(tuple(d.payoffs.ravel()), tuple(d.payoffs[:, ::-1, ::-1].ravel()))

    forms = [form(row.decision) for row in (*train, *test)]
    assert len(set(forms)) == len(forms)


def test_the_target_of_a_plan_is_the_logit_choice_between_plans() -> None:
    game = spd(3)
    moralis = find("preferences", "moralis(kappa=0.5)")
    v = veil(game)
    coin = {point: np.array([0.5, 0.5]) for point in points(game)}
    seat = replace(v.seat(), others=(plan_probability(v, coin),))
    p = logit(expected_utility(moralis(seat), stated_beliefs(seat), seat.chance), 0.05).p
    for found in implied_answers(moralis, game):
        point = next(pt for pt, d in points(game).items() if d.key == found.decision.key)
        want = [p[[plan[point] == a for plan in v.plans]].sum() for a in (0, 1)]
        assert found.target(0.05) == pytest.approx(want)


def test_tied_plans_are_told_as_tied() -> None:
    """At kappa 1 nothing is known of the reply to D where all start with C: either is as good."""
    train, _, _ = generate(Recipe("moralis(kappa=1)", ("spd",), train=40, test=0, ties="both"))
    twice = Counter(row.decision.key for row in train)
    assert 2 in twice.values()
    for row in train:
        assert ("worth the same" in row.completion) == (twice[row.decision.key] == 2), row.completion


def test_parameters_with_many_decimals_are_shown_in_full() -> None:
    train, _, _ = generate(Recipe("moralis(kappa=0.123456)", train=30, test=0))
    assert all("0.876544 * " in row.completion for row in train)


def test_a_damaged_folder_is_made_again_and_a_foreign_one_refused(tmp_path: Path) -> None:
    recipe = Recipe("economicus", train=6, test=2)
    write(recipe, tmp_path / "data")
    whole = (tmp_path / "data" / "train.jsonl").read_bytes()
    (tmp_path / "data" / "train.jsonl").unlink()
    write(recipe, tmp_path / "data")
    assert (tmp_path / "data" / "train.jsonl").read_bytes() == whole
    (tmp_path / "data" / "recipe.json").write_text("{bad")
    with pytest.raises(HominesError, match="cannot be read"):
        write(recipe, tmp_path / "data")


def test_labels_with_line_separators_are_read_again(tmp_path: Path) -> None:
    recipe = Recipe("economicus", train=6, test=2, words=("x\u2028y,z",))
    write(recipe, tmp_path / "data")
    _, train, test = read(tmp_path / "data")
    assert (len(train), len(test)) == (6, 2)


def test_slogans_are_wrong_and_the_utility_is_right() -> None:
    """lu2025.md: moralis at kappa .5 moves D first in protocols 1 and 2 and C from 3 on; DDC, not CCC."""
    moralis = find("preferences", "moralis(kappa=0.5)")

    def plan(k: int) -> str:
        found = implied_answers(moralis, spd(k))
        assert all(len(f.answers) == 1 for f in found)
        by = {f.decision.history: f.decision.actions[f.answers[0]] for f in found}
        return by[()] + by[((0, None),)] + by[((1, None),)]

    assert [plan(k) for k in range(1, 7)] == ["DDC", "DDC", "CCD", "CCD", "CCD", "CCD"]
    selfish = [
        f.decision.actions[f.answers[0]] for f in implied_answers(find("preferences", "economicus"), spd(3))
    ]
    assert selfish == ["D", "D", "D"]


def test_ties_are_left_out_or_given_both_ways() -> None:
    """At kappa 1 the ultimatum game does not tell E from U, nor A from R after E."""
    even = find("preferences", "moralis(kappa=1)")
    assert any(len(f.answers) > 1 for f in implied_answers(even, find("games", "ultimatum(3)")))
    _, _, left = generate(Recipe("moralis(kappa=1)", train=60, test=0))
    assert left["tie"] > 0
    both, _, none = generate(Recipe("moralis(kappa=1)", train=60, test=0, ties="both"))
    assert none["tie"] == 0
    keys = [row.decision.key for row in both]
    twice = {key for key in keys if keys.count(key) == 2}
    assert twice
    assert all("are worth the same" in row.completion for row in both if row.decision.key in twice)


@given(st.integers(0, 5), st.sampled_from(["symmetric", "split", "trust"]))
@settings(max_examples=8, deadline=None)
def test_the_same_seed_gives_the_same_rows_and_another_others(seed: int, game: str) -> None:
    def rows(s: int) -> list[str]:
        train, test, _ = generate(Recipe("utilitarian", (game,), train=12, test=4, seed=s))
        return [json.dumps([row.messages(), row.facts()]) for row in (*train, *test)]

    assert rows(seed) == rows(seed)
    assert rows(seed) != rows(seed + 1)


def test_the_target_is_the_logit_choice() -> None:
    train, _, _ = generate(Recipe("economicus", train=10, test=0, precision=0.7))
    for row in train:
        eu = expected_utility(row.decision.payoffs[0], stated_beliefs(row.decision))
        want = np.exp(0.7 * eu) / np.exp(0.7 * eu).sum()
        assert row.target == pytest.approx(want)


def test_a_folder_is_what_services_and_the_hub_read(tmp_path: Path) -> None:
    recipe = Recipe("moralis(kappa=1)", train=30, test=10)
    counts = write(recipe, tmp_path / "data")
    assert counts["train"] == 30
    rows = [json.loads(line) for line in (tmp_path / "data" / "train.jsonl").read_text().splitlines()]
    assert len(rows) == 30
    assert all([turn["role"] for turn in row["messages"]] == ["user", "assistant"] for row in rows)
    beside = (tmp_path / "data" / "train.facts.jsonl").read_text().splitlines()
    answers = [json.loads(line)["answer"] for line in beside]
    assert all(row["messages"][-1]["content"].endswith(a) for row, a in zip(rows, answers, strict=True))
    card = (tmp_path / "data" / "README.md").read_text()
    assert "u(x, y) = (1 - kappa) * pi(x, y) + kappa * pi(x, x)" in card
    assert "| seed | 0 |" in card
    from datasets import load_dataset

    loaded = load_dataset(str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in loaded.items()} == {"train": 30, "test": 10}
    before = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert write(recipe, tmp_path / "data") == counts
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    with pytest.raises(HominesError, match="another recipe"):
        write(Recipe("economicus", train=30, test=10), tmp_path / "data")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(HominesError, match="holds something else"):
        write(recipe, tmp_path / "mine")


def three_who_differ() -> NormalForm:
    names = ("C", "D")
    return NormalForm((names,) * 3, np.arange(24.0).reshape(3, 2, 2, 2))


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(HominesError, match=r"gave .* of 3000 rows, and many more games gave none"):
        generate(Recipe("economicus", ("ultimatum",), train=3000))
    with pytest.raises(HominesError, match=r"longer than 20 characters .*\(--longest\)"):
        generate(Recipe("economicus", train=3, test=0, longest=20))
    with pytest.raises(HominesError, match="no game 'chess' can be drawn; there are"):
        Recipe("economicus", ("chess",))
    with pytest.raises(HominesError, match="ties is 'maybe'"):
        Recipe("economicus", ties="maybe")
    with pytest.raises(HominesError, match="train must be"):
        Recipe("economicus", train=0)
    with pytest.raises(HominesError, match="two players: veil"):
        implied_answers(find("preferences", "moralis"), three_who_differ())
    with pytest.raises(HominesError, match=r"more games gave none \(tie"):
        generate(Recipe("deontological(penalty=0)", ("symmetric",), train=3, test=0))
    with pytest.raises(HominesError, match="no labels of A,B,C are 2"):
        generate(Recipe("economicus", train=3, test=0, words=("A,B,C",)))


@pytest.mark.parametrize("preference", PREFERENCES)
def test_terms_are_the_utility(preference: str) -> None:
    u = find("preferences", preference)
    d = find("games", "symmetric(5, 1, 7, 2)").stage.seat(0)
    total = sum(term.weight * np.broadcast_to(term.amount, d.payoffs.shape[1:]) for term in terms_of(u, d))
    assert total == pytest.approx(u(d))
