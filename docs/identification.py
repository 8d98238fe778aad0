"""The figure and the numbers of docs/identification.md: python docs/identification.py (some seconds).

Exact choices of one agent, kantian(alpha=0.1, beta=0.3, kappa=0.4) at precision 0.1, in four sets of games.
In sequential games it is asked as models are, at one point of decision at a time, and answers as its plan
does there. The profile log-likelihood of kappa in each set, and what `fit` says of it.
"""

from __future__ import annotations

from pathlib import Path

import altair as alt
import numpy as np
import vl_convert

from homines.core.registry import find
from homines.core.types import Choice
from homines.estimation.columns import Observation
from homines.estimation.family import family
from homines.estimation.fit import fit
from homines.estimation.likelihood import climb
from homines.estimation.problem import NotIdentified, problem
from homines.estimation.strategy_method import plan_decision, points, sequential_observations
from homines.estimation.uncertainty import constrained_loglik
from homines.theory.choice import LogitAgent
from homines.theory.game_forms import NormalForm

HERE = Path(__file__).parent
TRUTH = "kantian(alpha=0.1, beta=0.3, kappa=0.4)"
PRECISION = 0.1
KAPPAS = np.linspace(-0.3, 1.2, 101)


AGENT = LogitAgent(find("preferences", TRUTH), PRECISION)


def protocols(*games: str) -> list[Observation]:
    """The agent's answers at all points of the six protocols of each game, against 50/50 beliefs."""
    out: list[Observation] = []
    for name in (f"{game}({k})" for game in games for k in range(1, 7)):
        game = find("games", name)
        between, plans = plan_decision(game, {})
        p = AGENT([between])[0].p
        answers = [
            (d, Choice.at([sum(p[i] for i, plan in enumerate(plans) if plan[at] == a) for a in (0, 1)]))
            for at, d in points(game).items()
        ]
        out += sequential_observations(game, answers, [], name=name)
    return out


def one_shot() -> list[Observation]:
    """The agent's choices in two prisoner's dilemmas."""
    tables = ([[60, 10], [90, 20]], [[70, 10], [80, 30]])
    dilemmas = [NormalForm.two("CD", table).seat(0) for table in tables]
    return [Observation(d, AGENT([d])[0], "", f"pd {i}") for i, d in enumerate(dilemmas)]


SETS = {
    "two one-shot dilemmas": one_shot,
    "six ultimatum games": lambda: protocols("ultimatum"),
    "six sequential dilemmas": lambda: protocols("spd"),
    "all 18 protocols": lambda: protocols("spd", "trust", "ultimatum"),
}


def profile(data: list[Observation]) -> np.ndarray:
    """Highest log-likelihood at each kappa, less the highest of all, per decision, [kappa]."""
    p = problem(data, family("kantian"), cluster="game")
    heights = np.array([constrained_loglik(p, "kappa", kappa) for kappa in KAPPAS])
    return (heights - climb(p.design, p.y).loglik) / len(data)


def main() -> None:
    rows = []
    for name, answer in SETS.items():
        data = answer()
        try:
            e = fit(data, "kantian")
            said = f"kappa {e['kappa']:.3f}, alpha {e['alpha']:.3f}, beta {e['beta']:.3f}"
        except NotIdentified as flat:
            said = f"not identified: {str(flat).partition('flat along ')[2].partition('. Vary')[0]}"
        print(f"{name:<24} {said}")
        rows += [
            {"games": name, "kappa": float(k), "fall": float(y)}
            for k, y in zip(KAPPAS, profile(data), strict=True)
        ]
    chart = (
        alt.Chart(alt.Data(values=rows), width=520, height=260)
        .mark_line(strokeWidth=2.5)
        .encode(
            alt.X("kappa:Q", title="kappa"),
            alt.Y("fall:Q", title="profile log-likelihood, nats a decision"),
            alt.Color("games:N", title=None, sort=list(SETS), scale=alt.Scale(scheme="tableau10")),
            alt.StrokeDash("games:N", legend=None, sort=list(SETS)),
        )
    )
    (HERE / "identification.svg").write_text(vl_convert.vegalite_to_svg(chart.to_dict()), encoding="utf-8")


if __name__ == "__main__":
    main()
