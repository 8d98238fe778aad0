"""What a population shows, as plain rows: payoffs, invasion, rest points, basins, takeovers, welfare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.format import TableRow, join, number
from homines.core.types import Array, NotDefined
from homines.populations.asking import Population
from homines.theory.basins import HORIZON, Basin, Basins, basins, path
from homines.theory.homo_moralis import MixedGame, who_invades
from homines.theory.moran import Moran
from homines.theory.pair_payoffs import symmetric_stage
from homines.theory.population import invasion, invasions, rest_points, uninvaded, welfare

KAPPAS = tuple(k / 10 for k in range(11))
"""Degrees of morality of the types of the theorem."""
SETTLED = 0.01
"""Distance in every share from where a path ends, within which it is there."""
PRESENT = 5e-4
"""Shares below this are not named."""


def write_mixture(found: Population, shares: Sequence[float] | Array) -> str:
    """'tit_for_tat .67, grim .33'; one name where all are of one kind."""
    there = [(name, x) for name, x in zip(found.names, shares, strict=True) if x > PRESENT]
    return there[0][0] if len(there) == 1 else ", ".join(f"{name} {number(float(x))}" for name, x in there)


def moran(found: Population, sigma: float) -> Moran:
    return Moran(found.plan.size, found.plan.selection, sigma)


def payoff_rows(found: Population) -> list[TableRow]:
    """A row an agent: what it gets a round from each, its own kind among them."""
    return [
        {"agent": name, "kind": member.kind, "legal mass": member.mass}
        | {f"from {other}": float(found.matrix[i, j]) for j, other in enumerate(found.names)}
        for i, (name, member) in enumerate(zip(found.names, found.members, strict=True))
    ]


def brief_payoffs(found: Population) -> list[TableRow]:
    """Payoffs as the terminal shows them."""
    return [
        {"agent": name}
        | {other: number(float(x)) for other, x in zip(found.names, found.matrix[i], strict=True)}
        for i, name in enumerate(found.names)
    ]


def brief_residents(found: Population) -> list[TableRow]:
    """Who withstands the others, as the terminal shows it."""
    return [
        {
            "sigma": number(row["sigma"]),
            "agent": row["agent"],
            "withstands": row["withstands"],
            "payoff among its like": number(row["payoff among its like"]),
            "legal mass": number(row["legal mass"]),
            "invaded by": row["invaded by"] or "",
        }
        for row in resident_rows(found)
    ]


def invasion_rows(found: Population) -> list[TableRow]:
    """A row an assortment, resident and rare mutant."""
    return [
        {
            "sigma": sigma,
            "resident": found.names[x.resident],
            "mutant": found.names[x.mutant],
            "advantage": x.advantage,
            "outcome": x.outcome,
            "changes at sigma": x.threshold,
            "legal mass": legal_mass(found, x.resident, x.mutant),
        }
        for sigma in found.plan.sigma
        for x in invasions(found.matrix, sigma)
    ]


def advantage_curves(found: Population) -> list[TableRow]:
    """The advantage of every rare mutant by assortment: a panel a resident, a line a mutant."""
    rows: list[TableRow] = []
    for i, resident in enumerate(found.names):
        for j, mutant in enumerate(found.names):
            for step in range(11):
                # a mutant that is alike has no line, and keeps the order and colours of the others
                value = None if i == j else invasion(found.matrix, step / 10, i, j).advantage
                row = {"panel": f"among {resident}", "series": mutant, "step": step / 10, "value": value}
                rows.append(row)
    return rows


def legal_mass(found: Population, *members: int) -> float | None:
    """The lowest legal mass of these agents; None where none of them is a model."""
    masses = [mass for k in members if (mass := found.members[k].mass) is not None]
    return min(masses, default=None)


def resident_rows(found: Population) -> list[TableRow]:
    """A row an assortment and agent: whether a population of it withstands the others, one at a time."""
    rows: list[TableRow] = []
    for sigma in found.plan.sigma:
        every = invasions(found.matrix, sigma)
        for i, stability in uninvaded(found.matrix, sigma).items():
            by = [found.names[x.mutant] for x in every if x.resident == i and x.outcome == "invades"]
            rows.append(
                {
                    "sigma": sigma,
                    "agent": found.names[i],
                    "withstands": stability,
                    "invaded by": ", ".join(by) or None,
                    "payoff among its like": float(found.matrix[i, i]),
                    "legal mass": found.members[i].mass,
                }
            )
    return rows


def rest_rows(found: Population) -> list[TableRow]:
    """A row an assortment and rest point of the replicator dynamics."""
    return [
        {
            "sigma": sigma,
            "mixture": write_mixture(found, point.shares),
            "stability": point.stability,
            "largest eigenvalue": 0.0
            if point.stability == "neutral"
            else float(point.eigenvalues.real.max()),
            "turns": bool(np.abs(point.eigenvalues.imag).max() > 1e-7 * point.unit),
            "one of many": not point.isolated,
            "payoff": point.payoff,
        }
        for sigma in found.plan.sigma
        for point in rest_points(found.matrix, sigma)
    ]


def describe_basin(found: Population, basin: Basin) -> str:
    """Where it ends, in words."""
    if basin.end is not None:
        return write_mixture(found, basin.end.shares)
    names = [found.names[k] for k in basin.types]
    if len(names) == 1:
        return f"{names[0]} (neutral there)"
    return f"no one point: mixtures of {join(names)}"


def found_basins(found: Population, sigma: float) -> Basins:
    return basins(found.matrix, sigma)


def basin_rows(found: Population) -> list[TableRow]:
    """A row an assortment and basin of attraction."""
    rows: list[TableRow] = []
    for sigma in found.plan.sigma:
        every = found_basins(found, sigma)
        by = "exact" if every.starts is None else f"{every.starts} evenly spaced mixtures"
        rows += [
            {
                "sigma": sigma,
                "ends at": describe_basin(found, basin),
                "share of starts": basin.share,
                "computed from": by,
                "payoff there": None if basin.end is None else basin.end.payoff,
            }
            for basin in every.basins
        ]
    return rows


def path_rows(found: Population) -> list[TableRow]:
    """Shares over time from equal shares, until they settle: a panel an assortment, a line an agent."""
    n = len(found.members)
    rows: list[TableRow] = []
    for sigma in found.plan.sigma:
        times = np.append(0.0, np.geomspace(1.0, HORIZON, 60))
        shares = path(found.matrix, sigma, [1 / n] * n, times)
        far = np.abs(shares - shares[-1]).max(axis=1) > SETTLED
        last = min(float(times[np.flatnonzero(far)[-1] + 1]) * 1.5 if far.any() else 10.0, HORIZON)
        times = np.linspace(0.0, last, 61)
        shares = path(found.matrix, sigma, [1 / n] * n, times)
        rows += [
            {"panel": f"assortment {sigma:g}", "series": name, "step": float(t), "value": float(x[k])}
            for k, name in enumerate(found.names)
            for t, x in zip(times, shares, strict=True)
        ]
    return rows


def fixation_rows(found: Population) -> list[TableRow]:
    """A row an assortment, resident and mutant: how likely one mutant takes over."""
    rows: list[TableRow] = []
    for sigma in found.plan.sigma:
        table = moran(found, sigma).fixations(found.matrix)
        rows += [
            {
                "sigma": sigma,
                "resident": resident,
                "mutant": mutant,
                "takes over": float(table[i, j]),
                "times chance": float(table[i, j]) * found.plan.size,
                "legal mass": legal_mass(found, i, j),
            }
            for i, resident in enumerate(found.names)
            for j, mutant in enumerate(found.names)
            if i != j
        ]
    return rows


def time_rows(found: Population) -> list[TableRow]:
    """A row an assortment and agent: the share of time that all are of its kind, where mutations are rare."""
    return [
        {
            "sigma": sigma,
            "agent": name,
            "share of time": float(x),
            "payoff among its like": float(found.matrix[i, i]),
            "legal mass": found.members[i].mass,
        }
        for sigma in found.plan.sigma
        for i, (name, x) in enumerate(
            zip(found.names, moran(found, sigma).rare_mutations(found.matrix), strict=True)
        )
    ]


def coexistences(found: Population, sigma: float) -> list[tuple[str, str]]:
    """Pairs of agents that invade each other: a finite population of both stays mixed for very long."""
    every = {(x.resident, x.mutant): x.outcome for x in invasions(found.matrix, sigma)}
    return [
        (found.names[i], found.names[j])
        for (i, j), outcome in every.items()
        if i < j and outcome == every[j, i] == "invades"
    ]


def best_payoff(found: Population) -> float:
    """The most that two agents can get each in a round, on average of both."""
    return float(symmetric_stage(found.plan.form).table[:2].mean(axis=0).max())


def welfare_rows(found: Population) -> list[TableRow]:
    """A row an assortment and state of the population: what an agent gets a round, on average."""
    n, best = len(found.members), best_payoff(found)
    rows: list[TableRow] = []
    for sigma in found.plan.sigma:
        equal = [1 / n] * n
        end = path(found.matrix, sigma, equal, [0.0, HORIZON])[-1]
        times = moran(found, sigma).rare_mutations(found.matrix)
        states = {
            "equal shares": welfare(found.matrix, sigma, equal),
            "where these end": welfare(found.matrix, sigma, end),
            f"{found.plan.size} agents, rare mutations": float(times @ np.diag(found.matrix)),
        }
        rows += [
            {"sigma": sigma, "population": state, "payoff": x, "of the best": x / best if best > 0 else None}
            for state, x in states.items()
        ]
    return rows


def degrees(sigma: float) -> list[float]:
    """KAPPAS, and sigma itself among them."""
    return sorted({*KAPPAS, sigma})


def theorem_table(found: Population, sigma: float) -> Array | None:
    """The advantage of rare homo moralis among homo moralis, [resident, mutant] over `degrees(sigma)`, in
    equilibrium of this game's stage; None where the closed form tells none."""
    stage = symmetric_stage(found.plan.form)
    if stage.table.shape[1:] != (2, 2):
        return None
    try:
        return who_invades(MixedGame.of(stage), degrees(sigma), sigma)
    except NotDefined:
        return None
