"""Duty: nothing counts but whether a rule forbids the action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from homines.core import registry
from homines.core.checks import action, number
from homines.core.types import Array, Decision, HominesError
from homines.theory.utility_terms import FORBIDDEN, Term, weigh

Rule: TypeAlias = Callable[[Decision], NDArray[np.bool_]]
"""Which of my actions are forbidden here, shape [mine]."""


@dataclass(frozen=True)
class Deontological:
    """u = -penalty where the rule forbids my action, else 0.

    rule      a name from RULES, a Rule itself, or, where it is typed, 'module:object' of one
    penalty   at least 0, in utility
    Tennant et al. (2025), reward `De`, xi = 3.
    """

    rule: str = "betrayal"
    penalty: float = 3.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", spec_of(self.rule))
        number("penalty", self.penalty, 0)

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return (Term(FORBIDDEN, -self.penalty, forbidden(self.rule, d)),)


def betrayal(d: Decision) -> NDArray[np.bool_]:
    """Playing D where every other player who acted in the last stage played C.

    Without a history nothing is forbidden.
    """
    action(d, "C", "the rule 'betrayal'")
    defect = action(d, "D", "the rule 'betrayal'")
    last = d.history[-1] if d.history else ()
    did = [d.action_name(k, a) for k, a in enumerate(last) if k != d.player and a is not None]
    wrong = np.zeros(len(d.actions), dtype=np.bool_)
    wrong[defect] = bool(did) and all(name == "C" for name in did)
    return wrong


RULES: Mapping[str, Rule] = {"betrayal": betrayal}


def spec_of(rule: str | Rule) -> str:
    """The spec of a rule. Raises HominesError for an unknown rule, and for one without a spec."""
    spec = rule if isinstance(rule, str) else registry.spell(rule)
    find_rule(spec)
    return spec


def find_rule(rule: str) -> Rule:
    """The rule of this name, or the one at 'module:object'."""
    if rule in RULES:
        return RULES[rule]
    if ":" not in rule:
        raise HominesError(
            f"no rule called {rule!r}; there are {', '.join(RULES)}. "
            "Name another as 'module:object': a function from a decision to a bool for each action"
        )
    function: Any = registry.find("preferences", rule)
    if not callable(function):
        raise HominesError(f"rule {rule!r} is no function; it must map a decision to bools [mine]")
    return cast("Rule", function)


def forbidden(rule: str, d: Decision) -> Array:
    """1.0 where the rule forbids my action, 0.0 elsewhere; shape d.payoffs.shape[1:]."""
    wrong = np.asarray(find_rule(rule)(d))
    if wrong.shape != (len(d.actions),) or wrong.dtype != np.bool_:
        raise HominesError(
            f"rule {rule!r} returned {wrong.tolist()}; it must return one bool for each of "
            f"{', '.join(d.actions)}"
        )
    return by_action(wrong.astype(np.float64), d)


def by_action(values: Array, d: Decision) -> Array:
    """Values [mine] as utilities of shape d.payoffs.shape[1:]."""
    column = values.reshape(-1, *(1 for _ in d.payoffs.shape[2:]))
    return np.broadcast_to(column, d.payoffs.shape[1:])
