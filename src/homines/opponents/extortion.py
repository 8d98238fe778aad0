"""Zero-determinant extortion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from homines.core.checks import number
from homines.core.types import Choice, Decision, HominesError, NotDefined
from homines.opponents.memory_one import MemoryOne
from homines.theory.strategies import check_pair

REMEDY = "use a symmetric prisoner's dilemma, such as ipd, or another opponent"


@dataclass(frozen=True)
class Extortion:
    """Whatever the other does, own long-run payoff - P = factor * (the other's - P).

    With (T, R, P, S) the decision's own payoffs, C is played with probability

        cc   1 - phi (factor - 1) (R - P)
        cd   1 - phi ((P - S) + factor (T - P))
        dc   phi ((T - P) + factor (P - S))
        dd   0

    factor   at least 1; at 1 both get the same (and the largest phi is tit for tat)
    phi      how strongly it reacts, above 0 and at most where a probability leaves [0, 1];
             None: half of that
    It opens with D, as extortioners usually do: the first move has no part in the long run.
    Press & Dyson (2012), PNAS 109: 10409.
    """

    factor: float = 3.0
    phi: float | None = None

    memory: ClassVar[int] = 1

    def __post_init__(self) -> None:
        number("factor", self.factor, 1)
        if self.phi is not None:
            number("phi", self.phi, 0)
            if self.phi == 0:
                raise HominesError("phi must be above 0, got 0: at 0 it repeats its own move; leave it out")

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        check_pair(ds)
        return [self.strategy(d)([d])[0] for d in ds]

    def strategy(self, d: Decision) -> MemoryOne:
        """The four probabilities for this decision's payoffs."""
        t, r, p, s = dilemma(d)
        cc = (self.factor - 1) * (r - p)
        cd = (p - s) + self.factor * (t - p)
        dc = (t - p) + self.factor * (p - s)
        most = 1 / max(cc, cd, dc)
        phi = most / 2 if self.phi is None else self.phi
        if phi > most * (1 + 1e-12):
            raise HominesError(
                f"phi {phi:g} makes a probability leave [0, 1]: for factor {self.factor:g} and payoffs "
                f"T, R, P, S = {t:g}, {r:g}, {p:g}, {s:g} it is at most {most:g}; lower it or leave it out"
            )
        return MemoryOne(0.0, *(min(max(x, 0.0), 1.0) for x in (1 - phi * cc, 1 - phi * cd, phi * dc, 0.0)))


def dilemma(d: Decision) -> tuple[float, float, float, float]:
    """T, R, P, S of a symmetric prisoner's dilemma. Raises NotDefined for any other game."""
    if d.payoffs.shape != (2, 2, 2) or not np.allclose(d.payoffs[1], d.payoffs[0].T):
        raise NotDefined(
            f"payoffs {d.payoffs.tolist()} are not those of a symmetric game of simultaneous moves, "
            f"so extortion has no one T, R, P, S to read; {REMEDY}"
        )
    (r, s), (t, p) = d.payoffs[0].tolist()
    if not t > r > p > s:
        raise NotDefined(
            f"T, R, P, S = {t:g}, {r:g}, {p:g}, {s:g} are no prisoner's dilemma (T > R > P > S), "
            f"and there is nothing to extort; {REMEDY}"
        )
    return t, r, p, s
