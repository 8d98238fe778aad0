"""A model, or its recorded answers, as a policy that can play."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from homines.core.capabilities import memory_of
from homines.core.types import Choice, Decision, Frame, HominesError, Model, Record
from homines.elicitation.metrics import average_by_decision
from homines.elicitation.orders import orders
from homines.theory.choice import average_choice
from homines.theory.conduct import last_round


@dataclass(frozen=True)
class ModelPolicy:
    """The policy of a model in a frame: every order is asked, and the answers are averaged."""

    model: Model
    frame: Frame

    @property
    def memory(self) -> int:
        """The number of past rounds that the frame shows to the model."""
        return int(memory_of(self.frame))

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        asks = [(i, o) for i, d in enumerate(ds) for o in orders(len(d.actions), self.frame.places)]
        choices = self.model.score([self.frame(ds[i], o) for i, o in asks])
        answers: list[list[Choice]] = [[] for _ in ds]
        for (i, _), choice in zip(asks, choices, strict=True):
            answers[i].append(choice)
        return [average_choice(group) for group in answers]


@dataclass(frozen=True, eq=False)
class RecordedPolicy:
    """The recorded answers of a model as a policy of a repeated game.

    answers    choices by `place`
    memory     past rounds that an answer depends on
    place      a function: the key of a decision in `answers`
    """

    answers: Mapping[Any, Choice]
    memory: int
    place: Callable[[Decision], Hashable] = attrgetter("key")

    @classmethod
    def of(cls, records: Sequence[Record], *, symmetric: bool) -> RecordedPolicy:
        """The policy by the last round as the player sees it, averaged over orders and frames.

        symmetric   the game is the same for every player: an answer in one seat holds in all
        """
        place = last_round if symmetric else _seat_and_last_round
        return cls({place(d): choice for d, choice in average_by_decision(records)}, 1, place)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        """Raises HominesError for a decision without an answer."""
        return [self._answer(d) for d in ds]

    def _answer(self, d: Decision) -> Choice:
        choice = self.answers.get(self.place(d))
        if choice is None:
            prices = ", ".join(d.actions[a] for a in last_round(d))
            past = f"after prices {prices}" if prices else "at the start"
            raise HominesError(
                f"there is no answer {past}: it failed, was never a legal one or was not asked; run the "
                "same command again to ask it anew"
            )
        return choice


def _seat_and_last_round(d: Decision) -> Hashable:
    """The player, and the last round as that player sees it."""
    return d.player, last_round(d)
