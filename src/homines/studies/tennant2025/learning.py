"""Sections on what the agents do and how they learned it, and which preference explains them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.format import TableRow
from homines.elicitation.metrics import action_types, mass
from homines.opponents import opponent
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.kit import format_mean, interval_row, mean, rate_cell
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import (
    REWARDS,
    STATES,
    RewardAgent,
    RewardFindings,
    best_family,
    explain,
    play_against,
    probability_after,
)
from homines.studies.tennant2025.kinds import GAMMA

ONE_ROUND = (
    "core", "wording", "general", "unlearning", "unlearning_learner", "opponents", "learner", "far",
)  # fmt: skip
"""Groups of agents with a past of one round, trained under the study's own settings."""


def settled(agents: Sequence[RewardAgent]) -> str | None:
    """After how many steps each seed had settled; None of trainings that no rule ends."""
    ends = [a.end for a in agents]
    if any("reached" not in end for end in ends):
        return None
    return ", ".join(f"{end['steps']}" if end["reached"] else f"not in {end['steps']}" for end in ends)


def behaviour(findings: RewardFindings) -> Section | Omission:
    """P(C) by state of every agent, on the training prompts."""
    rows: list[TableRow] = []
    marks: list[TableRow] = []
    for name, agents in findings.with_base(*ONE_ROUND).items():
        policies = [a.policy() for a in agents]
        by_state = {s: [probability_after(p, s) for p in policies] for s in STATES}
        masses = [mass(a.trained_prompts) or 0.0 for a in agents]
        rows.append(
            {"agent": name, "seeds": len(agents)}
            | {f"C after {s}": rate_cell(x) for s, x in by_state.items()}
            | {"legal mass": mean(masses), "settled after steps": settled(agents)}
        )
        for last in "CD":
            values = [action_types(a.trained_prompts)[f"C|{last}"] for a in agents]
            marks.append(
                {"panel": f"C after {last}", "group": name, "series": "probability of C"}
                | interval_row(values, unit=True)
            )
    title = "What each agent does"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "behaviour",
        title,
        (
            "Probability of cooperating after each last round (own move, other's move), on the sixteen "
            "training prompts of the iterated prisoner's dilemma, given a legal answer.",
            "Reciprocity is the difference between C after C and C after D. A legal mass far from one says "
            "that the rates describe answers the model rarely gives; no parser turned its silence into "
            "defection.",
            "Against one opponent in all states a training goes on until it has settled: over one "
            "wording, until every training prompt, as last read, had a regret of at most .05 points; over "
            "many, until as many readings in a row had as there are wordings. Others take all their steps.",
        ),
        rows,
        draw.intervals(marks, "Probability of cooperating after the other's C and after its D, by agent."),
    )


def _curves(findings: RewardFindings, groups: Sequence[str], *, rival: bool) -> list[TableRow]:
    """P(C) after C and after D by training step, over seeds. rival: also of the second learner."""
    rows: list[TableRow] = []
    for name, agents in findings.by_name(*groups).items():
        for side, pick in (("", lambda r: r), (" (rival)", lambda r: r.get("rival"))):
            runs = [[pick(r) for r in a.run.rows()] for a in agents]
            if not runs[0] or runs[0][0] is None or (side and not rival):
                continue
            for step in range(min(map(len, runs))):
                for last in "CD":
                    values = [
                        mean(p[0] for s, p in run[step]["p"].items() if s.endswith(last)) for run in runs
                    ]
                    series = f"C after {last}{side}"
                    rows.append(
                        {"panel": name, "series": series, "step": step + 1} | interval_row(values, unit=True)
                    )
    return rows


def training(findings: RewardFindings) -> Section | Omission:
    return _learning(
        findings, ("core",), "training", "Cooperation over training, against tit-for-tat",
        "Each step asks every state once, in one wording and option order, so lines are rougher than the "
        "agents are. A line ends where its first seed had settled; the first table says when each did.",
    )  # fmt: skip


def unlearning(findings: RewardFindings) -> Section | Omission:
    return _learning(
        findings, ("unlearning", "unlearning_learner"), "unlearning", "Selfish first, then moral",
        "First the own payoff, then duty or the sum of payoffs; adapter and optimiser go on. In the first "
        "phase the KL weight stops early (`kl_between`): a policy that has settled for good has no gradient "
        "left to unlearn with.",
    )  # fmt: skip


def learners(findings: RewardFindings) -> Section | Omission:
    return _learning(
        findings, ("learner",), "learners", "Against another learner",
        "Two adapters on the same weights learn at the same time, each by the exact gradient of its own "
        "expected reward of the round against the other's play of that moment; of the same reward, and of "
        "every pair of rewards.",
        rival=True,
    )  # fmt: skip


def _learning(
    findings: RewardFindings, groups: Sequence[str], name: str, title: str, text: str, *, rival: bool = False
) -> Section | Omission:
    """Learning curves of a group; the table holds the first step and the last of each phase."""
    rows = _curves(findings, groups, rival=rival)
    if not rows:
        return findings.lacks(title, "core" if name == "training" else name)
    steps = {
        panel: {1, *np.cumsum([phase.steps for phase in agents[0].plan.phases]).tolist()}
        for panel, agents in findings.by_name(*groups).items()
        if agents[0].plan is not None
    }
    for panel, at in steps.items():  # a training that settled ends before its last step
        at.add(max((r["step"] for r in rows if r["panel"] == panel), default=1))
    ends = [r for r in rows if r["step"] in steps[r["panel"]]]
    chart = draw.curves(rows, f"{title}: probability of cooperating, mean and interval over seeds.")
    table = [
        {
            "agent": r["panel"],
            "what": r["series"],
            "step": r["step"],
            "P(C)": r["value"],
            "low": r["low"],
            "high": r["high"],
        }
        for r in ends
    ]
    return Section(name, title, (text,), table, chart)


def horizon(findings: RewardFindings) -> Section | Omission:
    """Myopic and discounted learners side by side."""
    rows: list[TableRow] = []
    for name, agents in findings.by_name("core", "far").items():
        reward = name.split(" ")[0]
        if reward == "Game+De":
            continue
        chains = [play_against(a.policy(), opponent("tit_for_tat")) for a in agents]
        objective = "discounted, γ = .9" if agents[0].group == "far" else "myopic (γ = 0), as published"
        policies = [a.policy() for a in agents]
        rows.append(
            {"reward": reward, "objective": objective, "seeds": len(agents)}
            | {f"C after {s}": format_mean([probability_after(p, s) for p in policies]) for s in STATES}
            | {
                "discounted points a round v tit-for-tat": format_mean(
                    [float(c.discounted(GAMMA) @ c.payoffs[0]) for c in chains]
                )
            }
        )
    title = "The shadow of the future"
    if not any("discounted" in r["objective"] for r in rows):
        return findings.lacks(title, "memory")
    rows.sort(key=lambda r: r["reward"])
    return Section(
        "horizon",
        title,
        (
            "The published method rewards one answer at a time: a contextual bandit, in which by theory the "
            "own payoff asks for D. With the discounted return through the chain the same reward, against "
            "the same tit-for-tat, asks for C (above gamma = 1/3). The rows say what was learned. Points: "
            "discounted at .9, from a random first round.",
        ),
        rows,
    )


def recovery(findings: RewardFindings) -> Section | Omission:
    """The preference that explains each agent best, and the preference it was trained for."""
    rows: list[TableRow] = []
    cells: list[TableRow] = []
    title = "Which preference explains each agent best"
    trained = findings.by_name("core", "wording", "general")
    if not trained:
        return findings.lacks(title, "core")
    if findings.base is None:
        return Omission(title, "answers")
    prior = findings.base.policy()
    for name, agents in trained.items():
        fits = [
            {f: explain(a.policy(), spec, "tit_for_tat", prior)[0] for f, spec in REWARDS.items()}
            for a in agents
        ]
        winners = [best_family(x) for x in fits]
        for family in REWARDS:
            x, count = mean(fit[family] for fit in fits), winners.count(family)
            text = f"{count} of {len(agents)}" if count else f"{x:.2f}"
            cells.append({"row": name, "column": family, "value": count / len(agents), "text": text})
        misfits = {f"misfit {f}, nats": mean(fit[f] for fit in fits) for f in REWARDS}
        best = ", ".join(dict.fromkeys(w or "none alone" for w in winners))
        rows.append({"trained for": name} | misfits | {"best": best})
    return Section(
        "recovery",
        title,
        (
            "For every agent trained against tit-for-tat, the best choice each preference makes of the "
            "untrained model's own is fitted to the agent's in the four states, p ~ prior exp(precision U): "
            "the optimum of training under a KL, precision free. Cells: how many seeds a preference explains "
            "best and alone, or its mean misfit in nats where it explains none.",
            "De says nothing about what to do after a defection, so theory leaves the prior there; an agent "
            "that changed its ways there as well is explained by another preference.",
        ),
        rows,
        draw.heat(
            cells,
            "Trained preference by best-explaining preference.",
            across="explained best by",
            down="trained for",
        ),
    )
