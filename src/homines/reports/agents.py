"""An agent of a page of several runs, and how agents that differ by their seed alone go together."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from homines.core.types import Choice, Decision, Preference, Record
from homines.reports.run_view import RunView

Row = dict[str, Any]
CHANCE = {"seed", "seeds", "rows", "command", "device", "dtype"}
"""Settings that differ between seeds, or that change no answer."""
FEW = 12
"""Agents up to which a chart draws each; above, those that differ by their seed are averaged."""
MENU = 3
"""Actions above which a decision is told by its mean or its likeliest action."""


@dataclass(frozen=True, eq=False)
class Agent:
    """A model as one run tells it. name: unique on the page; `role`: its part in the run."""

    name: str
    role: str
    study: RunView
    records: list[Record]
    rows: Mapping[str, list[Row]]
    """Every measure of its run (`evidence.measured`)."""

    @property
    def model(self) -> str:
        return self.records[0].model

    @property
    def base(self) -> str | None:
        """The model it was made of; None for one that nothing here trained."""
        config = self.study.run.config
        told = config.get("model")
        if self.role == "before":
            return None
        if self.role.startswith("after") or (config.get("preference") and self.model != told):
            return str(told)
        head, plus, _ = self.model.partition("+")
        return head if plus else None

    @property
    def trained(self) -> bool:
        return self.base is not None

    @property
    def aim(self) -> str | None:
        """What it was trained to, as its run spells it; None where its run does not tell."""
        told = self.study.run.config.get("preference")
        return str(told) if self.trained and told else None

    @property
    def preference(self) -> Preference | None:
        return self.study.preference if self.aim else None

    @property
    def sides(self) -> Row | None:
        return self.study.sides.get(self.model)

    @cached_property
    def asked(self) -> dict[tuple[Any, ...], Record]:
        """Its records by question: game, frame, decision and order."""
        return {(r.game, r.frame, r.decision.key, r.order): r for r in self.records}


def groups(there: Sequence[Agent]) -> dict[str, list[Agent]]:
    """Agents that were made alike but for their seed, by what they share of their names; others alone."""
    alike: dict[str, list[Agent]] = {}
    for a in there:
        config = json.dumps(_settled(a.study.run.config), sort_keys=True, default=str)
        key = f"{a.study.run.folder.resolve().parent} {a.role} {config}" if a.aim else f"{a.name} alone"
        alike.setdefault(key, []).append(a)
    names = {key: _stem(some) for key, some in alike.items()}
    taken = list(names.values())
    return {names[k] if taken.count(names[k]) == 1 else some[0].name: some for k, some in alike.items()}


def _settled(value: Any) -> Any:
    """A config without what differs by seed."""
    if isinstance(value, Mapping):
        return {key: _settled(held) for key, held in value.items() if key not in CHANCE | {"apart"}}
    return value


def _stem(some: Sequence[Agent]) -> str:
    if len(some) == 1:
        return some[0].name
    stems = {re.sub(r"[-_. ]?s(?:eed)?[-_ ]?\d+(?=$|:)", "", a.name) for a in some}
    return stems.pop() if len(stems) == 1 else f"{some[0].name} and {len(some) - 1} more"


def columns(there: Sequence[Agent]) -> dict[str, list[Agent]]:
    """What a chart draws: every agent, or with many the groups of them."""
    return {a.name: [a] for a in there} if len(there) <= FEW else groups(there)


def averaging(there: Sequence[Agent]) -> str:
    """A sentence where `columns` averages agents; else empty."""
    n = len(columns(there))
    if n == len(there):
        return ""
    return (
        f"The chart draws the {len(there)} agents as {n}: those that differ by seed alone are averaged. "
        "All are in the table and its CSV."
    )


def menu(d: Decision) -> list[float] | None:
    """The numbers on a menu of more than MENU actions; None where they are no numbers."""
    try:
        return [float(name) for name in d.actions] if len(d.actions) > MENU else None
    except ValueError:
        return None


def what(d: Decision) -> str:
    """What `chosen` tells of it."""
    if len(d.actions) <= MENU:
        return f"P({d.actions[0]})"
    return "mean action" if menu(d) else "likeliest action"


def chosen(d: Decision, c: Choice) -> float | str:
    """P(first action); on a longer menu the mean action, and where that is not of numbers the likeliest."""
    if len(d.actions) <= MENU:
        return float(c.p[0])
    numbers = menu(d)
    return d.actions[int(c.p.argmax())] if numbers is None else float(c.p @ numbers)
