"""`under`: the question of another frame after a conversation, a system prompt, a persona or an order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from homines.core.capabilities import variant
from homines.core.checks import count
from homines.core.registry import LATER, find, inherit_trust, spell
from homines.core.types import Decision, HominesError, Order, Prompt
from homines.elicitation.conditions import PLAIN, condition
from homines.elicitation.scene import split_labels

PLAIN_SETTINGS: dict[str, Any] = {"labels": (), "goal": "", "memory": 1, "asks": "choice", "begins": ""}
"""Settings that the frame that asks may have, each with the value that says nothing."""


@dataclass(frozen=True)
class Under:
    """The question of a frame, word for word, under a condition of elicitation/conditions.toml.

    condition   its name; empty: nothing is added
    frame       the frame that asks
    labels, goal, memory, asks, begins   settings of that frame; its own where its spec states them
    """

    condition: str = PLAIN
    frame: str = "table"
    labels: tuple[str, ...] | str = field(default=(), metadata=LATER)
    goal: str = field(default="", metadata=LATER)
    memory: int = field(default=1, metadata=LATER)
    asks: str = field(default="choice", metadata=LATER)
    begins: str = field(default="", metadata=LATER)

    def __post_init__(self) -> None:
        condition(self.condition)
        count("memory", self.memory)
        object.__setattr__(self, "labels", split_labels(self.labels))
        inner = find("frames", self.frame)
        if isinstance(inner, Under):
            raise HominesError(f"frame {self.frame!r} has a condition already; name a frame without one")
        for name, plain in PLAIN_SETTINGS.items():
            if getattr(self, name) == plain:
                object.__setattr__(self, name, getattr(inner, name, plain))
            elif not hasattr(inner, name):
                raise HominesError(f"frame {self.frame} takes no {name}; leave it out, or use another frame")
        bare = variant(inner, **{name: x for name, x in PLAIN_SETTINGS.items() if hasattr(inner, name)})
        object.__setattr__(self, "frame", inherit_trust(self.frame, spell(bare)))
        object.__setattr__(self, "goal", getattr(self.inner, "goal", ""))  # a sentence in place of its name

    @property
    def places(self) -> int:
        """How many times the question lists the options."""
        return self.inner.places

    @property
    def inner(self) -> Any:
        """The frame that asks, with these settings."""
        frame = find("frames", self.frame)
        return variant(
            frame, **{name: getattr(self, name) for name in PLAIN_SETTINGS if hasattr(frame, name)}
        )

    def __call__(self, d: Decision, order: Order) -> Prompt:
        return condition(self.condition)(self.inner(d, order))
