"""Lotteries and payments at a later time, in words: pairs of texts, each with what it stands for."""

from __future__ import annotations

from itertools import product

from homines.elicitation.text_choices import TextPair
from homines.theory.risk_and_delay import Lottery, Payment

PRIZES = ((40, 4), (100, 20), (60, 2))
PROBABILITIES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)
SURE = (0.15, 0.4, 0.65)
"""Places of the sure amounts between the two prizes, as shares of their distance."""
STARTS = (0, 6)
WAITS = (1, 3, 6, 12)
"""Months until the sooner payment, and between the two."""
MORE = (1.05, 1.2, 1.5, 2.5)
"""The later payment by the sooner one."""
SOONER = 100

LotteryPair = tuple[Lottery, Lottery]
PaymentPair = tuple[Payment, Payment]


def lottery_pairs() -> list[LotteryPair]:
    """A lottery, and an amount for sure between its prizes: 54 pairs."""
    out: list[LotteryPair] = []
    for (high, low), p, place in product(PRIZES, PROBABILITIES, SURE):
        sure = round(low + place * (high - low))
        out.append((Lottery(high, low, p), Lottery(sure, sure, 1.0)))
    return out


def payment_pairs() -> list[PaymentPair]:
    """A payment, and a larger one later: 32 pairs."""
    return [
        (Payment(SOONER, start / 12), Payment(round(SOONER * more), (start + wait) / 12))
        for start, wait, more in product(STARTS, WAITS, MORE)
    ]


def lottery_texts(pair: LotteryPair) -> TextPair:
    """A pair of lotteries in words."""
    return (_lottery(pair[0]), _lottery(pair[1]))


def payment_texts(pair: PaymentPair) -> TextPair:
    """A pair of payments in words."""
    return (_payment(pair[0]), _payment(pair[1]))


def _lottery(x: Lottery) -> str:
    if x.p == 1 or x.high == x.low:
        return f"You get {x.high:g} euros for sure."
    return f"You get {x.high:g} euros with a probability of {100 * x.p:g}%, and {x.low:g} euros otherwise."


def _payment(x: Payment) -> str:
    months = round(12 * x.years)
    when = "today" if months == 0 else "in 1 month" if months == 1 else f"in {months} months"
    return f"You get {x.amount:g} euros {when}."
