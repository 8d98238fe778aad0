"""Numbers in words: payoffs as '7', '$7', '7 coins'; counts as 'Two'."""

from __future__ import annotations

import re

from homines.core.types import HominesError

SIGNS = {"$": "dollars", "\u20ac": "euros", "\u00a3": "pounds"}
"""Units that stand before the number, by the word for them; any other unit is a word after it."""

COUNTED = ("Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def number(x: float) -> str:
    """A payoff as a person writes it: 3, 2.5, -1."""
    return f"{x:.10g}"


def amount(x: float, unit: str) -> str:
    """A payoff in a unit; '' is no unit.

    >>> amount(7, ""), amount(-2.5, "$"), amount(7, "coins")
    ('7', '-$2.5', '7 coins')
    """
    if unit in SIGNS:
        return f"{'-' if x < 0 else ''}{unit}{number(abs(x))}"
    return f"{number(x)} {unit}".strip()


def in_unit(text: str, unit: str) -> str:
    """A text about points in another unit; '' leaves it as it is.

    >>> in_unit("You have 7 points. Choose how many points you give.", "$")
    'You have $7. Choose how many dollars you give.'
    """
    if unit in SIGNS:
        text = re.sub(r"(-?)(\d\S*) points\b", rf"\1{unit}\2", text)
    return re.sub(r"\bpoints\b", SIGNS.get(unit, unit), text) if unit else text


def check_unit(unit: str) -> None:
    """Raise HominesError unless this is a sign of money, a word, or empty."""
    if unit and unit not in SIGNS and not unit.isalpha():
        raise HominesError(
            f"unit {unit!r} is none; write {', '.join(SIGNS)}, a word such as points, coins or dollars, or "
            "nothing"
        )


def counting_word(n: int) -> str:
    """A number that begins a sentence: 'Two', 'Three', ..., from eleven on in digits."""
    return COUNTED[n - 2] if 2 <= n < 2 + len(COUNTED) else str(n)
