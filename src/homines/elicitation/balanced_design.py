"""A balanced design: games, pairs of words, orders and states that all meet, to tell each from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homines.core.capabilities import variant
from homines.core.registry import find
from homines.core.types import Model
from homines.elicitation.payoff_variants import repeated_games
from homines.elicitation.questions import Question, battery, questions

GAMES = repeated_games(6)
LABELS = ("action1,action2", "X,Y", "left,right", "red,blue", "P,Q")


def balanced_questions(
    model: Model, games: Sequence[str], frame: Any, labels: Sequence[str] = LABELS
) -> list[Question]:
    """Every state of every game in every pair of words both ways round and in two orders: the first act first
    at every place, and last at every place."""
    out: list[Question] = []
    for pair in labels:
        for words in (pair, ",".join(pair.split(",")[::-1])):
            spoken = variant(frame, labels=words)
            for name in games:  # one call each: orders else take turns over games and frames
                out += questions(model, {name: battery(find("games", name))}, [spoken], most=2)
    return out
