"""A preference with free parameters: what is estimated, taken from the preference's own formula."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import numpy as np

from homines.choice import Belief, expected, told, uniform
from homines.core import Array, Decision, HominesError, Preference, frozen
from homines.lookup import arguments

RISK = "risk"
PRECISION = "precision"
MANY = 32
"""Decisions alike in all but payoffs from which their utility is taken at once."""


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
        return self._linear(lambda u: expected(u(d), belief(d), d.chance))

    def tables(self, ds: Sequence[Decision], belief: Belief = told) -> list[Array]:
        """`columns` of every decision; those that differ in nothing but payoffs are taken together."""
        out: dict[int, Array] = {}
        for places in self._alike(ds, belief):
            like, some = ds[places[0]], [ds[i] for i in places]
            if len(places) < MANY:
                out.update((i, self.columns(ds[i], belief)) for i in places)
            else:
                same = None if like.same is None else np.stack([d.same for d in some if d.same is not None])
                found = self.stacked(like, np.stack([d.payoffs for d in some]), same, belief)
                out.update(zip(places, found, strict=True))
        return [out[i] for i in range(len(ds))]

    def defined(self, ds: Sequence[Decision], belief: Belief = told) -> list[bool]:
        """Whether the family says something, by decision."""
        out = [False] * len(ds)
        for places in self._alike(ds, belief):
            whole = self._says([ds[i] for i in places], belief)
            for i in places:
                out[i] = whole or (len(places) > 1 and self._says([ds[i]], belief))
        return out

    def _says(self, ds: Sequence[Decision], belief: Belief) -> bool:
        try:
            self.tables(ds, belief)
        except HominesError:
            return False
        return True

    def _alike(self, ds: Sequence[Decision], belief: Belief) -> list[list[int]]:
        """Places of decisions that differ in nothing but payoffs, where their utility may be taken at once.

        Every preference of the package values each outcome by its own payoffs; a rule that is named, others'
        code and others' beliefs may look at more.
        """
        ours = self.make.__module__.startswith("homines.preferences.") and belief in (told, uniform)
        ours = ours and not any(isinstance(value, str) for value in self.fixed.values())
        groups: dict[object, list[int]] = {}
        for i, d in enumerate(ds):
            groups.setdefault(_likeness(d) if ours and d.chance is None else i, []).append(i)
        return list(groups.values())

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
        drawn = self._linear(lambda u: expected(np.moveaxis(u(d), -1, 1), belief(like)))
        return np.moveaxis(drawn, 1, 0)

    def _linear(self, value: Callable[[Preference], Array]) -> Array:
        """What a value is at no parameters, and what each parameter adds to it, on a new last axis."""

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


def _likeness(d: Decision) -> object:
    """All of a decision but the numbers of its payoffs."""
    told = None if d.others is None else tuple((b.shape, b.tobytes()) for b in d.others)
    forgone = tuple((name, paid.tobytes()) for name, paid in d.forgone)
    seen = d.reply, d.rounds, d.history, d.player, d.names, d.kindness, forgone, d.rule, d.does
    return d.actions, d.theirs, d.payoffs.shape, d.same is None, told, seen


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
