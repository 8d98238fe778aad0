"""The verdict on a population in sentences, and what is a theorem and what was computed."""

from __future__ import annotations

from homines.core.format import count, join, number
from homines.core.types import LEGAL_MASS
from homines.populations.asking import Population
from homines.populations.findings import (
    best_payoff,
    coexistences,
    describe_basin,
    found_basins,
    moran,
    resident_rows,
    welfare_rows,
)

THEOREM = (
    "A theorem (Alger & Weibull 2013, theorem 1): where agents are matched with assortment sigma, know "
    "their own type and not the other's, and play an equilibrium, homo moralis with kappa = sigma is "
    "evolutionarily stable against every type that does not behave as it does, if its best reply to its "
    "own equilibrium is unique. It is about all types that can be thought of, and about equilibrium play."
)
COMPUTED = (
    "Computed for these agents: every other figure of this page. The agents play as they do, in "
    "equilibrium or not (a theory agent takes every act of the other to be equally likely, unless the game "
    "tells how others choose), and an agent is called stable only against the agents named here. An agent "
    "that is stable here can be invaded by one that is not here; one that was trained to homo moralis need "
    "not play as homo moralis does."
)


def headlines(found: Population) -> list[str]:
    """The verdict: who cannot be read, then a sentence or more an assortment."""
    said = [f"{m.missing}, so it is left out." for m in found.left_out]
    said += [
        f"{m.name} rarely answers legally (legal mass {number(m.mass)}): what it gets is what its few legal "
        "answers would get."
        for m in found.members
        if m.weak
    ]
    return said + [sentence for sigma in found.plan.sigma for sentence in _at(found, sigma)]


def _at(found: Population, sigma: float) -> list[str]:
    at = f"At assortment {sigma:g}"
    rows = [row for row in resident_rows(found) if row["sigma"] == sigma]
    by = {s: [str(row["agent"]) for row in rows if row["withstands"] == s] for s in ("stable", "neutral")}
    said: list[str] = []
    if by["stable"]:
        said.append(f"{at} no other agent here invades {join(by['stable'])}, each repelled when rare.")
    if by["neutral"]:
        said.append(f"{at} none invades {join(by['neutral'])}, but one that gets the same can drift in.")
    if not said:
        said.append(f"{at} every agent here is invaded by another.")
    every = found_basins(found, sigma)
    largest = every.basins[0]
    starts = "of all mixtures" if every.starts is None else f"of {every.starts} evenly spaced mixtures"
    said.append(
        f"{at} the replicator dynamics ends at {describe_basin(found, largest)} from {largest.share:.0%} "
        f"{starts}."
    )
    times = moran(found, sigma).rare_mutations(found.matrix)
    top = int(times.argmax())
    earned = {row["population"]: row["payoff"] for row in welfare_rows(found) if row["sigma"] == sigma}
    mean = list(earned.values())[-1]
    said.append(
        f"{at} a population of {count(found.plan.size, 'agent')} with rare mutations is of "
        f"{found.names[top]} alone for {number(float(times[top]))} of the time, and gets {number(mean)} "
        f"points a round on average, of at most {number(best_payoff(found))}."
    )
    if mixed := coexistences(found, sigma):
        pairs = join([f"{a} with {b}" for a, b in mixed])
        said.append(
            f"{at} these invade each other: {pairs}. A finite population of both stays mixed for very long, "
            "so that mutations must be the rarer for that figure to hold."
        )
    return said


def weak_note() -> str:
    return f"Grey with a dagger: of a model whose legal mass is below {LEGAL_MASS:g}."
