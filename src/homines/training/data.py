"""Synthetic data of a preference: games drawn, the strategy its utility implies, the reasons, balanced.

    draw games -> utility-implied answer (ties told apart) -> reasons -> chat rows, train and test

Labels come from the utility of each decision, never from a slogan: homo moralis defects first where its
utility says so. Needs no network library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import permutations, product
from typing import Any

import numpy as np

from homines.core.capabilities import AsksFor, labels_of
from homines.core.checks import count, number
from homines.core.options import LABELS, option, required
from homines.core.plugins import names
from homines.core.registry import find, spell
from homines.core.types import (
    Array,
    Decision,
    Game,
    HominesError,
    NeedsVeil,
    Order,
    Preference,
    Prompt,
    digest,
)
from homines.elicitation.orders import orders
from homines.elicitation.questions import battery, past_acts, situation
from homines.elicitation.scene import split_labels
from homines.estimation.strategy_method import points
from homines.theory.choice import Belief, best_response, expected_utility, logit, stated_beliefs
from homines.theory.game_forms import Repeated, Sequential, plan_probability, veil
from homines.training.reasons import WORDINGS, answered, reason, reason_by_plans

TIES = ("drop", "both")
TRIES = 2000
"""Games in a row that give nothing, after which no other is drawn."""
SPARE = ("X,Y", "P,Q", "1,2", "left,right")
"""Labels where those asked for name another's actions."""
MOST_PERMUTED = 4
NAMED = ("ipd", "ish", "icn", "bos", "icd", "ivd")
PROTOCOLS = ("spd", "trust", "ultimatum")


@dataclass(frozen=True)
class Recipe:
    """What to generate: as many rows of each kind of game as of the others; no game of the test is in the
    training."""

    preference: str = required("Preference that the answers follow, as 'moralis(kappa=1)'.", "--to")
    games: tuple[str, ...] = option(
        ("symmetric",),
        "Kind of game to draw: symmetric, spd, trust, ultimatum, split, reciprocity; several.",
        "--game",
    )
    train: int = option(400, "Rows to train on.", "--n", low=1)
    test: int = option(100, "Rows to test on, of other games.", low=0)
    frame: str = option("table(goal='')", "Frame that tells the decision.")
    words: tuple[str, ...] = option(("A,B",), LABELS, "--labels")
    """The sets of labels take turns."""
    reasons: bool = option(True, "The arithmetic of the utility before the answer.")
    ties: str = option("drop", "Two best answers: drop, or both (a row each).")
    precision: float = option(1.0, "Of the logit choice stored beside each row.")
    seed: int = option(0, "The same seed gives the same rows.")
    apart: tuple[str, ...] = ()
    """Specs of games that no row is made of, beside the canonical ones."""

    def __post_init__(self) -> None:
        count("train", self.train)
        count("test", self.test, 0)
        number("precision", self.precision, 0)
        if self.ties not in TIES:
            raise HominesError(f"ties is {self.ties!r}; there are {', '.join(TIES)}")
        if not self.games or not self.words:
            raise HominesError("a recipe needs at least one game and one set of labels")
        frame = find("frames", self.frame)
        if not isinstance(frame, AsksFor) or frame.asks != "choice" or labels_of(frame):
            raise HominesError(
                f"frame {self.frame} cannot tell the rows: it must tell payoffs and leave its labels and "
                "what it asks to the recipe, as table, sentences or story do; give labels by --labels"
            )
        count("seed", self.seed, 0)
        if unknown := [game for game in self.games if game not in drawable()]:
            raise HominesError(
                f"no game {unknown[0]!r} can be drawn; there are {', '.join(drawable())}. "
                "A game is drawn by a function draw(rng) in its file"
            )


@dataclass(frozen=True, eq=False)
class Row:
    """One decision with the answer that its preference implies.

    target   logit choice over the actions [mine]; `answer`: the best action
    said     the answer, after its reasons where the recipe asks for them
    """

    game: str
    decision: Decision
    frame: str
    order: Order
    prompt: Prompt
    answer: int
    target: Array
    said: str

    def messages(self) -> dict[str, Any]:
        """Chat turns, as fine-tuning services take them."""
        turns = [{"role": role, "content": text} for role, text in self.prompt.messages]
        return {"messages": [*turns, {"role": "assistant", "content": self.said}]}

    def facts(self) -> dict[str, Any]:
        """What the row was made of."""
        return {
            "game": self.game,
            "situation": situation(self.decision),
            "frame": self.frame,
            "order": [list(places) for places in self.order],
            "labels": list(self.prompt.labels),
            "cue": self.prompt.cue,
            "answer": self.prompt.labels[self.answer],
            "action": self.decision.actions[self.answer],
            "target": [round(float(p), 9) for p in self.target],
            "decision": self.decision.to_json(),
        }


def drawable() -> tuple[str, ...]:
    """Games that can be drawn."""
    return tuple(name for name in names("games") if drawer(name) is not None)


def drawer(name: str) -> Callable[[np.random.Generator], str] | None:
    return getattr(import_module(f"homines.games.{name}"), "draw", None)


@dataclass(frozen=True, eq=False)
class ImpliedAnswers:
    """What a preference implies at a decision: worth [mine], and every best answer."""

    decision: Decision
    worth: Array
    answers: tuple[int, ...]
    top: tuple[int, ...] = ()
    """The plans that are worth most."""
    plans: tuple[tuple[tuple[str | None, tuple[str, ...], int], ...], ...] = ()
    """Every plan as (what the other did just before, the actions there, the one it takes) at each point;
    empty where none were compared."""
    plan_worth: Array | None = None
    acts: tuple[int, ...] = ()
    """What every plan does here."""

    def target(self, precision: float) -> Array:
        """Logit choice [mine]; of plans, the logit choice between them, summed over those that act alike."""
        if self.plan_worth is None:
            return logit(self.worth, precision).p
        p = logit(self.plan_worth, precision).p
        return np.array([p[[self.acts[i] == a for i in range(len(p))]].sum() for a in range(len(self.worth))])

    def plan_names(self, labels: Sequence[str]) -> list[str]:
        """Names of the plans such as 'first A, after A: B, after B: A', in the words of this decision where a
        point has the same actions."""
        own = self.decision.actions

        def there(before: str | None, actions: tuple[str, ...], a: int) -> str:
            does = (labels if actions == own else actions)[a]
            if before is None:
                return f"first {does}"
            return f"after {labels[own.index(before)] if before in own else before}: {does}"

        return [", ".join(there(*point) for point in plan) for plan in self.plans]


def implied_answers(
    preference: Preference, game: Game, belief: Belief = stated_beliefs
) -> list[ImpliedAnswers]:
    """Every decision of a game with its best answers.

    A preference that universalises needs a symmetric game: a sequential one is put behind the veil of
    ignorance, where each role is as likely; its best plans against a 50/50 reply everywhere answer at every
    point of decision, and a point at which they disagree is a tie.
    """
    out: list[ImpliedAnswers] = []
    try:
        for d in battery(game):
            eu = expected_utility(preference(d), belief(d), d.chance)
            out.append(ImpliedAnswers(d, eu, tuple(np.flatnonzero(best_response(eu).p > 0).tolist())))
    except NeedsVeil as failure:
        if not isinstance(game, Sequential):
            raise HominesError(
                f"{spell(preference)} asks what if everyone did so, and this game has no such thing; draw "
                "symmetric or sequential games: symmetric, spd, trust, ultimatum, reciprocity"
            ) from failure
        return _planned(preference, game)
    return out


def _planned(preference: Preference, game: Sequential) -> list[ImpliedAnswers]:
    v = veil(game)
    there = points(game)
    coin = {point: np.full(len(d.actions), 1 / len(d.actions)) for point, d in there.items()}
    seat = replace(v.seat(), others=(plan_probability(v, coin),))
    worth = expected_utility(preference(seat), stated_beliefs(seat), seat.chance)
    top = np.flatnonzero(best_response(worth).p > 0)
    before = {point: next(iter(past_acts(d)), None) for point, d in there.items()}
    ways = tuple(
        tuple((before[point], there[point].actions, plan[point]) for point in there) for plan in v.plans
    )
    out: list[ImpliedAnswers] = []
    for point, d in there.items():
        says = np.array([plan[point] for plan in v.plans])
        value = np.array([worth[says == a].max() for a in range(len(d.actions))])
        answers = tuple(sorted({int(says[i]) for i in top}))
        acts = tuple(int(a) for a in says)
        out.append(ImpliedAnswers(d, value, answers, tuple(top.tolist()), ways, worth, acts))
    return out


def generate(recipe: Recipe) -> tuple[list[Row], list[Row], Counter[str]]:
    """(train, test, what was left out and why). The same recipe gives the same rows.

    Raises HominesError where the games have fewer distinct decisions than asked.
    """
    preference: Preference = find("preferences", recipe.preference)
    # games and words are drawn apart, so that recipes which differ in their words hold the same games
    games, words = (np.random.default_rng([recipe.seed, k]) for k in range(2))
    left: Counter[str] = Counter()
    seen = _evaluated(recipe.apart)
    test = _rows(recipe, preference, recipe.test, (games, words), seen, left)
    train = _rows(recipe, preference, recipe.train, (games, words), seen, left)
    return train, test, left


def _evaluated(apart: Sequence[str]) -> set[str]:
    """Keys of what models are measured on: no row is made of these."""
    games = [find("games", name) for name in NAMED]
    games += [find("games", f"{name}({k})") for name in PROTOCOLS for k in range(1, 7)]
    games += [find("games", spec) for spec in apart]
    return {key for game in games for key in _keys(game)}


def _keys(game: Any) -> set[str]:
    """The payoffs of every decision of a game, the same whatever its actions are called and in what order."""
    stage = game.stage if isinstance(game, Repeated) else game
    return {_payoffs(d) for d in battery(stage) if len(d.actions) > 1}


def _payoffs(d: Decision) -> str:
    """Payoffs of a decision, least over the orders of its actions; of all seats at once where alike."""
    axes = d.payoffs.shape[1:]
    if max(axes) > MOST_PERMUTED:
        return digest(d.payoffs.tolist())
    together = d.same is not None
    turns = [list(permutations(range(n))) for n in (axes[:1] if together else axes)]
    forms: list[list[Any]] = []
    for chosen in product(*turns):
        turned = d.payoffs
        for axis in range(len(axes)):
            turned = turned.take(chosen[0 if together else axis], axis=1 + axis)
        forms.append(turned.tolist())
    return digest([min(forms), d.reply, bool(d.history)])


def _rows(
    recipe: Recipe,
    preference: Preference,
    many: int,
    rngs: tuple[np.random.Generator, np.random.Generator],
    seen: set[str],
    left: Counter[str],
) -> list[Row]:
    """So many rows of games not seen yet, the kinds of games in turn; answers balanced over labels and over
    places in the order shown. rngs: of the games, of the words."""
    rows: list[Row] = []
    turns: Counter[tuple[str, str]] = Counter()
    misses = drawn = 0
    frame = find("frames", recipe.frame)
    while len(rows) < many:
        name = recipe.games[drawn % len(recipe.games)]
        draw = drawer(name)
        assert draw is not None
        spec = draw(rngs[0])
        game = find("games", spec)
        keys = _keys(game)
        made: list[Row] = []
        if keys & seen:
            left["drawn before, or measured on"] += 1
        else:
            seen |= keys
            drawn += 1
            made = _of_game(recipe, preference, frame, spec, game, turns, rngs[1], left)
        misses = 0 if made else misses + 1
        if misses > TRIES:
            why = ", ".join(f"{reason} {n}" for reason, n in left.most_common())
            raise HominesError(
                f"{', '.join(recipe.games)} gave {len(rows)} of {many} rows, and {TRIES} more games gave "
                f"none ({why}): there are no more distinct ones, or all are ties; ask for fewer rows, name "
                "more games (--game), or keep ties (--ties both)"
            )
        rows += made[: many - len(rows)]
    return rows


def _of_game(
    recipe: Recipe,
    preference: Preference,
    frame: Any,
    spec: str,
    game: Any,
    turns: Counter[tuple[str, str]],
    rng: np.random.Generator,
    left: Counter[str],
) -> list[Row]:
    """The rows of one game. Labels and places take turns within each kind of situation, so that no letter
    tells who moves."""
    out: list[Row] = []
    if isinstance(game, Repeated):
        game = game.stage
    for found in implied_answers(preference, game):
        if len(found.decision.actions) < 2:
            continue
        if len(found.answers) > 1 and recipe.ties == "drop":
            left["tie"] += 1
            continue
        here = spec.partition("(")[0], situation(found.decision)
        for answer in found.answers:
            out.append(_row(recipe, preference, frame, spec, found, answer, turns[here], rng))
            turns[here] += 1
    return out


def _row(
    recipe: Recipe,
    preference: Preference,
    frame: Any,
    spec: str,
    found: ImpliedAnswers,
    answer: int,
    i: int,
    rng: np.random.Generator,
) -> Row:
    """Row i: the answer's label and its place in the order shown take turns, independently of each other."""
    d = found.decision
    n = len(d.actions)
    if not any(len(split_labels(some)) == n for some in recipe.words):
        raise HominesError(
            f"no labels of {', '.join(recipe.words)} are {n}, as many as the actions "
            f"{', '.join(d.actions)}; give as many (--labels)"
        )
    taken = {word for named in (*d.theirs, *d.names) if named != d.actions for word in named}
    turns = (recipe.words[(i // (n * n) + k) % len(recipe.words)] for k in range(len(recipe.words)))
    fit = (some for some in map(split_labels, turns) if len(some) == n and not taken & set(some))
    spare = (some for some in map(split_labels, SPARE) if len(some) == n and not taken & set(some))
    words = next(fit, next(spare, d.actions))
    shift = (i % n) - answer
    labels = tuple(words[(a + shift) % n] for a in range(n))
    asks = {"asks": "aloud"} if recipe.reasons else {}
    told_in = replace(frame, labels=labels, **asks)
    shown = [o for o in orders(n, frame.places) if o[0].index(answer) == (i // n) % n]
    order = shown[int(rng.integers(len(shown)))]
    wording = int(rng.integers(WORDINGS))
    prompt = told_in(d, order)
    said = labels[answer]
    if recipe.reasons:
        if found.plan_worth is not None:
            names = found.plan_names(labels)
            says = {names[i]: labels[found.acts[i]] for i in found.top}
            why = reason_by_plans(names, found.plan_worth, says, labels[answer])
        else:
            why = reason(preference, d, labels, order, wording=wording)
        said = answered(why, labels[answer])
    return Row(spec, d, spell(told_in), order, prompt, answer, found.target(recipe.precision), said)
