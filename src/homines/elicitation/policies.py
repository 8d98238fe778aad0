"""Policies made of answers: of a model asked as it goes, or of the records of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.types import Choice, Decision, Frame, HominesError, Model, Record
from homines.elicitation.metrics import average_by_decision
from homines.elicitation.orders import orders
from homines.theory.choice import average_choice
from homines.theory.conduct import LastRound, last_round


@dataclass(frozen=True, eq=False)
class RecordedPolicy:
    """Answers to every state of a repeated game are a policy. heard: by `Decision.key`."""

    heard: Mapping[str, Choice]
    memory: int

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [self.heard[d.key] for d in ds]


@dataclass(frozen=True)
class ModelPolicy:
    """A model and a frame are a policy; every order is asked and the answers averaged."""

    model: Model
    frame: Frame

    @property
    def memory(self) -> int:
        """How many past rounds the frame tells: the model knows no more."""
        return int(getattr(self.frame, "memory", 1))

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        asks = [(i, o) for i, d in enumerate(ds) for o in orders(len(d.actions), self.frame.places)]
        heard = self.model.score([self.frame(ds[i], o) for i, o in asks])
        answers: list[list[Choice]] = [[] for _ in ds]
        for (i, _), choice in zip(asks, heard, strict=True):
            answers[i].append(choice)
        return [average_choice(some) for some in answers]


@dataclass(frozen=True, eq=False)
class PricingRecords:
    """A model's recorded answers as a policy of one past round.

    answers   choices by the player asked and what it saw; None for the player: either, in a symmetric game
    """

    memory: ClassVar[int] = 1

    answers: Mapping[tuple[int | None, LastRound], Choice]

    @classmethod
    def of(cls, records: Sequence[Record], *, symmetric: bool) -> PricingRecords:
        """Orders and frames averaged."""
        found = average_by_decision(records)
        return cls({(None if symmetric else d.player, last_round(d)): choice for d, choice in found})

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        out: list[Choice] = []
        for d in ds:
            seen = last_round(d)
            choice = self.answers.get((None, seen)) or self.answers.get((d.player, seen))
            if choice is None:
                was = f"after prices {', '.join(d.actions[a] for a in seen)}" if seen else "at the start"
                raise HominesError(
                    f"there is no answer {was}: it failed, was never a legal one or was not asked; run the "
                    "same command again to ask it anew"
                )
            out.append(choice)
        return out
