"""Sections on estimated preferences of the agents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.format import TableRow
from homines.core.types import HominesError
from homines.elicitation.metrics import average_by_decision, choices, mass, payoff_sensitivity
from homines.estimation.agent_estimates import numbers, sentence
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.model_tests import compare
from homines.estimation.problem import NotIdentified
from homines.reports.page import Section
from homines.studies.kit import EXPLAINED
from homines.studies.lu2025.agents import HOW_ASKED, DoseAgent, DoseFindings, observations
from homines.studies.omissions import Omission

PEOPLE = "bfs(alpha=0.083, beta=0.261, gamma=0.072, delta=-0.042)"
"""Aggregate of Bruhin, Fehr & Schunk (2019), session 1."""


def estimates(findings: DoseFindings) -> Section | Omission:
    """Maximum-likelihood estimates of every agent that was asked everything."""
    rows: list[TableRow] = []
    for agent in findings.wide:
        for name, family, data in _data_sets(agent):
            rows += _estimate_rows(agent, name, family, data)
    title = "Estimated preferences"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "estimates",
        title,
        (
            "Maximum likelihood of the logit choice; errors clustered by game, intervals by profile "
            "likelihood. Exact choices have no sampling error: what is uncertain is which games were "
            "asked. Where choices cannot tell a parameter, the row says so and there is no number. A row "
            "with little legal mass explains answers that are hardly ever given.",
            "Each interval is of one agent: other games like these would have kept to it. Another training "
            "of the same dose is another agent, and other words are other prompts; neither is in it.",
            EXPLAINED,
            HOW_ASKED,
        ),
        rows,
    )


def _data_sets(agent: DoseAgent) -> list[tuple[str, str, list[Observation]]]:
    """(name of the games, family, observations) of every estimate."""
    kappa_sets = [
        (
            f"symmetric games with even beliefs, {form}",
            "moralis",
            observations(agent.kappa_answers(aloud=aloud)),
        )
        for form, aloud in (("aloud", True), ("bare", False))
    ]
    both_sets = [
        (
            f"the same, and with stated beliefs, {form}",
            "kantian",
            observations(agent.kappa_answers(aloud=aloud) + agent.stated_answers(aloud=aloud)),
        )
        for form, aloud in (("aloud", True), ("bare", False))
    ]
    return [
        *kappa_sets,
        *both_sets,
        *(
            ("protocols, answer by answer", family, agent.protocols)
            for family in ("inequity", "moralis", "kantian")
        ),
        *(("divisions of money, drawn", f, agent.divisions) for f in ("charness_rabin", "bfs")),
    ]


def _estimate_rows(agent: DoseAgent, name: str, family: str, data: Sequence[Observation]) -> list[TableRow]:
    head = {"agent": agent.name, "games": name, "family": family}
    if not data:
        return []
    try:
        e = fit(data, family)
    except HominesError as failure:
        parameter = "not identified" if isinstance(failure, NotIdentified) else "none"
        empty = dict.fromkeys(("estimate", "s.e.", "low", "high", "explained", "explainable"))
        legal = float(np.mean([o.choice.mass for o in data]))
        return [{**head, "parameter": parameter, **empty, "legal mass": legal, "why": sentence(failure)}]
    rows: list[TableRow] = []
    for parameter in e.names:
        value, se, low, high, why = numbers(e, parameter)
        row = head | {"parameter": parameter, "estimate": value, "s.e.": se, "low": low, "high": high}
        row |= {"explained": e.explained, "explainable": e.explainable}
        rows.append(row | {"legal mass": e.mass, "why": why or None})
    return rows


def sensitivity(findings: DoseFindings) -> Section | Omission:
    """Slope of P(first action) in the expected payoff that it gains."""
    rows: list[TableRow] = []
    for agent in findings.wide:
        for name, records in (
            ("symmetric games with even beliefs, aloud", agent.kappa_answers(aloud=True)),
            ("symmetric games with even beliefs, bare", agent.kappa_answers(aloud=False)),
        ):
            slope = payoff_sensitivity(average_by_decision(choices(records)))
            if slope is not None:
                rows.append(
                    {
                        "agent": agent.name,
                        "games": name,
                        "slope": slope.slope,
                        "r2": slope.r2,
                        "decisions": slope.decisions,
                        "legal mass": mass(records),
                    }
                )
    title = "Does the stake matter?"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "sensitivity",
        title,
        (
            "Slope of P(first action) in the expected own payoff it gains over the other; 0: payoffs do "
            "not matter.",
            *findings.sampled_note,
        ),
        rows,
    )


def people(findings: DoseFindings) -> Section | Omission:
    """Each agent's choices between divisions against the parameters of people."""
    rows: list[TableRow] = []
    for agent in findings.wide:
        data = agent.divisions
        if not data:
            continue
        try:
            t = compare(data, PEOPLE, "bfs")
        except HominesError as failure:
            rows.append({"agent": agent.name, "test": sentence(failure)})
            continue
        rows.append(
            {
                "agent": agent.name,
                "test": t.kind,
                "F": t.statistic / t.df,
                "p": t.p,
                "ln L lost": t.difference,
                "legal mass": float(np.mean([o.choice.mass for o in data])),
            }
        )
    title = "Against the preferences of people"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "people",
        title,
        (
            f"Likelihood-ratio test of `{PEOPLE}` (160 people, Bruhin, Fehr & Schunk 2019) against the free "
            f"family. {HOW_ASKED}",
        ),
        rows,
    )
