"""Several runs on one page: what each agent is, what its training changed, what got worse.

    run folders (or a study's folder, with runs below it) -> agents -> sections -> one page by pages.py

An agent is a model of a run: one that was measured, or one before or after its training. Nothing is asked
here, and what a run does not hold is left out. beside_change.py says what a training changed, beside_parts.py
the sections.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homines.core.format import count
from homines.core.types import HominesError, Record
from homines.reports import changes as changes_module
from homines.reports import comparison_sections, page
from homines.reports.agents import Agent
from homines.reports.measures import measured
from homines.reports.run_view import RunView, read

Row = dict[str, Any]
PERIODS = "periods.jsonl"
"""Of a market in words; as free_pricing.py has it, which needs a model's library."""
NAMED = 3
"""Agents up to which the title names them."""


def runs_in(folders: Iterable[str | Path]) -> list[Path]:
    """The run folders among these and, of a folder that is none (a study's), those just below it, in order.

    Raises HominesError where there is no run at all.
    """
    out: list[Path] = []
    for folder in map(Path, folders):
        there = [folder] if (folder / "config.json").exists() else runs_below(folder)
        if not there:
            raise HominesError(
                f"{folder} is no run folder (no config.json) and holds none; give folders of runs"
            )
        out += there
    return list(dict.fromkeys(out))


def runs_below(folder: Path) -> list[Path]:
    """The run folders just below this one, in order. Nobody named them, so none that is a link is taken."""
    found = (path.parent for path in folder.glob("*/config.json"))
    return sorted(path for path in found if not path.is_symlink())


@dataclass(frozen=True)
class _Found:
    folder: Path
    role: str
    study: RunView
    records: list[Record]

    @property
    def names(self) -> list[str]:
        """What it may be called, the shortest first."""
        model = self.records[0].model
        name = self.folder.name
        if self.role == "before":
            name = f"{name}: before"
        elif self.role == "after":
            name = f"{name}: after" if "before" in self.study.roles.values() else name
        elif self.role == "measured":
            name = _adapted(model) or name
        elif model != name:
            name = f"{name}: {model}"
        return [name, f"{self.folder.resolve().parent.name}/{name}", f"{self.folder}: {self.role}"]


def _adapted(model: str) -> str:
    """'smollm2 + moralis-s0' of a model that is a path to an adapter; empty for any other."""
    base, _, path = model.partition("+")
    return f"{base} + {Path(path).parent.name}" if Path(path).name == "adapter" and base else ""


def agents(folders: Sequence[Path]) -> tuple[list[Agent], list[str]]:
    """Every agent of these runs, and sentences on the runs that have none."""
    found: list[_Found] = []
    rows: dict[RunView, Mapping[str, list[Row]]] = {}
    empty: list[Path] = []
    mute: list[str] = []
    for folder in folders:
        study = read(folder)
        here = [
            _Found(folder, role, study, own)
            for model, role in study.roles.items()
            if (own := _of(study, model))
        ]
        found += here
        if here:
            rows[study] = measured(study)
        elif study.run.config.get("kind") == "free":
            periods = sum("error" not in row for row in study.run.rows(PERIODS))
            mute.append(
                f"{folder} is a market in words ({count(periods, 'period')}), which has no decisions to put "
                f"beside others; the page of its study tells of it: {folder.parent / 'report.html'}."
            )
        else:
            empty.append(folder)
    if len(empty) == 1:
        mute.append(f"{empty[0]} holds no answer yet and is left out.")
    elif empty:
        mute.append(f"{len(empty)} runs hold no answer yet and are left out: {', '.join(map(str, empty))}.")
    return [
        Agent(name, one.role, one.study, one.records, rows[one.study])
        for name, one in zip(_named([one.names for one in found]), found, strict=True)
    ], mute


def _named(choices: Sequence[Sequence[str]]) -> list[str]:
    """The first of its names by which each is told from all others; else the last, numbered."""
    out: list[str] = []
    for i, names in enumerate(choices):
        others = [other for j, other in enumerate(choices) if j != i]
        free = (name for k, name in enumerate(names) if all(name != other[k] for other in others))
        out.append(next(free, f"{names[-1]} ({i + 1})"))
    return out


def _of(study: RunView, model: str) -> list[Record]:
    return [r for r in study.records if r.model == model]


def write(folders: Sequence[str | Path], out: Path) -> Path:
    """Write out/report.html with its figures and tables; see pages.write.

    Raises HominesError where no run holds an answer, StoreError for a run that cannot be read.
    """
    runs = runs_in(folders)
    there, mute = agents(runs)
    if not there:
        raise HominesError(f"none of {', '.join(map(str, runs))} holds an answer; measure something first")
    changes = changes_module.changes(there)
    made = [changes_module.section(changes), *(part(there) for part in comparison_sections.PARTS)]
    held = {str(a.study.run.folder): a.study.run for a in there}
    facts: Row = {"models": {a.name: a.model for a in there}}
    facts["made by"] = {name: run.config.get("command") for name, run in held.items()}
    versions = [run.provenance for run in held.values()]
    if all(some == versions[0] for some in versions):
        facts["provenance"] = versions[0]
    else:
        facts |= {f"provenance of {name}": run.provenance for name, run in held.items()}
    return page.write(
        out,
        title=f"{_title(there)} side by side",
        summary=[*changes_module.summary(there, changes), *mute],
        sections=[section for section in made if section is not None],
        facts=facts,
        command=shlex.join(["homines", "report", *map(str, folders), "--out", str(out)]),
        kind="comparison",
    )


def _title(there: Sequence[Agent]) -> str:
    if not 1 < len(there) <= NAMED:
        return count(len(there), "agent")
    *most, last = (a.name for a in there)
    return f"{', '.join(most)} and {last}"
