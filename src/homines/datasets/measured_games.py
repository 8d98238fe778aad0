"""The canonical games that models are measured on, by spec: no row of a data set is made of these."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations, product
from typing import Any

from homines.core.registry import find
from homines.core.types import Decision, digest
from homines.elicitation.payoff_variants import payoff_variants
from homines.elicitation.questions import battery
from homines.elicitation.survey import PROTOCOLS
from homines.estimation.published import AMOUNTS, PAIRS
from homines.theory.game_forms import Repeated

MOST_PERMUTED = 4
NAMED = ("ipd", "ish", "icn", "bos", "icd", "ivd")
MENUS = ("dictator", "ultimatum_menu", "trust_menu", "trust_return", "public_goods", "public_goods_round")
MARKETS = tuple(
    f"pricing({options})"
    for options in ("", "customers=True", "points=5", "points=5, customers=True", "firms=3", "points=3")
)


def measured_games() -> tuple[str, ...]:
    """Named and ordinal games, the protocols of the battery, pairs of divisions, menus that people were asked
    and those of the defaults, markets of the studies, and the atlas' games that exchange and scale payoffs.

    The games that one study draws for itself are not among them: it sets them apart (`Recipe.apart`).
    """
    ordinal = (f"ordinal({row}, {column})" for row in range(1, 13) for column in range(1, 13))
    people = (*(pair for pair, _ in PAIRS.values()), *(amount.game for amount in AMOUNTS))
    variants = (spec for each in payoff_variants() for spec in each)
    return tuple(dict.fromkeys((*NAMED, *PROTOCOLS, *people, *MENUS, *MARKETS, *ordinal, *variants)))


def measured_keys(apart: Sequence[str] = ()) -> set[str]:
    """The keys of these games, and of those set apart."""
    return {*_canonical_keys()} | {key for spec in apart for key in payoff_keys(find("games", spec))}


@cache
def _canonical_keys() -> frozenset[str]:
    return frozenset(key for spec in measured_games() for key in payoff_keys(find("games", spec)))


def payoff_keys(game: Any) -> set[str]:
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
