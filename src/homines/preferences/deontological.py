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

Rule: TypeAlias = Callable[[Decision], NDArray[np.bool_] | Array]
"""Which of my actions are forbidden here, shape [mine]; of a graded rule, how much each is, in [0, 1]."""


@dataclass(frozen=True)
class Deontological:
    """u = -penalty where the rule forbids my action, else 0; where it forbids by degrees, -penalty * degree.

    rule      a name from RULES, a Rule itself, or, where it is typed, 'module:object' of one
    penalty   at least 0, in utility
    Tennant et al. (2025), reward `De`, xi = 3. Among n players the rule 'graded_betrayal' makes it
    -xi k / (n - 1) for defecting after k of the n - 1 others cooperated; 'betrayal' asks that all did.
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
    return _defection(d, "the rule 'betrayal'") == 1


def graded_betrayal(d: Decision) -> Array:
    """Playing D, by the share of the other players who acted in the last stage that played C.

    With two players it is `betrayal`. Without a history nothing is forbidden.
    """
    return _defection(d, "the rule 'graded_betrayal'")


def _defection(d: Decision, why: str) -> Array:
    """The share of the others who played C in the last stage, at my action D; 0 at every other; [mine]."""
    kind = action(d, "C", why)
    defect = action(d, "D", why)
    wrong = np.zeros(len(d.actions))
    if d.crowd and d.history:
        firsts = d.crowd - (d.history[-1][1] or 0)
        wrong[defect] = (firsts if kind == 0 else d.crowd - firsts) / d.crowd
        return wrong
    last = d.history[-1] if d.history else ()
    did = [d.action_name(k, a) == "C" for k, a in enumerate(last) if k != d.player and a is not None]
    wrong[defect] = sum(did) / len(did) if did else 0
    return wrong


RULES: Mapping[str, Rule] = {"betrayal": betrayal, "graded_betrayal": graded_betrayal}


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
            "Name another as 'module:object': a function from a decision to a bool for each action, or to a "
            "degree of 0 to 1"
        )
    function: Any = registry.find("preferences", rule)
    if not callable(function):
        raise HominesError(f"rule {rule!r} is no function; it must map a decision to bools or degrees [mine]")
    return cast("Rule", function)


def forbidden(rule: str, d: Decision) -> Array:
    """1.0 where the rule forbids my action, 0.0 elsewhere, between them the degree of a graded rule; shape
    d.payoffs.shape[1:]."""
    wrong = np.asarray(find_rule(rule)(d))
    fits = wrong.shape == (len(d.actions),) and wrong.dtype.kind in "bf"
    if not fits or not ((wrong >= 0) & (wrong <= 1)).all():
        raise HominesError(
            f"rule {rule!r} returned {wrong.tolist()}; it must return one bool for each of "
            f"{', '.join(d.actions)}, or a degree of 0 to 1"
        )
    return by_action(wrong.astype(np.float64), d)


def by_action(values: Array, d: Decision) -> Array:
    """Values [mine] as utilities of shape d.payoffs.shape[1:]."""
    column = values.reshape(-1, *(1 for _ in d.payoffs.shape[2:]))
    return np.broadcast_to(column, d.payoffs.shape[1:])
