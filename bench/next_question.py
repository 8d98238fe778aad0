"""How many answers the next best question saves: adaptive games beside random ones and the 18 protocols.

    python bench/next_question.py [--runs 4] [--only-figure]

Eight agents with a known preference answer once to each game by the logit choice, until the standard error of
kappa (kantian, by `fit`, clustered by game) and the posterior's deviation are .1. Writes next_question.csv (a
line a run), next_question.json (the table) and docs/next_question.svg, and prints the table.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from homines.core.registry import find
from homines.core.types import Choice, HominesError
from homines.design.inquiry import Inquiry, begin
from homines.design.options import DesignOptions
from homines.design.prior import Particles
from homines.design.stopping import standing
from homines.elicitation.survey import PROTOCOLS
from homines.estimation.columns import Observation, group_decisions
from homines.estimation.fit import fit
from homines.theory.choice import LogitAgent, stated_beliefs
from homines.theory.game_forms import veil

HERE = Path(__file__).parent
FIGURE = HERE.parent / "docs" / "next_question.svg"
WANTED = "se(kappa)<.1"
STAKE, PROTOCOL_STAKE = 9, 90
ANSWERS_A_PASS = 42
"""Answers of one person to all protocols: the points of decision in both roles."""
MOST = {"next best": 1000, "random": 1900, "18 protocols": 100 * ANSWERS_A_PASS}
ROAD = tuple(MOST)
AGENTS = (  # preference, precision at payoffs to 9, its kappa as `kantian` has it
    ("kantian(alpha=0.1, beta=0.3, kappa=0.4)", 1.0, 0.4),
    ("kantian(alpha=0.1, beta=0.3, kappa=0.4)", 0.5, 0.4),
    ("moralis(kappa=0.25)", 1.0, 0.25),
    ("moralis(kappa=0.8)", 1.0, 0.8),
    ("inequity(alpha=0.2, beta=0.4)", 1.0, 0.0),
    ("charness_rabin(rho=0.4, sigma=-0.1)", 1.0, 0.0),
    ("altruist(weight=0.5)", 0.7, 0.0),
    ("economicus", 0.7, 0.0),
)


Answered = Iterator[tuple[list[Observation], Particles]]


@dataclass(frozen=True)
class Row:
    """One run: answers until it ended, and the estimate of kappa there with its 95% interval."""

    agent: str
    precision: float
    kappa: float
    road: str
    run: int
    answers: int
    reached: bool
    estimate: float | None
    low: float | None
    high: float | None


def drawn(choice: Choice, rng: np.random.Generator) -> Choice:
    """One answer."""
    return Choice.at(np.eye(len(choice.p))[rng.choice(len(choice.p), p=choice.p)], n=1)


def adaptive(agent: LogitAgent, begun: Inquiry, run: int) -> Answered:
    """All answers so far and what is believed, after every game that was the next best one."""
    rng, inquiry = np.random.default_rng([1, run]), replace(begun, seed=run)
    seen: list[Observation] = []
    while (place := inquiry.next()) is not None:
        d = inquiry.pool.decisions[place]
        choice = drawn(agent([d])[0], rng)
        inquiry = inquiry.learn(place, choice.p)
        seen.append(Observation(d, choice, "", inquiry.pool.specs[place]))
        if len(seen) >= inquiry.least:
            yield seen, inquiry.beliefs[0]


def at_random(agent: LogitAgent, begun: Inquiry, run: int) -> Answered:
    """The same of games of the same pool in random order; looked at where there are 5% more."""
    belief = begun.beliefs[0]
    rng = np.random.default_rng([2, run])
    seen: list[Observation] = []
    look = float(begun.least)
    for place in rng.permutation(len(begun.pool)):
        d = begun.pool.decisions[place]
        seen.append(Observation(d, drawn(agent([d])[0], rng), "", begun.pool.specs[place]))
        belief = belief.learn(int(place), seen[-1].choice.p)
        if len(seen) >= look:
            look *= 1.05
            yield seen, belief


def protocols(agent: LogitAgent, begun: Inquiry, run: int) -> Answered:
    """The same of a plan in each of the 18 protocols, pass after pass."""
    rng = np.random.default_rng([3, run])
    games = {spec: veil(find("games", spec)).seat() for spec in PROTOCOLS}
    scaled = replace(agent, precision=agent.precision * STAKE / PROTOCOL_STAKE)
    choices = scaled(list(games.values()))
    design = group_decisions(list(games.values())).design(begun.family, stated_beliefs)
    belief = Particles.draw(begun.family, design, PROTOCOL_STAKE, 0)
    seen: list[Observation] = []
    while True:
        for place, ((spec, d), choice) in enumerate(zip(games.items(), choices, strict=True)):
            seen.append(Observation(d, drawn(choice, rng), "", spec))
            belief = belief.learn(place, seen[-1].choice.p)
        yield seen, belief


def carry_out(road: str, case: tuple[str, float, float], begun: Inquiry, run: int) -> Row:
    """One agent on one road until what is wanted is reached, or MOST answers."""
    spec, precision, kappa = case
    agent = LogitAgent(find("preferences", spec), precision)
    ways = dict(zip(ROAD, (adaptive, at_random, protocols), strict=True))
    answers, reached, seen = 0, False, []
    for seen, belief in ways[road](agent, begun, run):
        passes = len(seen) // len(PROTOCOLS)
        answers = passes * ANSWERS_A_PASS if road == ROAD[2] else len(seen)
        reached = standing(seen, begun.family, begun.wanted, belief).reached
        if reached or answers >= MOST[road]:
            break
    try:
        e = fit(seen, begun.family)
        low, high = map(float, e.intervals[e.names.index("kappa")])
        return Row(spec, precision, kappa, road, run, answers, reached, e["kappa"], low, high)
    except HominesError:
        return Row(spec, precision, kappa, road, run, answers, reached, None, None, None)


def table(rows: list[Row]) -> list[dict[str, object]]:
    """Median answers of every agent on every road, and how many times as many as of the next best ones."""
    out: list[dict[str, object]] = []
    for spec, precision, _ in AGENTS:
        own = [r for r in rows if (r.agent, r.precision) == (spec, precision)]
        half = {road: median(r.answers for r in own if r.road == road) for road in ROAD}
        unreached = {road: sum(not r.reached for r in own if r.road == road) for road in ROAD}
        best = half[ROAD[0]]
        ratios = {f"{road} / next best": round(half[road] / best, 1) for road in ROAD[1:]}
        out.append({"agent": spec, "precision": precision, **half, **ratios, "not reached": unreached})
    return out


def coverage(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Of the 95% intervals where a run ended by reaching its error: how many hold the true kappa; of estimate
    less truth, the mean and the root of the mean square."""
    out: dict[str, dict[str, float]] = {}
    for road in ROAD:
        own = [r for r in rows if r.road == road and r.reached and r.estimate is not None]
        ends = np.array([(r.estimate, r.low, r.high, r.kappa) for r in own], dtype=float)
        off = ends[:, 0] - ends[:, 3]
        out[road] = {
            "runs": len(ends),
            "covered": round(float(np.mean((ends[:, 1] <= ends[:, 3]) & (ends[:, 3] <= ends[:, 2]))), 3),
            "mean error": round(float(off.mean()), 3),
            "its standard error": round(float(off.std(ddof=1) / np.sqrt(len(off))), 3),
            "root mean square error": round(float(np.sqrt((off**2).mean())), 3),
        }
    return out


def draw_figure(rows: list[Row]) -> None:
    """Answers of every run, by agent and road, on a log scale."""
    import altair as alt
    import vl_convert

    data = [
        {"agent": f"{r.agent}, precision {r.precision:g}", "road": r.road, "answers": r.answers} for r in rows
    ]
    base = alt.Chart(alt.Data(values=data)).encode(
        y=alt.Y("agent:N", title=None, sort=None, axis=alt.Axis(labelLimit=340)),
        x=alt.X(
            "answers:Q", title="answers until the standard error of kappa is .1", scale=alt.Scale(type="log")
        ),
        color=alt.Color("road:N", title=None, sort=list(ROAD)),
        yOffset=alt.YOffset("road:N", sort=list(ROAD)),
    )
    ticks = base.mark_tick(thickness=2, size=9).encode(x="median(answers):Q")
    chart = (base.mark_circle(size=18, opacity=0.5) + ticks).properties(width=420, height=alt.Step(11))
    FIGURE.write_text(vl_convert.vegalite_to_svg(chart.to_dict()), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--only-figure", action="store_true", help="From the lines there are.")
    typed = parser.parse_args()
    path = HERE / "next_question.csv"
    if not typed.only_figure:
        begun = begin(DesignOptions(until=WANTED), ("symmetric",), 0)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(Row.__dataclass_fields__), lineterminator="\n")
            writer.writeheader()
            for run in range(typed.runs):
                for case in AGENTS:
                    for road in ROAD:
                        row = asdict(carry_out(road, case, begun, run))
                        writer.writerow(
                            {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
                        )
                        file.flush()
    with path.open(encoding="utf-8") as file:
        rows = [_row(line) for line in csv.DictReader(file)]
    lines = table(rows)
    summary = {
        "wanted": WANTED,
        "runs": 1 + max(r.run for r in rows),
        "median ratio": {
            road: median(float(str(line[f"{road} / next best"])) for line in lines) for road in ROAD[1:]
        },
        "coverage of 95% intervals at the end": coverage(rows),
        "agents": lines,
    }
    (HERE / "next_question.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    for line in lines:
        print(line)
    print({k: v for k, v in summary.items() if k != "agents"})
    draw_figure(rows)


def _row(line: dict[str, str]) -> Row:
    def number(text: str) -> float | None:
        return float(text) if text else None

    return Row(
        line["agent"], float(line["precision"]), float(line["kappa"]), line["road"], int(line["run"]),
        int(line["answers"]), line["reached"] == "True",
        number(line["estimate"]), number(line["low"]), number(line["high"]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
