"""The 144 strict ordinal 2x2 games: against the definition by brute force, and a public table."""

from __future__ import annotations

import csv
from itertools import pairwise, permutations, product
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from homines.games.ordinal import FIRST_COLUMN, FIRST_ROW, all_ordinal, ordinal, walk
from homines.theory.game_forms import NormalForm

CSV = Path(__file__).parents[3] / "shared" / "data" / "games_2x2_144.csv"
Key: TypeAlias = tuple[float, ...]

MISPRINTS = {
    *(12 + column for column in range(5, 13)),  # row player: 3, 3, 4, 1 for 2, 3, 4, 1
    *(58, 59, 60, 83, 84, 95, 96),  # column player: a last number that is already there
}
"""Numbers of the table's games in which a player gets the same payoff twice: not strict."""


def key(table: np.ndarray) -> Key:
    """Equal for games that differ by an exchange of rows, of columns, or both."""
    variants = (table[:, ::i, ::j] for i, j in product((1, -1), repeat=2))
    return min(tuple(v.ravel().tolist()) for v in variants)


def strict(table: np.ndarray) -> bool:
    return all(sorted(ranks.ravel().tolist()) == [1, 2, 3, 4] for ranks in table)


def test_they_are_all_the_games_there_are_each_once() -> None:
    ranks = [np.reshape(p, (2, 2)) for p in permutations((1.0, 2.0, 3.0, 4.0))]
    by_definition = {key(np.stack([mine, other])) for mine, other in product(ranks, ranks)}
    generated = [key(game.table) for game in all_ordinal()]
    assert len(by_definition) == len(generated) == 144
    assert set(generated) == by_definition


def test_every_game_is_strict_and_stands_the_right_way_up() -> None:
    for game in all_ordinal():
        assert strict(game.table)
        assert game.table[0, :, 0].max() == 4
        assert game.table[1, 0, :].max() == 4


def test_neighbours_differ_by_one_exchange_of_neighbouring_ranks() -> None:
    for first in (FIRST_ROW, FIRST_COLUMN):
        around = [*walk(first), first]
        assert len(set(walk(first))) == 12
        for here, there in pairwise(around):
            gap = np.abs(np.subtract(here, there))
            assert sorted(gap.ravel().tolist()) == [0, 0, 1, 1]


def test_numbers_are_row_by_row() -> None:
    for number, game in enumerate(all_ordinal(), start=1):
        row, column = divmod(number - 1, 12)
        assert np.array_equal(game.table, ordinal(row + 1, column + 1).table)


def test_twelve_games_are_symmetric() -> None:
    symmetric = {(r, c) for r, c in product(range(1, 13), repeat=2) if ordinal(r, c).symmetric}
    assert symmetric == {(r, 13 - r) for r in range(1, 13)}


@pytest.mark.parametrize(
    ("place", "mine"),
    [
        ((6, 7), [[3, 1], [4, 2]]),
        ((1, 12), [[3, 2], [4, 1]]),
        ((7, 6), [[4, 1], [3, 2]]),
    ],
    ids=["prisoner's dilemma", "chicken", "stag hunt"],
)
def test_famous_games_are_where_the_docs_say(place: tuple[int, int], mine: list[list[int]]) -> None:
    game = ordinal(*place)
    assert np.array_equal(game.table, NormalForm.two(("C", "D"), mine).table)


def published() -> list[tuple[int, int, int, np.ndarray]]:
    """Number, row, column and payoffs [player, row, column] of every line of the public table."""
    if not CSV.exists():
        pytest.skip(f"{CSV} is not here: the public table of the 144 games is not shipped")
    with CSV.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file, delimiter=";"))
    cells = [[f"r{r}_c{c}_p{p}" for r in (1, 2) for c in (1, 2)] for p in (1, 2)]
    return [
        (
            int(line["game_number"]),
            int(line["game_row"]),
            int(line["game_col"]),
            np.array([[float(line[cell]) for cell in player] for player in cells]).reshape(2, 2, 2),
        )
        for line in lines
    ]


def test_the_public_table_numbers_the_same_games_alike() -> None:
    table = published()
    assert len(table) == 144
    for number, row, column, payoffs in table:
        assert number == 12 * (row - 1) + column
        if number not in MISPRINTS:
            assert np.array_equal(payoffs, ordinal(row, column).table), number


def test_the_public_table_holds_the_same_classes() -> None:
    games = all_ordinal()
    mine = {key(games[number - 1].table) for number, *_ in published() if number not in MISPRINTS}
    theirs = {key(payoffs) for number, *_, payoffs in published() if number not in MISPRINTS}
    assert mine == theirs
    assert len(theirs) == 144 - len(MISPRINTS)


def test_where_the_public_table_differs_it_is_no_strict_game() -> None:
    for number, row, column, payoffs in published():
        assert strict(payoffs) == (number not in MISPRINTS), number
        if number in MISPRINTS:
            assert (payoffs != ordinal(row, column).table).sum() == 1
