"""Callbacks for the progress of long work and for stopping it, bundled in `Follow`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

Say = Callable[[str], None]
Tell = Callable[[int], None]
"""tell(done) reports how many pieces of a stage are done."""
Begin = Callable[[str, int], Tell]
"""begin(stage, total) returns that stage's `tell`."""
Step = Callable[[dict[str, Any]], None]
Stop = Callable[[], bool]


def ignore(*_: Any) -> None:
    """Ignore every report."""


def ignore_stage(stage: str, total: int) -> Tell:
    """Ignore a stage that begins."""
    return ignore


def never() -> bool:
    """Never ask to stop."""
    return False


@dataclass(frozen=True, kw_only=True)
class Follow:
    """Callbacks of a caller that follows long work; each one that is left out does nothing.

    say     say(text): called with a sentence on the work
    begin   begin(stage, total) returns tell(done): called as a stage of `total` pieces begins
    step    step(row): called with the figures of each step of a training
    stop    stop(): asked between pieces; True interrupts the work (Interrupted)
    """

    say: Say = ignore
    begin: Begin = ignore_stage
    step: Step = ignore
    stop: Stop = never

    def also(self, step: Step) -> Follow:
        """The same callbacks, `step` called first with every row."""

        def both(row: dict[str, Any]) -> None:
            step(row)
            self.step(row)

        return replace(self, step=both)


QUIET = Follow()
"""Nobody follows, and nothing stops the work."""
