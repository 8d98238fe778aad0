"""The Moral Machine's estimator: average marginal component effects (AMCE) of nine attributes on being saved.

    rows, two a scenario, one for each group (amce_rows.py) -> sums by cluster -> nine effects with errors

Awad et al. (2018), Nature 563: 59.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from homines.core.types import Array
from homines.estimation.published import People
from homines.games.dilemma import SETTINGS, SIGNALS


class Effect(NamedTuple):
    """P(saved | plus) - P(saved | minus). label: its name in the public table of countries."""

    name: str
    label: str
    plus: str
    minus: str


EFFECTS = (
    Effect("inaction", "Intervention", "killed if the car swerves", "killed if it stays"),
    Effect("pedestrians over passengers", "Relation to AV", "pedestrians", "passengers"),
    Effect("lawful", "Law", "crossing on green", "on red"),
    Effect("females", "Gender", "females", "males"),
    Effect("fit", "Fitness", "athletes", "large people"),
    Effect("high status", "Social Status", "high", "low"),
    Effect("young", "Age", "young", "old"),
    Effect("more characters", "No. Characters", "more", "fewer"),
    Effect("humans over pets", "Species", "humans", "pets"),
)
NUMBER = 7
EXTRAS = tuple(
    Effect(f"more characters, by {n}", f"No. Characters_{n}", "more", f"{n} fewer") for n in (1, 2, 3, 4)
)
"""The effect of the number, by how many more; the nine are without them."""
ALL = (*EFFECTS, *EXTRAS)

ATTRIBUTES = {"Gender": 3, "Fitness": 4, "Social Value": 5, "Social Status": 5, "Age": 6, "Utilitarian": 7}
ATTRIBUTES |= {"Species": 8}
"""Effect of a ScenarioType; the Social Value is called Social Status in some files."""


def probability(intervention: int, barrier: int, pedestrians: int, signal: int) -> float:
    """The probability of a group of this kind in the public generator; a row's weight is its inverse.

    intervention  1: killed if the car swerves; barrier 1: passengers; pedestrians 1: both groups are;
    signal        0 none, 1 green, 2 red. Theoretical weights of Awad et al. (2018)

    >>> round(probability(0, 0, 1, 2), 4)
    0.1536
    """
    both, ahead, beyond = SETTINGS
    if barrier:
        return ahead if intervention else beyond
    green_and_red = SIGNALS[1:][:: -1 if pedestrians and intervention else 1]
    setting = both if pedestrians else beyond if intervention else ahead
    return setting * (SIGNALS[0], *green_and_red)[signal]


@dataclass(frozen=True, eq=False)
class Amce:
    """Effects with their errors, in the order of ALL; nan where there is no estimate.

    values, se   [effect]; rows, clusters: numbers behind each effect [effect]
    """

    values: Array
    se: Array
    rows: Array
    clusters: Array

    @property
    def nine(self) -> Array:
        """Values of EFFECTS, that of the number by one to four more together."""
        return self.values[: len(EFFECTS)]

    def interval(self, level: float = 0.95) -> Array:
        """[effect, (low, high)]: value -+ t se, Student's t with clusters - 1 degrees of freedom."""
        from scipy.stats import t as student  # late: `homines amce --help` needs none of it

        half = student.ppf((1 + level) / 2, np.maximum(self.clusters - 1, 1)) * self.se
        return np.stack([self.values - half, self.values + half], axis=-1)


class Sums(NamedTuple):
    """Sufficient sums for the estimator; those of two sets of scenarios add up.

    With v_c = (sum w y, sum w over the rows of scenario c at the plus level, the same at the minus level):
    first [group, effect, 4] = sum_c v_c, second [group, effect, 4, 4] = sum_c v_c v_c', rows and clusters
    [group, effect].
    """

    first: Array
    second: Array
    rows: Array
    clusters: Array

    @classmethod
    def none(cls, groups: int) -> Sums:
        n = groups, len(ALL)
        return cls(np.zeros((*n, 4)), np.zeros((*n, 4, 4)), np.zeros(n), np.zeros(n))

    def plus(self, other: Sums) -> Sums:
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))

    def of(self, group: int | slice) -> Sums:
        """The sums of one group, or of a slice of groups together."""
        return Sums(*(x[group].sum(0) if isinstance(group, slice) else x[group] for x in self))


def effects(sums: Sums) -> Amce:
    """Weighted differences of means, with errors robust to dependence within clusters.

    With W = sum w and m = sum w y / W at the plus (+) and the minus level (-):

        effect = m+ - m-
        se^2   = G / (G - 1) sum_c (sum_{i in c} w_i e_i / W_i)^2,   e_i = y_i - m+ at the plus level, and
                 m- - y_i at the minus level

    over G clusters: scenarios, or single rows (White's heteroskedasticity-robust variance). The influence of
    cluster c is a'v_c, with a = (1, -m+) / W+ and (-1, m-) / W-, so that se^2 = G / (G - 1) a' (sum v v') a.
    nan without a row at either level; no se with fewer than two clusters.
    """
    s1, w1, s0, w0 = sums.first.T
    with np.errstate(divide="ignore", invalid="ignore"):
        high, low = s1 / w1, s0 / w0
        a = np.stack([1 / w1, -high / w1, -1 / w0, low / w0], axis=-1)
        square = np.einsum("ea,eab,eb->e", a, sums.second, a)
        correction = sums.clusters / (sums.clusters - 1)
        se = np.sqrt(np.where(sums.clusters > 1, np.maximum(square, 0.0) * correction, np.nan))
    return Amce(high - low, se, sums.rows, sums.clusters)


def distance(nine: Array, other: Array) -> float:
    """Euclidean over the nine effects; nan where one has no estimate."""
    return float(np.sqrt(((nine - other) ** 2).sum()))


def distance_to(amce: Amce, people: People) -> float:
    """Euclidean over the nine effects that these people's are."""
    return distance(amce.values[effects_of(people)], people.values)


def effects_of(people: People) -> list[int]:
    """Indices in ALL of the nine effects of these people: that of the number is by `more` characters."""
    number = NUMBER if people.more is None else len(EFFECTS) - 1 + people.more
    return [number if i == NUMBER else i for i in range(len(EFFECTS))]
