"""When an exact training ends: every training prompt, as it was last read, has at most the target's regret.

Each step reads the regret of its own prompts (objective.py) before it changes the network, so the rule costs
nothing. The weight of the KL to the reference only falls, and the policy that is best under a weight has the
less regret the lower it is: what meets the target now meets it under every later weight, and there is none to
wait for. All prompts must have been read; where there are more of them than steps, as over many words, a
training takes all its steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from homines.training.prompt_sets import EverySet, PromptSets
from homines.training.rollout import Rollout
from homines.training.settings import Settings


@dataclass(frozen=True)
class StopRule:
    """The rule of the module's docstring.

    until   highest regret of a prompt, in points
    count   number of different sets of prompts
    """

    until: float
    count: int

    @classmethod
    def of(cls, settings: Settings, source: EverySet | Rollout, rival: PromptSets | None) -> StopRule | None:
        """The rule of this training; None where it takes all its steps: two learners, several phases, states
        as they are met, or no target."""
        if not settings.until or rival is not None or isinstance(source, Rollout) or len(source.steps) > 1:
            return None
        return cls(settings.until, len(source.sets))

    def holds(self, readings: Iterable[tuple[int, float]]) -> bool:
        """Whether the training ends. readings: a set and the highest regret of its prompts, in the order of
        the steps."""
        last = dict(readings)
        return len(last) == self.count and all(regret <= self.until for regret in last.values())
