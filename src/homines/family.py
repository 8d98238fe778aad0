"""A preference with free parameters: what is estimated, taken from the preference's own formula."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import numpy as np

from homines.choice import Belief, expected, told
from homines.core import Array, Decision, HominesError, Preference, frozen
from homines.lookup import arguments

RISK = "risk"
PRECISION = "precision"


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

    def columns(self, d: Decision, belief: Belief = told) -> Array:
        """Expected utility as a linear function of the parameters: [mine, 1 + free].

        Column 0 is the part without parameters, column k what parameter k is multiplied with. Read off the
        preference's formula at 0 and at 1; raises HominesError where that is not linear.
        """

        def at(point: Array) -> Array:
            values = dict(zip(self.free, map(float, point), strict=True))
            return expected(self.at(values)(d), belief(d), d.chance)

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


def family(spec: str) -> Family:
    """A family from its spec: parameters that are written are fixed, numbers that are not are free.

    >>> family("kantian(alpha=0)").free
    ('beta', 'kappa')
    """
    make, written = arguments("preferences", spec)
    if not (inspect.isclass(make) and is_dataclass(make)):
        raise HominesError(f"{spec} is no dataclass, so its parameters cannot be told; write it as one")
    free = tuple(
        f.name for f in fields(make) if f.init and f.name not in written and f.type in ("float", float)
    )
    made = Family(spec, cast("Callable[..., Preference]", make), free, written)
    missing = [
        name
        for name, p in inspect.signature(make).parameters.items()
        if p.default is p.empty and name not in free and name not in written
    ]
    if missing:
        raise HominesError(f"{spec} lacks {', '.join(missing)}; write a value for it")
    for point in (0.0, 0.5, 1.0):
        try:
            made.at(dict.fromkeys(free, point))
        except Exception as failure:
            raise HominesError(
                f"{spec} cannot be made with its free parameters at {point:g} ({failure}); fit reads the "
                "utility off at 0 and at 1: write a value for the one that cannot be there"
            ) from failure
    return made


def valued(d: Decision, risk: float, scale: float) -> Decision:
    """The decision with payoffs x as v(x) = scale * ((x / scale)^(1 - risk) - 1) / (1 - risk).

    Constant relative risk aversion (log at risk = 1), in units of payoff near `scale`; everyone's payoffs are
    valued alike. Payoffs must be at least 0, and above 0 where risk >= 1.
    """

    def v(x: Array) -> Array:
        return frozen(crra(x, risk, scale))

    return replace(d, payoffs=v(d.payoffs), same=None if d.same is None else v(d.same))


def crra(x: Array, risk: float, scale: float) -> Array:
    """v(x) as in `valued`; HominesError for payoffs it has no value for."""
    if (x < 0).any() or (risk >= 1 and (x == 0).any()):
        raise HominesError(
            f"payoffs down to {x.min():g} have no value at risk {risk:.3g} (constant relative risk aversion "
            "needs payoffs of at least 0); drop --risk"
        )
    z = x / scale
    if abs(1 - risk) < 1e-9:
        return scale * np.log(z)
    return scale * (z ** (1 - risk) - 1) / (1 - risk)
