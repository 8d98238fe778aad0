"""Stakes of drawn games: whole payoffs up to the highest, and the error where a kind has too few of them."""

from __future__ import annotations

import numpy as np

from homines.core.types import HominesError

PIE = 99
"""Stakes from here on have T + S = stake + 1 in the sequential kinds, as the published protocols have 100."""
PARTS = (2, 3, 4, 5, 10)
"""Steps of a menu of amounts: 3 to 6 amounts, or 11."""


class StakeTooLow(HominesError):  # noqa: N818 (a property of the kind)
    """A kind of game has no member with whole payoffs up to this stake. least: the lowest stake that has."""

    def __init__(self, kind: str, most: int, least: int) -> None:
        super().__init__(
            f"no game of {kind} has whole payoffs of at most {most}; give a stake of at least {least}"
        )
        self.kind, self.most, self.least = kind, most, least


def check_stake(kind: str, most: int, least: int) -> None:
    """Raise StakeTooLow where `most` is below `least`."""
    if most < least:
        raise StakeTooLow(kind, most, least)


def ranked(rng: np.random.Generator, kind: str, most: int, many: int) -> list[int]:
    """Different whole payoffs of 1 to `most`, the highest first. Raises StakeTooLow for fewer than `many`."""
    check_stake(kind, most, many)
    return sorted((1 + rng.choice(most, many, replace=False)).tolist(), reverse=True)


def pie_payoffs(rng: np.random.Generator, kind: str, most: int) -> tuple[int, int, int, int]:
    """T > R > P > S in whole points of 1 to `most`; T + S = most + 1 from PIE on."""
    if most < PIE:
        t, r, p, s = ranked(rng, kind, most, 4)
        return t, r, p, s
    while True:
        r, p, s = ranked(rng, kind, most, 3)
        if r < (t := most + 1 - s):
            return t, r, p, s


def menu(rng: np.random.Generator, kind: str, most: int) -> tuple[int, int]:
    """(total, step) of a menu of amounts: whole points, at most `most` in all, in PARTS steps."""
    check_stake(kind, most, PARTS[0])
    parts = int(rng.choice([parts for parts in PARTS if parts <= most]))
    step = int(rng.integers(1, most // parts + 1))
    return parts * step, step
