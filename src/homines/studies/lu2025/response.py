"""Sections on dose and response: the kappa of the training against the kappa of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.stats import t as student

from homines.core.format import TableRow
from homines.core.types import LEGAL_MASS, Array, Choice, HominesError
from homines.estimation.agent_estimates import numbers, sentence
from homines.estimation.bounds import Bounds, bounds
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.lu2025.agents import DoseAgent, DoseFindings, observations
from homines.studies.omissions import Omission

IDLE = tuple(Choice.at(p) for p in ([1, 0], [0, 1], [1, 1]))
"""Choices of agents that ignore the game: always the same action, or a coin."""
KAPPA, PLAIN, EVEN, SET = "kappa", "kappa, no lapses", "kappa if alpha = beta", "middle of most best"
READINGS = (KAPPA, PLAIN, EVEN, SET)
"""Four readings of an agent's kappa: beside alpha, beta and lapses; beside alpha and beta; alone, from games
with even beliefs; and the middle of the values in [0, 1] at which most answers are best."""
LEAST_DOSES, LEAST_SEEDS = 3, 3
"""Doses of each seed, and seeds, under which there is no slope."""
GOAL = 0.15
"""The slope is to come as near to 1 as this."""


class TooFewAgents(HominesError):  # noqa: N818 (a state of the study)
    """A slope takes more doses, or more seeds."""


@dataclass(frozen=True)
class Slope:
    """How much the kappa of the answers rises with that of the training.

    value, intercept   of the least-squares line of each seed, the mean over seeds
    seeds, agents      how many
    low, high          95%: other seeds would have kept to it; Student's t over the slopes of the seeds
    low_agents, high_agents   of `value` too, if all seeds had one slope and agents differed by themselves; t
                              over the residuals of lines of one slope, each seed with its intercept
    """

    value: float
    intercept: float
    low: float
    high: float
    low_agents: float
    high_agents: float
    seeds: int
    agents: int


def slope(points: Iterable[tuple[float, int, float]], level: float = 0.95) -> Slope:
    """The slope of estimates on targets; points: (target, seed, estimate).

    Agents of one seed share their games and first weights, so that a seed is one draw: each has its own line.
    Raises TooFewAgents with under LEAST_SEEDS seeds that have LEAST_DOSES doses.
    """
    series: dict[int, list[tuple[float, float]]] = {}
    for target, seed, value in points:
        series.setdefault(seed, []).append((target, value))
    full = {
        seed: np.array(s) for seed, s in series.items() if len({target for target, _ in s}) >= LEAST_DOSES
    }
    if len(full) < LEAST_SEEDS:
        raise TooFewAgents(
            f"{len(full)} seeds have estimates at {LEAST_DOSES} doses or more; a slope with an interval "
            f"takes {LEAST_SEEDS} such seeds (--seeds {LEAST_SEEDS})"
        )
    lines = np.array([_line(s) for s in full.values()])
    value, intercept = lines.mean(0)
    reach = float(student.ppf((1 + level) / 2, len(lines) - 1))
    half = reach * lines[:, 0].std(ddof=1) / np.sqrt(len(lines))
    around = _half_by_agents(list(full.values()), level)
    low, high = float(value - half), float(value + half)
    agents = sum(map(len, full.values()))
    return Slope(
        float(value), float(intercept), low, high, value - around, value + around, len(lines), agents
    )


def _half_by_agents(series: Sequence[Array], level: float) -> float:
    """Half the interval of the mean of the seeds' slopes where one slope holds in all: Student's t over the
    residuals of lines of one slope with an intercept a seed, agents - seeds - 1 degrees of freedom."""
    centred = [s - s.mean(0) for s in series]
    target, value = np.concatenate(centred).T
    off = value - (target @ value) / (target @ target) * target
    free = len(off) - len(series) - 1
    error = np.sqrt(off @ off / free * sum(1 / (s[:, 0] @ s[:, 0]) for s in centred)) / len(series)
    return float(student.ppf((1 + level) / 2, free) * error)


def _line(points: Array) -> tuple[float, float]:
    """(slope, intercept) by least squares of points [point, (target, estimate)]."""
    target, value = points.T
    centred = target - target.mean()
    by = float(centred @ value / (centred @ centred))
    return by, float(value.mean() - by * target.mean())


@cache
def readings(agent: DoseAgent) -> TableRow:
    """The READINGS of an agent's kappa, each with its interval and what goes with it; why there is none."""
    even = observations(agent.kappa_answers(aloud=True))
    every = [*even, *observations(agent.stated_answers(aloud=True))]
    if not every:
        return {"why": "never came to an answer"}
    row: TableRow = {"games": len({o.game for o in every})}
    row["legal mass"] = float(np.mean([o.choice.mass for o in every]))
    row |= _reading(KAPPA, every, "kantian", lapse=True)
    row |= _reading(PLAIN, every, "kantian")
    row |= _reading(EVEN, even, "moralis")
    best = bounds(every, "moralis")
    idle = max(bounds([replace(o, choice=c) for o in every], "moralis").share for c in IDLE)
    middle, low, high = _middle(best)
    row |= {"most best": _format_bounds(best), "share best": best.share, "idle share": idle}
    return row | {SET: middle, f"{SET}, low": low, f"{SET}, high": high}


def _reading(name: str, data: Sequence[Observation], family: str, *, lapse: bool = False) -> TableRow:
    """Kappa by this family, with its interval; the first reading has the other parameters too."""
    try:
        e = fit(data, family, lapse=lapse)
    except HominesError as failure:
        return {f"why no {name}": sentence(failure)}
    value, _, low, high, why = numbers(e, "kappa")
    row: TableRow = {name: value, f"{name}, low": low, f"{name}, high": high}
    if value is None:
        row[f"why no {name}"] = why
    if lapse:
        others = [x for x in e.names if x != "kappa"]
        row |= {other: numbers(e, other)[0] for other in others} | {"explained": e.explained}
    return row


def _middle(best: Bounds) -> tuple[float | None, float | None, float | None]:
    """(middle, low, high) of the values in [0, 1] at which most choices are best; none where they are in
    several parts, or where all of [0, 1] is."""
    low, high = (float(np.clip(x, 0, 1)) for x in (best.low, best.high))
    if len(best.parts) > 1 or (low == 0 and high == 1):
        return None, None, None
    return (low + high) / 2, low, high


def _format_bounds(best: Bounds) -> str:
    """'.20 to .27', or several; open ends as 'below .07' and 'above .78'."""

    def one(low: float, high: float) -> str:
        if np.isinf(low) and np.isinf(high):
            return "any"
        if np.isinf(low):
            return f"below {high:.2f}"
        return f"above {low:.2f}" if np.isinf(high) else f"{low:.2f} to {high:.2f}"

    return ", ".join(one(low, high) for low, high in best.parts)


def dose(findings: DoseFindings) -> Section | Omission:
    """Target kappa against its estimate from unseen games, and the set at which most answers are best."""
    agents = findings.doses
    title = "Dose and response"
    if not agents:
        return findings.lacks(title, "doses")
    rows: list[TableRow] = []
    dots: list[TableRow] = []
    for agent in agents:
        found = readings(agent)
        rows.append({"target": agent.kappa, "seed": agent.seed} | found)
        for name in (KAPPA, SET):
            if (value := found.get(name)) is not None:
                ends = {"low": found[f"{name}, low"], "high": found[f"{name}, high"]}
                dots.append({"target": agent.kappa, "series": name, "value": value} | ends)
    text = "Kappa of the training data against kappa of the choices in unseen games, an agent a dot."
    return Section(
        "dose",
        title,
        (
            "Agents trained at doses of kappa, and the kappa that best explains what they then choose, after "
            "thinking aloud, in symmetric games with payoffs of 1 to 99 that none of them saw. The kappas at "
            "which these games are indifferent spread over (0, 1). Some state that 20% or 80% choose the "
            "first action, which tells kappa from aversion to inequity (alpha, beta); decisions far from "
            "indifference tell slips (lapse: the share of answers at random) from a low precision.",
            "Kappa is estimated by maximum likelihood beside alpha, beta, lapse and precision, with its 95% "
            "profile interval, errors clustered by game. Beside it: without lapses; and from games with even "
            "beliefs alone, where kappa stands for (beta - alpha) / (2 - beta + alpha) too. Answers that are "
            "all certain have no such estimate. They still have the set of kappa at which the largest share "
            "of them is best (maximum score); its middle is taken within [0, 1]. The idle share is what an "
            "agent reaches that always takes the same action or tosses a coin: a set with little more says "
            "nothing.",
            "Each interval is of one agent: other games like these would have kept to it. What another "
            "training would have made is in the next section.",
        ),
        rows,
        draw.response(dots, text) if dots else None,
    )


def slopes(findings: DoseFindings) -> Section | Omission:
    """The slope of estimated on target kappa, over agents and seeds, by reading."""
    agents = findings.doses
    title = "How far kappa follows the dose"
    if not agents:
        return findings.lacks(title, "doses")
    rows: list[TableRow] = []
    for name in READINGS:
        points = [
            (agent.kappa, agent.seed, value)
            for agent in agents
            if agent.kappa is not None
            and agent.seed is not None
            and readings(agent).get("legal mass", 0.0) >= LEGAL_MASS
            and (value := readings(agent).get(name)) is not None
        ]
        row: TableRow = {"reading": name, "agents with a value": len(points), "of": len(agents)}
        try:
            s = slope(points)
        except TooFewAgents as few:
            rows.append(row | {"why": sentence(few)})
            continue
        row |= {"slope": s.value, "low": s.low, "high": s.high, "seeds": s.seeds, "in the line": s.agents}
        row |= {"low over agents": s.low_agents, "high over agents": s.high_agents}
        row |= {"intercept": s.intercept, f"within {GOAL:g} of 1": abs(s.value - 1) <= GOAL}
        rows.append(row)
    return Section(
        "slopes",
        title,
        (
            "Least-squares slope of the kappa of the answers on that of the training; 1: a dose is reached "
            "in full. The interval is of seeds: agents of one seed share their games and first weights, so "
            "that each seed has its own line and is one draw (Student's t over the seeds' slopes). Over "
            "agents: the same if all seeds had one slope and agents differed by themselves (over residuals "
            "of lines of one slope with an intercept a seed); usually narrower.",
            f"Agents without a value or with a legal mass below {LEGAL_MASS:g}, and seeds with values at "
            f"fewer than {LEAST_DOSES} doses, are left out of the line; how many are in it is in the table. "
            "Where these are the certain ones, the middle of the set at which most answers are best has them "
            "too.",
        ),
        rows,
    )
