"""A collection of rows: a model a folder, a run folder a section in it; a rerun asks only what is missing.

FOLDER/MODEL-DIGEST/row.json        the model, its base, the commands, and how each section went
FOLDER/MODEL-DIGEST/SECTION/        a run folder, as any other
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from homines.atlases import cars, everyday, market, payoffs, preferences, states
from homines.atlases.options import AtlasOptions
from homines.atlases.section import Section
from homines.core.capabilities import Batches, ChecksAccess, CountsTokens, EstimatesCost
from homines.core.format import finite
from homines.core.paths import inside
from homines.core.progress import QUIET, Follow
from homines.core.redaction import redact
from homines.core.run_folder import RunFolder, StoreError, read_json, write_json
from homines.core.types import HominesError, Interrupted, Model, digest
from homines.elicitation.asking import measure
from homines.models import check_kind, load
from homines.models.mock import Mock, uniform

SECTIONS: tuple[Section, ...] = tuple(
    part.SECTION for part in (states, payoffs, everyday, preferences, cars, market)
)
"""In the order in which they are asked; a new one is asked of rows that lack it."""
ROW = "row.json"
BATCH = 48
"""Questions between two writes, for a model that states no batch. Those of one batch share their beginnings:
48 take a tenth of the tokens less than 16."""


@dataclass(frozen=True, eq=False)
class ModelRow:
    """A model's row: its folder and the content of row.json."""

    folder: Path
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def open(cls, folder: Path) -> ModelRow:
        """The row in a folder. Raises HominesError where row.json cannot be read."""
        return cls(folder, read_json(folder, ROW))

    @property
    def model(self) -> str:
        return str(self.facts.get("model"))

    @property
    def base(self) -> str | None:
        """The model that it was made from; None: none is known."""
        return self.facts.get("base") or None

    @property
    def quick(self) -> bool:
        return bool(self.facts.get("quick"))

    def section(self, name: str) -> Mapping[str, Any]:
        """How a section went: questions, failed, seconds, exam, error; empty where it was not begun."""
        sections = self.facts.get("sections")
        noted = sections.get(name) if isinstance(sections, Mapping) else None
        return noted if isinstance(noted, Mapping) else {}

    def run(self, section: Section) -> RunFolder | None:
        """The run folder of a section, for reading; None where it was not begun."""
        place = inside(self.folder, section.name)
        return RunFolder(place) if (place / "config.json").exists() else None

    @cached_property
    def failed(self) -> int:
        """Failed questions of all sections, a failed section as one."""
        parts = [self.section(s.name) for s in SECTIONS]
        return int(sum((finite(p.get("failed")) or 0) + bool(p.get("error")) for p in parts))


def row_folder(out: Path, model: str) -> Path:
    """The folder of a model's row."""
    words = "".join(c if c.isalnum() or c in "-_." else "-" for c in model)
    name = f"{words[-40:].strip('-.')}-{digest(model)[:6]}"
    inside(out, name)
    return out / name


def rows(out: Path) -> list[ModelRow]:
    """Every row of an atlas, by model."""
    folders = sorted(path.parent for path in out.glob(f"*/{ROW}"))
    return sorted((ModelRow.open(folder) for folder in folders), key=lambda row: row.model)


def base_of(options: AtlasOptions) -> str | None:
    """The base that is given, else the model without its adapters; None for a model that has none."""
    head, plus, _ = str(options.model).partition("+")
    return options.base or (head if plus else None)


def planned(options: AtlasOptions) -> Iterator[tuple[str, dict[str, Any]]]:
    """(section, questions and tokens or cost) of a whole row; the model is loaded, nothing is asked."""
    model = _load(options)
    for section in SECTIONS:
        prompts = [q.prompt for q in section.ask(model, options.quick)]
        counts: dict[str, Any] = {"questions": len(prompts)}
        if isinstance(model, EstimatesCost):
            counts |= model.estimate_cost(prompts) if prompts else {}
        elif isinstance(model, CountsTokens):
            counts["tokens"] = model.tokens(prompts)
        yield section.name, counts


def complete(
    options: AtlasOptions, *, loaded: Model | None = None, command: str = "", follow: Follow = QUIET
) -> ModelRow:
    """Ask a model what its row lacks, section by section; the row.

    loaded   the model in memory; None: it is loaded where something is missing
    A section that fails is noted with its reason, and the next one is asked. Raises HominesError for a model
    that cannot be loaded or reached, Interrupted where the work was stopped; all answers until then are kept.
    """
    name = str(options.model)
    check_kind(name)
    folder = row_folder(options.out, name)
    row = ModelRow.open(folder) if (folder / ROW).exists() else ModelRow(folder)
    options = replace(options, quick=options.quick and (row.quick or not row.facts))
    exams = {section.name: _exam(section, options) for section in SECTIONS}
    missing = {name: exam for name, exam in exams.items() if row.section(name).get("exam") != exam}
    commands = [*row.facts.get("commands", []), *([command] if command else [])]
    row = ModelRow(
        folder,
        {
            "model": name,
            "base": base_of(options) or row.base,
            "quick": options.quick,
            "commands": list(dict.fromkeys(commands)),
            "sections": row.facts.get("sections") or {},
        },
    )
    model = (loaded or _load(options)) if missing else None
    if isinstance(model, ChecksAccess):
        model.ready(follow.stop)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder, ROW, row.facts)
    for section in SECTIONS:
        if model is not None and section.name in missing:
            noted = _ask(row, section, model, options, follow)
            if not noted.get("failed") and not noted.get("error"):
                noted["exam"] = missing[section.name]
            row = ModelRow(folder, {**row.facts, "sections": {**row.facts["sections"], section.name: noted}})
            write_json(folder, ROW, row.facts)
    return row


def _load(options: AtlasOptions) -> Model:
    return load(str(options.model), device=options.device, dtype=options.dtype)


def _exam(section: Section, options: AtlasOptions) -> str:
    """A digest of a section's questions, by which a row knows that it has them all."""
    asked = section.ask(Mock(uniform), options.quick)
    return digest([[q.record.game, q.record.frame, q.record.order, q.prompt.key] for q in asked])


def _ask(
    row: ModelRow, section: Section, model: Model, options: AtlasOptions, follow: Follow
) -> dict[str, Any]:
    """Ask what a section lacks; how it went."""
    config = {"kind": "measure", "model": row.model, "section": section.name}
    config |= {"device": options.device, "dtype": options.dtype}
    start, before = time.monotonic(), finite(row.section(section.name).get("seconds")) or 0.0
    noted: dict[str, Any] = {}
    try:
        questions = section.ask(model, options.quick)
        noted["questions"] = len(questions)
        if questions:
            place = inside(row.folder, section.name)
            with RunFolder(place, {**config, "command": row.facts["commands"][-1:]}) as run:
                tell = follow.begin(section.title, len(questions))
                records = measure(
                    model,
                    questions,
                    run,
                    batch=None if isinstance(model, Batches) else BATCH,
                    progress=lambda done, _: tell(done),
                    stop=follow.stop,
                )
                noted["failed"] = sum(r.choice is None for r in records)
                section.beside(run, model)
    except (Interrupted, StoreError):
        raise
    except (HominesError, RuntimeError, ValueError) as failure:
        noted["error"] = redact(f"{type(failure).__name__}: {failure}")[:400]
        follow.say(f"{section.title}: {noted['error']}")
    return noted | {"seconds": before + time.monotonic() - start}
