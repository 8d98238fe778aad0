"""What calls of models behind an API used, and the budget at which they stop; one for the whole process.

A call begins only if the budget holds what it may take at most beside all that are under way, so that the
budget is kept as long as no call is larger than was reckoned (`Meter.begin`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from homines.core import HominesError, Interrupted

LOOK = 0.02
"""Seconds between two looks for room."""
MILLION = 1_000_000
BYTES = 3
"""Of text for each token, at the least, as reckoned before a call; of English it is more than four."""


class OverBudget(Interrupted):
    """A call was not made, for it might have cost more than is left."""


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens."""

    input: float
    output: float

    @classmethod
    def read(cls, text: str) -> Price:
        """A price as typed: '2.5,10' for input and output. Raises HominesError where it is none.

        >>> Price.read("2.5,10")
        Price(input=2.5, output=10.0)
        """
        try:
            given, made = map(float, text.split(","))
        except ValueError:
            raise HominesError(
                f"--price {text!r} is no price; write the dollars for a million tokens of input and of "
                "output, as --price 2.5,10"
            ) from None
        if not (0 <= given < float("inf") and 0 <= made < float("inf")):
            raise HominesError(f"--price {text}: prices are finite and not below 0")
        return cls(given, made)

    def of(self, given: float, made: float) -> float:
        """Dollars for so many tokens of input and output."""
        return (self.input * given + self.output * made) / MILLION


@dataclass(frozen=True)
class Budget:
    """What a command may use; None: no end.

    tokens    of input and output together
    dollars   by the provider's own count where it tells one, else by `price`
    """

    tokens: int | None = None
    dollars: float | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 1:
            raise HominesError(f"--max-tokens is {self.tokens}; at least 1 is needed")
        if self.dollars is not None and not 0 < self.dollars < float("inf"):
            raise HominesError(f"--max-cost is {self.dollars}; it must be dollars above 0")
        if self.dollars is not None and self.price is None:
            raise HominesError(
                "--max-cost needs the model's price, which changes and is not kept here: --price IN,OUT, "
                "dollars for a million tokens of input and of output"
            )

    def __str__(self) -> str:
        told = [] if self.tokens is None else [f"{self.tokens:,} tokens"]
        return " and ".join(told + ([] if self.dollars is None else [f"{self.dollars:g} dollars"]))


@dataclass(eq=False)
class Meter:
    """What all calls of this process used so far."""

    budget: Budget = field(default_factory=Budget)
    used: Counter[str] = field(default_factory=Counter[str])
    """calls, input and output (tokens), garbled (replies that were no answers), waited (seconds before calls
    were made again; the shorter pauses of a provider's own client are not told)."""
    dollars: float = 0.0
    held: float = 0.0
    """Tokens and dollars that calls under way may take."""
    held_dollars: float = 0.0

    async def room(self, given: int, made: int) -> float:
        """`begin`, as soon as calls under way, which hold what they may take at most, leave room for it."""
        while True:
            try:
                return self.begin(given, made)
            except OverBudget:
                if self.held <= 0:
                    raise
            await asyncio.sleep(LOOK)

    def begin(self, given: int, made: int) -> float:
        """Set aside what a call may take: tokens of input, by the length of its text, and of output.

        Raises OverBudget where that is more than is left.
        """
        cost = self.budget.price.of(given, made) if self.budget.price else 0.0
        most, dollars = self.budget.tokens, self.budget.dollars
        if (most is not None and self.tokens + self.held + given + made > most) or (
            dollars is not None and self.dollars + self.held_dollars + cost > dollars
        ):
            raise OverBudget(f"the budget of {self.budget} leaves no room for another call ({self})")
        self.held += given + made
        self.held_dollars += cost
        return cost

    def end(self, given: int, made: int, cost: float) -> None:
        """Give back what `begin` set aside."""
        self.held -= given + made
        self.held_dollars -= cost

    def add(self, usage: Any, used: Counter[str]) -> None:
        """Count a call by the provider's usage (inspect-ai's ModelUsage), here and in `used`.

        Raises HominesError where there is a budget and the provider tells no usage.
        """
        now = Counter(calls=1)
        if usage is not None:
            now["output"] = usage.output_tokens
            now["input"] = max(usage.input_tokens, usage.total_tokens - usage.output_tokens)
            told = getattr(usage, "total_cost", None)
            price = self.budget.price
            self.dollars += told or (price.of(now["input"], now["output"]) if price else 0.0)
        elif str(self.budget):
            raise HominesError("the provider tells no usage, so that no budget can be kept; run without one")
        self.used.update(now)
        used.update(now)

    def lost(self, given: int, made: int) -> None:
        """Count a call whose reply could not be read at the most that it may have cost."""
        self.used.update(garbled=1, input=given, output=made)
        if self.budget.price:
            self.dollars += self.budget.price.of(given, made)

    @property
    def tokens(self) -> int:
        return self.used["input"] + self.used["output"]

    def told(self) -> dict[str, float]:
        """calls, input and output tokens, retries (calls made again), waited (seconds before them), dollars
        where there is a price."""
        retries = self.used["garbled"] + _made_again()
        out = {name: self.used[name] for name in ("calls", "input", "output")}
        out |= {"retries": retries, "waited": round(self.used["waited"])}
        return out | ({"dollars": self.dollars} if self.budget.price or self.dollars else {})

    def __str__(self) -> str:
        return sentence(self.told())


METER = Meter()


def sentence(used: Mapping[str, float]) -> str:
    """Calls, tokens and retries in words.

    >>> sentence({"calls": 3, "input": 1200, "output": 12})
    '3 calls, 1,200 tokens in, 12 out'
    """
    told = f"{used['calls']:,.0f} calls, {used['input']:,.0f} tokens in, {used['output']:,.0f} out"
    if retries := used.get("retries", 0):
        told += f", {retries:,.0f} calls made again"
    if waited := used.get("waited", 0):
        told += f" after {waited:,.0f} s of waiting in all"
    return told + (f", {used['dollars']:.4f} dollars" if "dollars" in used else "")


def _made_again() -> int:
    """Requests of this process that providers' clients and inspect-ai made again."""
    try:
        from inspect_ai._util.retry import http_retries_count
    except ImportError:  # not of its public interface
        return 0
    return http_retries_count()


@cache
def listen() -> None:
    """Have inspect-ai tell how long it waits before calls that it makes again; once a process."""
    from inspect_ai.hooks import Hooks, ModelRetry, hooks

    class Retries(Hooks):
        async def on_model_retry(self, data: ModelRetry) -> None:
            METER.used["waited"] += round(data.wait_time)

    hooks(name="homines_retries", description="counts the seconds before calls made again")(Retries)
