"""Budgets: an income, two goods and their prices, asked as a menu of points on the budget line.

The built-in budgets divide tokens between euros for you and euros for a stranger (the design of Andreoni &
Miller 2002, with incomes and prices of ours). Files of a user are CSV or JSON lines with the columns

    income   in tokens; price_1, price_2: of one of each good, in tokens; good_1, good_2: the same in every
    line
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from homines.core.format import abbreviate
from homines.core.types import Array, digest
from homines.elicitation.benchmark_file import (
    LETTERS,
    BenchmarkError,
    Row,
    check_text,
    first_of,
    read_items,
    read_text,
    rows_of,
)
from homines.elicitation.scenario_file import LONGEST_NAME

BUILT_IN = "built-in"
GOODS = ("euros for you", "euros for a stranger in need")
INCOMES_AND_PRICES = (
    *((90, 1, 1), (90, 1, 0.5), (90, 0.5, 1), (180, 1, 0.25), (180, 0.25, 1), (90, 1, 2), (90, 2, 1)),
    *((180, 1, 1), (180, 2, 0.5), (180, 0.5, 2), (270, 1, 0.75), (270, 0.75, 1)),
)
LACKING = "budget; give a line each, of income, price_1, price_2, good_1 and good_2"
FEWEST, MOST_BUDGETS = 2, 50
MOST_TOKENS = 1e9


@dataclass(frozen=True)
class Budget:
    """An income in tokens, and the price of one of each good."""

    income: float
    prices: tuple[float, float]
    goods: tuple[str, str]
    line: int = 0

    @property
    def bundles(self) -> Array:
        """Points of the budget line as they are shown, from all of the second good to all of the first
        [option, good]."""
        share = np.linspace(0, 1, len(LETTERS))
        spent = np.stack([share, 1 - share], axis=1) * self.income
        return np.round(spent / np.array(self.prices), 2)

    @property
    def text(self) -> str:
        """The situation in words."""
        one, two = self.goods
        return (
            f"You have {self.income:g} tokens to spend on {one} and {two}. Of {one}, one costs "
            f"{_tokens(self.prices[0])}; of {two}, one costs {_tokens(self.prices[1])}. Tokens that are left "
            "are worth nothing. Which do you choose?"
        )

    @property
    def options(self) -> tuple[str, ...]:
        """The points in words."""
        return tuple(f"{a:g} {self.goods[0]} and {b:g} {self.goods[1]}" for a, b in self.bundles)


def _tokens(x: float) -> str:
    return "1 token" if x == 1 else f"{x:g} tokens"


@dataclass(frozen=True)
class BudgetList:
    """The budgets of a file."""

    file: str
    sha256: str
    budgets: tuple[Budget, ...]


def read_budgets(path: Path | None) -> BudgetList:
    """The budgets of a file, of none the built-in ones. Raises BenchmarkError, which names the line, for an
    income or price that is no number above 0, goods that change, a budget that is there twice and fewer than
    two."""
    if path is None:
        listed = tuple(Budget(m, (p, q), GOODS) for m, p, q in INCOMES_AND_PRICES)
        return BudgetList(BUILT_IN, digest([[b.text, b.options] for b in listed]), listed)
    text, sha256 = read_text(path)
    budgets = read_items(path, rows_of(path, text), _budget, LACKING)
    return BudgetList(path.name, sha256, _whole(path, budgets))


def _budget(row: Row, line: int) -> Budget:
    goods = [check_text(name, first_of(row, (name,), name)) for name in ("good 1", "good 2")]
    if long := next((g for g in goods if len(g) > LONGEST_NAME), ""):
        raise BenchmarkError(
            f"the good {abbreviate(long)} has {len(long)} characters; at most {LONGEST_NAME}"
        )
    if goods[0] == goods[1]:
        raise BenchmarkError(f"both goods are {abbreviate(goods[0])}; name two")
    income, *prices = (_number(row, name) for name in ("income", "price 1", "price 2"))
    return Budget(income, (prices[0], prices[1]), (goods[0], goods[1]), line)


def _number(row: Row, name: str) -> float:
    written = check_text(name, first_of(row, (name,), name))
    try:
        value = float(written)
    except ValueError as failure:
        raise BenchmarkError(f"{name} {abbreviate(written)} is no number; write digits, as 0.5") from failure
    if not math.isfinite(value) or not 0 < value <= MOST_TOKENS:
        why = "what costs nothing reveals no preference" if name != "income" else "nothing can be bought"
        raise BenchmarkError(
            f"{name} is {written}; it must be above 0 and at most {MOST_TOKENS:g}: else {why}"
        )
    return value


def _whole(path: Path, budgets: Sequence[Budget]) -> tuple[Budget, ...]:
    known: dict[tuple[float, ...], int] = {}
    for b in budgets:
        if b.goods != budgets[0].goods:
            raise BenchmarkError(
                f"{path} line {b.line}: its goods are not those of line {budgets[0].line}; choices "
                "between other "
                "goods are compared in a file of their own"
            )
        relative = (b.income / b.prices[0], b.income / b.prices[1])
        if (first := known.setdefault(relative, b.line)) != b.line:
            raise BenchmarkError(
                f"{path} line {b.line}: the budget of line {first} again; drop one of the two"
            )
        if len(set(b.options)) < len(b.options):
            raise BenchmarkError(
                f"{path} line {b.line}: two points of its line are the same in two decimals; give a "
                "larger income"
            )
    if not FEWEST <= len(budgets) <= MOST_BUDGETS:
        raise BenchmarkError(f"{path} holds {len(budgets)} budgets; give {FEWEST} to {MOST_BUDGETS}")
    return tuple(budgets)
