"""Sections on whom the agents meet: published strategies and each other."""

from __future__ import annotations

from homines.core.format import TableRow
from homines.opponents import opponent
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.kit import mean
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import RewardAgent, RewardFindings, play_against
from homines.studies.tennant2025.learning import FAR

CLASSICS = (
    "always_cooperate", "always_defect", "random", "tit_for_tat", "generous_tit_for_tat",
    "win_stay_lose_shift", "grim", "extortion",
)  # fmt: skip


def opponents(findings: RewardFindings) -> Section | Omission:
    """Discounted points a round of every agent against every published strategy, and the strategy's."""
    cells: list[TableRow] = []
    rows: list[TableRow] = []
    for name, agents in findings.with_base().items():
        row: TableRow = {"agent": name}
        for spec in CLASSICS:
            chains = [play_against(a.policy(), opponent(spec)) for a in agents]
            points = [float(c.discounted(FAR) @ c.payoffs[0]) for c in chains]
            theirs = [float(c.discounted(FAR) @ c.payoffs[1]) for c in chains]
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
    kinds = findings.with_base()
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
