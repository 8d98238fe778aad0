"""What calls of models behind an API used, and the budget at which they stop; one for the whole process.

A call begins only if the budget holds what it may take at most beside all that are under way, and so does
every time that it is made again: the budget is kept as long as no call is larger than was reckoned
(`Meter.begin`; one that was makes the next be reckoned larger).

Tokens are the provider's own count where that can be: not below the pieces of the text that no tokenizer
joins (`pieces`). Else they are reckoned from these, by the ratio of the counts that could be.

A book (a file in the run folder) holds what all commands there used: before a call a line with the most that
it may take, after it one with what it did not take. Its sum stands after a kill -9 too, calls that were under
way counted at their most.
"""

from __future__ import annotations

import asyncio
import errno
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homines.core import paths, strict_json
from homines.core.types import HominesError, Interrupted

LOOK = 0.02
"""Seconds between two looks for room."""
MILLION = 1_000_000
BYTES = 3
"""Of text for each token, at the least, as reckoned before a call; of English it is more than four."""
DENSE = 1.5
"""Tokens for each piece, at the most, as reckoned before a call; of our frames it is 1.1 to 1.2."""
USUAL = 1.25
"""Tokens for each piece, as reckoned after a call without a count, before any call had one."""
LEAST = 0.8
"""Tokens for each piece, at the least: a provider that counts fewer counts too few."""
TURN = 32
"""Tokens of a turn beside its text, at the most: a chat template's words, a system turn of its own."""
MARKS = 2
"""Tokens of a turn beside its text, at the least: its beginning and its end."""
PIECE = re.compile(r"[^\W\d_]+|\d{1,3}|[^\w\s]+|_+")
"""Letters, three digits, signs: a token of two of them is rare (of a word with its apostrophe, say)."""
BOOK = "spent.log"


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
    """What a command may use, with what the run folder holds already; None: no end.

    tokens    of input and output together
    dollars   by `price`, or by the provider's own count where it tells a larger one
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


@dataclass(frozen=True)
class Size:
    """How large a call is, before it is made.

    text     bytes of all its turns
    pieces   of these (`pieces`)
    turns    how many there are
    made     tokens of all its answers, at most
    """

    text: int
    pieces: int
    turns: int
    made: int

    @classmethod
    def of(cls, texts: Sequence[str], made: int) -> Size:
        """The size of a call with these turns."""
        return cls(sum(len(t.encode()) for t in texts), sum(map(pieces, texts)), len(texts), made)


@dataclass(frozen=True)
class Hold:
    """What is set aside for a call: tokens of input and of output, dollars; the book that it stands in."""

    size: Size
    given: int
    made: int
    cost: float
    book: Path | None


@dataclass(eq=False)
class Meter:
    """What all calls of this process used so far."""

    budget: Budget = field(default_factory=Budget)
    used: Counter[str] = field(default_factory=Counter[str])
    """calls, input and output (tokens), again (calls made again), waited (seconds before these)."""
    dollars: float = 0.0
    held: float = 0.0
    """Tokens and dollars that calls under way may take."""
    held_dollars: float = 0.0
    before: dict[Path, Counter[str]] = field(default_factory=dict[Path, Counter[str]])
    """Tokens that earlier commands used, by book."""
    book: Path | None = None
    counted: Counter[str] = field(default_factory=Counter[str])
    """tokens and pieces of input of calls whose count could be."""
    denser: Counter[str] = field(default_factory=Counter[str])
    """Times by which a call passed what was reckoned for its input and output, at most."""

    async def room(self, size: Size) -> Hold:
        """`begin`, as soon as calls under way, which hold what they may take at most, leave room for it."""
        while True:
            try:
                return self.begin(size)
            except OverBudget:
                if self.held <= 0:
                    raise
            await asyncio.sleep(LOOK)

    def begin(self, size: Size) -> Hold:
        """Set aside what a call may take. Raises OverBudget where that is more than is left, HominesError
        where the book cannot be written."""
        most = max(size.text / BYTES, size.pieces * DENSE) + TURN * size.turns
        given = math.ceil(most * max(1.0, self.denser["input"]))
        made = math.ceil(size.made * max(1.0, self.denser["output"]))
        cost = self._price(given, made)
        tokens, dollars = self.budget.tokens, self.budget.dollars
        if (tokens is not None and self._all() + self.held + given + made > tokens) or (
            dollars is not None and self._all_dollars() + self.held_dollars + cost > dollars
        ):
            raise OverBudget(f"the budget of {self.budget} leaves no room for another call ({self._told()})")
        hold = Hold(size, given, made, cost, self.book)
        _write(hold.book, given, made)
        self.held += given + made
        self.held_dollars += cost
        return hold

    def free(self, hold: Hold) -> None:
        """Give back what was set aside for a call that the server refused, or that it never got. Where that
        cannot be written the book counts it: more than was used, never less."""
        self._end(hold)
        with suppress(HominesError):  # why the call failed is what is to be told
            _write(hold.book, -hold.given, -hold.made)

    def lose(self, hold: Hold) -> None:
        """Count a call whose reply did not come, or could not be read, at the most that it may have cost."""
        self.used.update(input=hold.given, output=hold.made)
        self.dollars += hold.cost
        self._end(hold)

    def add(self, hold: Hold, usage: Any, texts: list[str], used: Counter[str]) -> None:
        """Count a call by the provider's usage (inspect-ai's ModelUsage) where it can be, else by its bytes,
        here and in `used`. texts: its answers. Raises HominesError where the book cannot be written."""
        told = _Usage.of(usage)
        written = sum(map(pieces, texts))
        given = self._given(told.input, hold)
        made = told.output
        if made is None or made < max(written * LEAST, sum(map(bool, texts))):
            made = math.ceil(written * self.ratio) + len(texts)
        for name, n, most in (("input", given, hold.given), ("output", made, hold.made)):
            self.denser[name] = max(self.denser[name], n / max(1, most))  # type: ignore[assignment]
        now = Counter(calls=1, input=given, output=made)
        self.dollars += max(told.dollars, self._price(given, made))
        self.used.update(now)
        used.update(now)
        self._end(hold)
        _write(hold.book, given - hold.given, made - hold.made)

    def _given(self, told: int | None, hold: Hold) -> int:
        """Tokens of input: as told where that can be, which is learned from; else by the ratio learned."""
        size = hold.size
        if told is None or told < size.pieces * LEAST + MARKS * size.turns:
            beside = 0 if self.counted["pieces"] else TURN * size.turns  # the ratio learned has it within
            return math.ceil(size.pieces * self.ratio) + beside
        self.counted.update(tokens=told, pieces=size.pieces)
        return told

    @property
    def ratio(self) -> float:
        """Tokens for a piece of text, as the counts that could be have it; from 1 to twice DENSE."""
        learned = self.counted["tokens"] / self.counted["pieces"] if self.counted["pieces"] else USUAL
        return min(max(1.0, learned), 2 * DENSE)

    def _end(self, hold: Hold) -> None:
        self.held -= hold.given + hold.made
        self.held_dollars -= hold.cost

    def _price(self, given: float, made: float) -> float:
        return self.budget.price.of(given, made) if self.budget.price else 0.0

    @contextmanager
    def keep(self, folder: Path, records: list[Mapping[str, Any]]) -> Iterator[None]:
        """Have calls stand in the book of this run folder while the block runs, and what it holds count.

        records   what the calls of its records used; counts where there is no book yet, which begins with it

        Raises HominesError where the book is a link or no file, or cannot be read or written.
        """
        book = folder / BOOK
        if book not in self.before:
            self.before[book] = _begun(book, records)
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

    def told(self) -> dict[str, float]:
        """calls, input and output tokens, retries (calls made again), waited (seconds before them), dollars
        where there is a price."""
        out: dict[str, float] = {name: self.used[name] for name in ("calls", "input", "output")}
        out |= {"retries": self.used["again"], "waited": round(self.used["waited"])}
        return out | ({"dollars": self.dollars} if self.budget.price or self.dollars else {})

    def _told(self) -> str:
        earlier = self._earlier().total()
        return f"{self}, and {earlier:,} tokens by earlier commands in this folder" if earlier else str(self)

    def __str__(self) -> str:
        return sentence(self.told())


METER = Meter()


def pieces(text: str) -> int:
    """Pieces of a text that are a token each at the least; the provider's tokenizer is not known.

    >>> pieces("What do 12345 points do?")
    7
    """
    return sum(1 for _ in PIECE.finditer(text))


@dataclass(frozen=True)
class _Usage:
    """A provider's usage, as far as it counts: None where it tells nothing, or what is no count."""

    input: int | None = None
    output: int | None = None
    dollars: float = 0.0

    @classmethod
    def of(cls, usage: Any) -> _Usage:
        if usage is None:
            return cls()
        given, made, both = map(_count, (usage.input_tokens, usage.output_tokens, usage.total_tokens))
        if given is not None and made is not None and both is not None:
            given = max(given, both - made)  # what was read from a cache stands in the total alone
        cost: Any = getattr(usage, "total_cost", None)
        return cls(given, made, float(cost) if isinstance(cost, float) and 0 <= cost < math.inf else 0.0)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _write(book: Path | None, given: int, made: int) -> None:
    """A line of a book. It begins anew, for a kill may have cut the one before."""
    if book is None:
        return
    line = f"\n{json.dumps({'input': given, 'output': made})}".encode()
    try:
        with paths.open_file(book.parent, book.name, "ab") as file:
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except (OSError, paths.PathError) as failure:
        raise _unusable("write to", book, failure) from failure


def _begun(book: Path, records: list[Mapping[str, Any]]) -> Counter[str]:
    """What a book holds, or records, where they hold more; a book without a line yet begins with that."""
    lines = _lines(book)
    found = _sum(lines) | _sum(records)  # the larger of each
    if not lines and found.total():
        _write(book, found["input"], found["output"])
    return found


def _lines(book: Path) -> list[Any]:
    """The lines of a book; none where it is not there. One that a kill cut is left out: its call was not
    made."""
    try:
        text = paths.read(book.parent, book.name).decode(errors="replace")
    except FileNotFoundError:
        return []
    except (OSError, paths.PathError) as failure:
        raise _unusable("read", book, failure) from failure
    lines: list[Any] = []
    for line in text.splitlines():
        with suppress(ValueError):
            lines.append(strict_json.loads(line))
    return lines


def _sum(rows: Sequence[Any]) -> Counter[str]:
    """Tokens of input and output in all rows; what is no count is none. A row gives back no more than one
    before it took."""
    found: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for row in rows:
        for name in ("input", "output"):
            told = row.get(name) if isinstance(row, Mapping) else None
            n = told if isinstance(told, int) and not isinstance(told, bool) else 0
            found[name] += max(n, -most[name])
            most[name] = max(n, most[name])
    return Counter({name: max(0, n) for name, n in found.items()})


def _unusable(what: str, book: Path, failure: OSError | paths.PathError) -> HominesError:
    why = getattr(failure, "strerror", None) or failure
    return HominesError(
        f"cannot {what} {book}, which holds what was spent: {why}; make room, or use another --out"
    )


def sentence(used: Mapping[str, float]) -> str:
    """Calls, tokens and retries in words.

    >>> sentence({"calls": 3, "input": 1200, "output": 12})
    '3 calls, 1,200 tokens in, 12 out'
    """
    calls, read, written = (used.get(name, 0) for name in ("calls", "input", "output"))
    told = f"{calls:,.0f} calls, {read:,.0f} tokens in, {written:,.0f} out"
    if retries := used.get("retries", 0):
        told += f", {retries:,.0f} calls made again"
    if waited := used.get("waited", 0):
        told += f" after {waited:,.0f} s of waiting in all"
    return told + (f", {used['dollars']:.4f} dollars" if "dollars" in used else "")
