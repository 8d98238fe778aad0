"""`belief`: what will another, asked this, answer?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from homines.core import Decision, HominesError, Order, Prompt
from homines.frames._words import either
from homines.lookup import find, spell

if TYPE_CHECKING:
    from homines.core import Frame


@dataclass(frozen=True)
class Belief:
    """The decision in another frame's words, put to another player: which answer will that player give?

    of   spec of the frame in whose words the other is asked
    Beliefs elicited at every point of decision, as van Leeuwen & Alger (2024) do; not incentivised.
    """

    of: str = "table"

    asks: ClassVar[str] = "belief"

    def __post_init__(self) -> None:
        if isinstance(self.inner, Belief):
            raise HominesError(
                f"belief(of={self.of!r}): beliefs about beliefs are not asked; name another frame"
            )
        object.__setattr__(self, "of", spell(self.inner))

    @property
    def inner(self) -> Frame:
        """The frame in whose words the other is asked."""
        return find("frames", self.of)

    @property
    def places(self) -> int:
        return self.inner.places

    @property
    def memory(self) -> int:
        return int(getattr(self.inner, "memory", 1))

    def __call__(self, d: Decision, order: Order) -> Prompt:
        inner = self.inner(d, order)
        text = (
            f"Another player, not you, is asked the following.\n\n{inner.text}\n\n"
            "Your task is to predict that player's answer. "
            f"Answer with exactly {either(inner.labels, order[-1])}."
        )
        return Prompt((("user", text),), inner.labels)
