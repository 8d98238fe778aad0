"""Sections on the sets of optimal policies: which member each agent reached, and where ours and the published
agents differ."""

from __future__ import annotations

from collections.abc import Sequence

from homines.core.format import TableRow
from homines.core.registry import find
from homines.opponents import opponent
from homines.opponents.memory_one import MemoryOne
from homines.reports.page import Section
from homines.studies.kit import format_mean, mean
from homines.studies.omissions import Omission
from homines.studies.tennant2025.agents import STATES, RewardAgent, RewardFindings, probability_after
from homines.studies.tennant2025.published import DECISIONS, ENDS, describe_range, distance
from homines.studies.tennant2025.shares import TYPES, agent_shares
from homines.theory.optimum import Optimum, optimum, regularised
from homines.training.schedule import schedule

NEAR = 0.1
"""Difference of two probabilities below which an agent is said to have kept the prior's."""
SETS = ("core", "wording", "general", "opponents", "unlearning", "far", "illegal", "regime")
"""Groups of agents in the prisoner's dilemma whose opponent is fixed, so that their optima are."""
UNKNOWN = "the prior was not read"


def optima_of(agent: RewardAgent) -> Optimum:
    """The optimal policies of what an agent was trained for last, against its opponent."""
    plan = agent.plan
    assert plan is not None
    assert plan.opponent is not None
    gamma = plan.settings.gamma if plan.settings.objective == "discounted" else 0.0
    preference = schedule(plan.preference, plan.settings.steps)[-1].preference
    return optimum(find("games", plan.game), preference, opponent(plan.opponent), gamma=gamma)


def which(findings: RewardFindings) -> Section | Omission:
    """Per agent and state: the rule of the set, the prior's member, and what was reached."""
    title = "Which optimum"
    rows: list[TableRow] = []
    for agents in findings.by_name(*SETS).values():
        rows += _members(agents, None if findings.base is None else findings.base.policy())
    if not rows:
        return findings.lacks(title, "core")
    return Section(
        "optimum",
        title,
        (
            "A reward has a set of optimal policies. In each state an action is required (every optimal "
            "policy plays it), forbidden (none does), or indifferent; the set is computed exactly from "
            "the game, the reward and the opponent. Where C is indifferent the reward has no say, and any "
            "rate of C is optimal.",
            "Prior's member: the optimum of training under a KL to the model before it, as the KL's weight "
            "goes to 0: in an indifferent state the untrained model's own rate, given a legal answer. Under "
            "the last weight: the same at the weight with which this training ended (of the myopic return "
            "alone). Of unlearning the prior is the untrained model too, which the KL refers to throughout.",
            "Because: the reward, where it decides; the prior, where the agent kept within .1 of the "
            "prior's member; carried over, where the reward is silent and the agent moved all the same, "
            "for states share their weights with those in which it speaks; not reached, where .1 or more "
            "fell on what is forbidden.",
        ),
        rows,
    )


def _members(agents: Sequence[RewardAgent], prior: MemoryOne | None) -> list[TableRow]:
    """Rows of one kind of agent, a state each."""
    agent = agents[0]
    found = optima_of(agent)
    states = find("games", "ipd").memory_one()
    before = None if prior is None else prior(states)
    nearest = None if before is None else found.nearest(before)
    assert agent.plan is not None
    settings = agent.plan.settings
    myopic = settings.objective == "myopic" and settings.kl > 0
    rows: list[TableRow] = []
    for s, name in enumerate(STATES):
        reached = [probability_after(a.policy(), name) for a in agents]
        rule = found.rules(s)[0]
        kept = None if nearest is None else float(nearest[s].p[0])
        ended = None
        if before is not None and myopic:
            ended = float(regularised(before[s], found.values[s], 1 / settings.kl).p[0])
        rows.append(
            {
                "agent": agent.name,
                "against": agent.plan.opponent,
                "state": name,
                "C is": rule,
                "prior's member: C": kept,
                "under the last weight: C": ended,
                "reached: C": format_mean(reached),
                "because": _because(rule, mean(reached), kept),
            }
        )
    return rows


def _because(rule: str, reached: float, kept: float | None) -> str:
    """What explains a rate of C in a state."""
    if rule != "indifferent":
        wrong = 1 - reached if rule == "required" else reached
        return "not reached" if wrong >= NEAR else "the reward"
    if kept is None:
        return UNKNOWN
    return "the prior" if abs(reached - kept) < NEAR else "carried over"


def differences(findings: RewardFindings) -> Section | Omission:
    """Action types here and as read off the paper, of every regime that a reward was trained in."""
    title = "Where we differ from the published figures"
    rows: list[TableRow] = []
    for name, read in ENDS.items():
        regimes = [
            (other, agents, [agent_shares(a) for a in agents])
            for other, agents in findings.by_name(
                "core", "wording", "unlearning", "regime", "illegal"
            ).items()
            if other == name or other.startswith((f"{name},", f"{name} v "))
        ]
        gaps = {other: mean(distance(x, read) for x in found) for other, _, found in regimes}
        for other, agents, found in regimes:
            row: TableRow = {"published": name, "regime here": other, "seeds": len(agents)}
            for t in TYPES:
                told = describe_range(read[t]) if t in read else "not read"
                row[t] = f"{mean(DECISIONS * x[t] for x in found):.1f} ({told})"
            row["distance"] = gaps[other]
            row["nearest"] = "yes" if gaps[other] == min(gaps.values()) else ""
            rows.append(row)
    if not rows:
        return findings.lacks(title, "core")
    return Section(
        "differences",
        title,
        (
            f"Of {DECISIONS} decisions at the end of training: here, and in parentheses what can be read "
            "off the published figure (approximate). Distance: the mean over the types that were read of "
            "how far the share lies outside of what was read; 0 is within. The nearest regime of each "
            "reward is marked: what changed in it is a candidate for why the published agents differ, and "
            "no more.",
            "The published agents learned from sampled answers of two tokens by PPO on a model of 2 "
            "billion parameters in four bits, with an adaptive KL, for 1000 episodes; these learn from "
            "the exact probabilities of whole answers. De and Game → Ut are where a sampled run and an "
            "exact one need not agree: De's reward is silent after a defection, and a policy that has "
            "settled on D samples no C to learn from.",
        ),
        rows,
    )
