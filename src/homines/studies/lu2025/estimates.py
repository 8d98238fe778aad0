"""Sections on estimated preferences of the agents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from homines.core.format import TableRow
from homines.core.types import Choice, HominesError
from homines.elicitation.metrics import average_by_decision, choices, mass, payoff_sensitivity
from homines.estimation.agent_estimates import numbers, sentence
from homines.estimation.bounds import Bounds, bounds
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.model_tests import compare
from homines.estimation.problem import NotIdentified
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.kit import EXPLAINED
from homines.studies.lu2025.agents import HOW_ASKED, DoseAgent, DoseFindings, observations
from homines.studies.omissions import Omission

PEOPLE = "bfs(alpha=0.083, beta=0.261, gamma=0.072, delta=-0.042)"
"""Aggregate of Bruhin, Fehr & Schunk (2019), session 1."""
IDLE = tuple(Choice.at(p) for p in ([1, 0], [0, 1], [1, 1]))
"""Choices of agents that ignore the game: always the same action, or a coin."""
EVEN = "kappa if alpha = beta"
LIKELY, SET = "maximum likelihood", "most answers best"


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


def dose(findings: DoseFindings) -> Section | Omission:
    """Target kappa against its estimate from unseen games, and the set at which most answers are best."""
    rows: list[TableRow] = []
    dots: list[TableRow] = []
    for agent in findings.doses:
        data = observations(agent.kappa_answers(aloud=True))
        row: TableRow = {"target": agent.kappa, "seed": agent.seed}
        rows.append(row)
        if not data:
            row["why no estimate"] = "never came to an answer"
            continue
        best = bounds(data, "moralis")
        idle = max(bounds([replace(o, choice=c) for o in data], "moralis").share for c in IDLE)
        row |= {"most best": _format_bounds(best), "share best": best.share, "idle share": idle}
        dots += [{"target": agent.kappa, "series": SET, "low": low, "high": high} for low, high in best.parts]
        row["legal mass"] = float(np.mean([o.choice.mass for o in data]))
        try:
            e = fit(data, "moralis")
        except HominesError as failure:
            row["why no estimate"] = sentence(failure)
            continue
        value, se, low, high, why = numbers(e, "kappa")
        row |= {EVEN: value, "s.e.": se, "low": low, "high": high}
        row |= {"precision": numbers(e, "precision")[0]}
        row |= {"explained": e.explained, "explainable": e.explainable}
        row |= {"games": e.decisions} | _apart([*data, *observations(agent.stated_answers(aloud=True))])
        if value is None:
            row["why no estimate"] = why
            continue
        dots.append({"target": agent.kappa, "series": LIKELY, "value": value, "low": low, "high": high})
    title = "Dose and response"
    if not rows:
        return findings.lacks_training(title)
    text = "Kappa of the training data against kappa, if alpha = beta, of the choices in unseen games."
    return Section(
        "dose",
        title,
        (
            "Agents trained at doses of kappa, on games drawn alike, and the kappa that best explains what "
            "they then choose, after thinking aloud, in games that none of them saw.",
            "Two readings. The maximum-likelihood estimate with its 95% profile interval, errors clustered "
            "by game; choices that are all certain have none. And the set of kappa at which the largest "
            "share of the choices is best (maximum score), which certain choices have as well. The idle "
            "share is what an agent reaches that always takes the same action or tosses a coin: a set with "
            "little more says nothing.",
            "With even beliefs these games do not tell kappa from aversion to inequity: an agent of kappa 0 "
            "that minds being ahead (beta) and behind (alpha) gives the answers of kappa = (beta - alpha) / "
            "(2 - beta + alpha). The estimate is of kappa where alpha = beta. Games with stated beliefs of "
            ".2 and .8 give kappa alone, estimated together with alpha and beta.",
            "Symmetric 2x2 games with whole payoffs of 1 to 9 and a 50/50 belief are what this model's "
            "arithmetic reaches. In them, one kappa is told from another by a game whose two actions are "
            "worth the same in between; the largest below 1 is 7/9 (of payoffs that differ by 8 and by 1), "
            "so everything from there to 1 chooses alike.",
        ),
        rows,
        draw.response(dots, text) if dots else None,
    )


def _apart(data: Sequence[Observation]) -> TableRow:
    """Kappa apart from alpha and beta, where stated beliefs let it be told; else why not."""
    try:
        e = fit(data, "kantian")
    except HominesError as failure:
        return {"why not kappa alone": sentence(failure)}
    value, _, low, high, why = numbers(e, "kappa")
    own: TableRow = {"kappa alone": value, "kappa alone, low": low, "kappa alone, high": high}
    own |= {"alpha": numbers(e, "alpha")[0], "beta": numbers(e, "beta")[0]}
    return own | ({"why not kappa alone": why} if why else {})


def _format_bounds(best: Bounds) -> str:
    """'.20 to .27', or several; open ends as 'below .07' and 'above .78'."""

    def one(low: float, high: float) -> str:
        if np.isinf(low) and np.isinf(high):
            return "any"
        if np.isinf(low):
            return f"below {high:.2f}"
        return f"above {low:.2f}" if np.isinf(high) else f"{low:.2f} to {high:.2f}"

    return ", ".join(one(low, high) for low, high in best.parts)


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
