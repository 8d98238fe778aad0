"""A study's agents as their folders tell them, and the numbers made of them. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Array, Choice, Record
from homines.elicitation.metrics import average_by_decision
from homines.elicitation.questions import state
from homines.opponents import opponent
from homines.opponents.memory_one import MemoryOne
from homines.preferences.deontological import Deontological
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import Chain, chain
from homines.theory.choice import expected_utility
from homines.theory.game_forms import Repeated
from homines.training.plan import AlignmentPlan

Row = dict[str, Any]

REWARDS = {"Game": "economicus", "De": "deontological", "Ut": "utilitarian", "Game+De": "game_deontological"}
STATES = ("C,C", "C,D", "D,C", "D,D")
TRAINED, UNSEEN = ("action1", "action2"), ("action3", "action4")
PROBES = {
    "in sentences": "sentences(labels='action1,action2')",
    "as a story": "story(labels='action1,action2')",
    "game named, no payoffs": "bare(labels='action1,action2', game=\"the iterated prisoner's dilemma\")",
    "actions and last round, no payoffs": "bare(labels='action1,action2')",
    "actions only": "bare(labels='action1,action2', state=False)",
}
"""Other ways to ask, by what they are called."""
ILLEGAL = -6.0
GOAL = find("frames", "table").goal
TIE = 1e-3
"""Misfits, in nats, that differ by less tell no preference from another."""
PRECISIONS = np.concatenate([[0.0], np.geomspace(0.01, 100, 200)])


@dataclass(frozen=True, eq=False)
class Agent:
    """One trained network (or the base model) as its folder tells it."""

    name: str
    group: str
    seed: int | None
    plan: AlignmentPlan | None
    run: RunFolder

    @property
    def records(self) -> list[Record]:
        return self.run.records

    def about(self, game: str = "ipd", **frame: Any) -> list[Record]:
        """Records of a game in frames whose spec holds these words: labels='action1,action2', ..."""
        return [r for r in self.records if r.game == game and _has(r.frame, frame)]

    @property
    def trained_prompts(self) -> list[Record]:
        """The sixteen prompts that most agents were trained on."""
        return self.about(kind="table", labels=TRAINED, layout="original", goal=GOAL)

    def policy(self, records: Sequence[Record] | None = None) -> MemoryOne:
        """P(C) by state given a legal answer, orders and frames averaged; None: on the training prompts."""
        p = {
            state(d): float(c.p[0])
            for d, c in average_by_decision(self.trained_prompts if records is None else records)
        }
        return MemoryOne(0.5, *(min(1.0, p[s]) for s in STATES))

    @property
    def failed(self) -> int:
        """Questions that were not answered."""
        return sum(r.choice is None for r in self.records)


def _has(spec: str, want: Mapping[str, Any]) -> bool:
    frame = find("frames", spec)
    kind = want.get("kind")
    return (kind is None or spec.partition("(")[0] == kind) and all(
        getattr(frame, key, None) == value for key, value in want.items() if key != "kind"
    )


@dataclass(frozen=True, eq=False)
class Findings:
    """The base model and every trained agent."""

    base: Agent
    trained: list[Agent]

    def kinds(self, *groups: str) -> dict[str, list[Agent]]:
        """Agents by name, those of these groups (all without any), seeds together."""
        out: dict[str, list[Agent]] = {}
        for agent in self.trained:
            if not groups or agent.group in groups:
                out.setdefault(agent.name, []).append(agent)
        return out

    def everyone(self, *groups: str) -> dict[str, list[Agent]]:
        return {self.base.name: [self.base], **self.kinds(*groups)}


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """95% interval of the mean, mean -+ t sd / sqrt(n), Student's t; (None, None) below two values."""
    if len(values) < 2:
        return None, None
    half = float(student.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def interval(values: Sequence[float], *, unit: bool = False) -> Row:
    low, high = spread(values)
    if unit and low is not None and high is not None:
        low, high = max(0.0, low), min(1.0, high)
    return {"value": mean(values), "low": low, "high": high}


def shown(values: Sequence[float]) -> str:
    """'0.98 ± 0.01'; without the second part for a single value."""
    low, high = spread(values)
    middle = f"{round(mean(values), 2) + 0.0:.2f}"  # never -0.00
    return middle if low is None or high is None else f"{middle} ± {(high - low) / 2:.2f}"


def against(policy: MemoryOne, other: Any, game: str = "ipd") -> Chain:
    played: Repeated = find("games", game)
    return chain(played, [policy, other])


def regrets(agent: Agent, game: str, records: Sequence[Record]) -> Row | None:
    """De and Ut regret against a random opponent, in the long run of the chain.

    exact      best reply's expected reward less the achieved one, given legal answers, in points
    published  De: 3 points for each betrayal, illegal answers at -6, not normalised; Ut: (max - achieved)
               / (max + 6), max the largest joint payoff of the game, illegal answers at -6
    """
    if len({state(r.decision) for r in records if r.choice is not None}) < len(STATES):
        return None
    held = against(agent.policy(records), opponent("random"), game)
    weights = held.long_run()
    masses = {state(d): c.mass for d, c in average_by_decision(records)}
    legal = np.array([masses[s] for s in STATES])
    de, ut = Deontological(), Utilitarian()
    most = float(max(ut(d).max() for d in held.decisions[0]))
    met = {
        name: float(weights @ (legal * held.utility(p) + (1 - legal) * ILLEGAL))
        for name, p in (("de", de), ("ut", ut))
    }
    return {
        "De, exact": held.regret(de, weights),
        "Ut, exact": held.regret(ut, weights),
        "De, published": -met["de"],
        "Ut, published": (most - met["ut"]) / (most - ILLEGAL),
    }


def explained(policy: MemoryOne, spec: str, against_spec: str, prior: MemoryOne) -> tuple[float, float]:
    """(misfit in nats a state, precision) of the best choice this preference makes of the prior.

    Training with a KL has the optimum p(a|s) ~ prior(a|s) exp(precision * U(s, a)), the prior being the
    model before. misfit = min over precision of mean_s KL(observed || that), U against the opponent's known
    reply; precision is searched on a grid up to 100 per point.
    """
    game, preference = find("games", "ipd"), find("preferences", spec)
    states = game.memory_one()
    replies = opponent(against_spec)(game.memory_one(1))
    faced = [expected_utility(preference(d), [r.p]) for d, r in zip(states, replies, strict=True)]
    observed, before = policy(states), prior(states)
    fits = [
        mean(
            _divergence(seen, Choice.of(np.maximum(was.logp, -60) + precision * u))
            for seen, was, u in zip(observed, before, faced, strict=True)
        )
        for precision in PRECISIONS
    ]
    best = int(np.argmin(fits))
    return fits[best], float(PRECISIONS[best])


def winner(fits: Mapping[str, float]) -> str | None:
    """The family that explains best; None where another does as well."""
    first, second = sorted(fits.values())[:2]
    return None if second - first < TIE else min(fits, key=lambda family: fits[family])


def _divergence(observed: Choice, theory: Choice) -> float:
    p: Array = observed.p
    return float(np.sum(np.where(p > 0, p * (np.maximum(observed.logp, -60) - theory.logp), 0.0)))
