"""Sections on the exam: goals, the matrix of kinds of games, every cell, and which step of reasons breaks."""

from __future__ import annotations

from collections.abc import Sequence

from homines.core.format import TableRow
from homines.core.rates import describe
from homines.core.types import LEGAL_MASS
from homines.datasets.reasons import ReasonFault
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.lu2025.agents import DoseAgent, DoseFindings
from homines.studies.lu2025.curriculum import GROUP_OF, KINDS, UTILITIES
from homines.studies.lu2025.exam import DECISIONS, NO_ANSWER
from homines.studies.lu2025.scores import (
    LEGAL,
    MOST_PERPLEXITY,
    MOST_QUESTIONS_LOST,
    Pooled,
    Result,
    agents_of,
    costs,
    pooled,
    results,
    select,
)
from homines.studies.omissions import Omission

OUTCOMES = {True: "reached", False: "not reached", None: "not asked"}
FAULTS = (*(str(fault) for fault in ReasonFault), NO_ANSWER)
INTERVALS = (
    "Shares are probabilities of the implied answer given a legal one, averaged over decisions; n is the "
    "number of decisions with a legal answer. Their 95% intervals (Clopper-Pearson of as many independent "
    "draws as tell as much, Korn & Graubard 1998) are of games like these: up to three decisions are of one "
    "game. They are of one agent (of kinds left out: of the four that each lack a group, together) and say "
    "nothing of another training."
)


def sentences(findings: DoseFindings) -> list[str]:
    """The verdict in words: which goals are reached, by whom, with figures."""
    out: list[str] = []
    by_goal: dict[str, list[Result]] = {}
    for result in results(findings):
        if result.scores is not None:
            by_goal.setdefault(result.goal.name, []).append(result)
    for name, group in by_goal.items():
        figures = "; ".join(f"{c.utility} {_figure(c)}: {OUTCOMES[c.reached]}" for c in group)
        out.append(f"{name[0].upper()}{name[1:]} (goal {group[0].goal.least:g}): {figures}.")
    return out + [
        f"Elsewhere {cost.agent} lost {cost.lost} of {cost.before['questions']} everyday questions, and "
        f"perplexity rose by {cost.rise:.0%}: {'no more' if cost.small else 'more'} than the goal of "
        f"{MOST_QUESTIONS_LOST} questions and {MOST_PERPLEXITY:.0%}."
        for cost in costs(findings)
    ]


def _figure(result: Result) -> str:
    scores = result.scores
    if scores is None or scores.share is None:
        return "no legal answer"
    low = f", lowest in {result.lowest[0]} {result.lowest[1]:.2f}" if result.lowest else ""
    return f"{describe(scores.share)}, legal mass {scores.mass:.2g}{low}"


def verdict(findings: DoseFindings) -> Section | Omission:
    """Every goal beside what was measured, before and after the training."""
    rows: list[TableRow] = []
    for result in results(findings):
        goal, scores = result.goal, result.scores
        before = findings.base and pooled(select([findings.base], result.utility, goal.condition))
        rows.append(
            {
                "goal": goal.name,
                "agent": result.utility,
                "least": goal.least,
                "measured": scores and scores.share,
                "legal mass": scores and scores.mass,
                "outcome": OUTCOMES[result.reached],
                "lowest in": result.lowest and f"{result.lowest[0]} {result.lowest[1]:.2f}",
                "untrained": before.share if before else None,
                "untrained, legal mass": before.mass if before else None,
                "by chance": scores and scores.chance,
                "an agent of the other utility": scores and scores.rival,
            }
        )
    title = "What the training reached"
    if not rows:
        return findings.lacks(title, "full")
    return Section(
        "goals",
        title,
        (
            "Theory is 1 in every line: the answer of highest expected utility, always. A goal is reached "
            f"where the measured share is at least the goal, and the legal mass over {LEGAL:g}. By chance: "
            "every action as often. An agent of the other utility: what homo moralis gets in the exam of "
            "homo economicus, and the reverse; a share near it does not show the utility.",
            INTERVALS,
        ),
        rows,
    )


def matrix(findings: DoseFindings) -> Section | Omission:
    """Kinds of games, trained and left out, by utility."""
    rows: list[TableRow] = []
    dots: list[TableRow] = []
    full, without = agents_of(findings, "full"), agents_of(findings, "left_out")
    base = [findings.base] if findings.base else []
    for kind in KINDS:
        for utility in UTILITIES:
            ways = {
                "untrained": _of_kind(base, utility, kind),
                "trained": _of_kind(full, utility, kind, trained=True),
                "left out": _of_kind(without, utility, kind, trained=False),
            }
            known = [scores for scores in ways.values() if scores is not None]
            if not known:
                continue
            row: TableRow = {"group": GROUP_OF[kind], "kind": kind, "utility": utility}
            row |= {"by chance": known[-1].chance, "the other utility": known[-1].rival}
            for way, scores in ways.items():
                row |= {way: scores and scores.share, f"{way}, legal mass": scores and scores.mass}
                if scores is not None and way != "untrained":
                    dots.append(_square(kind, f"{utility.partition(' ')[2]}, {way}", scores))
            rows.append(row)
    title = "Kinds of games, trained on and left out"
    if not dots:
        return findings.lacks(title, "full")
    columns = list(
        dict.fromkeys(f"{u.partition(' ')[2]}, {way}" for u in UTILITIES for way in ("trained", "left out"))
    )
    dots.sort(key=lambda dot: (KINDS.index(str(dot["row"])), columns.index(str(dot["column"]))))
    text = (
        "Share of implied answers by kind of game, aloud: trained on it, and on the three other groups alone."
    )
    return Section(
        "matrix",
        title,
        (
            "Each agent is asked aloud about games that no training has, in the words of the training. "
            "Trained: by the agent that was trained on every kind. Left out: by the agent that was trained "
            "on the three other groups. A kind without a line for homo moralis has a fixed sum, of which any "
            "division is as good behind the veil of ignorance: the utility implies no answer.",
            INTERVALS,
        ),
        rows,
        draw.heat(dots, text, across="agent", down="kind of game"),
        note="† little legal mass.",
    )


def _of_kind(
    agents: Sequence[DoseAgent], utility: str, kind: str, *, trained: bool | None = None
) -> Pooled | None:
    return pooled(c for c in select(agents, utility, "aloud", trained=trained) if c["kind"] == kind)


def _square(kind: str, column: str, scores: Pooled) -> TableRow:
    return {
        "row": kind,
        "column": column,
        "value": scores.share,
        "text": "none" if scores.share is None else f"{scores.share:.2f}",
        "weak": scores.mass < LEGAL_MASS,
    }


def conditions(findings: DoseFindings) -> Section | Omission:
    """Conditions by agent, pooled over kinds."""
    rows: list[TableRow] = []
    for agent in findings.able:
        for utility in UTILITIES:
            for condition in DECISIONS:
                for trained in (None,) if agent.kind is None else (True, False):
                    cells = select([agent], utility, condition, trained=trained)
                    if (scores := pooled(cells)) is not None:
                        row: TableRow = {"agent": agent.name, "by": utility, "asked": condition}
                        row |= {"kinds": {None: "all", True: "trained on", False: "left out"}[trained]}
                        row |= {"share": scores.share, "likeliest is implied": scores.right}
                        row |= {"legal mass": scores.mass, "decisions": scores.decisions}
                        rows.append(row | {"by chance": scores.chance, "the other utility": scores.rival})
    title = "Aloud, bare, and in words left out"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "conditions",
        title,
        (
            "Aloud: reasons first, in the frames and labels of the training. Bare: the answer at once. Other "
            "labels, other frame: aloud, in labels and in a frame that no training has. Amounts are called "
            "by themselves and have no labels.",
            INTERVALS,
        ),
        rows,
    )


def cells(findings: DoseFindings) -> Section | Omission:
    """Every cell of the exam."""
    rows: list[TableRow] = []
    for agent in findings.able:
        for cell in agent.cells:
            if (scores := pooled([cell])) is not None:
                row: TableRow = {"agent": agent.name, "by": cell["utility"], "kind": cell["kind"]}
                row |= {"asked": cell["condition"], "trained on": cell["trained"], "share": scores.share}
                row |= {"likeliest is implied": scores.right, "legal mass": scores.mass}
                rows.append(row | {"by chance": scores.chance, "the other utility": scores.rival})
    title = "Every cell of the exam"
    return Section("exam", title, (INTERVALS,), rows) if rows else Omission(title, "answers")


def faults(findings: DoseFindings) -> Section | Omission:
    """Which step of the reasons breaks, by kind of game."""
    rows: list[TableRow] = []
    for agent in findings.able:
        for kind in KINDS if agent.kind is not None else ():
            here = [cell for cell in agent.cells if cell["kind"] == kind and cell["faults"]]
            counts = {fault: sum(cell["faults"].get(fault, 0) for cell in here) for fault in FAULTS}
            if texts := sum(counts.values()):
                row: TableRow = {"agent": agent.name, "kind": kind, "trained on": here[0]["trained"]}
                rows.append(row | {"texts": texts} | {fault: n / texts for fault, n in counts.items()})
    title = "Which step of the reasons breaks"
    if not rows:
        return findings.lacks(title, "full")
    return Section(
        "faults",
        title,
        (
            "Share of the agent's own reasons by their first fault. Read wrongly: an amount goes to acts for "
            "which the prompt says another. Computed wrongly: an equation is false. Compared wrongly: the "
            "conclusion is not the largest of the stated values. Unreadable: an option has no value. No "
            "answer: the text ended before one.",
        ),
        rows,
    )
