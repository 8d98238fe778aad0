"""A preference with free parameters; its utility gives the regressors of the logit (`Family.columns`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import numpy as np

from homines.core.registry import arguments, spell_class
from homines.core.types import Array, Decision, HominesError, NeedsVeil, Preference, frozen
from homines.theory.choice import Belief, expected_utility, stated_beliefs, uniform_beliefs

RISK = "risk"
LAPSE = "lapse"
PRECISION = "precision"
STACKED_FROM = 32
"""Number of decisions in a block from which their utilities are computed in one call."""


@dataclass(frozen=True)
class Family:
    """Every preference of one kind, some of its parameters fixed.

    spec   as written, such as 'kantian(alpha=0)'
    make   the preference's class
    free   parameters to estimate, in the order of the class
    fixed  the others
    """

    spec: str
    make: Callable[..., Preference]
    free: tuple[str, ...]
    fixed: Mapping[str, Any]

    def at(self, values: Mapping[str, float]) -> Preference:
        """The preference with these values of the free parameters."""
        return self.make(**{**self.fixed, **values})

    def columns(self, d: Decision, belief: Belief = stated_beliefs) -> Array:
        """Expected utility as a linear function of the parameters: [mine, 1 + free].

        Column 0 is the part without parameters, column k what parameter k is multiplied with. Read off the
        preference's formula at 0 and at 1; raises HominesError where that is not linear.
        """
        return self._linear(lambda u: expected_utility(u(d), belief(d), d.chance))

    def needs_veil(self, d: Decision) -> bool:
        """Whether the family universalises, and this decision is no symmetric one: only behind the veil of
        ignorance has it a value."""
        try:
            self.at(dict.fromkeys(self.free, 0.0))(d)
        except NeedsVeil:
            return True
        return False

    def outcome_by_outcome(self, belief: Belief) -> bool:
        """Whether many decisions may be valued in one call. Preferences of the package value each outcome by
        its own payoffs; named rules, foreign classes and other beliefs may depend on more."""
        ours = self.make.__module__.startswith("homines.preferences.") and belief in (
            stated_beliefs,
            uniform_beliefs,
        )
        return ours and not any(isinstance(value, str) for value in self.fixed.values())

    def stacked(self, like: Decision, payoffs: Array, same: Array | None, belief: Belief) -> Array:
        """`columns` of many decisions like this one, [decision, mine, 1 + free]: each is one draw of chance.

        payoffs  [decision, seat, mine, other, ...]; same [decision, mine], None where `like` has none
        """
        n = len(payoffs)
        d = replace(
            like,
            payoffs=frozen(np.moveaxis(payoffs, 0, -1)),
            same=None if same is None else frozen(same.T),
            chance=np.full(n, 1 / n),
        )
        columns = self._linear(lambda u: expected_utility(np.moveaxis(u(d), -1, 1), belief(like)))
        return np.moveaxis(columns, 1, 0)

    def _linear(self, value: Callable[[Preference], Array]) -> Array:
        """The value at parameters 0, and the slope in each parameter, on a new last axis."""

        def at(point: Array) -> Array:
            return value(self.at(dict(zip(self.free, map(float, point), strict=True))))

        axes = np.eye(len(self.free))
        base = at(np.zeros(len(self.free)))
        columns = np.stack([base, *(at(axis) - base for axis in axes)], axis=-1)
        half = np.full(len(self.free), 0.5)
        if not np.allclose(at(half), columns @ np.r_[1.0, half], rtol=1e-9, atol=1e-9):
            raise HominesError(
                f"the utility of {self.spec} is not linear in {', '.join(self.free)}; fit estimates linear "
                "ones: write the parameter that bends it with a value, as in family(parameter=1)"
            )
        return columns


def family(spec: str | type) -> Family:
    """A family from its spec or a preference's class: parameters in the spec are fixed, other numbers free.

    >>> family("kantian(alpha=0)").free
    ('beta', 'kappa')
    """
    spec = spell_class(spec) if isinstance(spec, type) else spec
    make, values = arguments("preferences", spec)
    if not (inspect.isclass(make) and is_dataclass(make)):
        raise HominesError(f"{spec} is no dataclass, so its parameters cannot be told; write it as one")
    free = tuple(
        f.name for f in fields(make) if f.init and f.name not in values and f.type in ("float", float)
    )
    candidate = Family(spec, cast("Callable[..., Preference]", make), free, values)
    missing = [
        name
        for name, p in inspect.signature(make).parameters.items()
        if p.default is p.empty and name not in free and name not in values
    ]
    if missing:
        raise HominesError(f"{spec} lacks {', '.join(missing)}; write a value for it")
    for point in (0.0, 0.5, 1.0):
        try:
            candidate.at(dict.fromkeys(free, point))
        except Exception as failure:
            raise HominesError(
                f"{spec} cannot be made with its free parameters at {point:g} ({failure}); fit reads the "
                "utility off at 0 and at 1: write a value for the one that cannot be there"
            ) from failure
    return candidate


def value_payoffs(d: Decision, risk: float, scale: float) -> Decision:
    """The decision with payoffs x as v(x) = scale * ((x / scale)^(1 - risk) - 1) / (1 - risk).

    Constant relative risk aversion (log at risk = 1), in units of payoff near `scale`; everyone's payoffs are
    valued alike. Payoffs must be at least 0, and above 0 for risk >= 1.
    """

    def v(x: Array) -> Array:
        return frozen(crra(x, risk, scale))

    return replace(d, payoffs=v(d.payoffs), same=None if d.same is None else v(d.same))


def crra(x: Array, risk: float, scale: float) -> Array:
    """v(x) as in `value_payoffs`. Raises HominesError for payoffs without a value."""
    if (x < 0).any() or (risk >= 1 and (x == 0).any()):
        raise HominesError(
            f"payoffs down to {x.min():g} have no value at risk {risk:.3g} (constant relative risk aversion "
            "needs payoffs of at least 0); drop --risk"
        )
    z = x / scale
    if abs(1 - risk) < 1e-9:
        return scale * np.log(z)
    return scale * (z ** (1 - risk) - 1) / (1 - risk)
