"""What theories say in the dilemmas of self-driving cars, computed from the preferences themselves."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from homines.core.registry import arguments, find
from homines.core.types import Decision
from homines.estimation.family import family
from homines.games.av import MOST_SAVED, av
from homines.theory.choice import best_response, expected_utility, stated_beliefs

THEORIES = (
    "economicus", "moralis(kappa=0.6)", "moralis(kappa=0.8)", "moralis(kappa=1)", "altruist(weight=0.1)",
    "utilitarian",
)  # fmt: skip


class Place(NamedTuple):
    """A question: what is asked, how many are saved, who is aboard."""

    asked: str
    saved: int
    aboard: str


@cache
def place(game: str) -> Place:
    """The question a game's spec spells."""
    return Place(**arguments("games", game)[1])


def decision_at(at: Place) -> Decision:
    """The decision of a question."""
    return av(at.asked, at.saved, at.aboard).decision


def sacrifice_probability(theory: str, d: Decision) -> float:
    """P(sacrifice) of a preference's best choice: 1, 0, or 1/2 where it is indifferent."""
    return float(best_response(expected_utility(find("preferences", theory)(d), stated_beliefs(d))).p[0])


def stance(theory: str, question: str, aboard: str) -> str:
    """The numbers saved, of 1 to 100, at which a preference sacrifices: 'from 3 on, a tie at 2', 'never',
    'no view'."""
    answers = [
        sacrifice_probability(theory, decision_at(Place(question, s, aboard)))
        for s in range(1, MOST_SAVED + 1)
    ]
    if set(answers) == {0.5}:
        return "no view"
    ties = [str(s) for s, p in enumerate(answers, 1) if p == 0.5]
    tie = f", a tie at {', '.join(ties)}" if ties else ""
    if 1.0 not in answers:
        return f"never{tie}"
    first = answers.index(1.0)
    assert set(answers[first:]) == {1.0}, f"{theory} is not monotone in the number saved"
    return f"from {first + 1} on{tie}" if first else "always"


def threshold(saved: int, aboard: str) -> float | None:
    """kappa at which homo moralis is indifferent when buying, read off its formula; None: it never is."""
    columns = family("moralis").columns(decision_at(Place("buying", saved, aboard)))
    base, slope = columns[0] - columns[1]
    return float(-base / slope) if abs(slope) > 1e-12 else None
