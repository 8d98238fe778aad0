"""Sections on whom the agents meet: published strategies and each other."""

from __future__ import annotations

from homines.core.format import TableRow
from homines.elicitation.metrics import mass
from homines.opponents import opponent
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.kit import format_mean, mean
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import (
    ONE_WORDING,
    STATES,
    RewardAgent,
    RewardFindings,
    answers_every_state,
    play_against,
    probability_after,
)
from homines.studies.tennant2025.kinds import GAMMA
from homines.studies.tennant2025.optima import optima_of

CLASSICS = (
    "always_cooperate", "always_defect", "random", "tit_for_tat", "generous_tit_for_tat",
    "win_stay_lose_shift", "grim", "extortion", "alternator",
)  # fmt: skip
PLAYERS = ("core", "general", "unlearning", "far")
"""Groups whose agents meet each other and every strategy."""


def trained_against(findings: RewardFindings) -> Section | Omission:
    """Agents trained in the states they meet against other opponents, beside theory."""
    title = "Trained against other opponents"
    rows: list[TableRow] = []
    for name, agents in findings.by_name("opponents").items():
        plan = agents[0].plan
        assert plan is not None
        assert plan.opponent is not None
        found, policies = optima_of(agents[0]), [a.policy() for a in agents]
        met = [play_against(p, opponent(plan.opponent)).long_run() for p in policies]
        row: TableRow = {"agent": name}
        for s, label in enumerate(STATES):
            reached = format_mean([probability_after(p, label) for p in policies])
            row[f"C after {label}"] = f"{reached} ({found.rules(s)[0]})"
            row[f"{label} is met"] = mean(float(x[s]) for x in met)
        rows.append(row | {"legal mass": mean(mass(a.trained_prompts) or 0.0 for a in agents)})
    if not rows:
        return findings.lacks(title, "opponents")
    return Section(
        "trained_against",
        title,
        (
            "Trained in the states that four players meet in play, as published, and no others; in "
            "parentheses what C is by theory, which is the same against every opponent: one round at a "
            "time C costs one point whatever the other does. The opponent matters by the states it leads "
            "to. Is met: the share of the long run that the agent, as it is now, spends in a state "
            "against that opponent.",
        ),
        rows,
    )


def both_learners(findings: RewardFindings) -> Section | Omission:
    """The two learners of every pair, each by its own exam, and what they come to together."""
    title = "Both learners of every pair"
    rows: list[TableRow] = []
    for name, agents in findings.by_name("learner", "unlearning_learner").items():
        for a in agents:
            if a.rival is None or not answers_every_state(
                asked := a.about(**ONE_WORDING, among=a.rival.records)
            ):
                continue
            pair = (a.policy(), a.policy(asked))
            play = play_against(*pair)
            paid = play.payoffs @ play.long_run()
            for place, p, records, points in zip(
                ("first", "second"), pair, (a.trained_prompts, asked), paid, strict=True
            ):
                rates = {f"C after {s}": probability_after(p, s) for s in STATES}
                head: TableRow = {"pair": name, "seed": a.seed, "learner": place}
                rows.append(head | rates | {"legal mass": mass(records), "points a round": float(points)})
    if not rows:
        return findings.lacks(title, "learners")
    return Section(
        "both_learners",
        title,
        (
            "Both adapters on the sixteen prompts of one wording, after training; points a round of the two "
            "against each other in the long run of the exact chain, started anywhere.",
        ),
        rows,
    )


def opponents(findings: RewardFindings) -> Section | Omission:
    """Discounted points a round of every agent against every published strategy, and the strategy's."""
    cells: list[TableRow] = []
    rows: list[TableRow] = []
    for name, agents in findings.with_base(*PLAYERS).items():
        row: TableRow = {"agent": name}
        for spec in CLASSICS:
            chains = [play_against(a.policy(), opponent(spec)) for a in agents]
            points = [float(c.discounted(GAMMA) @ c.payoffs[0]) for c in chains]
            theirs = [float(c.discounted(GAMMA) @ c.payoffs[1]) for c in chains]
            row[spec] = f"{mean(points):.2f} : {mean(theirs):.2f}"
            cells.append(
                {
                    "row": name,
                    "column": spec.replace("_", " "),
                    "value": mean(points),
                    "text": f"{mean(points):.2f}",
                }
            )
        rows.append(row)
    title = "Against every opponent"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "opponents",
        title,
        (
            "Points a round of the agent : of the opponent in the iterated prisoner's dilemma, discounted at "
            ".9 from a random first round, computed from the chain; means over seeds.",
            *findings.sampled_note,
        ),
        rows,
        draw.heat(cells, "Points a round by agent and opponent.", across="opponent"),
    )


def points_per_round(a: RewardAgent, b: RewardAgent) -> float:
    """Long-run points a round of the first against the second."""
    play = play_against(a.policy(), b.policy())
    return float(play.long_run() @ play.payoffs[0])


def tournament(findings: RewardFindings) -> Section | Omission:
    """Long-run points of every agent against every agent, over all pairs of seeds."""
    kinds = findings.with_base(*PLAYERS)
    cells: list[TableRow] = []
    rows: list[TableRow] = []
    for name, agents in kinds.items():
        row: TableRow = {"agent": name}
        averages: list[float] = []
        for other, others in kinds.items():
            pairs = [(a, b) for a in agents for b in others if a is not b or len(agents) == 1]
            points = mean(points_per_round(a, b) for a, b in pairs)
            row[other] = points
            averages.append(points)
            cells.append({"row": name, "column": other, "value": points, "text": f"{points:.2f}"})
        rows.append(row | {"mean": mean(averages)})
    title = "Agents among themselves"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "tournament",
        title,
        (
            "Long-run points a round of the row against the column, from the exact chain, started anywhere; "
            "means over all pairs of seeds; of its own kind an agent meets the other seeds (itself, where "
            "there is one). Of two that learned together the first stands here.",
            "Where two reciprocators meet, each echoes the other's errors: their long run hangs on the "
            "ratio of errors of one in ten thousand, which only the chain sees.",
            *findings.sampled_note,
        ),
        rows,
        draw.heat(cells, "Long-run points a round, row against column.", across="against"),
    )
