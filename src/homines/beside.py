"""Several runs on one page: what each agent is, what its training changed, what got worse.

    run folders (or a study's folder, with runs below it) -> agents -> sections -> one page by pages.py

An agent is a model of a run: one that was measured, or one before or after its training. Nothing is asked
here, and what a run does not hold is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homines import figures_study as draw
from homines import pages
from homines.core import HominesError, Record
from homines.estimate import fit
from homines.evidence import Study, caveats, count, measured, number, read
from homines.measure import averaged, instability, mass, order_effect, situation
from homines.observed import from_records
from homines.pages import Section

Row = dict[str, Any]
FAMILIES = ("kantian(alpha=0)", "inequity")
"""Estimated of every agent: homo moralis' kappa; alpha and beta of inequity aversion."""
MOST = 24
"""Agents that a chart shows; tables hold all."""


@dataclass(frozen=True, eq=False)
class Agent:
    """A model as one run tells it. name: unique on the page; `role`: its part in the run."""

    name: str
    role: str
    study: Study
    records: list[Record]
    rows: Mapping[str, list[Row]]
    """Every measure of its run (`evidence.measured`)."""

    @property
    def trained(self) -> bool:
        """Whether a training in its run made it."""
        config = self.study.run.config
        made = self.records[0].model != config.get("model") and bool(config.get("preference"))
        return self.role.startswith("after") or (self.role == "measured" and made)

    @property
    def sides(self) -> Row | None:
        return self.study.sides.get(self.records[0].model)


def runs_in(folders: Iterable[str | Path]) -> list[Path]:
    """The run folders among these and, of a folder that is none (a study's), those just below it, in order.

    Raises HominesError where there is no run at all.
    """
    out: list[Path] = []
    for folder in map(Path, folders):
        below = sorted(path.parent for path in folder.glob("*/config.json"))
        there = [folder] if (folder / "config.json").exists() else below
        if not there:
            raise HominesError(
                f"{folder} is no run folder (no config.json) and holds none; give folders of runs"
            )
        out += there
    return list(dict.fromkeys(out))


def agents(folders: Sequence[Path]) -> tuple[list[Agent], list[str]]:
    """Every agent of these runs, and a sentence for each run that has none."""
    found: list[tuple[str, str, Study, list[Record]]] = []
    rows: dict[Study, Mapping[str, list[Row]]] = {}
    mute: list[str] = []
    for folder in folders:
        study = read(folder)
        rows[study] = measured(study)
        models = [(model, role) for model, role in study.roles.items() if _of(study, model)]
        if not models:
            mute.append(f"{folder} holds no answer yet and is left out.")
        for model, role in models:
            name = role if role in ("before", "after") else model
            name = folder.name if role == "measured" or name == folder.name else f"{folder.name}: {name}"
            found.append((name, role, study, _of(study, model)))
    taken = [name for name, *_ in found]
    named = [
        name if taken.count(name) == 1 else f"{study.run.folder}: {role}" for name, role, study, _ in found
    ]
    if len(set(named)) < len(named):
        named = [f"{name} ({i + 1})" for i, name in enumerate(named)]
    whole = zip(named, found, strict=True)
    return [Agent(n, role, study, some, rows[study]) for n, (_, role, study, some) in whole], mute


def _of(study: Study, model: str) -> list[Record]:
    return [r for r in study.records if r.model == model]


def write(folders: Sequence[str | Path], out: Path) -> Path:
    """Write out/report.html with its figures and tables; see pages.write.

    Raises HominesError where no run holds an answer, StoreError for a run that cannot be read.
    """
    runs = runs_in(folders)
    there, mute = agents(runs)
    if not there:
        raise HominesError(f"none of {', '.join(map(str, runs))} holds an answer; measure something first")
    made = [part(there) for part in PARTS]
    held = {str(a.study.run.folder): a.study.run for a in there}
    facts: Row = {"made by": {name: run.config.get("command") for name, run in held.items()}}
    versions = [run.provenance for run in held.values()]
    if all(some == versions[0] for some in versions):
        facts["provenance"] = versions[0]
    else:
        facts |= {f"provenance of {name}": run.provenance for name, run in held.items()}
    return pages.write(
        out,
        title=f"{count(len(there), 'agent')} side by side",
        summary=[*summary(there), *mute],
        sections=[section for section in made if section is not None],
        facts=facts,
        command="homines report " + " ".join(map(str, folders)) + f" --out {out}",
    )


def summary(there: Sequence[Agent]) -> list[str]:
    """What is read first: who is compared, what each training changed, what got worse."""
    runs = len({a.study.run.folder for a in there})
    told = [
        f"{count(len(there), 'agent')} of {count(runs, 'run')}. A rate is given a legal answer; read it with "
        "its legal mass."
    ]
    for agent in there:
        if not agent.trained:
            continue
        config = agent.study.run.config
        before = next((a for a in there if a.study is agent.study and a.role == "before"), None)
        where = f"{agent.name}, trained to {config.get('preference')}: legal mass {_mass(agent.records)}"
        told.append(
            f"{where}{f', before {_mass(before.records)}' if before else ''}. "
            + (" ".join(caveats(agent.study, agent.rows)) or "Nothing that was measured got worse.")
        )
    return told


def _mass(records: Sequence[Record]) -> str:
    return number(mass(records))


# --- sections ------------------------------------------------------------------------------------------


def who(there: Sequence[Agent]) -> Section:
    """Every agent: its model, what it was trained to, what it was asked."""
    rows: list[Row] = []
    for a in there:
        config = a.study.run.config
        rows.append(
            {
                "agent": a.name,
                "model": a.records[0].model,
                "trained to": config.get("preference") if a.trained else None,
                "questions": len(a.records),
                "failed": sum(r.choice is None for r in a.records),
                "legal mass": mass(a.records),
                "order effect": order_effect(a.records),
                "instability": instability(a.records),
            }
        )
    text = (
        "Order effect: P(shown first) less P(shown last); instability: how far a rate spreads over words. "
        "Both are over all that the agent was asked, and agents were not all asked the same."
    )
    return Section("agents", "Who is compared", (text,), rows)


def behaviour(there: Sequence[Agent]) -> Section | None:
    """P(first action) in every situation of every game, over the frames that all who were asked share."""
    rows: list[Row] = []
    cells: list[Row] = []
    for game in dict.fromkeys(r.game for a in there for r in a.records):
        asked = [a for a in there if any(r.game == game for r in a.records)]
        frames = set.intersection(*({r.frame for r in a.records if r.game == game} for a in asked))
        if len(asked) < 2 or not frames:
            continue
        seen: dict[str, Row] = {}
        for a in asked:
            own = [r for r in a.records if r.game == game and r.frame in frames]
            for d, c in averaged(own):
                where = f"{game}, {situation(d)}"
                row = seen.setdefault(d.key, {"where": where, "first action": d.actions[0]})
                row[a.name], row[f"{a.name}, mass"] = float(c.p[0]), c.mass
        rows += seen.values()
    for row in rows[:MOST]:
        for a in there[:MOST]:
            if a.name in row:
                value = row[a.name]
                cells.append(
                    {
                        "row": f"{row['where']}: {row['first action']}",
                        "column": a.name,
                        "value": value,
                        "text": number(value),
                    }
                )
    if not rows:
        return None
    caption = "P(first action) by agent and situation, given a legal answer"
    text = "In the games that two agents or more were asked, over the frames that all of these share."
    return Section(
        "behaviour",
        "What they do",
        (text,),
        rows,
        draw.heat(cells, caption, across="agent", down="situation"),
    )


def regret(there: Sequence[Agent]) -> Section | None:
    """Moral regret by game."""
    rows: list[Row] = []
    for a in there:
        for row in a.rows["regret"]:
            found = {key: value for key, value in row.items() if key.endswith("regret")}
            if found and row["role"] == a.role:
                rows.append({"agent": a.name, "game": row["game"], **found, "legal mass": row["mass"]})
    text = (
        "How much worse than possible by a preference, in points of its utility, the other's next action "
        "taken as uniform; 0 is the best reply."
    )
    return Section("regret", "Regret", (text,), rows) if rows else None


def preferences(there: Sequence[Agent]) -> Section:
    """Estimates of every agent, where they are identified."""
    rows: list[Row] = []
    dots: list[Row] = []
    for a in there:
        for spec in FAMILIES:
            row: Row = {"agent": a.name, "family": spec}
            try:
                found = fit(from_records(a.records), spec)
            except HominesError as why:
                rows.append({**row, "not estimated": str(why)})
                continue
            for name, value, (low, high) in zip(found.names, found.values, found.intervals, strict=True):
                told = {"value": float(value), "low": float(low), "high": float(high)}
                rows.append({**row, "parameter": name, **told, "observations": found.observations})
                if name != "precision":
                    dots.append({"panel": name, "group": a.name, "series": spec, **told})
    text = (
        "What `homines fit` says of each agent: maximum likelihood, 95% intervals by profile likelihood. "
        "Where choices tell nothing of a parameter there is no estimate, and the reason stands in its place."
    )
    chart = draw.intervals(dots[: 2 * MOST], "Estimates and 95% intervals by agent") if dots else None
    return Section("preferences", "Estimated preferences", (text,), rows, chart)


def sides(there: Sequence[Agent]) -> Section | None:
    """Everyday questions and a plain text, before and after."""
    rows = [
        {"agent": a.name, **{key: found.get(key) for key in ("right", "questions", "mass", "perplexity")}}
        for a in there
        if (found := a.sides)
    ]
    text = "Sixty everyday questions by exact label probabilities, and the perplexity of a plain text."
    return Section("sides", "Side effects", (text,), rows) if rows else None


PARTS: tuple[Callable[[Sequence[Agent]], Section | None], ...] = (who, behaviour, regret, preferences, sides)
