"""What every training on a page of several runs changed: the agent after it against the agent before.

agents -> pairs of before and after, of one run or of two -> what got worse (caveats.py) -> sentences
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from homines.core.format import TableRow, count, finite, lines, number
from homines.core.registry import head
from homines.core.types import Record
from homines.elicitation.metrics import average_by_decision, mass
from homines.reports.agents import Agent, group_by_seed, statistic, statistic_name
from homines.reports.caveats import deteriorations
from homines.reports.measures import tabulate
from homines.reports.page import Section
from homines.reports.run_view import MOST_ACTIONS, RunView
from homines.reports.verdict import Verdict, verdict
from homines.reports.verdict_text import EXPLANATION, headline, verdict_row

Pair = tuple[float | None, float | None]
MOST_GROUPS = 5
"""Number of groups of agents in the summary; the table has all."""
NO_BEFORE = "not compared: no measurement before training is on this page"
NOTHING_SHARED = "not compared: it was asked nothing that {} was asked"


@dataclass(frozen=True, eq=False)
class Change:
    """A trained agent and the agent that its training began with.

    before   None where that agent is not on the page
    """

    after: Agent
    before: Agent | None

    @cached_property
    def view(self) -> RunView | None:
        """Both agents as one run, over the questions that both were asked; None where they share none."""
        if self.before is None:
            return None
        a, b = self.before, self.after
        shared = [key for key in a.by_question if key in b.by_question]
        sides = {agent.model: scores for agent in (a, b) if (scores := agent.sides)}
        if not shared and len(sides) < 2:
            return None
        short = {**a.view.short, **b.view.short}
        names = Counter(short.values())
        return replace(
            b.view,
            records=[agent.by_question[key] for agent in (a, b) for key in shared],
            roles={a.model: "before", b.model: "after"},
            short={spec: name if names[name] == 1 else spec for spec, name in short.items()},
            sides=sides,
        )

    @cached_property
    def rows(self) -> Mapping[str, list[TableRow]]:
        return tabulate(self.view) if self.view else {}

    @cached_property
    def verdict(self) -> Verdict:
        """On the agent after, by all its answers, and by the side effects of both."""
        view = self.after.view
        if self.view is not None:
            view = replace(view, roles=self.view.roles, sides=self.view.sides)
        return verdict(view, self.after.model)

    @cached_property
    def worse(self) -> list[str]:
        """Names of the measures that got worse: 'legal mass', 'order effect in some games', ..."""
        return [
            change.name
            if change.worse == change.of
            else f"{change.name} in some {'games' if change.unit == 'games' else 'words'}"
            for change in (deteriorations(self.rows) if self.view else ())
        ]

    @property
    def compared(self) -> str:
        """The name of the agent before, or why nothing is compared."""
        if self.before is None:
            return NO_BEFORE
        return self.before.name if self.view else NOTHING_SHARED.format(self.before.name)

    def side(self, role: str) -> list[Record]:
        """One role's answers to the shared questions; all answers of an agent that is not compared."""
        if self.view is None:
            return self.after.records if role == "after" else []
        return [r for r in self.view.records if self.view.roles[r.model] == role]

    def both(self, of: Callable[[list[Record]], float | None]) -> Pair:
        return of(self.side("before")), of(self.side("after"))

    def row(self, kind: str, names: Iterable[str]) -> Pair:
        """Means before and after of the first of these columns that a measure has, over its rows."""
        for name in names:
            pairs = [
                (roles["before"][name], roles["after"][name])
                for _, roles in lines(self.rows.get(kind, ()), ("game", "frame"))
                if all(finite(roles.get(role, {}).get(name)) is not None for role in ("before", "after"))
            ]
            if pairs:
                before, after = np.mean(pairs, axis=0)
                return float(before), float(after)
        return None, None

    @property
    def acts(self) -> dict[str, Pair]:
        """Rates before and after: 'C after C', ... in the words of the training; else the mean `averaged`."""
        overview = lines(self.rows.get("overview", ()), ("where",))
        if overview:
            roles = overview[0][1]
            names = [name for name in roles.get("after", {}) if " after " in name]
            if 0 < len(names) <= MOST_ACTIONS and "before" in roles:
                return {name: (roles["before"].get(name), roles["after"].get(name)) for name in names}
        return {f"mean {self.averaged}": self.both(_mean_statistic)} if self.averaged else {}

    @property
    def averaged(self) -> str:
        """The name of what `_mean_statistic` averages; empty where decisions have nothing to average."""
        kinds = {statistic_name(r.decision) for r in self.side("after")} - {"likeliest action"}
        if len(kinds) == 1:
            return kinds.pop().removeprefix("mean ")
        return "P(first action)" if any(kind != "mean action" for kind in kinds) else ""

    @property
    def regret(self) -> Pair:
        """Mean regret over games by its own preference."""
        return self.row("regret", ("trained-for regret", f"{head(self.after.aim or '')} regret"))


def _mean_statistic(records: Sequence[Record]) -> float | None:
    pairs = average_by_decision(records)
    short = [pair for pair in pairs if len(pair[0].actions) <= MOST_ACTIONS] or pairs
    values = [value for d, c in short if isinstance(value := statistic(d, c), float)]
    return float(np.mean(values)) if values else None


def compare_agents(agents: Sequence[Agent]) -> list[Change]:
    """Every trained agent with the agent that its training began with.

    Where several could be that agent: the one of the same run, then of the same study, then the one with the
    most shared questions.
    """

    def nearest(a: Agent, b: Agent) -> tuple[bool, bool, int]:
        alike = b.view.run.folder.resolve().parent == a.view.run.folder.resolve().parent
        return b.view is a.view, alike, len(a.by_question.keys() & b.by_question.keys())

    out: list[Change] = []
    for a in agents:
        if a.trained:
            bases = [b for b in agents if b is not a and b.model == a.base]
            out.append(Change(a, max(bases, key=lambda b: nearest(a, b), default=None)))
    return out


# --- words -----------------------------------------------------------------------------------------


def summary(agents: Sequence[Agent], changes: Sequence[Change]) -> list[str]:
    """The first paragraphs of the page: who is compared, what each training changed, what got worse."""
    runs = len({a.view.run.folder for a in agents})
    paragraphs = [
        f"{count(len(agents), 'agent')} of {count(runs, 'run')}, {len(changes)} of them trained. A rate "
        "is given a legal answer; read it with its legal mass."
    ]
    by_agent = {change.after.name: change for change in changes}
    group_members = {
        name: [by_agent[a.name] for a in members]
        for name, members in group_by_seed([c.after for c in changes]).items()
    }
    if len(group_members) > MOST_GROUPS:
        paragraphs.append(_overall(changes))
    paragraphs += [_group(name, members) for name, members in list(group_members.items())[:MOST_GROUPS]]
    if len(group_members) > MOST_GROUPS:
        rest = len(group_members) - MOST_GROUPS
        paragraphs.append(f'The other {rest} are in the table "What changed", a line an agent.')
    return paragraphs


def _overall(changes: Sequence[Change]) -> str:
    compared = [change for change in changes if change.view]
    uncompared = len(changes) - len(compared)
    rest = f" {uncompared} are {NO_BEFORE}." if uncompared else ""
    if not compared:
        none = f"None of {len(changes)} trained agents is compared"
        return f"{none}: nothing shared was measured before training."
    return f"Of {count(len(compared), 'agent')} compared with what they were, {_worse(compared)}.{rest}"


def _group(name: str, changes: Sequence[Change]) -> str:
    aim = changes[0].after.aim
    notes = [f"trained to {aim}" if aim else "trained elsewhere"]
    notes += [f"{len(changes)} seeds"] if len(changes) > 1 else []
    parts = [_findings(changes), f"legal mass {_over(changes, lambda c: c.both(mass))}"]
    parts += [
        f"{act} {_over(changes, lambda c, act=act: c.acts.get(act, (None, None)))}" for act in changes[0].acts
    ]
    compared = [change for change in changes if change.view]
    parts.append(_worse(compared) if compared else changes[0].compared)
    return f"{name} ({', '.join(notes)}): {'; '.join(parts)}."


def _worse(changes: Sequence[Change]) -> str:
    """'got worse: perplexity (3 of 5), ...', the most frequent first."""
    counts = Counter(name for change in changes for name in change.worse)
    if not counts:
        passed = all(change.verdict.finding == "passed" for change in changes)
        return "nothing that was measured got worse" if passed else "no other measure got worse"
    names = counts.most_common()
    return "got worse: " + ", ".join(
        name if len(changes) == 1 else f"{name} ({n} of {len(changes)})" for name, n in names
    )


def _findings(changes: Sequence[Change]) -> str:
    """The headline of one agent; of several how many have each finding, the most frequent first."""
    if len(changes) == 1:
        return headline(changes[0].verdict).removesuffix(".")
    counts = Counter(change.verdict.finding for change in changes)
    listed = (f"{finding} ({n} of {len(changes)})" for finding, n in counts.most_common())
    return f"verdicts: {', '.join(listed)}"


def verdict_section(agents: Sequence[Agent], changes: Sequence[Change]) -> Section:
    """The verdict on every agent, a row each, with the figures of its checks."""
    trained = {change.after.name: change.verdict for change in changes}
    rows = [{"agent": a.name, **verdict_row(trained.get(a.name) or verdict(a.view, a.model))} for a in agents]
    return Section("verdicts", "Verdicts", (EXPLANATION,), rows)


def _over(changes: Sequence[Change], of: Callable[[Change], Pair]) -> str:
    """Means over agents: '.20 → .40'."""
    pairs = [of(change) for change in changes]
    return _arrow(_mean(a for a, _ in pairs), _mean(b for _, b in pairs))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [x for x in values if x is not None]
    return float(np.mean(known)) if known else None


def _arrow(a: float | None, b: float | None, digits: int = 2) -> str:
    return f"{number(a, digits)} → {number(b, digits)}" if a is not None else number(b, digits)


def section(changes: Sequence[Change]) -> Section | None:
    """The table of changes, a row a trained agent; None without trained agents."""
    rows: list[TableRow] = []
    for change in changes:
        row: TableRow = {
            "agent": change.after.name,
            "trained to": change.after.aim,
            "compared with": change.compared,
            "legal mass": _arrow(*change.both(mass)),
            "what it does": "; ".join(f"{act} {_arrow(*pair)}" for act, pair in change.acts.items()),
            "regret": _arrow(*change.regret),
            "side effects": _everyday(change),
        }
        rows.append(row | {"worse": _list_worse(change)})
    if not rows:
        return None
    text = [
        "Before → after, over the questions that both were asked; a single number is that of after. "
        "Regret is by the preference trained to, the mean over games. Right: of everyday questions."
    ]
    if len(bases := {row["compared with"] for row in rows}) == 1 and changes[0].view:
        text.append(f"All are compared with {bases.pop()}.")
        rows = [{key: cell for key, cell in row.items() if key != "compared with"} for row in rows]
    return Section("changes", "What changed", tuple(text), _without_blanks(rows))


def _without_blanks(rows: Sequence[TableRow]) -> list[TableRow]:
    """The rows without the columns that are empty in every row."""
    filled = {key for row in rows for key, cell in row.items() if cell not in (None, "", "–")}
    return [{key: cell for key, cell in row.items() if key in filled} for row in rows]


def _everyday(change: Change) -> str:
    right, perplexity = _sides(change, "right"), _sides(change, "perplexity")
    if right[1] is None and perplexity[1] is None:
        return "–"
    return f"right {_arrow(*right, digits=0)}, perplexity {_arrow(*perplexity, digits=1)}"


def _sides(change: Change, key: str) -> Pair:
    by_role = {row["role"]: row.get(key) for row in change.rows.get("sides", ())}
    return by_role.get("before"), by_role.get("after")


def _list_worse(change: Change) -> str:
    if change.view is None:
        return "–"
    return ", ".join(change.worse) or "nothing measured"
