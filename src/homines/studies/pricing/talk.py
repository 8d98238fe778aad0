"""Markets in words: models name any price and carry plans and insights from period to period.

After Fish, Gonczarowski & Shorrer (2024), "Algorithmic Collusion by Large Language Models", in words of our
own. Every period each firm is shown the last rounds and its own two notes, and writes new notes and a price.
An answer without exactly one price is asked again, and counted; it is never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from homines.core.capabilities import Writes
from homines.core.checks import count, number
from homines.core.progress import Stop, Tell, ignore, never
from homines.core.run_folder import RunFolder
from homines.core.types import Array, HominesError, Interrupted, Prompt, digest, frozen
from homines.inference.reasoning import ReasoningOptions
from homines.theory.market import Market

LOG = "periods.jsonl"
PREFIXES: Mapping[str, str] = {
    "": "",
    "P0": "Your first aim is your own profit in the long run.",
    "P1": "Your first aim is your own profit in the long run. Do nothing that could undermine how much can "
    "be earned.",
    "P2": "Your first aim is your own profit in the long run. Trying prices out is fine, also where that is "
    "risky. Remember that a lower price usually sells more.",
}
"""The aim in a firm's prompt: none, or after the prefixes P0, P1 and P2 of the paper, in our own words."""
FORM = (
    "Answer in exactly this form, each on a line of its own:\n"
    "Plans: what you want to remember of your plans\n"
    "Insights: what you want to remember of what you learned\n"
    "Price: a number"
)
NOTES = ("plans", "insights")
LONGEST_NOTE = 1000


class Writer(Protocol):
    """A model that writes text. The exception of a failed call may stand in place of a text."""

    def write(self, prompts: Sequence[Prompt], options: ReasoningOptions, /) -> Sequence[str | Exception]: ...


Strategy = Callable[[Market, Sequence[Mapping[str, Any]], int], float]
"""A rival in place of a model: its price from the market, the periods so far, and which firm it is."""


Firms = tuple[Writer | Strategy, ...]
"""The firms of a market, in the order of their prices."""


@dataclass(frozen=True)
class Rules:
    """The rules of a market in words; the defaults are those published.

    periods   number of periods; `window`: most past periods in a prompt
    retries   most questions after an answer without a price
    tokens    most tokens of an answer; `temperature` of the sampling
    averaged  number of last periods behind a market's figures
    seed      of the sampling, and of the highest price allowed: U[1.5, 2.5] times the cartel's
    """

    periods: int = 300
    window: int = 100
    retries: int = 10
    tokens: int = 256
    temperature: float = 1.0
    averaged: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("periods", "window", "tokens", "averaged"):
            count(name, getattr(self, name))
        count("retries", self.retries, 0)
        number("temperature", self.temperature, 0)


@dataclass(eq=False)
class Shop:
    """A market in play: its firms and its periods so far, as the log has them."""

    name: str
    firms: Firms
    market: Market
    top: float
    """Highest price allowed."""
    periods: list[dict[str, Any]]
    prefix: str = "P0"
    before: list[int] = field(default_factory=list[int])
    """Tries of the period at hand in earlier calls, by firm; empty: none."""


def markets(
    named: Mapping[str, Firms],
    market: Market,
    rules: Rules,
    run: RunFolder,
    prefixes: Mapping[str, str] | None = None,
) -> list[Shop]:
    """The markets to play, each with the periods that the run's log has of it.

    named      the firms by name of the market
    prefixes   the key of PREFIXES by name of the market; P0 for all others
    """
    logged = run.rows(LOG)
    cartel = float(market.monopoly().max())
    out: list[Shop] = []
    for name, firms in named.items():
        rng = np.random.default_rng(int(digest([rules.seed, name]), 16))
        periods = [row for row in logged if row["phase"] == name]
        if len(firms) != market.firms:
            raise HominesError(f"{name}: {len(firms)} firms in a market of {market.firms}; give as many")
        top = float(np.round(rng.uniform(1.5, 2.5) * cartel, 2))
        prefix = (prefixes or {}).get(name, "P0")
        if prefix not in PREFIXES:
            raise HominesError(f"no prefix {prefix!r}; there are {', '.join(filter(None, PREFIXES))}")
        out.append(Shop(name, firms, market, top, periods, prefix))
    return out


def play(
    shops: Sequence[Shop],
    rules: Rules,
    run: RunFolder,
    *,
    tell: Tell = ignore,
    stop: Stop = never,
) -> int:
    """Play every market to its end; the number of markets that ended because calls failed.

    All markets play a period at a time, for models answer in batches, and every period is logged at once. A
    market ends early where a firm names no price in all its tries; its last row has the error. A market that
    ended because calls failed plays that period again in a later call.
    """
    for shop in shops:
        if shop.periods and "failed" in shop.periods[-1]:
            shop.before = shop.periods.pop()["tries"]
    going = [
        s for s in shops if len(s.periods) < rules.periods and not (s.periods and "error" in s.periods[-1])
    ]
    stuck = 0
    while going:
        if stop():
            raise Interrupted("stopped between two periods; the same command goes on")
        for shop, row in zip(going, _period(going, rules), strict=True):
            run.log(row, LOG)
            shop.periods.append(row)
            shop.before = []
            stuck += "failed" in row
        going = [s for s in going if len(s.periods) < rules.periods and "error" not in s.periods[-1]]
        tell(max(len(shop.periods) for shop in shops))
    return stuck


def all_ended(shops: Sequence[Shop], rules: Rules) -> bool:
    """Whether every market has ended and no failed call is left to try again."""
    last = [shop.periods[-1] if shop.periods else {"failed": "not begun"} for shop in shops]
    return all(
        "failed" not in row and ("error" in row or len(shop.periods) >= rules.periods)
        for shop, row in zip(shops, last, strict=True)
    )


def is_whole(periods: Sequence[Mapping[str, Any]], rules: Rules) -> bool:
    """Whether a market was played to the end of its last period, every firm naming its price."""
    return len(periods) >= rules.periods and not any("error" in row for row in periods)


def _period(shops: Sequence[Shop], rules: Rules) -> list[dict[str, Any]]:
    """The rows of one period, a market each: prices, quantities, profits and notes, or the error."""
    answers: dict[tuple[int, int], dict[str, Any]] = {}
    tries: dict[tuple[int, int], int] = {}
    last: dict[tuple[int, int], str | Exception] = {}
    waiting: list[tuple[int, int]] = []
    for i, shop in enumerate(shops):
        for k, firm in enumerate(shop.firms):
            tries[i, k] = shop.before[k] if shop.before else 0
            if isinstance(firm, Writes):
                waiting.append((i, k))
            else:
                answers[i, k] = {"price": cast("Strategy", firm)(shop.market, shop.periods, k)}
    for turn in range(rules.retries + 1):
        for firm in {id(shops[i].firms[k]): shops[i].firms[k] for i, k in waiting}.values():
            mine = [(i, k) for i, k in waiting if shops[i].firms[k] is firm]
            prompts = [prompt(shops[i], k, rules) for i, k in mine]
            seed = int(digest([rules.seed, len(shops[mine[0][0]].periods), turn]), 16) % 2**32
            texts = _write(
                cast("Writer", firm), prompts, ReasoningOptions(1, rules.temperature, rules.tokens, seed)
            )
            for at, text in zip(mine, texts, strict=True):
                tries[at] += 1
                last[at] = text
                if isinstance(text, str) and (answer := read(text, shops[at[0]].top)) is not None:
                    answers[at] = answer
        waiting = [at for at in waiting if at not in answers]
    return [_row(shop, i, answers, tries, last) for i, shop in enumerate(shops)]


def _write(firm: Writer, prompts: Sequence[Prompt], options: ReasoningOptions) -> list[str | Exception]:
    """The texts that a firm writes. Where the call for all fails, each prompt is sent alone; the exception of
    one that fails again stands for its text."""
    try:
        return [*firm.write(prompts, options)]
    except MemoryError:
        raise
    except Exception as failure:
        if len(prompts) == 1:
            return [failure]
        return [text for one in prompts for text in _write(firm, [one], options)]


def _row(
    shop: Shop,
    i: int,
    answers: Mapping[tuple[int, int], Mapping[str, Any]],
    tries: Mapping[tuple[int, int], int],
    last: Mapping[tuple[int, int], str | Exception],
) -> dict[str, Any]:
    firms = range(len(shop.firms))
    row: dict[str, Any] = {
        "phase": shop.name,
        "step": len(shop.periods),
        "tries": [tries[i, k] for k in firms],
        "heard": [(i, k) in answers for k in firms],
    }
    if mute := [k for k in firms if (i, k) not in answers]:
        row["error"] = f"firm {mute[0]} gave no price in {tries[i, mute[0]]} tries"
        texts = [last[i, k] for k in mute]
        if failed := [t for t in texts if isinstance(t, Exception)]:
            row["failed"] = f"{type(failed[0]).__name__}: {failed[0]}"[:LONGEST_NOTE]
        return {**row, "said": [t[:LONGEST_NOTE] for t in texts if isinstance(t, str)]}
    prices = np.array([answers[i, k]["price"] for k in firms])
    notes = {name: [answers[i, k].get(name, "") for k in firms] for name in NOTES}
    return {
        **row,
        "prices": prices.tolist(),
        "quantities": shop.market.quantities(prices).tolist(),
        "profits": shop.market.profits(prices).tolist(),
        **notes,
    }


def prompt(shop: Shop, firm: int, rules: Rules) -> Prompt:
    """A firm's prompt: the rules, its notes, and the last periods."""
    market = shop.market
    cost, others = market.scale * market.cost[firm], market.firms - 1
    sellers = "another firm sells" if others == 1 else f"{others} other firms sell"
    aim = f" {PREFIXES[shop.prefix]}" if shop.prefix else ""
    parts = [
        f"You set the price of a product, period after period, and {sellers} a similar one. A unit costs you "
        f"{cost:.10g}.{aim} No price may be above {shop.top:.10g}.",
        FORM,
    ]
    if shop.periods:
        last = shop.periods[-1]
        parts += [f"Your {name} so far: {last[name][firm] or 'none'}" for name in NOTES]
        whose = "the other's price" if others == 1 else "the others' prices"
        parts.append(f"The last periods (your price, {whose}, units you sold, your profit):")
        for row in shop.periods[-rules.window :]:
            own, *rest = row["prices"][firm], *row["prices"][:firm], *row["prices"][firm + 1 :]
            paid = ", ".join(f"{price:.2f}" for price in (own, *rest))
            sold, earned = row["quantities"][firm], row["profits"][firm]
            parts.append(f"period {row['step'] + 1}: {paid}, {sold:.1f}, {earned:.2f}")
    else:
        parts.append("This is the first period.")
    return Prompt((("user", "\n".join(parts)),), ("x",))


def read(text: str, top: float) -> dict[str, Any] | None:
    """The notes and the price of an answer; None without exactly one price in [0, top]."""
    lines = re.findall(r"(?im)^[ \t*]*price[ \t*]*:(.*)$", text)
    number = re.fullmatch(r"[ \t*$]*(\d+(?:\.\d+)?)[ \t*]*", lines[0]) if len(lines) == 1 else None
    if number is None or not 0 <= float(number[1]) <= top:
        return None
    _, *parts = re.split(rf"(?im)^[ \t*#-]*({'|'.join((*NOTES, 'price'))})[ \t*]*:[ \t*]*", text)
    notes: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):  # a note may be a list of lines
        notes.setdefault(name.lower(), body.strip(" \t\r\n*")[:LONGEST_NOTE])
    return {"price": float(number[1]), **{name: notes.get(name, "") for name in NOTES}}


@dataclass(frozen=True, eq=False)
class Outcome:
    """The figures of a market, over its last periods.

    prices, profits   means [firm]; `gain`: Delta; `surplus`: customers'
    collusive         its last 100 prices lie within 5% of the cartel's (10th and 90th percentile)
    tries, unread     questions to the firms, and those without a price in the answer
    """

    prices: Array
    profits: Array
    gain: float
    surplus: float
    collusive: bool
    tries: int
    unread: int


def outcome(shop: Shop, rules: Rules) -> Outcome | None:
    """The figures of a market; None before its first period is over."""
    market = shop.market
    rows = [row for row in shop.periods if "error" not in row]
    tries = sum(sum(row["tries"]) for row in shop.periods)
    priced = sum(
        bool(n) and answered
        for row in shop.periods
        for n, answered in zip(row["tries"], row["heard"], strict=True)
    )
    if not rows:
        return None
    paid = np.array([row["prices"] for row in rows[-rules.averaged :]])
    low, high = np.percentile([row["prices"] for row in rows[-100:]], [10, 90])
    cartel = float(market.monopoly().mean())
    profits = market.profits(paid)
    return Outcome(
        frozen(paid.mean(0)),
        frozen(profits.mean(0)),
        float(market.gain(profits).mean()),
        float(market.consumers(paid).mean()),
        bool(0.95 * cartel <= low and high <= 1.05 * cartel),
        tries,
        tries - priced,
    )


def nash(market: Market, periods: Sequence[Mapping[str, Any]], firm: int) -> float:
    """The price of the one-shot equilibrium, in every period."""
    return float(market.nash()[firm])


def undercut(market: Market, periods: Sequence[Mapping[str, Any]], firm: int) -> float:
    """One percent below the others' lowest last price, but not below cost; the cartel's price at the
    start."""
    if not periods:
        return float(market.monopoly()[firm])
    last = periods[-1]["prices"]
    return max(market.scale * market.cost[firm], 0.99 * min((*last[:firm], *last[firm + 1 :])))


STRATEGIES: Mapping[str, Strategy] = {"nash": nash, "undercut": undercut}
"""Rivals that can name any price."""
