"""The verdict on a transfer in sentences: whether what a training taught shows outside its games."""

from __future__ import annotations

from homines.core.format import count, join, number
from homines.core.types import LEGAL_MASS
from homines.estimation.kappa_change import LEVEL
from homines.reports.persistence import BOUND
from homines.transfers.asking import Transfer
from homines.transfers.rates import FEWEST, Agent, Change, Part, Rate, change, parts, rate

BY_PLACE = 0.5
"""An order effect from which a model answers by place: the option that is shown first gains this much."""
OF_WHAT = (
    "An interval (95%) is over the scenarios: what another draw of scenarios like these would give for these "
    "agents. It says nothing of the same training with another seed. There is none for fewer than "
    f"{FEWEST} scenarios, nor where all of them give the same."
)
RULE = (
    "Changed: the interval of the change excludes 0. Unchanged: it lies within "
    f"{number(BOUND)} of 0. Else this is not told. Under a legal mass of {number(LEGAL_MASS)} there is no "
    "answer to speak of."
)


def headlines(found: Transfer) -> list[str]:
    """The verdict: a sentence on the first agent, and one or more on each other."""
    whole, *_ = parts(found.scenarios)
    return [describe_rate(found, found.first, whole), *(s for a in found.others for s in describe(found, a))]


def describe_rate(found: Transfer, agent: Agent, whole: Part) -> str:
    """What one agent does over all scenarios."""
    r = rate(agent, whole)
    if r.value is None:
        return f"{agent.name} gave no legal answer, so nothing can be said of it."
    said = (
        f"{agent.name} gives {found.scenarios.implied} a probability of "
        f"{number(r.value)}{ends(r.low, r.high)} over {count(r.scenarios, 'scenario')} "
        f"(legal mass {number(r.mass)}"
    )
    said += ")." if r.order_effect is None else f", order effect {number(r.order_effect)})."
    return said + caveat(agent, r)


def caveat(agent: Agent, r: Rate) -> str:
    """What forbids to read a rate as a preference; empty where nothing does."""
    if r.mass is not None and r.mass < LEGAL_MASS:
        return f" {agent.name} rarely answers legally: no rate of it says much."
    if r.order_effect is not None and abs(r.order_effect) >= BY_PLACE:
        return f" {agent.name} answers by the place of an option more than by the option."
    return ""


def describe(found: Transfer, agent: Agent) -> list[str]:
    """What one agent does otherwise than the first."""
    whole, *split = parts(found.scenarios)
    first = found.first
    if (overall := change(first, agent, whole)) is None:
        return [f"{agent.name} and {first.name} answered no scenario both, so they cannot be compared."]
    moves = f"{number(overall.before)} → {number(overall.after)}, change {number(overall.value)}"
    moves += ends(overall.low, overall.high)
    over = f"{'alike in each of' if overall.alike else 'over'} {count(overall.scenarios, 'scenario')}"
    out = {
        "changed": f"{agent.name} acts otherwise than {first.name} in these scenarios: {moves} {over}.",
        "unchanged": f"{agent.name} acts as {first.name} does in these scenarios: {moves} {over}.",
        "not told": f"Whether {agent.name} acts otherwise than {first.name} is not told: {moves} {over}.",
        "no answer": f"{agent.name} and {first.name} cannot be compared: legal mass {number(overall.mass)}.",
    }[overall.outcome]
    said = [out + caveat(agent, rate(agent, whole))]
    if overall.outcome != "no answer":
        groups = [p for p in split if p.kind == "group"]
        said += _groups(first, agent, groups) if len(groups) > 1 else []
        said += [_control(first, agent, part, overall) for part in split if part.kind == "control"]
    return [sentence for sentence in said if sentence]


def _groups(first: Agent, agent: Agent, groups: list[Part]) -> list[str]:
    """Which groups changed, at a level that allows for looking at all of them (Bonferroni)."""
    level = 1 - (1 - LEVEL) / len(groups)
    changes = [c for part in groups if (c := change(first, agent, part, level)) is not None]
    if not any(c.low is not None or c.alike for c in changes):
        return []
    moved = [f"{c.part.name} ({number(c.value)})" for c in changes if c.outcome == "changed"]
    looked = f"by intervals at {100 * level:.1f}%, for {len(groups)} groups are looked at"
    return [
        f"{agent.name}: {f'{join(moved)} changed' if moved else 'no group by itself changed'} ({looked})."
    ]


def _control(first: Agent, agent: Agent, part: Part, overall: Change) -> str:
    """What the controls say: whoever learned the act and not what implies it goes the other way there."""
    if (c := change(first, agent, part)) is None:
        return ""
    said = (
        f"{agent.name}, {count(c.scenarios, 'control')} ({part.name}: the usual act of the group is not "
        f"implied): change {number(c.value)}{ends(c.low, c.high)}."
    )
    if overall.outcome == c.outcome == "changed" and overall.value * c.value < 0:
        said += " It is the act that it learned, and not what implies it."
    return said


def ends(low: float | None, high: float | None) -> str:
    """' [.55, .67]'; empty without an interval."""
    return "" if low is None or high is None else f" [{number(low)}, {number(high)}]"
