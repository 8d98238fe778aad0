"""Does an estimate return the truth, and does its interval cover as often as it says? By the way users go.

    python bench/truth.py            some minutes on one core
    python bench/truth.py --quick    a tenth of the samples

First a preference answers the questions that `measure` asks of a model (18 sequential protocols, one
point of decision at a time), exactly or in n draws, and `fit` reads the answers. Then exact choices in few
games: the truth is the estimate from very many, as every game has an oddity of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from homines.core.registry import find
from homines.core.types import Array, Choice, Decision, frozen
from homines.estimation import uncertainty
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.problem import NotIdentified
from homines.estimation.strategy_method import plan_decision, points, sequential_observations
from homines.theory.choice import LogitAgent

PROTOCOLS = tuple(f"{name}({k})" for name in ("spd", "trust", "ultimatum") for k in range(1, 7))
TRUTHS = (
    ("kantian(alpha=0.0, beta=0.0, kappa=0.4)", 0.05),
    ("kantian(alpha=0.1, beta=0.3, kappa=0.7)", 0.05),
    ("moralis(kappa=0.4)", 0.05),
    ("inequity(alpha=0.3, beta=0.5)", 0.1),
)
DRAWS = (None, 50, 5, 1)
GAMES = (12, 18, 30, 100)
ODDITY = 0.7
"""Standard deviation of a game's own part of the log-odds."""
MANY = 20_000


@dataclass(frozen=True)
class Coverage:
    """How many intervals hold the truth, by parameter, of how many; `refused`: no estimate."""

    hits: Array
    tried: int
    refused: int

    def __str__(self) -> str:
        shares = " ".join(f"{x / max(1, self.tried):.3f}" for x in self.hits)
        return f"{shares}  of {self.tried}{f', {self.refused} refused' if self.refused else ''}"


def answers(truth: str, precision: float) -> list[Observation]:
    """The exact answers of a preference at every point of the protocols, beliefs 50/50."""
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
        observations += sequential_observations(game, pairs, [], name=name)
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


def cover(samples: Iterator[list[Observation]], family: str, truth: Array) -> Coverage:
    """Coverage of 95% intervals over samples."""
    hits, tried, refused = np.zeros(len(truth)), 0, 0
    for observations in samples:
        try:
            e = fit(observations, family)
        except NotIdentified:
            refused += 1
            continue
        tried += 1
        hits += (e.intervals[:, 0] <= truth) & (truth <= e.intervals[:, 1])
    return Coverage(hits, tried, refused)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    many = 30 if parser.parse_args().quick else 300
    print("answers at points of 18 sequential protocols")
    for truth, precision in TRUTHS:
        family = truth.partition("(")[0]
        preference = find("preferences", truth)
        exact = answers(truth, precision)
        for n in DRAWS:
            if n is None:
                e = fit(exact, family)
                true = np.array([*(getattr(preference, name) for name in e.family.free), precision])
                worst = float(np.abs(e.values - true).max())
                print(f"  {truth:<42} exact: off by {worst:.0e} at most, {e.explained:.1%} explained")
                continue
            rng = np.random.default_rng(n)
            samples = (draw(exact, n, rng) for _ in range(many))
            print(f"  {'':<42} n = {n:<3} covered {cover(samples, family, true)}")
    print("exact choices with misfit in few games, inequity: alpha, beta, precision")
    rng = np.random.default_rng(0)
    pseudo = fit(splits(MANY, rng, odd=True), "inequity", cluster="game").values
    print(f"  truth (of {MANY} games): {', '.join(f'{x:.3f}' for x in pseudo)}")
    for games in GAMES:
        for kind, most in (("sandwich", 0), ("jackknife", uncertainty.JACKKNIFE)):
            kept, uncertainty.JACKKNIFE = uncertainty.JACKKNIFE, most
            rng = np.random.default_rng(games)
            samples = (splits(games, rng, odd=True) for _ in range(many))
            print(f"  {games:>3} games, {kind:<9} covered {cover(samples, 'inequity', pseudo)}")
            uncertainty.JACKKNIFE = kept


if __name__ == "__main__":
    main()
