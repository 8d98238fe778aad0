"""A person in a model's place: asked in its words, met by another, recorded as a model is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Record
from homines.people.counterpart import Counterpart, opponent_or_model
from homines.people.plan import SessionPlan
from homines.people.play import replay


class Sitting:
    """A person at play: the next question, and the answers so far, each on the disk before the next one."""

    def __init__(self, plan: SessionPlan, other: Counterpart, run: RunFolder | None = None) -> None:
        self.plan, self.other, self.run = plan, other, run
        self.records: dict[str, Record] = {}
        self._answers: list[int] = []
        self.progress = replay(plan, other, ())
        while (turn := self.progress.turn) is not None and run is not None:
            record = run.done.get(turn.record.key)
            if record is None or record.choice is None:
                break
            self._take(record, int(np.argmax(record.choice.p)))

    def answer(self, action: int) -> None:
        """Record the answer to the present question, then play on.

        Raises HominesError where the counterpart fails; the answer is kept, and `go_on` asks it again.
        """
        turn = self.progress.turn
        if turn is None:
            raise HominesError("this sitting is over; start another")
        if self.late:
            raise HominesError("the last answer was not met yet; go on first")
        record = replace(turn.record, choice=Choice.at(np.eye(len(turn.decision.actions))[action], n=1))
        if self.run is not None and record.key not in self.run.done:
            self.run.keep([turn.prompt])
            self.run.add([record])
        self._take(record, action)

    def _take(self, record: Record, action: int) -> None:
        self.records[record.key] = record
        self._answers.append(action)
        self.go_on()

    def go_on(self) -> None:
        """Play as far as the answers go."""
        self.progress = replay(self.plan, self.other, self._answers)

    @property
    def late(self) -> bool:
        """Whether the counterpart failed to meet the last answer."""
        return len(self._answers) > len(self.progress.answered)


def start(plan: SessionPlan, run: RunFolder | None = None, **placement: Any) -> Sitting:
    """A sitting, or the rest of the one that the run folder holds. placement: device, dtype."""
    return Sitting(plan, Counterpart(plan, opponent_or_model(plan.against, **placement), run), run)
