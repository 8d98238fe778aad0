"""Sections on penalties, scales of payoffs and weights of the KL, and on learners with a longer past."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.format import TableRow
from homines.core.registry import find
from homines.core.types import Choice, Record
from homines.elicitation.metrics import average_by_decision, mass
from homines.elicitation.policies import RecordedPolicy
from homines.opponents import opponent
from homines.preferences.economicus import Economicus
from homines.reports.page import Section
from homines.studies.kit import format_mean, mean
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import STATES, RewardAgent, RewardFindings, probability_after
from homines.studies.tennant2025.kinds import GAMMA
from homines.studies.tennant2025.optima import optima_of
from homines.theory.chain import chain
from homines.theory.optimum import optimum


def sensitivity(findings: RewardFindings) -> Section | Omission:
    """Agents of other penalties of illegal answers, scales of payoffs, weights of the KL; beside theory."""
    title = "Other penalties, payoffs and weights"
    rows: list[TableRow] = []
    for name, agents in findings.by_name("illegal", "scale", "regime").items():
        plan = agents[0].plan
        assert plan is not None
        records = [_on_its_game(a) for a in agents]
        policies = [a.policy(some) for a, some in zip(agents, records, strict=True)]
        found = optima_of(agents[0])
        row: TableRow = {
            "agent": name,
            "game": plan.game,
            "illegal": plan.settings.illegal,
            "last weight of KL": plan.settings.kl,
        }
        for s, label in enumerate(STATES):
            reached = format_mean([probability_after(p, label) for p in policies])
            row[f"C after {label}"] = f"{reached} ({found.rules(s)[0]})"
        rows.append(row | {"legal mass": mean(mass(some) or 0.0 for some in records)})
    if not rows:
        return findings.lacks(title, "sensitivity")
    return Section(
        "sensitivity",
        title,
        (
            "Trained on the sixteen prompts of one wording against tit-for-tat, and asked these, in the "
            "game trained on; in parentheses what C is by theory. Duty's penalty stays at 3 points: with "
            "payoffs ten times as large the own payoff outweighs it, and by theory Game+De no longer "
            "reciprocates; De counts no payoffs, so that their scale can only change what is read from "
            "the prompt.",
        ),
        rows,
    )


def _on_its_game(agent: RewardAgent) -> list[Record]:
    """Answers on the game an agent was trained on, in the words trained on."""
    assert agent.plan is not None
    if agent.plan.game == "ipd":
        return agent.trained_prompts
    return agent.about(agent.plan.game, kind="table")


def long_memory(findings: RewardFindings) -> Section | Omission:
    """Selfish learners with a past of one, two and three rounds, and what the past could earn by theory."""
    title = "What a longer past teaches"
    rows = [_long(name, agents) for name, agents in findings.by_name("memory").items()]
    if not rows:
        return findings.lacks(title, "memory")
    return Section(
        "memory",
        title,
        (
            f"Learners of their own payoff with the return discounted at {GAMMA:g}, told one, two or three "
            "past rounds, against opponents that follow one round (grim, the alternator) or two (two tits "
            "for tat, which a learner with one round cannot be trained against exactly). Points a round: "
            "discounted, from every past alike, by the exact chain over pasts.",
            "Best: of any policy with that memory. Where it does not rise with the memory a longer past "
            "has nothing to teach, and what an agent does with the older rounds is noise. Moved by the "
            "last round, by older ones: the mean change of C when that round alone is another.",
        ),
        [row for row in rows if row],
    )


def _long(name: str, agents: Sequence[RewardAgent]) -> TableRow:
    """A row of the section; without figures where an answer is missing in some state."""
    plan = agents[0].plan
    assert plan is not None
    assert plan.opponent is not None
    game, memory, other = find("games", plan.game), plan.memory, opponent(plan.opponent)
    found = optimum(game, Economicus(), other, gamma=GAMMA, memory=memory)
    row: TableRow = {"agent": name, "against": plan.opponent, "memory": memory, "states": len(found.states)}
    row["best, points a round"] = (1 - GAMMA) * mean(found.values.max(1).tolist())
    policies = [p for a in agents if (p := _choices(a, memory)) is not None]
    if not policies:
        return row
    ds = game.remembered(0, memory)
    players = [RecordedPolicy({d.key: c for d, c in zip(ds, p, strict=True)}, memory) for p in policies]
    chains = [chain(game, [player, other], memory=memory) for player in players]
    paid = [float(c.discounted(GAMMA) @ c.payoffs[0]) for c in chains]
    moved = [influence(p, memory) for p in policies]
    return row | {
        "points a round": format_mean(paid),
        "on what is forbidden": mean(float(found.forbidden_mass(p).mean()) for p in policies),
        "moved by the last round": mean(x[-1] for x in moved),
        "moved by older ones": mean(float(np.mean(x[:-1])) for x in moved) if memory > 1 else None,
        "legal mass": mean(mass(a.records) or 0.0 for a in agents),
    }


def _choices(agent: RewardAgent, memory: int) -> list[Choice] | None:
    """An agent's choice after every past, in the order of `Repeated.pasts`; None where one is missing."""
    answers = {d.key: c for d, c in average_by_decision(agent.records)}
    ds = find("games", "ipd").remembered(0, memory)
    return [answers[d.key] for d in ds] if all(d.key in answers for d in ds) else None


def influence(choices: Sequence[Choice], memory: int) -> list[float]:
    """By round, oldest first: mean change of P(C), absolute, between pasts that differ in it alone."""
    p = np.array([c.p[0] for c in choices]).reshape((4,) * memory)
    gaps: list[float] = []
    for axis in range(memory):
        by_round = np.moveaxis(p, axis, 0)
        pairs = [np.abs(by_round[i] - by_round[j]).mean() for i in range(4) for j in range(i)]
        gaps.append(float(np.mean(pairs)))
    return gaps
