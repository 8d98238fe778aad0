"""A collection of rows: a model a folder, a run folder a section in it; a rerun asks only what is missing.

FOLDER/MODEL-DIGEST/row.json        the model, its revision and base, the commands, and how each section went
FOLDER/MODEL-DIGEST/SECTION/        a run folder, as any other; answers of one revision
FOLDER/MODEL-DIGEST/SECTION-DIGEST/ the same of another revision, put aside
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from homines.atlases import cars, everyday, market, payoffs, preferences, states
from homines.atlases.options import AtlasOptions
from homines.atlases.section import Section
from homines.core.capabilities import Batches, ChecksAccess, CountsTokens, EstimatesCost
from homines.core.format import finite, texts
from homines.core.paths import inside
from homines.core.progress import QUIET, Follow
from homines.core.redaction import redact
from homines.core.run_folder import RunFolder, StoreError, read_json, write_json
from homines.core.types import HominesError, Interrupted, Model, digest
from homines.elicitation.asking import measure
from homines.inference.adapters import find_adapter
from homines.models import check_kind, load, trainable
from homines.models.mock import Mock, uniform

SECTIONS: tuple[Section, ...] = tuple(
    part.SECTION for part in (states, payoffs, everyday, preferences, cars, market)
)
"""In the order in which they are asked; a new one is asked of rows that lack it."""
ROW = "row.json"
BATCH = 48
"""Questions between two writes, for a model that states no batch. Those of one batch share their beginnings:
48 take a tenth of the tokens less than 16."""
NUMBERS, TEXTS = ("questions", "failed", "seconds"), ("exam", "error")
"""What row.json notes of a section."""


@dataclass(frozen=True, eq=False)
class ModelRow:
    """A model's row: its folder, and row.json, which may be anybody's; the properties are checked."""

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
        base = self.facts.get("base")
        return base if isinstance(base, str) and base else None

    @property
    def revision(self) -> str | None:
        """The model's revision when it was last asked; None: not known."""
        revision = self.facts.get("revision")
        return revision if isinstance(revision, str) else None

    @property
    def commands(self) -> list[str]:
        """The commands that asked it."""
        return texts(self.facts.get("commands"))

    @property
    def quick(self) -> bool:
        return bool(self.facts.get("quick"))

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """How each section went: questions, failed, seconds, exam, error."""
        sections: Any = self.facts.get("sections")
        noted = sections if isinstance(sections, dict) else {}
        return {name: _note(facts) for name, facts in noted.items() if isinstance(facts, dict)}

    def section(self, name: str) -> Mapping[str, Any]:
        """How a section went; empty where it was not begun."""
        return self.sections.get(name, {})

    def run(self, section: Section) -> RunFolder | None:
        """The run folder of a section, for reading; None where it was not begun."""
        place = inside(self.folder, section.name)
        return RunFolder(place) if (place / "config.json").exists() else None

    @cached_property
    def failed(self) -> int:
        """Failed questions of all sections, a failed section as one."""
        parts = [self.section(s.name) for s in SECTIONS]
        return int(sum(p.get("failed", 0) + bool(p.get("error")) for p in parts))


def _note(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What row.json notes of a section, without what is of another kind."""
    numbers = {key: facts[key] for key in NUMBERS if finite(facts.get(key)) is not None}
    return numbers | {key: facts[key] for key in TEXTS if isinstance(facts.get(key), str)}


def revisions(run: RunFolder) -> list[str]:
    """The revisions of the model that a run folder has answers of."""
    known = (record.provenance.get("revision") for record in run.records)
    return list(dict.fromkeys(x for x in known if isinstance(x, str)))


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


def base_of(model: str) -> str | None:
    """The model without its adapters; None for a model that has none."""
    head, plus, _ = model.partition("+")
    return head if plus else None


def plan(
    options: AtlasOptions, sections: Sequence[Section] | None = None, loaded: Model | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(section, questions and tokens or cost) of a whole row; the model is loaded, nothing is asked."""
    model = loaded or _load(options)
    for section in SECTIONS if sections is None else sections:
        prompts = [q.prompt for q in section.ask(model, options.quick)]
        counts: dict[str, Any] = {"questions": len(prompts)}
        if isinstance(model, EstimatesCost):
            counts |= model.estimate_cost(prompts) if prompts else {}
        elif isinstance(model, CountsTokens):
            counts["tokens"] = model.tokens(prompts)
        yield section.name, counts


def complete(
    options: AtlasOptions,
    *,
    sections: Sequence[Section] | None = None,
    loaded: Model | None = None,
    command: str = "",
    follow: Follow = QUIET,
) -> ModelRow:
    """Ask a model what its row lacks, section by section; the row.

    sections   that it shall have; None: those of an atlas
    loaded     the model in memory; None: it is loaded where something is missing
    Answers of another revision than the model's are put aside, and their sections are asked anew; of a model
    that is not loaded, the files of its local adapters tell. A section that fails is noted with its reason,
    and the next one is asked. Raises HominesError for a model that cannot be loaded or reached, Interrupted
    where the work was stopped; all answers until then are kept.
    """
    name = str(options.model)
    check_kind(name)
    folder = row_folder(options.out, name)
    row = ModelRow.open(folder) if (folder / ROW).exists() else ModelRow(folder)
    _check_same(row, options)
    options = replace(options, quick=options.quick and (row.quick or not row.facts))
    sections = SECTIONS if sections is None else sections
    exams = {section.name: _exam(section, options) for section in sections}
    missing = {name: exam for name, exam in exams.items() if row.section(name).get("exam") != exam}
    stale: dict[str, str] = {}
    model = loaded or (_load(options) if missing or _retrained(row) else None)
    revision = row.revision if model is None else model.provenance.get("revision")
    if model is not None:
        stale = {s.name: exams[s.name] for s in sections if _stale(row.run(s), revision)}
        missing |= stale
    if missing and isinstance(model, ChecksAccess):
        model.ready(follow.stop)
    row = ModelRow(
        folder,
        {
            "model": name,
            "revision": revision,
            "base": options.base or row.base or base_of(name),
            "dtype": options.dtype,
            "quick": options.quick,
            "commands": list(dict.fromkeys([*row.commands, *([command] if command and missing else [])])),
            "sections": {key: noted for key, noted in row.sections.items() if key not in stale},
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder, ROW, row.facts)
    for section in sections:
        if model is not None and section.name in missing:
            noted = _ask(row, section, model, options, follow)
            if not noted.get("failed") and not noted.get("error"):
                noted["exam"] = missing[section.name]
            row = ModelRow(folder, {**row.facts, "sections": {**row.sections, section.name: noted}})
            write_json(folder, ROW, row.facts)
    return row


def _check_same(row: ModelRow, options: AtlasOptions) -> None:
    """Raises HominesError where a row was read in another number type, or is to be its own base."""
    if row.facts and (dtype := row.facts.get("dtype")) != options.dtype:
        was = f"--dtype {dtype}" if dtype else "without --dtype"
        raise HominesError(
            f"the row of {options.model} in {row.folder} was read {was}, another agent; ask for it so, "
            "or give another --out"
        )
    if options.base == options.model:
        raise HominesError(f"--base {options.base} is the model itself; name the one that it was made from")


def _load(options: AtlasOptions) -> Model:
    return load(str(options.model), device=options.device, dtype=options.dtype)


def _retrained(row: ModelRow) -> bool:
    """Whether the files of a local adapter are others than those of the row's revision."""
    _, *adapters = row.model.split("+")
    _, *hashes = (row.revision or "").split("+")
    if not trainable(row.model) or len(adapters) != len(hashes):
        return False
    local = [(Path(name).expanduser(), noted) for name, noted in zip(adapters, hashes, strict=True)]
    if not any(place.is_dir() for place, _ in local):
        return False
    from homines.models.hf import hash_files  # with it comes torch

    return any(hash_files(find_adapter(str(p)).files) != noted for p, noted in local if p.is_dir())


def _stale(run: RunFolder | None, revision: Any) -> bool:
    """Whether a run folder has answers of another revision; of one that is not known none is another."""
    return run is not None and revision is not None and any(x != revision for x in revisions(run))


def _put_aside(place: Path, revision: str) -> None:
    """Rename a run folder of another revision; the one of this revision, if put aside before, comes back."""
    before = RunFolder(place)
    with RunFolder(place, before.config):
        pass  # no other process writes there
    aside, back = (place.with_name(f"{place.name}-{digest(x)[:6]}") for x in (revisions(before), [revision]))
    try:
        os.rename(place, aside)
        if back.exists():
            os.rename(back, place)
    except OSError as failure:
        raise StoreError(
            f"cannot put {place} aside, whose answers are of another revision: {failure}"
        ) from failure


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
            if _stale(row.run(section), row.revision):
                _put_aside(place, str(row.revision))
            with RunFolder(place, {**config, "command": row.commands[-1:]}) as run:
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
