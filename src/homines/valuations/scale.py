"""What the pairs of a valuation say: a scale or why there is none, its fit, transitivity, exchange rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from homines.core.rates import mean_interval
from homines.core.types import LEGAL_MASS, Record
from homines.elicitation.metrics import instability, mass, order_effect
from homines.estimation.binary_response import LINKS, Link
from homines.estimation.exchange_rates import Amount, Slopes, slopes
from homines.estimation.problem import NotIdentified
from homines.estimation.utility_scale import Fit, Pairs, UtilityScale, check_scale, held_out, utility_scale
from homines.theory.transitivity import Transitivity, transitivity
from homines.valuations.asking import Valuation, few_of_all

Outcome = Literal["scale", "poor", "even", "order", "apart", "by place", "no answer"]
BY_PLACE = 0.5
"""An order effect from which a model answers by place."""
EVEN = 0.02
"""Mean distance from 1/2 under which pairs say no preference."""
TELLS, TELLS_LITTLE = 0.8, 0.5
"""Of the way from even odds to new pairs: from here on a scale tells them, and below it is poor."""
FOLDS = 5
FEWEST_TO_CHECK = 10
FEWEST_OF_A_KIND = 5
"""Outcomes of a kind from which its mean has an interval."""


@dataclass(frozen=True, eq=False)
class ScaleFinding:
    """The pairs of outcomes of a valuation, and what they say."""

    found: Valuation

    @cached_property
    def records(self) -> list[Record]:
        return self.found.of("outcomes")

    @cached_property
    def names(self) -> list[str]:
        """Ids of the outcomes."""
        return [o.id for o in self.found.plan.outcome_list.outcomes]

    @cached_property
    def pairs(self) -> Pairs:
        """Those that make the scale."""
        return self.found.pairs(self.found.scale)

    @cached_property
    def check(self) -> Pairs:
        """Those outside it."""
        return self.found.pairs(self.found.check)

    @cached_property
    def mass(self) -> float | None:
        legal = mass(self.records)
        return None if legal is None else float(legal)

    @property
    def order_effect(self) -> float | None:
        return order_effect(self.records)

    @property
    def instability(self) -> float | None:
        return instability(self.records)

    @cached_property
    def scales(self) -> Mapping[Link, UtilityScale]:
        """By link; empty where there is none."""
        return {} if self.reason else {link: utility_scale(self.pairs, self.names, link) for link in LINKS}

    @property
    def scale(self) -> UtilityScale | None:
        """With the logistic link."""
        return self.scales.get("logistic")

    @cached_property
    def reason(self) -> str:
        """Why there is no scale; empty where there is one."""
        if not len(self.pairs):
            return "no pair has a legal answer to every question"
        try:
            check_scale(self.pairs, self.names)
            for link in LINKS:
                utility_scale(self.pairs, self.names, link)
        except NotIdentified as why:
            return str(why)
        return ""

    @cached_property
    def outside(self) -> Mapping[Link, Fit]:
        """How well a scale tells pairs that are not in it: those drawn for it, else by cross-validation."""
        if len(self.check) >= FEWEST_TO_CHECK:
            return {link: scale.fit(self.check) for link, scale in self.scales.items()}
        crossed: dict[Link, Fit] = {}
        for link in self.scales:
            if (fit := held_out(self.pairs, self.names, link, FOLDS, 0)) is not None:
                crossed[link] = fit
        return crossed

    @property
    def drawn(self) -> bool:
        """Whether pairs outside are drawn ones, not those of cross-validation."""
        return len(self.check) >= FEWEST_TO_CHECK

    @cached_property
    def decided(self) -> float:
        """Mean distance of P from 1/2, over all pairs; 0 without one."""
        every = np.concatenate([self.pairs.p, self.check.p])
        return float(np.abs(every - 0.5).mean()) if len(every) else 0.0

    @cached_property
    def outcome(self) -> Outcome:
        """Whether there is a scale at all."""
        if self.mass is None or self.mass < LEGAL_MASS or not len(self.pairs):
            return "no answer"
        if abs(self.order_effect or 0.0) >= BY_PLACE:
            return "by place"
        if self.decided < EVEN:
            return "even"
        if self.reason:
            return "order" if len(self.pairs.parts()) == 1 else "apart"
        outside = self.outside.get("logistic")
        return "poor" if outside is None or outside.explained < TELLS_LITTLE else "scale"

    @cached_property
    def triples(self) -> Transitivity:
        """Of all pairs that were asked."""
        n = len(self.names)
        both = [self.pairs, self.check]
        i, j, p = (np.concatenate([getattr(x, name) for x in both]) for name in ("i", "j", "p"))
        return transitivity(Pairs(n, i.astype(int), j.astype(int), p).matrix)

    @cached_property
    def kinds(self) -> list[tuple[str, int, float, tuple[float, float] | None]]:
        """(kind, outcomes, mean utility, its interval over outcomes of the kind)."""
        if self.scale is None:
            return []
        u = self.scale.u
        out: list[tuple[str, int, float, tuple[float, float] | None]] = []
        for kind, places in self.found.plan.outcome_list.kinds.items():
            values = u[places].tolist()
            ends = (
                mean_interval(values) if len(values) >= FEWEST_OF_A_KIND and np.ptp(values) > 1e-9 else None
            )
            out.append((kind, len(values), float(np.mean(values)), ends))
        return out

    @cached_property
    def slopes(self) -> Slopes | None:
        """Utility by the logarithm of the number, by unit; None without a scale or a unit."""
        if self.reason:
            return None
        amounts: list[Amount | None] = [
            None if o.amount is None else (o.unit, o.amount) for o in self.found.plan.outcome_list.outcomes
        ]
        try:
            return slopes(self.pairs, amounts, self.names)
        except NotIdentified:
            return None

    @cached_property
    def against_all(self) -> tuple[UtilityScale, Fit, float] | None:
        """Where all pairs were asked: the scale of the few that would have been asked, its fit to the rest,
        and its correlation with the scale of all. None where few were asked, and where the few make no
        scale."""
        plan = self.found.plan
        if (
            self.scale is None
            or len(self.found.scale) < plan.every_pair
            or plan.every_pair <= 3 * len(self.names)
        ):
            return None
        few = few_of_all(plan, self.records)
        try:
            scale = utility_scale(self.found.pairs(few), self.names)
        except NotIdentified:
            return None
        rest = self.found.pairs([pair for pair in self.found.scale if pair not in set(few)])
        return scale, scale.fit(rest), float(np.corrcoef(scale.u, self.scale.u)[0, 1])

    @property
    def classes(self) -> list[list[str]]:
        """Where some outcomes are always chosen over others: ids by class, the most preferred first."""
        return [[self.names[k] for k in members] for members in self.pairs.classes()]
