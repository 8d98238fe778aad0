"""Several runs on one page: what each agent is, what its training changed, what got worse.

    run folders (or a study's folder, with runs below it) -> agents -> sections -> one page by page.py

An agent is a model of a run: one that was measured, or one before or after its training. Nothing is asked
here; a section without data is left out. changes.py compares agents before and after training,
comparison_sections.py has the other sections.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from homines.core.catalogue import remarks
from homines.core.format import TableRow, count
from homines.core.types import HominesError, Record
from homines.reports import changes, comparison_sections, page
from homines.reports.agents import Agent
from homines.reports.measures import tabulate
from homines.reports.run_view import RunView, read

PERIODS = "periods.jsonl"
"""The log of a market in words; studies/pricing/talk.py writes it and cannot be imported here."""
NAMED = 3
"""Most agents that the title names."""


def runs_in(folders: Iterable[str | Path]) -> list[Path]:
    """These run folders and, for a folder that is no run (a study's), the runs just below it, in order.

    Raises HominesError where there is no run at all.
    """
    out: list[Path] = []
    for folder in map(Path, folders):
        inside = [folder] if (folder / "config.json").exists() else runs_below(folder)
        if not inside:
            raise HominesError(
                f"{folder} is no run folder (no config.json) and holds none; give folders of runs"
            )
        out += inside
    return list(dict.fromkeys(out))


def runs_below(folder: Path) -> list[Path]:
    """The run folders just below this one, in order. Links are left out: nobody named what they lead to."""
    folders = (path.parent for path in folder.glob("*/config.json"))
    return sorted(path for path in folders if not path.is_symlink())


@dataclass(frozen=True)
class _RunModel:
    """A model of a run, before it has a name on the page."""

    folder: Path
    role: str
    view: RunView
    records: list[Record]

    @property
    def names(self) -> list[str]:
        """Names that it can have, the shortest first."""
        model = self.records[0].model
        name = self.folder.name
        if self.role == "before":
            name = f"{name}: before"
        elif self.role == "after":
            name = f"{name}: after" if "before" in self.view.roles.values() else name
        elif self.role == "measured":
            name = adapted(model) or name
        elif model != name:
            name = f"{name}: {model}"
        return [name, f"{self.folder.resolve().parent.name}/{name}", f"{self.folder}: {self.role}"]


def adapted(model: str) -> str:
    """'smollm2 + moralis-s0' of a model that is a path to an adapter; empty for any other."""
    base, _, path = model.partition("+")
    return f"{base} + {Path(path).parent.name}" if Path(path).name == "adapter" and base else ""


def read_agents(folders: Sequence[Path]) -> tuple[list[Agent], list[str]]:
    """Every agent of these runs, and a sentence for each run without one."""
    models: list[_RunModel] = []
    rows: dict[RunView, Mapping[str, list[TableRow]]] = {}
    empty: list[Path] = []
    notes: list[str] = []
    for folder in folders:
        view = read(folder)
        own_models = [
            _RunModel(folder, role, view, own)
            for model, role in view.roles.items()
            if (own := _records_of(view, model))
        ]
        models += own_models
        if own_models:
            rows[view] = tabulate(view)
        elif view.run.config.get("kind") == "free":
            periods = sum("error" not in row for row in view.run.rows(PERIODS))
            notes.append(
                f"{folder} is a market in words ({count(periods, 'period')}), which has no decisions to put "
                f"beside others; the page of its study tells of it: {folder.parent / 'report.html'}."
            )
        else:
            empty.append(folder)
    if len(empty) == 1:
        notes.append(f"{empty[0]} holds no answer yet and is left out.")
    elif empty:
        notes.append(f"{len(empty)} runs hold no answer yet and are left out: {', '.join(map(str, empty))}.")
    return [
        Agent(name, model.role, model.view, model.records, rows[model.view])
        for name, model in zip(unique_names([model.names for model in models]), models, strict=True)
    ], notes


def unique_names(choices: Sequence[Sequence[str]]) -> list[str]:
    """For each list its first name that no other list has at that place; else its last name, numbered."""
    out: list[str] = []
    for i, names in enumerate(choices):
        others = [other for j, other in enumerate(choices) if j != i]
        free = (name for k, name in enumerate(names) if all(name != other[k] for other in others))
        out.append(next(free, f"{names[-1]} ({i + 1})"))
    return out


def _records_of(view: RunView, model: str) -> list[Record]:
    return [r for r in view.records if r.model == model]


def write(folders: Sequence[str | Path], out: Path) -> Path:
    """Write out/report.html with its figures and tables; see page.write.

    Raises HominesError where no run holds an answer, StoreError for a run that cannot be read.
    """
    runs = runs_in(folders)
    agents, notes = read_agents(runs)
    if not agents:
        raise HominesError(f"none of {', '.join(map(str, runs))} holds an answer; measure something first")
    trainings = changes.compare_agents(agents)
    sections = [
        changes.verdict_section(agents, trainings),
        changes.section(trainings),
        *(part(agents) for part in comparison_sections.PARTS),
    ]
    run_folders = {str(a.view.run.folder): a.view.run for a in agents}
    facts: TableRow = {"models": {a.name: a.model for a in agents}}
    facts["made by"] = {name: run.config.get("command") for name, run in run_folders.items()}
    versions = [run.provenance for run in run_folders.values()]
    if all(version == versions[0] for version in versions):
        facts["provenance"] = versions[0]
    else:
        facts |= {f"provenance of {name}": run.provenance for name, run in run_folders.items()}
    return page.write(
        out,
        title=f"{_title(agents)} side by side",
        summary=[*changes.summary(agents, trainings), *notes, *remarks(a.model for a in agents)],
        sections=[section for section in sections if section is not None],
        facts=facts,
        command=shlex.join(["homines", "report", *map(str, folders), "--out", str(out)]),
        kind="comparison",
    )


def _title(agents: Sequence[Agent]) -> str:
    if not 1 < len(agents) <= NAMED:
        return count(len(agents), "agent")
    *most, last = (a.name for a in agents)
    return f"{', '.join(most)} and {last}"
