"""Moral regret of answers to a game, against a stated opponent; in the long run where it is repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homines.core.plugins import UnknownName
from homines.core.registry import UntrustedModule, find
from homines.core.types import Choice, Decision, NotDefined, Policy, Preference, Record
from homines.elicitation.metrics import average_by_decision, choices, moral_regret
from homines.elicitation.policies import RecordedPolicy
from homines.elicitation.questions import state
from homines.opponents import opponent
from homines.theory.chain import chain
from homines.theory.game_forms import Repeated


def regret(records: Iterable[Record], preference: Preference, against: str = "random") -> float | None:
    """Best reply's expected utility less the achieved one, given legal answers; records of one game.

    A repeated game: states are weighed by their share of the long run of play against this opponent (the
    exact chain); of more than two players, all others are this opponent. A game played once: the mean over
    its decisions, with the others' play as the decision states it or uniform; `against` has no role there. In
    utility, at least 0. None where no answer or not
    every state was recorded, where the preference or the opponent is not defined in this game (a rule about
    C and D), and where the game's name leads to no game.
    """
    other = opponent(against)
    own = choices(records)
    pairs = average_by_decision(own)
    if not pairs:
        return None
    try:
        if state(pairs[0][0]) is None:
            return moral_regret(preference, pairs).regret
        return _long_run(own[0].game, pairs, preference, other)
    except (NotDefined, UnknownName, UntrustedModule):
        return None


def _long_run(
    spec: str, pairs: Sequence[tuple[Decision, Choice]], preference: Preference, other: Policy
) -> float | None:
    """Regret of seat 0 in the chain; None where a state is missing."""
    memory = len(pairs[0][0].history)
    game = find("games", spec)
    repeated = game if isinstance(game, Repeated) else Repeated(game)
    answers = {d.key: c for d, c in pairs}
    if any(d.key not in answers for d in repeated.remembered(0, memory)):
        return None
    others = [other] * (len(repeated.stage.actions) - 1)
    play = chain(repeated, [RecordedPolicy(answers, memory), *others], memory=memory)
    return play.regret(preference, play.long_run())
