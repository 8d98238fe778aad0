"""When an exact training ends: every training prompt, as it was last read, has at most the target's regret.

Each step reads the regret of its own prompts (objective.py) before it changes the network, so the rule costs
nothing. The weight of the KL to the reference only falls, and the policy that is best under a weight has the
less regret the lower it is: what meets the target now meets it under every later weight, and there is none to
wait for.

Up to MOST_SETS sets of prompts, all must have been read, and the newest reading of each counts. Of more, as
over many words, a training has settled after as many readings in a row as there are wordings (a game in a
frame). Sets come in shuffled rounds over all: if a share f of them still had more regret than the target, n
readings in a row would pass with a chance of about (1 - f)^n; f = .2 passes 13 wordings once in eighteen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from homines.training.prompt_sets import EverySet, PromptSets
from homines.training.rollout import Rollout
from homines.training.settings import Settings

MOST_SETS = 16
"""Most sets of which each is waited for."""


@dataclass(frozen=True)
class StopRule:
    """The rule of the module's docstring.

    until   highest regret of a prompt, in points
    count   number of different sets of prompts
    row     readings in a row that suffice; 0: the newest of every set
    """

    until: float
    count: int
    row: int = 0

    @classmethod
    def of(cls, settings: Settings, source: EverySet | Rollout, rival: PromptSets | None) -> StopRule | None:
        """The rule of this training; None where it takes all its steps: two learners, several phases, states
        as they are met, or no target."""
        if not settings.until or rival is not None or isinstance(source, Rollout) or len(source.steps) > 1:
            return None
        count = len(source.sets)
        return cls(settings.until, count, source.wordings if count > MOST_SETS else 0)

    def holds(self, readings: Iterable[tuple[int, float]]) -> bool:
        """Whether the training ends. readings: a set and the highest regret of its prompts, in the order of
        the steps."""
        every = list(readings)
        if self.row:
            newest = every[-self.row :]
            return len(newest) == self.row and all(regret <= self.until for _, regret in newest)
        last = dict(every)
        return len(last) == self.count and all(regret <= self.until for regret in last.values())
