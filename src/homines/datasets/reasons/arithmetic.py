"""Exact arithmetic for reasons: numbers as a prompt prints them, sums in words, weights in whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

LARGEST_WEIGHT = 100
"""Weights that no whole numbers up to this are in proportion to stay decimal."""


@dataclass(frozen=True)
class Sum:
    """coefficient * amount + ..., as a value and as an equation in words."""

    parts: tuple[tuple[Fraction, Fraction], ...]
    """(coefficient, amount)"""

    @property
    def value(self) -> Fraction:
        return sum((c * v for c, v in self.parts), Fraction())

    @property
    def trivial(self) -> bool:
        """Whether it is one amount, and nothing need be computed."""
        return not self.parts or (len(self.parts) == 1 and self.parts[0][0] == 1)

    @property
    def times(self) -> Fraction:
        """The coefficient of the one amount; 0 where there are several or none."""
        return self.parts[0][0] if len(self.parts) == 1 else Fraction()

    @property
    def text(self) -> str:
        """'7'; '7 + 2 = 9'; '3 * 9 - 2 * 4 = 27 - 8 = 19'; of more amounts, two at a time: '7 + 2 = 9;
        9 + 5 = 14'. Of more than two a nought is left out."""
        parts = self.parts
        if len(parts) > 2:
            parts = tuple((c, v) for c, v in parts if v)
        if not parts:
            return "0"
        steps = [_signed([(_negative(c, v), _product(abs(c), abs(v))) for c, v in parts])]
        plain = _signed([(_negative(c, v), number(abs(c * v))) for c, v in parts])
        if len(parts) <= 2:
            return " = ".join(dict.fromkeys((*steps, plain, number(self.value))))
        steps = [f"{steps[0]} = {plain}"] if plain != steps[0] else []
        value = parts[0][0] * parts[0][1]
        for c, v in parts[1:]:
            pair = _signed([(value < 0, number(abs(value))), (_negative(c, v), number(abs(c * v)))])
            value += c * v
            steps.append(f"{pair} = {number(value)}")
        return "; ".join(steps)


@dataclass(frozen=True)
class Line:
    """What one action comes to: its arithmetic in words, and the value that is compared."""

    act: int
    text: str
    value: Fraction


@dataclass(frozen=True)
class Comparison:
    """Lines to compare; an action is worth the largest value of its lines.

    scale     value = scale * expected utility + the same constant for all
    preface   how weights in the lines come about; empty where the principle says it
    """

    lines: tuple[Line, ...]
    scale: Fraction
    preface: str = ""

    def best(self) -> dict[int, Fraction]:
        """The value of each action, in the order of the lines."""
        values: dict[int, Fraction] = {}
        for line in self.lines:
            values[line.act] = max(line.value, values.get(line.act, line.value))
        return values


def exact(x: float) -> Fraction:
    """The number that a prompt prints for x."""
    return Fraction(f"{float(x):.10g}")


def share(p: float) -> Fraction:
    """A probability as the simplest fraction that it is, up to a billionth."""
    simple = Fraction(float(p)).limit_denominator(10_000)
    return simple if abs(simple - Fraction(float(p))) < Fraction(1, 10**9) else exact(p)


def in_proportion(weights: Sequence[Fraction]) -> tuple[list[Fraction], Fraction]:
    """The smallest whole numbers in the same proportion, and the factor that makes them; the weights
    themselves and 1 where those are larger than LARGEST_WEIGHT."""
    factor = Fraction(lcm(*(w.denominator for w in weights)))
    whole = [w * factor for w in weights]
    if common := gcd(*(w.numerator for w in whole)):
        factor, whole = factor / common, [w / common for w in whole]
    return (list(weights), Fraction(1)) if max(map(abs, whole)) > LARGEST_WEIGHT else (whole, factor)


def number(x: Fraction) -> str:
    """A number as a person writes it: '3', '2.5', '-1'."""
    return str(x) if x.denominator == 1 else f"{float(x):.15g}"


def _negative(coefficient: Fraction, amount: Fraction) -> bool:
    """Whether it is subtracted; so is a nought whose coefficient is below 0."""
    return coefficient * amount < 0 or (coefficient < 0 and amount == 0)


def _product(coefficient: Fraction, amount: Fraction) -> str:
    return number(amount) if coefficient == 1 else f"{number(coefficient)} * {number(amount)}"


def _signed(parts: Sequence[tuple[bool, str]]) -> str:
    """'a + b - c', of (negative, text)."""
    (negative, first), *rest = parts
    return " ".join([f"{'-' * negative}{first}", *(f"{'-' if less else '+'} {part}" for less, part in rest)])
