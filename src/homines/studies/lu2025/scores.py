"""Scores of the exam of the study lu2025, pooled over cells, and the goals that they are held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from homines.core.rates import SampledRate
from homines.estimation.clustered_rate import clustered_rate
from homines.studies.lu2025.agents import DoseAgent, DoseFindings
from homines.studies.lu2025.curriculum import UTILITIES, Stage, TaughtKind
from homines.studies.lu2025.exam import Condition

Scores = Mapping[str, Any]
"""The scores of one cell, as `score_cell` gives them."""
LEGAL = 0.9
"""The legal mass under which no goal is reached."""
MOST_QUESTIONS_LOST, MOST_PERPLEXITY = 3, 0.1
"""Everyday questions, and the share of perplexity, that a training may cost."""


@dataclass(frozen=True)
class Pooled:
    """The scores of several cells together.

    share    probability of the implied answer, given a legal one; None where no answer is legal. Its interval
             is of games like these (`clustered_rate`), its n the number of decisions with a legal answer
    right    share of decisions whose likeliest answer is the implied one
    mass     mean legal mass
    chance   what an agent reaches that takes every action as often
    rival    what an agent of the other utility reaches
    """

    share: SampledRate | None
    right: float
    mass: float
    chance: float
    rival: float
    decisions: int


def pooled(cells: Iterable[Scores]) -> Pooled | None:
    """The scores of several cells together, each decision counting as much; None where none was answered."""
    scored = [
        (cell, n) for cell in cells if (n := cell["rows"] - cell["failed"]) > 0 and cell["mass"] is not None
    ]
    if not scored:
        return None
    weights = np.array([n for _, n in scored], float)

    def mean(name: str) -> float:
        return float(np.average([cell[name] for cell, _ in scored], weights=weights))

    games: dict[str, tuple[int, float]] = {}
    for cell, _ in scored:
        for game, (decisions, total) in cell["by_game"].items():
            n, before = games.get(game, (0, 0.0))
            games[game] = n + decisions, before + total
    return Pooled(
        clustered_rate(list(games.values())),
        mean("right"),
        mean("mass"),
        mean("chance"),
        mean("other utility"),
        int(weights.sum()),
    )


def select(
    agents: Iterable[DoseAgent],
    utility: str,
    condition: Condition | None = None,
    *,
    trained: bool | None = None,
) -> list[Scores]:
    """Cells of these agents by what a utility implies, in a condition (None: all), of kinds trained on, left
    out, or either (None)."""
    return [
        cell
        for agent in agents
        for cell in agent.cells
        if cell["utility"] == utility
        and condition in (None, cell["condition"])
        and trained in (None, cell["trained"])
    ]


def lowest(cells: Iterable[Scores]) -> tuple[str, float] | None:
    """The kind of game with the lowest share, and that share; None where there is none."""
    shares = {cell["kind"]: float(cell["share"]) for cell in cells if cell["share"] is not None}
    return min(shares.items(), key=lambda item: item[1]) if shares else None


def agents_of(findings: DoseFindings, stage: Stage) -> list[DoseAgent]:
    """Agents of the two ends that a part of the study trained."""
    return [a for a in findings.able if isinstance(a.kind, TaughtKind) and a.kind.stage == stage]


# --- goals -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Goal:
    """What the exam of an agent should reach.

    stage, condition, trained   the cells that it is of
    """

    name: str
    least: float
    stage: Stage
    condition: Condition
    trained: bool


GOALS = (
    Goal("kinds of games trained on, aloud", 0.97, "full", "aloud", True),
    Goal("kinds of games left out, aloud", 0.9, "left_out", "aloud", False),
    Goal("labels left out, aloud", 0.95, "full", "other labels", True),
    Goal("a frame left out, aloud", 0.9, "full", "other frame", True),
    Goal("kinds trained on, the bare answer", 0.9, "full", "bare", True),
)


@dataclass(frozen=True)
class Result:
    """A goal beside what was measured. scores: None where nothing was asked. lowest: the kind of game with
    the lowest share."""

    goal: Goal
    utility: str
    scores: Pooled | None
    lowest: tuple[str, float] | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the share is at least the goal, at a legal mass of more than LEGAL; None: not asked."""
        if self.scores is None:
            return None
        share, mass = self.scores.share, self.scores.mass
        return share is not None and share >= self.goal.least and mass > LEGAL


def results(findings: DoseFindings) -> list[Result]:
    """Every goal for each of the two ends, where any agent was examined on it."""
    every: list[Result] = []
    for goal in GOALS:
        agents = agents_of(findings, goal.stage)
        for name in UTILITIES:
            cells = select(agents, name, goal.condition, trained=goal.trained)
            every.append(Result(goal, name, pooled(cells), lowest(cells)))
    return every if any(result.scores is not None for result in every) else []


@dataclass(frozen=True)
class Cost:
    """What a training cost elsewhere: everyday questions lost, of how many, and the rise of perplexity."""

    agent: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def lost(self) -> int:
        return self.before["right"] - self.after["right"]

    @property
    def rise(self) -> float:
        """Of perplexity, as a share of what it was."""
        return self.after["perplexity"] / self.before["perplexity"] - 1

    @property
    def small(self) -> bool:
        return self.lost <= MOST_QUESTIONS_LOST and self.rise <= MOST_PERPLEXITY


def costs(findings: DoseFindings) -> list[Cost]:
    """The side effects of the trainings of the two ends."""
    base = findings.base and findings.base.capability
    pairs: Sequence[tuple[str, Any]] = [(agent.name, agent.capability) for agent in findings.ends]
    return [Cost(name, base, after) for name, after in pairs if base and after]
