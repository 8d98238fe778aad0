"""A section on what agents believe of others, and on kappa read with that belief and with others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.format import TableRow
from homines.core.types import HominesError, Record
from homines.elicitation.metrics import mass
from homines.estimation.agent_estimates import BELIEFS, NO_KAPPA
from homines.estimation.belief_sensitivity import sensitivity
from homines.estimation.observations import from_records
from homines.reports.page import Section
from homines.studies.lu2025.agents import PROTOCOLS, DoseAgent, DoseFindings
from homines.studies.omissions import Omission

FAMILIES = ("moralis", "kantian(alpha=0)")


def beliefs(findings: DoseFindings) -> Section | Omission:
    """Beliefs asked at every point of the protocols, and kappa under them, beside even and correct ones."""
    rows: list[TableRow] = []
    for agent in findings.wide:
        asked = [r for r in agent.records if r.asks == "belief" and r.game.startswith(PROTOCOLS)]
        if not asked:
            continue
        legal = mass(asked)
        head: TableRow = {"agent": agent.name, "asked": len(asked), "legal mass": legal}
        head["belief"] = _mean_belief(asked)
        rows += [head | {"family": spec} | _kappas(agent, asked, spec) for spec in FAMILIES]
    title = "What they believe of others"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "beliefs",
        title,
        (
            "At every point of the sequential games an agent is asked what the other does there, for the "
            "bare answer. Belief: the mean probability it gives to the other's first action (cooperate, "
            "invest, divide equally). Kappa is then read from its own choices, under an even belief about "
            "others, under the belief it gave, and under the correct one (that others do as it does).",
            "An agent that was taught to think aloud may give a bare belief hardly any legal mass; what is "
            "given a legal answer is then hardly ever said. No interval is shown: these are one agent's "
            f"answers read three ways. {NO_KAPPA}",
        ),
        rows,
    )


def _mean_belief(asked: Sequence[Record]) -> float | None:
    """The mean probability of the first action, given a legal answer; None without any."""
    given = [float(r.choice.p[0]) for r in asked if r.choice is not None and r.choice.mass > 0]
    return float(np.mean(given)) if given else None


def _kappas(agent: DoseAgent, asked: Sequence[Record], spec: str) -> TableRow:
    """Kappa by belief, or why there is none."""
    own = [r for game in PROTOCOLS for r in agent.answers(game) if r.asks != "belief"]
    try:
        variants = {belief: from_records([*own, *asked], beliefs=belief) for belief in BELIEFS}
    except HominesError as failure:
        return {"why": str(failure).partition("; ")[0]}
    found = {row.belief: row for row in sensitivity(variants, spec)}
    if not found:
        return {"why": "the three beliefs come to the same here"}
    row: TableRow = {f"kappa, {belief}": found[belief].values.get("kappa") for belief in found}
    whys = [f"{belief}: {row.why}" for belief, row in found.items() if row.why]
    return row | ({"why": "; ".join(whys)} if whys else {})
