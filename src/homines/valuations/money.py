"""What budgets, lotteries and delays of a valuation say: consistency with one utility, risk, patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from homines.core.types import Array
from homines.elicitation.metrics import mass, order_effect
from homines.elicitation.money_questions import lottery_pairs, lottery_texts, payment_pairs, payment_texts
from homines.elicitation.text_choices import average, records_by_options
from homines.estimation.problem import NotIdentified
from homines.estimation.risk_and_delay import FEWEST, MoneyFit, fit_delays, fit_lotteries
from homines.theory.revealed_preference import Purchases, critical_cost_efficiency, violations
from homines.theory.risk_and_delay import WEIGHTINGS
from homines.valuations.asking import Valuation

DRAWS = 200
"""Draws from the exact probabilities, and of a random chooser."""
TIE = 1e-9


@dataclass(frozen=True, eq=False)
class BudgetFinding:
    """Choices from budgets."""

    found: Valuation

    @cached_property
    def answered(self) -> tuple[list[int], Array]:
        """(places of the budgets with a legal answer in both orders, P(point) of each [budget, option])."""
        by_options = records_by_options(self.found.records, "budgets")
        every = self.found.plan.budget_list.budgets
        read = [(k, average(by_options.get(b.options, []), 2)) for k, b in enumerate(every)]
        known = [(k, p) for k, p in read if p is not None]
        return [k for k, _ in known], np.array([p for _, p in known], float)

    @property
    def tied(self) -> int:
        """Budgets of which two points are likeliest."""
        _, p = self.answered
        top = np.sort(p, axis=1)[:, -2:]
        return int((top[:, 1] - top[:, 0] < TIE).sum())

    @cached_property
    def _market(self) -> tuple[Array, Array]:
        places, _ = self.answered
        budgets = [self.found.plan.budget_list.budgets[k] for k in places]
        return np.array([b.prices for b in budgets], float), np.array([b.bundles for b in budgets], float)

    def bought(self, options: Array) -> Purchases:
        """The purchases where these points are chosen [budget]."""
        prices, bundles = self._market
        return Purchases(prices, bundles[np.arange(len(bundles)), options.astype(int)])

    @cached_property
    def likeliest(self) -> Purchases | None:
        """The likeliest point of every budget; None with fewer than two, and where points tie."""
        places, p = self.answered
        return self.bought(p.argmax(1)) if len(places) > 1 and not self.tied else None

    @cached_property
    def broken(self) -> int | None:
        """Pairs of budgets that break GARP; None without likeliest points."""
        if self.likeliest is None:
            return None
        pairs = violations(self.likeliest.shares)
        return int((pairs | pairs.T)[np.triu_indices(len(pairs), 1)].sum())

    @cached_property
    def efficiency(self) -> float | None:
        """CCEI of the likeliest points."""
        return None if self.likeliest is None else critical_cost_efficiency(self.likeliest)

    @cached_property
    def drawn(self) -> Array:
        """CCEI of DRAWS choices by the exact probabilities."""
        return self._draws(self.answered[1])

    @cached_property
    def random(self) -> Array:
        """CCEI of DRAWS choosers to whom every point is equally likely (Bronars 1987): what the budgets can
        tell."""
        p = self.answered[1]
        return self._draws(np.full(p.shape, 1 / p.shape[1]) if p.size else p)

    def _draws(self, p: Array) -> Array:
        if len(p) < 2:
            return np.zeros(0)
        rng = np.random.default_rng(self.found.plan.seed)
        u = rng.random((DRAWS, len(p), 1))
        chosen = np.minimum((u > np.cumsum(p, axis=1)).sum(-1), p.shape[1] - 1)
        return np.array([critical_cost_efficiency(self.bought(options)) for options in chosen])

    @property
    def first_share(self) -> float | None:
        """Mean share of the income that is spent on the first good, by the exact probabilities."""
        _, p = self.answered
        return float((p @ np.linspace(0, 1, p.shape[1])).mean()) if p.size else None

    @property
    def mass(self) -> float | None:
        legal = mass(self.found.of("budgets"))
        return None if legal is None else float(legal)

    @property
    def order_effect(self) -> float | None:
        return order_effect(self.found.of("budgets"))


@dataclass(frozen=True)
class MoneyFinding:
    """A family fitted to lotteries or delays, or why there is none. fit None: `why` says why."""

    part: str
    family: str
    fit: MoneyFit | None
    why: str = ""


def money_findings(found: Valuation) -> list[MoneyFinding]:
    """The families of the parts that were asked."""
    out: list[MoneyFinding] = []
    if "lotteries" in found.plan.ask:
        pairs = lottery_pairs()
        p = found.probabilities("lotteries", [lottery_texts(x) for x in pairs])
        kept = [x for x, read in zip(pairs, p, strict=True) if np.isfinite(read)]
        for form in WEIGHTINGS:
            name = "CRRA" if form == "none" else f"CRRA, weights of {form}"
            out.append(
                _tried(
                    "lotteries",
                    name,
                    len(kept),
                    lambda form=form: fit_lotteries(kept, p[np.isfinite(p)], form),
                )
            )
    if "delays" in found.plan.ask:
        delays = payment_pairs()
        p = found.probabilities("delays", [payment_texts(x) for x in delays])
        known = [x for x, read in zip(delays, p, strict=True) if np.isfinite(read)]
        name = "beta-delta, linear utility"
        out.append(_tried("delays", name, len(known), lambda p=p: fit_delays(known, p[np.isfinite(p)])))
    return out


def _tried(part: str, family: str, questions: int, fit: Callable[[], MoneyFit]) -> MoneyFinding:
    if questions < FEWEST:
        return MoneyFinding(
            part, family, None, f"{questions} questions have a legal answer; {FEWEST} are needed"
        )
    try:
        return MoneyFinding(part, family, fit())
    except NotIdentified as why:
        return MoneyFinding(part, family, None, str(why))
