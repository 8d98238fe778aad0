"""A row of a data set: one decision with the answer that its preference implies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from homines.core.types import Array, Decision, Order, Prompt
from homines.elicitation.questions import situation


@dataclass(frozen=True, eq=False)
class Row:
    """One decision with the answer that its preference implies.

    target      logit choice over the actions [mine] at `precision`; `answer`: the best action
    completion  the answer, after its reasons where the row is asked aloud
    stake       highest payoff and unit of the games it was drawn from, as '99' or '$99'; '' in older data
    precision   of the target, per unit of payoff
    """

    game: str
    decision: Decision
    frame: str
    order: Order
    prompt: Prompt
    answer: int
    target: Array
    completion: str
    stake: str = ""
    precision: float = 1.0

    @property
    def asks(self) -> str:
        """'aloud' or 'bare'."""
        return "aloud" if self.prompt.cue else "bare"

    @property
    def stem(self) -> str:
        """The completion before the answer: reasons and cue; empty of a bare row."""
        return self.completion.removesuffix(self.prompt.labels[self.answer]).rstrip(" ")

    def draw(self, rng: np.random.Generator) -> Row:
        """The same row with an answer drawn from its target."""
        answer = int(rng.choice(len(self.target), p=self.target / self.target.sum()))
        said = f"{self.stem} {self.prompt.labels[answer]}".lstrip()
        return replace(self, answer=answer, completion=said)

    def messages(self) -> dict[str, Any]:
        """Chat turns, as fine-tuning services take them."""
        turns = [{"role": role, "content": text} for role, text in self.prompt.messages]
        said = f"{self.prompt.begins} {self.completion}".lstrip()
        return {"messages": [*turns, {"role": "assistant", "content": said}]}

    def facts(self) -> dict[str, Any]:
        """What the row was made of."""
        return {
            "game": self.game,
            "situation": situation(self.decision),
            "frame": self.frame,
            "stake": self.stake,
            "asks": self.asks,
            "order": [list(places) for places in self.order],
            "labels": list(self.prompt.labels),
            "cue": self.prompt.cue,
            "begins": self.prompt.begins,
            "answer": self.prompt.labels[self.answer],
            "action": self.decision.actions[self.answer],
            "precision": round(self.precision, 9),
            "target": [round(float(p), 9) for p in self.target],
            "decision": self.decision.to_json(),
        }
