"""Synthetic data of a preference: games drawn, the strategy its utility implies, the reasons, balanced.

    draw games -> utility-implied answer (ties marked) -> reasons -> chat rows, train and test

Answers come from the utility of each decision, never from a slogan: homo moralis defects first where its
utility is highest there. This file needs no network library.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from homines.core.registry import find, spell
from homines.core.types import (
    HominesError,
    Preference,
)
from homines.datasets.best_answers import ImpliedAnswers, implied_answers
from homines.datasets.labels import fitting_labels
from homines.datasets.measured_games import measured_keys, payoff_keys
from homines.datasets.reasons import WAYS, Style, answered, is_readable, reason
from homines.datasets.recipe import Recipe, Stake, drawer
from homines.datasets.row import Row
from homines.datasets.turns import Turns
from homines.elicitation.orders import orders
from homines.elicitation.questions import situation
from homines.theory.game_forms import Repeated

TRIES = 2000
"""Known games of a kind and stake in a row, after which no other of these is drawn."""
MOST_TIED = 50
"""Games of a kind and stake in a row with ties or long rows alone, after which no other of these is drawn."""


def generate(recipe: Recipe) -> tuple[list[Row], list[Row], Counter[str]]:
    """(train, test, what was left out and why). The same recipe gives the same rows.

    Raises HominesError where the games have fewer distinct decisions than asked.
    """
    generator = Generator(recipe)
    test = generator.rows(recipe.test)
    return generator.rows(recipe.train), test, generator.left


@dataclass(frozen=True)
class Source:
    """A kind of game at a stake; `text` is the stake as the recipe names it."""

    kind: str
    text: str

    @property
    def stake(self) -> Stake:
        return Stake.of(self.text)

    def draw(self, rng: np.random.Generator) -> str:
        """The spec of a game of this kind at this stake."""
        draw = drawer(self.kind)
        assert draw is not None
        return draw(rng, self.stake.most)


class Generator:
    """Draws games and makes rows of them; no decision comes twice, nor does one that models are measured on.

    left   how many games and decisions gave no row, by reason
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.preference: Preference = find("preferences", recipe.preference)
        self.frames: list[Any] = [find("frames", spec) for spec in recipe.frames]
        # games and words are drawn apart, so that recipes which differ in their words hold the same games
        self.game_rng, self.word_rng = (np.random.default_rng([recipe.seed, k]) for k in range(2))
        self.left: Counter[str] = Counter()
        self._known = measured_keys(recipe.apart)
        self._drawn: set[str] = set()
        """Specs that need not be read again."""
        self._turns = Turns(self.word_rng)

    def rows(self, count: int) -> list[Row]:
        """As many rows, next always of the kind of game that has fewest, and of its stake that has fewest. A
        kind that has no more distinct games at a stake is left out from there on."""
        rows: list[Row] = []
        self._turns = Turns(self.word_rng)
        known, tied = Counter[Source](), Counter[Source]()
        kinds, sources = Counter[str](), Counter[Source]()
        able = [Source(kind, stake) for kind in self.recipe.games for stake in self.recipe.stakes]
        while len(rows) < count:
            if not able:
                raise self._exhausted(len(rows), count)
            source = min(able, key=lambda source: (kinds[source.kind], sources[source]))
            new = self._rows_of_draw(source)
            (known if new is None else tied)[source] += not new
            kinds[source.kind] += len(new or ())
            sources[source] += len(new or ())
            rows += (new or [])[: count - len(rows)]
            if new:
                known[source] = tied[source] = 0
            elif known[source] > TRIES or tied[source] > MOST_TIED:
                able.remove(source)
                why = "no more distinct" if known[source] > TRIES else "ties or long rows alone in"
                self.left[f"{why} {source.kind} at stake {source.text}"] += 1
        return rows

    def _exhausted(self, rows: int, count: int) -> HominesError:
        why = ", ".join(f"{reason} {n}" for reason, n in self.left.most_common())
        long = any(reason.startswith("longer than") for reason in self.left)
        return HominesError(
            f"{', '.join(self.recipe.games)} gave {rows} of {count} rows, and many more games gave none "
            f"({why}): there are no more distinct ones, or all are ties{' or too long' * long}; ask for "
            "fewer rows, name more games (--game) or stakes (--stake), or keep ties (--ties both)"
            f"{' or longer rows (--longest)' * long}"
        )

    def _rows_of_draw(self, source: Source) -> list[Row] | None:
        """The rows of one game drawn; None where it is known, empty where all its answers are ties."""
        spec = source.draw(self.game_rng)
        if spec in self._drawn:
            self.left["drawn before, or measured on"] += 1
            return None
        self._drawn.add(spec)
        game = find("games", spec)
        keys = payoff_keys(game)
        if keys & self._known:
            self.left["drawn before, or measured on"] += 1
            return None
        self._known |= keys
        rows: list[Row] = []
        for implied in implied_answers(self.preference, game.stage if isinstance(game, Repeated) else game):
            if len(implied.decision.actions) < 2:
                continue
            if set(self.recipe.asks) == {"aloud"} and not is_readable(implied.decision):
                self.left["amounts that the prompt does not list"] += 1
                continue
            answers = implied.answers
            if len(answers) > 1 and self.recipe.targets == "logit":
                answers = (answers[int(self.word_rng.integers(len(answers)))],)
            elif len(answers) > 1 and self.recipe.ties == "drop":
                self.left["tie"] += 1
                continue
            for answer in answers:
                row = self._row(spec, source, implied, answer)
                if len(row.completion) <= self.recipe.longest:
                    rows.append(row)
                else:
                    self.left[f"longer than {self.recipe.longest} characters"] += 1
        return rows

    def _row(self, spec: str, source: Source, implied: ImpliedAnswers, answer: int) -> Row:
        """A row in words whose turn it is: no word, place, frame or stake tells the answer, nor who moves.
        Bare where the prompt lists no amounts to reason from."""
        recipe, d, n = self.recipe, implied.decision, len(implied.decision.actions)
        asks = recipe.asks if is_readable(d) else ("bare",)
        sets = fitting_labels(d, recipe.words)
        places = sorted({order[0].index(answer) for order in orders(n, 1)})
        turn = self._turns.take(
            {
                "situation": [(source.kind, situation(d))],
                "stake": [source.text],
                "asks": asks,
                "frame": range(len(self.frames)),
                "words": sets,
                "answer": list(product(range(n) if any(sets) else [answer], places)),
            }
        )
        word, place = turn["answer"]
        labels = tuple(turn["words"][(a + word - answer) % n] for a in range(n)) if any(sets) else ()
        aloud, stake = turn["asks"] == "aloud", source.stake
        frame = replace(
            self.frames[turn["frame"]],
            labels=labels,
            asks="aloud" if aloud else "choice",
            **({"unit": stake.unit} if stake.unit else {}),
        )
        fitting = [order for order in orders(n, frame.places) if order[0].index(answer) == place]
        order = fitting[int(self.word_rng.integers(len(fitting)))]
        way = int(self.word_rng.integers(WAYS))
        prompt = frame(d, order)
        said = prompt.labels
        style = Style(way, stake.unit, recipe.targets == "logit")
        why = reason(self.preference, implied, said, order, answer, style) if aloud else ""
        completion, precision = answered(why, said[answer]), stake.precision(recipe.precision)
        target = implied.target(precision)
        return Row(spec, d, spell(frame), order, prompt, answer, target, completion, source.text, precision)
