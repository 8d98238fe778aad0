"""The 144 distinct strict ordinal 2x2 games."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np

from homines.core.checks import count, number
from homines.core.types import HominesError
from homines.theory.game_forms import NormalForm
from homines.theory.stakes import ranked

Ranks: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""One player's payoffs [row, column]: 1 (worst) to 4 (best), each once."""

RANKS = (1, 2, 3, 4)
FIRST_ROW: Ranks = ((3, 2), (4, 1))
FIRST_COLUMN: Ranks = ((4, 3), (2, 1))
WALK = ((2, 3), (1, 2), (2, 3), (1, 2), (2, 3), (3, 4)) * 2
"""The neighbouring ranks exchanged at each step. The walk is closed: its last step leads home."""


def ordinal(row: int, column: int, values: tuple[float, ...] = RANKS) -> NormalForm:
    """One of the 144 strict ordinal 2x2 games, by the row's payoffs (1-12) and the column's (1-12).

    A strict ordinal game ranks the four outcomes 4 > 3 > 2 > 1 for each player. There are
    24 * 24 such pairs, and 144 games up to exchanging the rows and exchanging the columns. Here the
    row player's 4 stands in column C and the column player's 4 in row C, which picks one of each.
    Twelve ways remain for each player, walked through by exchanging neighbouring ranks: the order
    of the public table's `game_row` and `game_col`. row + column = 13 are the symmetric games.
    Rapoport & Guyer (1966), General Systems 11: 203; the swaps: Robinson & Goforth (2005), The
    Topology of the 2x2 Games.

    values   what the ranks 1 to 4 pay, rising

    >>> ordinal(6, 7).table.tolist()  # the prisoner's dilemma
    [[[3.0, 1.0], [4.0, 2.0]], [[3.0, 4.0], [1.0, 2.0]]]
    """
    count("row", row, 1, 12)
    count("column", column, 1, 12)
    for value in values:
        number("values", value)
    if len(values) != len(RANKS) or any(high <= low for low, high in pairwise(values)):
        raise HominesError(f"values {values} must be {len(RANKS)} numbers that rise: what each rank pays")
    ranks = np.array([walk(FIRST_ROW)[row - 1], walk(FIRST_COLUMN)[column - 1]])
    mine, other = np.array(values, dtype=np.float64)[ranks - 1]
    return NormalForm.two(("C", "D"), mine, other)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """Any of the 144 with four whole payoffs of 1 to `most` for the ranks."""
    values = tuple(reversed(ranked(rng, "ordinal", most, len(RANKS))))
    row, column = (int(x) for x in rng.integers(1, 13, 2))
    return f"ordinal(row={row}, column={column}, values={values})"


def all_ordinal() -> tuple[NormalForm, ...]:
    """The 144 games in order: number 12 * (row - 1) + column comes at that place, from 1."""
    return tuple(ordinal(row, column) for row in range(1, 13) for column in range(1, 13))


def walk(ranks: Ranks) -> tuple[Ranks, ...]:
    """The twelve payoff tables of a player, each one exchange of ranks from the next."""
    tables = [ranks]
    for low, high in WALK[:-1]:
        swap = {low: high, high: low}
        (a, b), (c, d) = tables[-1]
        tables.append(((swap.get(a, a), swap.get(b, b)), (swap.get(c, c), swap.get(d, d))))
    return tuple(tables)
