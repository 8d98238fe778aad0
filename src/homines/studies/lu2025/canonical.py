"""Sections on canonical games, beside people."""

from __future__ import annotations

import numpy as np

from homines.core.format import TableRow
from homines.core.registry import find, head
from homines.elicitation.metrics import average_by_decision, choices, decision_rates, mass
from homines.estimation.columns import Observation
from homines.estimation.published import AMOUNTS, PAIRS, moments
from homines.reports.page import Section
from homines.studies.lu2025.agents import HOW_ASKED, DoseFindings
from homines.studies.omissions import Omission
from homines.theory.choice import best_response, expected_utility, stated_beliefs


def amounts(findings: DoseFindings) -> Section | Omission:
    """Menus of amounts beside people."""
    rows: list[TableRow] = []
    answered = False
    for reference in AMOUNTS:
        row: TableRow = {
            "game": reference.name,
            "of": reference.most,
            "people": reference.mean,
            "people, sd": reference.sd,
            "people, median": reference.median,
        }
        for agent in findings.wide:
            pairs = [
                (d, c)
                for d, c in average_by_decision(choices(agent.answers(reference.game, aloud=False)))
                if d.player == reference.seat
            ]
            if pairs:
                d, c = pairs[0]
                statistics = moments(c, np.array([float(a) for a in d.actions]))
                row |= {agent.name: statistics["mean"], f"{agent.name}, sd": statistics["sd"]}
                row |= {f"{agent.name}, mass": c.mass}
                if c.n is not None:
                    row[f"{agent.name}, n"] = round(c.n * c.mass)
                answered = True
        rows.append(row)
    title = "Amounts, beside people"
    if not answered:
        return Omission(title, "answers")
    return Section(
        "amounts",
        title,
        (
            "Mean amount chosen of a menu of every whole number, from one reading of the label "
            "distribution. People: MobLab (Mei et al. 2024; Xie et al. 2025), who played with each other. "
            "All are asked for the bare answer. A mean at a small legal mass describes answers the model "
            "rarely gives: an agent that was taught to think aloud hardly ever gives one at once. Where "
            "answers were sampled, n is the number of legal ones.",
        ),
        rows,
        note="The public good is shared by four, each point given returns half to each, and the answer is "
        "that of the last of three rounds, as people's is. What people had seen before differed; the model "
        "is told that everybody gave 10, their median, in both rounds.",
    )


def pairs(findings: DoseFindings) -> Section | Omission:
    """Pairs of divisions of Charness & Rabin (2002), beside people."""
    rows: list[TableRow] = []
    answered = False
    for name, (game, people) in PAIRS.items():
        row: TableRow = {"pair": name, "game": game, "people chose X": people}
        for agent in findings.wide:
            records = choices(agent.answers(game))
            for _, _, rates in decision_rates(records):
                row |= {agent.name: rates[0], f"{agent.name}, mass": mass(records)}
                answered = True
        rows.append(row)
    title = "Charness-Rabin pairs, beside people"
    if not answered:
        return Omission(title, "answers")
    note = "Payoffs of the pairs from Charness & Rabin (2002); shares from Horton (2023)."
    return Section("pairs", title, (HOW_ASKED,), rows, note=note)


def plans(findings: DoseFindings) -> Section | Omission:
    """The likeliest plan by protocol and labels, with its probability; a column an agent."""
    rows: dict[tuple[str, str], TableRow] = {}
    for agent in findings.wide:
        for labels, o in agent.plans:
            row = rows.setdefault((o.game, ",".join(labels)), {"game": o.game, "words": ",".join(labels)})
            top = int(o.choice.p.argmax())
            row[agent.name] = f"{o.decision.actions[top]} {o.choice.p[top]:.2f}"
            row[f"{agent.name}, legal mass"] = o.choice.mass
    title = "Protocols by the strategy method"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "plans",
        title,
        (
            "Every point of decision is asked in both roles; a plan is as likely as the product over its "
            f"points. {HOW_ASKED} Here is each agent's likeliest plan with its probability, given legal "
            "answers; where a point never came to an answer there is none.",
            *findings.sampled_note,
        ),
        list(rows.values()),
    )


def best_plans(findings: DoseFindings) -> Section | Omission:
    """Probability of the plans that each utility implies, by agent and kind of protocol."""
    rows: list[TableRow] = []
    for agent in findings.wide:
        kinds: dict[str, list[Observation]] = {}
        for _, o in agent.plans:
            kinds.setdefault(head(o.game), []).append(o)
        for kind, observed in kinds.items():
            row: TableRow = {"agent": agent.name, "protocols": kind}
            for name, spec in (("economicus", "economicus"), ("moralis 1", "moralis(kappa=1)")):
                utility = find("preferences", spec)
                eus = [
                    expected_utility(utility(o.decision), stated_beliefs(o.decision), o.decision.chance)
                    for o in observed
                ]
                shares = [
                    float(o.choice.p[best_response(eu).p > 0].sum())
                    for o, eu in zip(observed, eus, strict=True)
                ]
                chance = [float((best_response(eu).p > 0).mean()) for eu in eus]
                row |= {f"P(best for {name})": float(np.mean(shares))}
                row |= {f"{name}, by chance": float(np.mean(chance))}
            row["legal mass"] = float(np.mean([o.choice.mass for o in observed]))
            rows.append(row)
    title = "Whose plans are these?"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "best_plans",
        title,
        (
            "Mean probability on plans that are best for a utility: against what a model as it is says "
            "another would do, and against either reply as likely for the tuned ones, whose bare answers to "
            "that are in the section on beliefs. By chance: the share of plans that are best.",
            *findings.sampled_note,
        ),
        rows,
    )
