"""Does an estimate return the truth, and does its interval cover as often as it says? By the way users go.

    python bench/truth.py                 half an hour on one core
    python bench/truth.py --samples 30    three minutes

First a preference answers the questions that `measure` asks of a model (18 sequential protocols, one
point of decision at a time), exactly or in n draws, and `fit` reads the answers; "as plans" is the reading
of earlier versions, which took the product of the answers for the probability of a plan. Then exact choices
in few games: the truth is the estimate from very many, as every game has an oddity of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from homines.core.registry import find
from homines.core.types import Array, Choice, Decision, frozen
from homines.estimation import uncertainty
from homines.estimation.columns import Observation
from homines.estimation.family import family
from homines.estimation.fit import Estimate, fit
from homines.estimation.likelihood import Design
from homines.estimation.problem import NotIdentified, problem
from homines.estimation.strategy_method import plan_decision, points, sequential_observations
from homines.theory.choice import LogitAgent

PROTOCOLS = tuple(f"{name}({k})" for name in ("spd", "trust", "ultimatum") for k in range(1, 7))
TRUTHS = (
    ("kantian(alpha=0.0, beta=0.0, kappa=0.4)", 0.05),
    ("kantian(alpha=0.1, beta=0.3, kappa=0.7)", 0.05),
    ("moralis(kappa=0.4)", 0.05),
    ("inequity(alpha=0.3, beta=0.5)", 0.1),
)
DRAWS = (50, 5, 1)
GAMES = (12, 18, 30, 100)
ODDITY = 0.7
"""Standard deviation of a game's own part of the log-odds."""
MANY = 20_000
REDRAWS = 399
"""Of a wild bootstrap."""


@dataclass(frozen=True)
class Coverage:
    """How many intervals hold the truth, by parameter, of how many; `refused`: no estimate or no interval."""

    hits: Array
    tried: int
    refused: int

    def __str__(self) -> str:
        shares = " ".join(f"{x / max(1, self.tried):.3f}" for x in self.hits)
        return f"{shares}  of {self.tried}{f', {self.refused} without interval' if self.refused else ''}"


def answers(truth: str, precision: float, *, whole: bool = False) -> list[Observation]:
    """The exact answers of a preference at every point of the protocols, beliefs 50/50.

    whole   read as one choice between plans
    """
    agent = LogitAgent(find("preferences", truth), precision)
    observations: list[Observation] = []
    for name in PROTOCOLS:
        game = find("games", name)
        at = points(game)
        if truth.startswith(("kantian", "moralis")):
            between, plans = plan_decision(game, {})
            p = agent([between])[0].p
            shares = {
                point: [sum(p[i] for i, plan in enumerate(plans) if plan[point] == a) for a in (0, 1)]
                for point in at
            }
            pairs = [(d, Choice.at(shares[point])) for point, d in at.items()]
        else:
            pairs = [(d, agent([replace(d, others=None)])[0]) for d in at.values()]
        observations += sequential_observations(game, pairs, [], name=name, whole=whole)
    return observations


def draw(observations: Sequence[Observation], n: int, rng: np.random.Generator) -> list[Observation]:
    """The same answers as n draws each."""
    drawn: list[Observation] = []
    for o in observations:
        choice = Choice.at(rng.multinomial(n, o.choice.p), n=n)
        drawn.append(
            replace(o, choice=choice, part=None if o.part is None else replace(o.part, choice=choice))
        )
    return drawn


def splits(games: int, rng: np.random.Generator, odd: bool) -> list[Observation]:
    """Choices between divisions of money by inequity(alpha=0.3, beta=0.5), each game with an oddity."""
    agent = LogitAgent(find("preferences", "inequity(alpha=0.3, beta=0.5)"), 0.05)
    observations: list[Observation] = []
    for i in range(games):
        d = Decision(("X", "Y"), frozen(rng.integers(10, 100, (2, 2)).astype(float)))
        logit = np.diff(agent([d])[0].logp[::-1])[0] + (ODDITY * rng.normal() if odd else 0.0)
        observations.append(Observation(d, Choice.of(np.array([logit, 0.0])), "model", str(i)))
    return observations


def bootstrap_intervals(observations: Sequence[Observation], name: str, rng: np.random.Generator) -> Array:
    """95% intervals by the wild bootstrap of scores over games, percentile t [parameter, (low, high)].

    Every cluster's score is multiplied by -1 or 1, the estimate moves by the inverse information times their
    sum, and its t is taken with the sandwich of the moved scores (Kline & Santos 2012).
    """
    p = problem(observations, family(name), cluster="game")
    g = p.peak()[0].g
    q = np.exp(p.design.logp(g))
    d = Design(uncertainty.columns_at(p, p.design, g, 0.0), p.design.legal)
    bread = np.linalg.inv(d.information(q, p.y.sum(-1)))
    scores = uncertainty.cluster_scores(d, p.rows, p.at, p.group, q)
    games = len(scores)
    signs = rng.choice([-1.0, 1.0], (REDRAWS, games))
    moved = signs[:, :, None] * scores
    moved = moved - moved.mean(1, keepdims=True)
    ratio = games / (games - 1)
    errors = np.sqrt(ratio * ((moved @ bread) ** 2).sum(1))
    t = np.abs(signs @ scores @ bread) / errors
    own = np.sqrt(ratio * ((scores @ bread) ** 2).sum(0))
    half = np.quantile(t, 0.95, axis=0) * own
    values = np.r_[g[1:] / g[0], g[0]]
    return frozen(np.stack([values - half, values + half], axis=1))


def fit_intervals(observations: Sequence[Observation], name: str, rng: np.random.Generator) -> Array:
    """95% intervals of `fit` [parameter, (low, high)]."""
    return fit(observations, name).intervals


def sandwich_intervals(observations: Sequence[Observation], name: str, rng: np.random.Generator) -> Array:
    """Those of `fit` if it took the sandwich with few clusters too, as it did [parameter, (low, high)]."""
    most, uncertainty.JACKKNIFE = uncertainty.JACKKNIFE, 0
    try:
        return fit(observations, name).intervals
    finally:
        uncertainty.JACKKNIFE = most


Intervals = Callable[[Sequence[Observation], str, np.random.Generator], Array]
KINDS: dict[str, Intervals] = {
    "sandwich (before)": sandwich_intervals,
    "wild bootstrap": bootstrap_intervals,
    "jackknife (now)": fit_intervals,
}


def cover(
    samples: Iterator[list[Observation]], name: str, truth: Array, intervals: Intervals = fit_intervals
) -> Coverage:
    """Coverage of 95% intervals over samples."""
    hits, tried, refused = np.zeros(len(truth)), 0, 0
    rng = np.random.default_rng(0)
    for observations in samples:
        try:
            ends = intervals(observations, name, rng)
        except NotIdentified:
            refused += 1
            continue
        if np.isnan(ends).any():
            refused += 1
            continue
        tried += 1
        hits += (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    return Coverage(hits, tried, refused)


def spell(e: Estimate) -> str:
    """Parameters with their 95% intervals."""
    return ", ".join(
        f"{name} {x:.3g} [{low:.3g}, {high:.3g}]"
        for name, x, (low, high) in zip(e.names, e.values, e.intervals, strict=True)
    )


def print_answers(samples: int) -> None:
    """Estimates from exact answers, as plans and as answers, and coverage with n draws an answer."""
    print("Answers at the points of 18 sequential protocols, beliefs 50/50.\n")
    print("| truth, precision | as plans (before), 95% interval | now, exact | off by at most | ", end="")
    print(" | ".join(f"coverage of 95%, n = {n}" for n in DRAWS) + " |")
    print("|---" * (4 + len(DRAWS)) + "|")
    for truth, precision in TRUTHS:
        name = truth.partition("(")[0]
        exact = answers(truth, precision)
        e = fit(exact, name)
        preference = find("preferences", truth)
        true = np.array([*(getattr(preference, parameter) for parameter in e.family.free), precision])
        before = spell(fit(answers(truth, precision, whole=True), name))
        rounded = zip(e.names, e.values.round(9) + 0.0, strict=True)
        values = ", ".join(f"{parameter} {x:.3g}" for parameter, x in rounded)
        cells = [f"{truth}, {precision:g}", before, values, f"{np.abs(e.values - true).max():.0e}"]
        for n in DRAWS:
            rng = np.random.default_rng(n)
            cells.append(str(cover((draw(exact, n, rng) for _ in range(samples)), name, true)))
        print(f"| {' | '.join(cells)} |", flush=True)


def print_few_games(samples: int) -> None:
    """Coverage of three kinds of intervals in few games."""
    rng = np.random.default_rng(0)
    truth = fit(splits(MANY, rng, odd=True), "inequity", cluster="game").values
    print("\nExact choices with misfit in few games, inequity: coverage of 95% intervals of alpha, beta,")
    print(f"precision. The truth, of {MANY} games: {', '.join(f'{x:.3f}' for x in truth)}.\n")
    print(f"| games | {' | '.join(KINDS)} |")
    print("|---" * (1 + len(KINDS)) + "|")
    for games in GAMES:
        cells: list[str] = []
        for kind in KINDS.values():
            rng = np.random.default_rng(games)
            drawn = (splits(games, rng, odd=True) for _ in range(samples))
            cells.append(str(cover(drawn, "inequity", truth, kind)))
        print(f"| {games} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=300, help="drawn for every coverage")
    samples = parser.parse_args().samples
    print_answers(samples)
    print_few_games(samples)


if __name__ == "__main__":
    main()
