"""Usage of calls of models behind an API, and the budget at which a command stops; one for the whole process.

A try of a call begins only if the budget has room for the most that it may use, beside all calls under way.
The budget is kept as long as no call uses more than was estimated (`Meter.begin`); after a call that did, the
next estimates are larger.

Tokens are the provider's own count where that is possible: not below the number of pieces of text that no
tokenizer joins (`pieces`). Otherwise they are estimated from these pieces, by the ratio in earlier counts.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homines.core.types import HominesError, Interrupted
from homines.inference import api_book

LOOK = 0.02
"""Seconds between two looks for room."""
MILLION = 1_000_000
BYTES = 3
"""Bytes of text per token, at the least, in estimates before a call; English has more than four."""
DENSE = 1.5
"""Tokens per piece, at the most, in estimates before a call; our frames have 1.1 to 1.2."""
USUAL = 1.25
"""Tokens per piece after a call without a count, where no earlier call had one."""
LEAST = 0.8
"""Tokens per piece, at the least; a smaller count of a provider is wrong."""
TURN = 32
"""Tokens of a turn beyond its text, at the most: words of the chat template, its own system turn."""
MARKS = 2
"""Tokens of a turn beyond its text, at the least: its beginning and its end."""
PIECE = re.compile(r"[^\W\d_]+|\d{1,3}|[^\w\s]+|_+")
"""Letters, three digits, or signs. A token rarely spans two of these (a word with its apostrophe may)."""


class OverBudget(Interrupted):
    """A call was not made, since it might use more than the budget has left."""


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens."""

    input: float
    output: float

    @classmethod
    def read(cls, text: str) -> Price:
        """A price as the command line has it: '2.5,10' for input and output. Raises HominesError for other
        text.

        >>> Price.read("2.5,10")
        Price(input=2.5, output=10.0)
        """
        try:
            dollars_in, dollars_out = map(float, text.split(","))
        except ValueError:
            raise HominesError(
                f"--price {text!r} is no price; write the dollars for a million tokens of input and of "
                "output, as --price 2.5,10"
            ) from None
        if not (0 <= dollars_in < float("inf") and 0 <= dollars_out < float("inf")):
            raise HominesError(f"--price {text}: prices are finite and not below 0")
        return cls(dollars_in, dollars_out)

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """Dollars for these tokens of input and output."""
        return (self.input * tokens_in + self.output * tokens_out) / MILLION


@dataclass(frozen=True)
class Budget:
    """Limits of usage, for all commands of a run folder together; None: no limit.

    tokens    of input and output together
    dollars   by `price`, or the provider's own figure where that is larger
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
        limits = [] if self.tokens is None else [f"{self.tokens:,} tokens"]
        return " and ".join(limits + ([] if self.dollars is None else [f"{self.dollars:g} dollars"]))


@dataclass(frozen=True)
class Size:
    """The size of a call before it is made.

    text         bytes of all turns
    pieces       of all turns (`pieces`)
    turns        their number
    tokens_out   tokens of all answers, at most
    """

    text: int
    pieces: int
    turns: int
    tokens_out: int

    @classmethod
    def of(cls, texts: Sequence[str], tokens_out: int) -> Size:
        """The size of a call whose turns have these texts."""
        return cls(sum(len(t.encode()) for t in texts), sum(map(pieces, texts)), len(texts), tokens_out)


@dataclass(frozen=True)
class Hold:
    """What is reserved for a call: tokens of input and output, dollars. book: where its line is."""

    size: Size
    tokens_in: int
    tokens_out: int
    cost: float
    book: Path | None


@dataclass(eq=False)
class Meter:
    """The usage of all calls of this process until now."""

    budget: Budget = field(default_factory=Budget)
    used: Counter[str] = field(default_factory=Counter[str])
    """calls, input and output (tokens), again (repeated calls), waited (seconds before repetitions)."""
    dollars: float = 0.0
    reserved: float = 0.0
    """Tokens and dollars that calls under way may use."""
    reserved_dollars: float = 0.0
    before: dict[Path, Counter[str]] = field(default_factory=dict[Path, Counter[str]])
    """Tokens that earlier commands used, by book."""
    book: Path | None = None
    counts: Counter[str] = field(default_factory=Counter[str])
    """tokens and pieces of input, of calls whose count is possible."""
    excess: Counter[str] = field(default_factory=Counter[str])
    """The largest ratio of actual to estimated tokens, of input and of output."""

    async def room(self, size: Size) -> Hold:
        """`begin`, as soon as the calls under way leave room for this call."""
        while True:
            try:
                return self.begin(size)
            except OverBudget:
                if self.reserved <= 0:
                    raise
            await asyncio.sleep(LOOK)

    def begin(self, size: Size) -> Hold:
        """Reserve the most that a call may use. Raises OverBudget where the budget has less left,
        HominesError where the book cannot be written."""
        most = max(size.text / BYTES, size.pieces * DENSE) + TURN * size.turns
        tokens_in = math.ceil(most * max(1.0, self.excess["input"]))
        tokens_out = math.ceil(size.tokens_out * max(1.0, self.excess["output"]))
        cost = self._price(tokens_in, tokens_out)
        tokens, dollars = self.budget.tokens, self.budget.dollars
        if (tokens is not None and self._all() + self.reserved + tokens_in + tokens_out > tokens) or (
            dollars is not None and self._all_dollars() + self.reserved_dollars + cost > dollars
        ):
            raise OverBudget(
                f"the budget of {self.budget} leaves no room for another call ({self._sentence()})"
            )
        hold = Hold(size, tokens_in, tokens_out, cost, self.book)
        api_book.write(hold.book, tokens_in, tokens_out)
        self.reserved += tokens_in + tokens_out
        self.reserved_dollars += cost
        return hold

    def free(self, hold: Hold) -> None:
        """Release the reservation of a call that the server refused or never received. Where the book cannot
        be written it counts the reservation: more than was used, never less."""
        self._end(hold)
        with suppress(HominesError):  # the caller raises the failure of the call
            api_book.write(hold.book, -hold.tokens_in, -hold.tokens_out)

    def lose(self, hold: Hold) -> None:
        """Count a call without a readable reply at the most that it may have cost."""
        self.used.update(input=hold.tokens_in, output=hold.tokens_out)
        self.dollars += hold.cost
        self._end(hold)

    def add(self, hold: Hold, usage: Any, texts: list[str], used: Counter[str]) -> None:
        """Count a call, here and in `used`: by the provider's usage (inspect-ai's ModelUsage) where that is
        possible, else by its answers' texts. Raises HominesError where the book cannot be written."""
        reported = _Usage.of(usage)
        written = sum(map(pieces, texts))
        tokens_in = self._tokens_in(reported.input, hold)
        tokens_out = reported.output
        if tokens_out is None or tokens_out < max(written * LEAST, sum(map(bool, texts))):
            tokens_out = math.ceil(written * self.ratio) + len(texts)
        for name, n, limit in (("input", tokens_in, hold.tokens_in), ("output", tokens_out, hold.tokens_out)):
            self.excess[name] = max(self.excess[name], n / max(1, limit))  # type: ignore[assignment]
        amounts = Counter(calls=1, input=tokens_in, output=tokens_out)
        self.dollars += max(reported.dollars, self._price(tokens_in, tokens_out))
        self.used.update(amounts)
        used.update(amounts)
        self._end(hold)
        api_book.write(hold.book, tokens_in - hold.tokens_in, tokens_out - hold.tokens_out)

    def _tokens_in(self, reported: int | None, hold: Hold) -> int:
        """Tokens of input: the reported count if possible (`ratio` learns from it), else an estimate."""
        size = hold.size
        if reported is None or reported < size.pieces * LEAST + MARKS * size.turns:
            overhead = 0 if self.counts["pieces"] else TURN * size.turns  # `ratio` includes it
            return math.ceil(size.pieces * self.ratio) + overhead
        self.counts.update(tokens=reported, pieces=size.pieces)
        return reported

    @property
    def ratio(self) -> float:
        """Tokens per piece of text, by all possible counts until now; from 1 to twice DENSE."""
        learned = self.counts["tokens"] / self.counts["pieces"] if self.counts["pieces"] else USUAL
        return min(max(1.0, learned), 2 * DENSE)

    def _end(self, hold: Hold) -> None:
        self.reserved -= hold.tokens_in + hold.tokens_out
        self.reserved_dollars -= hold.cost

    def _price(self, tokens_in: float, tokens_out: float) -> float:
        return self.budget.price.of(tokens_in, tokens_out) if self.budget.price else 0.0

    @contextmanager
    def keep(self, folder: Path, records: list[Mapping[str, Any]]) -> Iterator[None]:
        """Write calls to the book of this run folder while the block runs; what the book has counts as used.

        records   the usage of each record of the folder; a folder without a book starts one with their sum

        Raises HominesError where the book is a link or no file, or cannot be read or written.
        """
        book = folder / api_book.BOOK
        if book not in self.before:
            self.before[book] = api_book.begin(book, records)
        outside, self.book = self.book, book
        try:
            yield
        finally:
            self.book = outside

    @property
    def tokens(self) -> int:
        return self.used["input"] + self.used["output"]

    def _earlier(self) -> Counter[str]:
        return sum(self.before.values(), Counter[str]())

    def _all(self) -> int:
        return self.tokens + self._earlier().total()

    def _all_dollars(self) -> float:
        earlier = self._earlier()
        return self.dollars + self._price(earlier["input"], earlier["output"])

    def usage(self) -> dict[str, float]:
        """calls, input and output (tokens), retries, waited (seconds before retries), perhaps dollars."""
        out: dict[str, float] = {name: self.used[name] for name in ("calls", "input", "output")}
        out |= {"retries": self.used["again"], "waited": round(self.used["waited"])}
        return out | ({"dollars": self.dollars} if self.budget.price or self.dollars else {})

    def _sentence(self) -> str:
        earlier = self._earlier().total()
        return f"{self}, and {earlier:,} tokens by earlier commands in this folder" if earlier else str(self)

    def __str__(self) -> str:
        return sentence(self.usage())


METER = Meter()


def pieces(text: str) -> int:
    """Pieces of a text; each is at least one token, whatever the provider's tokenizer.

    >>> pieces("What do 12345 points do?")
    7
    """
    return sum(1 for _ in PIECE.finditer(text))


@dataclass(frozen=True)
class _Usage:
    """A provider's usage; None for a count that is missing or no whole number."""

    input: int | None = None
    output: int | None = None
    dollars: float = 0.0

    @classmethod
    def of(cls, usage: Any) -> _Usage:
        if usage is None:
            return cls()
        tokens_in, tokens_out, total = map(
            _count, (usage.input_tokens, usage.output_tokens, usage.total_tokens)
        )
        if tokens_in is not None and tokens_out is not None and total is not None:
            tokens_in = max(tokens_in, total - tokens_out)  # the total alone includes cached tokens
        cost: Any = getattr(usage, "total_cost", None)
        return cls(
            tokens_in, tokens_out, float(cost) if isinstance(cost, float) and 0 <= cost < math.inf else 0.0
        )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def sentence(used: Mapping[str, float]) -> str:
    """Calls, tokens and retries in words.

    >>> sentence({"calls": 3, "input": 1200, "output": 12})
    '3 calls, 1,200 tokens in, 12 out'
    """
    calls, read, written = (used.get(name, 0) for name in ("calls", "input", "output"))
    text = f"{calls:,.0f} calls, {read:,.0f} tokens in, {written:,.0f} out"
    if retries := used.get("retries", 0):
        text += f", {retries:,.0f} calls made again"
    if waited := used.get("waited", 0):
        text += f" after {waited:,.0f} s of waiting in all"
    return text + (f", {used['dollars']:.4f} dollars" if "dollars" in used else "")
