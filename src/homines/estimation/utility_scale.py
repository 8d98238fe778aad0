"""A random-utility scale of outcomes from the probabilities of choices between them, two at a time.

    P(i over j) = F(u_i - u_j), sum u = 0           F: logistic (Bradley-Terry) or normal (Thurstone, case V)

A scale exists where the pairs that were asked connect all outcomes, and every outcome is chosen now and then
over the rest, however divided (Ford 1957): else utilities lie infinitely far apart, and there is an order of
classes in their place. Exact probabilities have no sampling error: an interval is over pairs, of what other
pairs of the same outcomes would give, and it is as wide as the pairs disagree with the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from homines.core.types import Array, HominesError, frozen
from homines.estimation.binary_response import Link, Response, Separated, maximise, probability
from homines.estimation.likelihood import explained
from homines.estimation.problem import FlatLikelihood

CERTAIN = 1e-6
"""A probability under which an outcome is never chosen over another, as far as a scale can tell."""
SPARE = 5
"""Pairs beyond the number of utilities from which there are intervals."""
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Pairs:
    """Probabilities of choices between outcomes. i, j: their places [pair]; p: P(i over j) [pair].

    Raises HominesError for fewer than two outcomes, a pair of one, a pair that is there twice and a p that is
    no probability.
    """

    outcomes: int
    i: np.ndarray
    j: np.ndarray
    p: Array

    def __post_init__(self) -> None:
        if self.outcomes < 2:
            raise HominesError(f"{self.outcomes} outcome has no pair; a scale needs two or more")
        if (self.i == self.j).any():
            raise HominesError(f"a pair is of outcome {self.i[self.i == self.j][0]} twice; name two")
        both = np.sort(np.stack([self.i, self.j], 1), axis=1)
        if len(np.unique(both, axis=0)) < len(both):
            raise HominesError("a pair is there twice; average its probabilities")
        if not (np.isfinite(self.p) & (self.p >= 0) & (self.p <= 1)).all():
            raise HominesError("a pair has a p that is no probability in [0, 1]")

    def __len__(self) -> int:
        return len(self.p)

    def keep(self, mask: np.ndarray) -> Pairs:
        """The pairs of a mask."""
        return Pairs(self.outcomes, self.i[mask], self.j[mask], self.p[mask])

    @property
    def matrix(self) -> Array:
        """p[i, j], nan where a pair was not asked."""
        p = np.full((self.outcomes, self.outcomes), np.nan)
        p[self.i, self.j], p[self.j, self.i] = self.p, 1 - self.p
        return p

    @property
    def columns(self) -> Array:
        """+1 at i and -1 at j [pair, outcome]."""
        x = np.zeros((len(self), self.outcomes))
        at = np.arange(len(self))
        x[at, self.i], x[at, self.j] = 1.0, -1.0
        return x

    def parts(self) -> list[list[int]]:
        """Outcomes that pairs connect, the largest part first."""
        return _components(self.outcomes, self.i, self.j, strong=False)

    def classes(self) -> list[list[int]]:
        """Outcomes that are chosen over one another, directly or by a chain, the most preferred class first;
        one class where a scale exists. Of classes that no pair orders either may stand first."""
        wins, loses = self.p > CERTAIN, self.p < 1 - CERTAIN
        i = np.append(self.i[wins], self.j[loses])
        j = np.append(self.j[wins], self.i[loses])
        found = _components(self.outcomes, i, j, strong=True)
        of = {k: c for c, members in enumerate(found) for k in members}
        below = [
            {of[int(b)] for a, b in zip(i, j, strict=True) if of[int(a)] == c} - {c}
            for c in range(len(found))
        ]
        order: list[int] = []
        while len(order) < len(found):  # whoever loses to none that is left
            left = [c for c in range(len(found)) if c not in order]
            order.append(next(c for c in left if not any(c in below[d] for d in left)))
        return [found[c] for c in order]


def _components(n: int, i: np.ndarray, j: np.ndarray, *, strong: bool) -> list[list[int]]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(i)), (i, j)), shape=(n, n)).tocsr()
    kind = "strong" if strong else "weak"
    _, labels = connected_components(graph, directed=True, connection=kind)
    groups: dict[int, list[int]] = {}
    for k, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(k)
    return sorted(groups.values(), key=lambda members: (-len(members), members))


@dataclass(frozen=True, eq=False)
class UtilityScale:
    """Utilities of outcomes, mean 0.

    u           [outcome]; covariance: over pairs [outcome, outcome], None where there is none
    pairs       from which they are; response: the maximum
    """

    link: Link
    u: Array
    covariance: Array | None
    pairs: Pairs
    response: Response

    @property
    def spare(self) -> int:
        """Pairs beyond the number of utilities."""
        return len(self.pairs) - (len(self.u) - 1)

    def interval(self, weights: Array, level: float = LEVEL) -> tuple[float, float] | None:
        """Student's interval of weights . u over pairs; None without a covariance. weights [outcome]"""
        if self.covariance is None:
            return None
        from scipy.stats import t as student

        half = float(student.ppf((1 + level) / 2, self.spare)) * float(
            np.sqrt(max(weights @ self.covariance @ weights, 0.0))
        )
        middle = float(weights @ self.u)
        return middle - half, middle + half

    def predict(self, pairs: Pairs) -> Array:
        """P(i over j) of these pairs."""
        return probability(self.link, self.u[pairs.i] - self.u[pairs.j])

    def fit(self, pairs: Pairs) -> Fit:
        """How well the scale tells these pairs."""
        return fit_of(pairs.p, self.predict(pairs))


@dataclass(frozen=True)
class Fit:
    """How well fitted probabilities q tell those that were read, p.

    misfit      mean KL(p || q), nats a pair; explained: of the way from even odds to p (1: all of it)
    agreement   share of pairs whose likelier outcome is the same, of those that are not even; else None
    error       root mean square of p - q
    """

    pairs: int
    misfit: float
    explained: float
    agreement: float | None
    error: float


def fit_of(p: Array, q: Array) -> Fit:
    """The fit of probabilities q to p [pair]. Raises HominesError without a pair."""
    from scipy.special import entr, kl_div

    if not len(p):
        raise HominesError("there is no pair to compare with; ask more pairs")
    lost = kl_div(p, q) + kl_div(1 - p, 1 - q)
    entropy = float((entr(p) + entr(1 - p)).sum())
    null = -len(p) * float(np.log(2))
    told = np.abs(p - 0.5) > 1e-9
    agreement = float(((p > 0.5) == (q > 0.5))[told].mean()) if told.any() else None
    return Fit(
        len(p),
        float(np.maximum(lost, 0).mean()),
        explained(-entropy - float(lost.sum()), null, -entropy),
        agreement,
        float(np.sqrt(np.mean((p - q) ** 2))),
    )


def check_scale(pairs: Pairs, names: Sequence[str]) -> None:
    """Raise FlatLikelihood where pairs do not connect all outcomes, Separated where some are never chosen
    over others; `names` of outcomes."""
    parts = pairs.parts()
    if len(parts) > 1:
        raise FlatLikelihood(
            f"no pair that was answered connects {names[parts[1][0]]} with {names[parts[0][0]]} "
            f"({len(parts)} parts): their utilities have no common scale; ask more pairs"
        )
    classes = pairs.classes()
    if len(classes) > 1:
        upper = ", ".join(names[k] for k in classes[0][:3]) + (" ..." if len(classes[0]) > 3 else "")
        raise Separated(
            f"the outcomes fall into {len(classes)} classes, each always chosen over the next (the first: "
            f"{upper}): their utilities lie infinitely far apart, so there is an order and no scale"
        )


def utility_scale(pairs: Pairs, names: Sequence[str], link: Link = "logistic") -> UtilityScale:
    """The scale of these pairs. Raises NotIdentified as `check_scale`.

    There are intervals from SPARE pairs on beyond the number of utilities, where no pair alone connects two
    parts (its residual is 0, whatever it says).
    """
    check_scale(pairs, names)
    response = maximise(pairs.columns[:, 1:], pairs.p, link)
    centre = np.eye(pairs.outcomes) - 1 / pairs.outcomes
    u = centre @ np.append(0.0, response.g)
    spare = len(pairs) - (pairs.outcomes - 1)
    own = response.covariance() if spare >= SPARE else None
    whole = None if own is None else frozen(centre[:, 1:] @ own @ centre[:, 1:].T)
    return UtilityScale(link, frozen(u), whole, pairs, response)


def held_out(pairs: Pairs, names: Sequence[str], link: Link, folds: int, seed: int) -> Fit | None:
    """The fit to pairs that a scale was not made of, every pair once (cross-validation over pairs); None
    where the pairs of some fold are needed for a scale."""
    fold = np.random.default_rng(seed).permutation(len(pairs)) % folds
    q = np.zeros(len(pairs))
    for k in range(folds):
        rest, mine = pairs.keep(fold != k), pairs.keep(fold == k)
        try:
            q[fold == k] = utility_scale(rest, names, link).predict(mine)
        except (FlatLikelihood, Separated):
            return None
    return fit_of(pairs.p, q)
