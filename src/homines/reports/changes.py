"""What every training on a page of several runs changed, beside the agent it began with.

agents -> pairs of before and after, of one run or of two -> what got worse (caveats.py) -> sentences
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from homines.core.format import count, finite, lines, number
from homines.core.types import Record
from homines.elicitation.metrics import average_by_decision, mass
from homines.reports.agents import MENU, Agent, chosen, groups, what
from homines.reports.caveats import deteriorations
from homines.reports.measures import measured
from homines.reports.page import Section
from homines.reports.run_view import RunView

Row = dict[str, Any]
Pair = tuple[float | None, float | None]
SAID = 5
"""Groups of agents that the summary tells of; the table tells of all."""
NO_BEFORE = "not compared: no measurement before training is on this page"
NOTHING_SHARED = "not compared: it was asked nothing that {} was asked"


@dataclass(frozen=True, eq=False)
class Change:
    """A trained agent, and on this page the one that it was made of. before None: it is not there."""

    after: Agent
    before: Agent | None

    @cached_property
    def study(self) -> RunView | None:
        """Both as one run, over the questions that both were asked; None without any."""
        if self.before is None:
            return None
        a, b = self.before, self.after
        shared = [key for key in a.asked if key in b.asked]
        sides = {who.model: found for who in (a, b) if (found := who.sides)}
        if not shared and len(sides) < 2:
            return None
        short = {**a.study.short, **b.study.short}
        names = Counter(short.values())
        return replace(
            b.study,
            records=[who.asked[key] for who in (a, b) for key in shared],
            roles={a.model: "before", b.model: "after"},
            short={spec: name if names[name] == 1 else spec for spec, name in short.items()},
            sides=sides,
        )

    @cached_property
    def rows(self) -> Mapping[str, list[Row]]:
        return measured(self.study) if self.study else {}

    @cached_property
    def worse(self) -> list[str]:
        """What got worse, named: 'legal mass', 'order effect in some games', ..."""
        found = deteriorations(self.rows) if self.study else []
        return [
            each.name
            if each.worse == each.of
            else f"{each.name} in some {'games' if each.unit == 'games' else 'words'}"
            for each in found
        ]

    @property
    def compared(self) -> str:
        """With whom, or why not."""
        if self.before is None:
            return NO_BEFORE
        return self.before.name if self.study else NOTHING_SHARED.format(self.before.name)

    def side(self, role: str) -> list[Record]:
        """Questions that both were asked; of an agent that is not compared all."""
        if self.study is None:
            return self.after.records if role == "after" else []
        return [r for r in self.study.records if self.study.roles[r.model] == role]

    def both(self, of: Callable[[list[Record]], float | None]) -> Pair:
        return of(self.side("before")), of(self.side("after"))

    def row(self, kind: str, names: Iterable[str]) -> Pair:
        """Mean over the rows of a measure of the first of these names that it has."""
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
        """'C after C': by the other's last action in the words trained on; else the mean of what is shown."""
        overview = lines(self.rows.get("overview", ()), ("where",))
        if overview:
            roles = overview[0][1]
            told = [name for name in roles.get("after", {}) if " after " in name]
            if 0 < len(told) <= MENU and "before" in roles:
                return {name: (roles["before"].get(name), roles["after"].get(name)) for name in told}
        return {f"mean {self.shown}": self.both(_first)} if self.shown else {}

    @property
    def shown(self) -> str:
        """What `_first` is the mean of."""
        kinds = {what(r.decision) for r in self.side("after")} - {"likeliest action"}
        if len(kinds) == 1:
            return kinds.pop().removeprefix("mean ")
        return "P(first action)" if any(kind != "mean action" for kind in kinds) else ""

    @property
    def regret(self) -> Pair:
        """By its own preference, the mean over games."""
        head = (self.after.aim or "").partition("(")[0]
        return self.row("regret", ("trained-for regret", f"{head} regret"))


def _first(records: Sequence[Record]) -> float | None:
    pairs = average_by_decision(records)
    short = [pair for pair in pairs if len(pair[0].actions) <= MENU] or pairs
    values = [value for d, c in short if isinstance(value := chosen(d, c), float)]
    return float(np.mean(values)) if values else None


def changes(there: Sequence[Agent]) -> list[Change]:
    """Every trained agent, beside the one it was made of: of its own run, of its study, then the one that was
    asked most of the same."""

    def nearest(a: Agent, b: Agent) -> tuple[bool, bool, int]:
        alike = b.study.run.folder.resolve().parent == a.study.run.folder.resolve().parent
        return b.study is a.study, alike, len(a.asked.keys() & b.asked.keys())

    out: list[Change] = []
    for a in there:
        if a.trained:
            bases = [b for b in there if b is not a and b.model == a.base]
            out.append(Change(a, max(bases, key=lambda b: nearest(a, b), default=None)))
    return out


# --- words -----------------------------------------------------------------------------------------


def summary(there: Sequence[Agent], made: Sequence[Change]) -> list[str]:
    """What is read first, in about eight sentences: who is compared, what each training changed, what got
    worse."""
    runs = len({a.study.run.folder for a in there})
    told = [
        f"{count(len(there), 'agent')} of {count(runs, 'run')}, {len(made)} of them trained. A rate is given "
        "a legal answer; read it with its legal mass."
    ]
    by_agent = {change.after.name: change for change in made}
    some = {name: [by_agent[a.name] for a in held] for name, held in groups([c.after for c in made]).items()}
    if len(some) > SAID:
        told.append(_overall(made))
    told += [_group(name, held) for name, held in list(some.items())[:SAID]]
    if len(some) > SAID:
        told.append(f'The other {len(some) - SAID} are in the table "What changed", a line an agent.')
    return told


def _overall(made: Sequence[Change]) -> str:
    compared = [change for change in made if change.study]
    alone = len(made) - len(compared)
    rest = f" {alone} are {NO_BEFORE}." if alone else ""
    if not compared:
        return f"None of {len(made)} trained agents is compared: nothing shared was measured before training."
    return f"Of {count(len(compared), 'agent')} compared with what they were, {_worse(compared)}.{rest}"


def _group(name: str, held: Sequence[Change]) -> str:
    aim = held[0].after.aim
    who = [f"trained to {aim}" if aim else "trained elsewhere"]
    who += [f"{len(held)} seeds"] if len(held) > 1 else []
    parts = [f"legal mass {_over(held, lambda c: c.both(mass))}"]
    if acts := [change.acts for change in held]:
        parts += [f"{act} {_over(held, lambda c, act=act: c.acts.get(act, (None, None)))}" for act in acts[0]]
    compared = [change for change in held if change.study]
    parts.append(_worse(compared) if compared else held[0].compared)
    return f"{name} ({', '.join(who)}): {'; '.join(parts)}."


def _worse(held: Sequence[Change]) -> str:
    """'got worse: perplexity (3 of 5), ...', the most frequent first."""
    found = Counter(name for change in held for name in change.worse)
    if not found:
        return "nothing that was measured got worse"
    names = found.most_common()
    return "got worse: " + ", ".join(
        name if len(held) == 1 else f"{name} ({n} of {len(held)})" for name, n in names
    )


def _over(held: Sequence[Change], of: Callable[[Change], Pair]) -> str:
    """Means over agents: '.20 → .40'."""
    pairs = [of(change) for change in held]
    return _arrow(_mean(a for a, _ in pairs), _mean(b for _, b in pairs))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [x for x in values if x is not None]
    return float(np.mean(known)) if known else None


def _arrow(a: float | None, b: float | None, digits: int = 2) -> str:
    return f"{number(a, digits)} → {number(b, digits)}" if a is not None else number(b, digits)


def section(made: Sequence[Change]) -> Section | None:
    """A line a trained agent."""
    rows: list[Row] = []
    for change in made:
        row: Row = {
            "agent": change.after.name,
            "trained to": change.after.aim,
            "compared with": change.compared,
            "legal mass": _arrow(*change.both(mass)),
            "what it does": "; ".join(f"{act} {_arrow(*pair)}" for act, pair in change.acts.items()),
            "regret": _arrow(*change.regret),
            "side effects": _everyday(change),
        }
        rows.append(row | {"worse": _told(change)})
    if not rows:
        return None
    text = [
        "Before → after, over the questions that both were asked; a single number is that of after. "
        "Regret is by the preference trained to, the mean over games. Right: of everyday questions."
    ]
    if len(with_whom := {row["compared with"] for row in rows}) == 1 and made[0].study:
        text.append(f"All are compared with {with_whom.pop()}.")
        rows = [{key: told for key, told in row.items() if key != "compared with"} for row in rows]
    return Section("changes", "What changed", tuple(text), _without_blanks(rows))


def _without_blanks(rows: Sequence[Row]) -> list[Row]:
    """Without columns in which no row has anything."""
    held = {key for row in rows for key, told in row.items() if told not in (None, "", "–")}
    return [{key: told for key, told in row.items() if key in held} for row in rows]


def _everyday(change: Change) -> str:
    right, perplexity = _sides(change, "right"), _sides(change, "perplexity")
    if right[1] is None and perplexity[1] is None:
        return "–"
    return f"right {_arrow(*right, digits=0)}, perplexity {_arrow(*perplexity, digits=1)}"


def _sides(change: Change, key: str) -> Pair:
    found = {row["role"]: row.get(key) for row in change.rows.get("sides", ())}
    return found.get("before"), found.get("after")


def _told(change: Change) -> str:
    if change.study is None:
        return "–"
    return ", ".join(change.worse) or "nothing measured"
