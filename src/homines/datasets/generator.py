"""Synthetic data of a preference: games drawn, the strategy its utility implies, the reasons, balanced.

    draw games -> utility-implied answer (ties marked) -> reasons -> chat rows, train and test

Answers come from the utility of each decision, never from a slogan: homo moralis defects first where its
utility is highest there. This file needs no network library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np

from homines.core.registry import find, spell
from homines.core.types import (
    Decision,
    HominesError,
    Preference,
    digest,
)
from homines.datasets.best_answers import ImpliedAnswers, implied_answers
from homines.datasets.reasons import WORDINGS, answered, reason
from homines.datasets.recipe import Recipe, drawer
from homines.datasets.row import Row
from homines.elicitation.orders import orders
from homines.elicitation.questions import battery, situation
from homines.elicitation.scene import split_labels
from homines.theory.game_forms import Repeated

TRIES = 2000
"""Games in a row that give nothing, after which no other is drawn."""
SPARE = ("X,Y", "P,Q", "1,2", "left,right")
"""Labels where those asked for name another's actions."""
MOST_PERMUTED = 4
NAMED = ("ipd", "ish", "icn", "bos", "icd", "ivd")
PROTOCOLS = ("spd", "trust", "ultimatum")


def generate(recipe: Recipe) -> tuple[list[Row], list[Row], Counter[str]]:
    """(train, test, what was left out and why). The same recipe gives the same rows.

    Raises HominesError where the games have fewer distinct decisions than asked.
    """
    generator = Generator(recipe)
    test = generator.rows(recipe.test)
    return generator.rows(recipe.train), test, generator.left


class Generator:
    """Draws games and makes rows of them; no decision comes twice, nor does one that models are measured on.

    left   how many games and decisions gave no row, by reason
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.preference: Preference = find("preferences", recipe.preference)
        self.frame: Any = find("frames", recipe.frame)
        # games and words are drawn apart, so that recipes which differ in their words hold the same games
        self.game_rng, self.word_rng = (np.random.default_rng([recipe.seed, k]) for k in range(2))
        self.left: Counter[str] = Counter()
        self._known = _evaluated(recipe.apart)
        self._turns: Counter[tuple[str, str]] = Counter()
        """Rows so far, by kind of game and situation."""

    def rows(self, count: int) -> list[Row]:
        """As many rows, the kinds of games in turn; answers balanced over labels and places in the order."""
        recipe = self.recipe
        rows: list[Row] = []
        self._turns.clear()
        misses = drawn = 0
        while len(rows) < count:
            draw = drawer(recipe.games[drawn % len(recipe.games)])
            assert draw is not None
            spec = draw(self.game_rng)
            game = find("games", spec)
            keys = _keys(game)
            new: list[Row] = []
            if keys & self._known:
                self.left["drawn before, or measured on"] += 1
            else:
                self._known |= keys
                drawn += 1
                new = self._rows_of_game(spec, game)
            misses = 0 if new else misses + 1
            if misses > TRIES:
                why = ", ".join(f"{reason} {n}" for reason, n in self.left.most_common())
                raise HominesError(
                    f"{', '.join(recipe.games)} gave {len(rows)} of {count} rows, and {TRIES} more games "
                    f"gave none ({why}): there are no more distinct ones, or all are ties; ask for fewer "
                    "rows, name more games (--game), or keep ties (--ties both)"
                )
            rows += new[: count - len(rows)]
        return rows

    def _rows_of_game(self, spec: str, game: Any) -> list[Row]:
        """The rows of one game. Labels and places take turns within each kind of situation: thus no letter
        tells who moves."""
        rows: list[Row] = []
        for implied in implied_answers(self.preference, game.stage if isinstance(game, Repeated) else game):
            if len(implied.decision.actions) < 2:
                continue
            if len(implied.answers) > 1 and self.recipe.ties == "drop":
                self.left["tie"] += 1
                continue
            kind = spec.partition("(")[0], situation(implied.decision)
            for answer in implied.answers:
                rows.append(self._row(spec, implied, answer, self._turns[kind]))
                self._turns[kind] += 1
        return rows

    def _row(self, spec: str, implied: ImpliedAnswers, answer: int, i: int) -> Row:
        """Row i: the answer's label and its place in the order take turns, independently of each other."""
        recipe, d = self.recipe, implied.decision
        n = len(d.actions)
        words = self._words(d, i)
        shift = (i % n) - answer
        labels = tuple(words[(a + shift) % n] for a in range(n))
        asks = {"asks": "aloud"} if recipe.reasons else {}
        frame = replace(self.frame, labels=labels, **asks)
        fitting = [o for o in orders(n, frame.places) if o[0].index(answer) == (i // n) % n]
        order = fitting[int(self.word_rng.integers(len(fitting)))]
        wording = int(self.word_rng.integers(WORDINGS))
        completion = labels[answer]
        if recipe.reasons:
            why = reason(self.preference, implied, labels, order, answer, wording=wording)
            completion = answered(why, labels[answer])
        target = implied.target(recipe.precision)
        return Row(spec, d, spell(frame), order, frame(d, order), answer, target, completion)

    def _words(self, d: Decision, i: int) -> tuple[str, ...]:
        """Labels of row i at a decision: the recipe's in turn; spare ones, or the actions themselves, where
        each of these names another's action."""
        n, choices = len(d.actions), self.recipe.words
        if not any(len(split_labels(words)) == n for words in choices):
            raise HominesError(
                f"no labels of {', '.join(choices)} are {n}, as many as the actions "
                f"{', '.join(d.actions)}; give as many (--labels)"
            )
        taken = {word for named in (*d.theirs, *d.names) if named != d.actions for word in named}
        turns = [choices[(i // (n * n) + k) % len(choices)] for k in range(len(choices))]
        fitting = (words for words in map(split_labels, (*turns, *SPARE)) if len(words) == n)
        return next((words for words in fitting if not taken & set(words)), d.actions)


def _evaluated(apart: Sequence[str]) -> set[str]:
    """Keys of what models are measured on: no row is made of these."""
    games = [find("games", name) for name in NAMED]
    games += [find("games", f"{name}({k})") for name in PROTOCOLS for k in range(1, 7)]
    games += [find("games", spec) for spec in apart]
    return {key for game in games for key in _keys(game)}


def _keys(game: Any) -> set[str]:
    """The payoffs of every decision of a game; names and order of its actions make no difference."""
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
