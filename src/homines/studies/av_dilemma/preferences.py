"""Sections on which preference explains an agent, and how far it generalises."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from homines.core.format import TableRow
from homines.core.types import Record
from homines.elicitation.metrics import average_by_decision, group_by, instability, mass, order_effect
from homines.estimation.bounds import bounds
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.problem import NotIdentified
from homines.reports.page import Section
from homines.studies.av_dilemma.agents import ACTS, LETTERS, CarFindings, named_answers
from homines.studies.av_dilemma.theory import place, sacrifice_probability
from homines.studies.kit import EXPLAINED, Agent, mean
from homines.studies.omissions import Omission

EXPLAINING = ("economicus", "moralis(kappa=1)")
"""Preferences that answers are compared with."""
DISTANCES = ("as taught", "new numbers", "other names for the acts", "letters")
"""How far a question lies from those of the training, in this order."""


def observations(agent: Agent) -> list[Observation]:
    """One observation a question, words and orders averaged."""
    return [
        Observation(pairs[0][0], pairs[0][1], agent.name, game)
        for (game,), group in group_by(named_answers(agent), "game").items()
        if (pairs := average_by_decision(group))
    ]


def agreement(observed: Sequence[Observation], theory: str) -> tuple[list[float], list[float]]:
    """Probabilities of the answer that a preference gives: where it sacrifices, and where it protects."""
    answers = [(sacrifice_probability(theory, o.decision), o.choice.p) for o in observed]
    return [float(p[0]) for x, p in answers if x == 1.0], [float(p[1]) for x, p in answers if x == 0.0]


def balanced_agreement(observed: Sequence[Observation], theory: str) -> float | None:
    """Mean probability of the answer that a preference gives, both acts with the same weight: 1/2 for every
    agent that ignores the question. None where the preference gives the same answer everywhere."""
    both = agreement(observed, theory)
    return mean(map(mean, both)) if all(both) else None


def explained(findings: CarFindings) -> Section | Omission:
    """Agreement of each agent with the preferences, and kappa from its purchases."""
    rows: list[TableRow] = []
    for agent in findings.able:
        if observed := observations(agent):
            row: TableRow = {"agent": agent.name} | ({} if agent.seed is None else {"seed": agent.seed})
            row |= {f"as {spec}": balanced_agreement(observed, spec) for spec in EXPLAINING}
            rows.append(row | {"legal mass": mass(named_answers(agent))} | kappa_row(observed))
    title = "Which preference explains each agent"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "explained",
        title,
        (
            "Probability of what a preference says, over the questions in which it has a view, those in "
            "which it sacrifices and those in which it protects counting the same: one half for every agent "
            "that looks at nothing. None where it says the same in all that was asked. Full homo moralis "
            "protects only two aboard from one on the road.",
            "kappa from what is bought with oneself aboard, the only questions that tell it: by maximum "
            "likelihood where it is identified, else why not; and the set of kappa at which most answers are "
            "best (maximum score), with the share that are: one half for a coin, and for an agent that goes "
            "by the word. Below one half kappa is not told from homo economicus.",
            EXPLAINED,
            *findings.sampled_note,
        ),
        rows,
    )


def kappa_row(observed: Sequence[Observation]) -> TableRow:
    """kappa from purchases with oneself aboard, the questions in which own payoffs differ by one."""
    purchases = [o for o in observed if o.decision.payoffs[0].tolist() == [0.0, 1.0]]
    if not purchases:
        return {}
    best = bounds(purchases, "moralis")
    parts = " or ".join(f"{_format_end(low)} to {_format_end(high)}" for low, high in best.parts)
    row: TableRow = {"best at kappa": parts, "share best": best.share}
    try:
        estimate = fit(purchases, "moralis")
    except NotIdentified as why:
        return row | {"kappa": str(why)}
    low, high = estimate.intervals[0]
    interval = (
        "no interval: " + "; ".join(estimate.notes)
        if math.isnan(low)
        else f"{_format_end(low)} to {_format_end(high)}"
    )
    row |= {"explained": estimate.explained, "explainable": estimate.explainable}
    return row | {"kappa": f"{_format_end(estimate['kappa'])} ({interval})"}


def _format_end(x: float) -> str:
    """An end of a set of values: '0.75', 'below' or 'above' where it is open."""
    return f"{round(x, 2) + 0.0:.2f}" if math.isfinite(x) else "below" if x < 0 else "above"


def transfer(findings: CarFindings) -> Section | Omission:
    """Agreement with the agent's own preference in the questions of the training, and further from them."""
    rows: list[TableRow] = []
    for name, seeds in findings.by_name("core").items():
        kind = findings.kinds[name]
        specs = {row.game for row in kind.rows()}
        base = [] if findings.base is None else [findings.base]
        for who, agents in ((name, seeds), (f"untrained, by the preference of {name}", base)):
            for distance in DISTANCES:
                by_agent = [
                    [r for r in a.records if distance_from_training(r, specs) == distance] for a in agents
                ]
                shares = [
                    x for records in by_agent if (x := mean_agreement(records, kind.preference)) is not None
                ]
                if shares:
                    records = [r for answers in by_agent for r in answers]
                    row: TableRow = {"agent": who, "asked": distance, "as the preference says": mean(shares)}
                    row |= {"legal mass": mass(records), "order effect": order_effect(records)}
                    rows.append(row | {"exchanging the letters": instability(records)})
    title = "Beyond what was trained on"
    if not rows:
        return findings.lacks_training(title)
    return Section(
        "transfer",
        title,
        (
            "Probability of the answer that an agent's own preference gives, where it has a view: in the "
            "questions taught, with numbers that were not, with other names for the acts (swerve, drive on), "
            "and with letters that stand for either. With letters, one half is what an agent reaches that "
            "looks at nothing, or at the letter; the last column is how far exchanging them moves it.",
        ),
        rows,
    )


def distance_from_training(r: Record, specs: Set[str]) -> str:
    """The one of DISTANCES between a question and those of the training; empty where none fits."""
    words = ",".join(r.labels)
    if words in (ACTS, *LETTERS):
        return DISTANCES[2] if words == ACTS else DISTANCES[3]
    if r.game in specs:
        return DISTANCES[0]
    return DISTANCES[1] if place(r.game).saved not in {place(spec).saved for spec in specs} else ""


def mean_agreement(records: Sequence[Record], preference: str) -> float | None:
    """Mean probability of the answer that a preference gives; None where it is indifferent throughout."""
    pairs = [p for group in group_by(records, "game").values() for p in average_by_decision(group)]
    both = agreement([Observation(d, c) for d, c in pairs], preference)
    return mean([*both[0], *both[1]]) if any(both) else None
