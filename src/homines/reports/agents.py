"""A model of a run as an agent of the comparison page; agents that differ by their seed are a group."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from homines.core.format import TableRow, finite
from homines.core.types import Choice, Decision, Preference, Record
from homines.reports.measures import numeric_actions
from homines.reports.run_view import MOST_ACTIONS, RunView

CHANCE = {"seed", "seeds", "rows", "command", "device", "dtype"}
"""Settings that differ between seeds or change no answer."""
FEW = 12
"""Number of agents up to which a chart draws each; above, it averages over seeds."""


@dataclass(frozen=True, eq=False)
class Agent:
    """A model of one run.

    name   unique on the page
    role   its part in the run: "before", "after", "measured" or the model itself
    rows   every measure of its run, as `measures.tabulate` returns them
    """

    name: str
    role: str
    view: RunView
    records: list[Record]
    rows: Mapping[str, list[TableRow]]

    @property
    def model(self) -> str:
        return self.records[0].model

    @property
    def base(self) -> str | None:
        """The model that its training began with; None for a model that was not trained."""
        config = self.view.run.config
        start = config.get("model")
        if self.role == "before":
            return None
        if self.role.startswith("after") or (config.get("preference") and self.model != start):
            return str(start)
        head, plus, _ = self.model.partition("+")
        return head if plus else None

    @property
    def trained(self) -> bool:
        return self.base is not None

    @property
    def aim(self) -> str | None:
        """Spec of the preference of its training; None where its run names none."""
        spec = self.view.run.config.get("preference")
        return str(spec) if self.trained and spec else None

    @property
    def preference(self) -> Preference | None:
        return self.view.preference if self.aim else None

    @property
    def sides(self) -> TableRow | None:
        return self.view.sides.get(self.model)

    @cached_property
    def by_question(self) -> dict[tuple[Any, ...], Record]:
        """Its records by question: game, frame, decision and order."""
        return {(r.game, r.frame, r.decision.key, r.order): r for r in self.records}


def group_by_seed(agents: Sequence[Agent]) -> dict[str, list[Agent]]:
    """Agents whose trainings differ by the seed alone, by the common part of their names.

    Every other agent is a group of one.
    """
    alike: dict[str, list[Agent]] = {}
    for a in agents:
        config = json.dumps(_without_chance(a.view.run.config), sort_keys=True, default=str)
        key = f"{a.view.run.folder.resolve().parent} {a.role} {config}" if a.aim else f"{a.name} alone"
        alike.setdefault(key, []).append(a)
    names = {key: _stem(members) for key, members in alike.items()}
    taken = list(names.values())
    return {
        names[key] if taken.count(names[key]) == 1 else members[0].name: members
        for key, members in alike.items()
    }


def _without_chance(value: Any) -> Any:
    """A config without the settings of CHANCE."""
    if isinstance(value, Mapping):
        return {key: _without_chance(inner) for key, inner in value.items() if key not in CHANCE | {"apart"}}
    return value


def _stem(members: Sequence[Agent]) -> str:
    if len(members) == 1:
        return members[0].name
    stems = {re.sub(r"[-_. ]?s(?:eed)?[-_ ]?\d+(?=$|:)", "", a.name) for a in members}
    return stems.pop() if len(stems) == 1 else f"{members[0].name} and {len(members) - 1} more"


def chart_columns(agents: Sequence[Agent]) -> dict[str, list[Agent]]:
    """Columns of a chart: an agent each, or a group by seed each where there are more than FEW agents."""
    return {a.name: [a] for a in agents} if len(agents) <= FEW else group_by_seed(agents)


def averaging_note(agents: Sequence[Agent]) -> str:
    """The sentence for charts that average over seeds; empty where they draw every agent."""
    n = len(chart_columns(agents))
    if n == len(agents):
        return ""
    return (
        f"The chart draws the {len(agents)} agents as {n}: those that differ by seed alone are averaged. "
        "All are in the table and its CSV."
    )


def menu_numbers(d: Decision) -> list[float] | None:
    """The actions of a menu of more than MOST_ACTIONS as numbers; None where it is shorter or of words."""
    return numeric_actions(d) if len(d.actions) > MOST_ACTIONS else None


def statistic_name(d: Decision) -> str:
    """The name of `statistic` for this decision."""
    if len(d.actions) <= MOST_ACTIONS:
        return f"P({d.actions[0]})"
    return "mean action" if menu_numbers(d) else "likeliest action"


def statistic(d: Decision, c: Choice) -> float | str:
    """P(first action); on a longer menu of numbers the mean action, on one of words the likeliest action."""
    if len(d.actions) <= MOST_ACTIONS:
        return float(c.p[0])
    numbers = menu_numbers(d)
    return d.actions[int(c.p.argmax())] if numbers is None else float(c.p @ numbers)


def column_means(rows: Sequence[TableRow], key: str, agents: Sequence[Agent]) -> dict[str, float]:
    """Mean of a table's column over the agents of each column of a chart, where one has it."""
    means: dict[str, float] = {}
    for name, members in chart_columns(agents).items():
        names = {a.name for a in members}
        values = [x for row in rows if row["agent"] in names and (x := finite(row.get(key))) is not None]
        if values:
            means[name] = float(np.mean(values))
    return means
