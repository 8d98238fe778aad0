"""Moral regret of answers to a game, against a stated opponent; in the long run where it is repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homines.core.registry import find
from homines.core.types import Choice, Decision, HominesError, Policy, Preference, Record
from homines.elicitation.metrics import average_by_decision, choices, moral_regret
from homines.elicitation.policies import RecordedPolicy
from homines.elicitation.questions import state
from homines.opponents import opponent
from homines.theory.chain import chain
from homines.theory.game_forms import Repeated


def regret(records: Iterable[Record], preference: Preference, against: str = "random") -> float | None:
    """Best reply's expected utility less the achieved one, given legal answers; records of one game.

    A repeated game: states weighed as play against this opponent meets them in the long run (the exact
    chain). A game played once: the mean over its decisions, the others' play as the decision tells it and
    uniform where it tells nothing; `against` bears on nothing there. In utility, at least 0. None where no
    answer, or not every state, is there, and where the preference says nothing of this game (a rule about C
    and D).
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
    except HominesError:  # a rule about C and D, or an opponent that plays C and D, in another game
        return None


def _long_run(
    spec: str, pairs: Sequence[tuple[Decision, Choice]], preference: Preference, other: Policy
) -> float | None:
    """Regret of seat 0 in the chain; None where a state is missing."""
    memory = len(pairs[0][0].history)
    game = find("games", spec)
    played = game if isinstance(game, Repeated) else Repeated(game)
    heard = {d.key: c for d, c in pairs}
    if any(d.key not in heard for d in played.remembered(0, memory)):
        return None
    held = chain(played, [RecordedPolicy(heard, memory), other], memory=memory)
    return held.regret(preference, held.long_run())
