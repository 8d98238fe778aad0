"""When an exact training ends: every training prompt, as it was last read, has at most the target's regret.

Each step reads the regret of its own prompts (objective.py) before it changes the network, so the rule costs
nothing. The weight of the KL to the reference only falls, and the policy that is best under a weight has the
less regret the lower it is: what meets the target now meets it under every later weight, and there is none to
wait for. All prompts must have been read; where there are more of them than steps, as over many words, a
training takes all its steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homines.training.prompt_sets import PromptSets
from homines.training.rollout import Rollout
from homines.training.settings import Settings


@dataclass(frozen=True, eq=False)
class StopRule:
    """The rule of the module's docstring.

    until   highest regret, in points
    order   the sets in the order of reading; `a_step`: how many of them a step reads
    count   number of different sets
    """

    until: float
    order: Sequence[int]
    a_step: int
    count: int

    @classmethod
    def of(
        cls, settings: Settings, source: PromptSets | Rollout, rival: PromptSets | None, order: Sequence[int]
    ) -> StopRule | None:
        """The rule of this training; None where it takes all its steps: two learners, several phases, states
        as they are met, or no target."""
        if not settings.until or rival is not None or isinstance(source, Rollout) or len(source.steps) > 1:
            return None
        return cls(settings.until, order, settings.sets * settings.accumulation, len(source.sets))

    def holds(self, regrets: Mapping[int, float]) -> bool:
        """Whether the training ends. regrets: by step, from 1 on."""
        last: dict[int, float] = {}
        for step, regret in sorted(regrets.items()):
            last |= dict.fromkeys(self.order[(step - 1) * self.a_step : step * self.a_step], regret)
        return len(last) == self.count and all(regret <= self.until for regret in last.values())
