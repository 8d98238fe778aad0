"""The issue of a certificate: the model is asked what its folder lacks, then the answers are read.

FOLDER/certificate.json     the certificate; FOLDER/report.html its page
FOLDER/MODEL-DIGEST/        the row of an atlas on which it stands, a run folder a section (atlases/)
FOLDER/BASE-DIGEST/         the everyday questions of the model that it was made from, where there is one
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from homines.atlases import checks
from homines.atlases.collection import ModelRow, complete, row_folder
from homines.atlases.section import Cell
from homines.atlases.table import read_section
from homines.certificates.certificate import Certificate, hash_of, read_certificate, seal, value_row
from homines.certificates.plan import COMPARISON, FILE, CertificatePlan, model_kind
from homines.certificates.sections import EVERYDAY, SECTIONS, STATES, columns
from homines.core.capabilities import CountsTokens
from homines.core.format import TableRow, finite
from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder, provenance, write_json
from homines.core.types import HominesError, Model, Record
from homines.elicitation.asking import spent
from homines.elicitation.metrics import is_normalised
from homines.models import load
from homines.reports.verdict import NothingLost

CALLS = {"calls": "calls", "input": "tokens in", "output": "tokens out", "dollars": "dollars"}
"""What is noted of the calls of an API, by its name in a certificate."""
DIGITS = 6
"""Of probabilities in the records of a certificate; its values are not rounded."""


@dataclass(frozen=True, eq=False)
class Issue:
    """A certificate with the run folders that it was read from, by section; empty of one read from a file."""

    folder: Path
    certificate: Certificate
    runs: Mapping[str, RunFolder] = field(default_factory=dict[str, RunFolder])


def certify(
    plan: CertificatePlan,
    folder: Path,
    *,
    loaded: Model | None = None,
    against: str | None = None,
    command: str = "",
    follow: Follow = QUIET,
) -> Issue:
    """Ask a model what `folder` lacks, write its certificate there, and return it.

    loaded    the model in memory; None: it is loaded
    against   hash of the certificate that it will be compared with, which the folder notes before a question
    Raises HominesError for a model that cannot be loaded or reached, and for a folder that holds the other
    form; Interrupted where `follow.stop` says so or a budget is spent: the same call goes on from there.
    """
    plan.check()
    _check_form(plan, folder)
    if loaded is None:
        follow.say(f"loading {plan.model}")
        loaded = load(plan.model, **plan.placement)
    if against is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder, COMPARISON, {"against": {"sha256": against}, "finished": False})
    row = complete(plan.row(folder), sections=SECTIONS, loaded=loaded, command=command, follow=follow)
    about = {key: x for key, x in loaded.provenance.items() if isinstance(x, str | int | float | None)}
    tokens = _tokens(row, loaded)
    del loaded  # its base needs the memory
    base: ModelRow | None = None
    if row.base is not None:
        options = replace(plan, model=row.base, base=None).row(folder)
        model = load(row.base, **plan.placement) if plan.trust_remote_code else None
        base = complete(options, sections=(EVERYDAY,), loaded=model, command=command, follow=follow)
    runs: dict[str, RunFolder] = {}
    facts = {
        "model": {**about, "name": row.model, "kind": model_kind(row.model), "base": row.base}
        | {"revision": row.revision},
        "quick": row.quick,
        **_values(row, base, runs),
        **_asked(row, runs),
        "cost": {"tokens": tokens, **_cost(row, runs)},
        "software": {key: x for key, x in _provenance(runs).items() if key != "schema"},
    }
    certificate = seal({**facts, "issued": _date(folder, facts["records"])})
    certificate.save(folder)
    return Issue(folder, certificate, runs)


def _check_form(plan: CertificatePlan, folder: Path) -> None:
    place = row_folder(folder, plan.model)
    if (place / "row.json").exists() and ModelRow.open(place).quick != plan.quick:
        form, option = ("long", "without --quick") if plan.quick else ("short", "with --quick")
        raise HominesError(f"{folder} holds answers of the {form} form; ask {option}, or give another --out")


def _tokens(row: ModelRow, model: Model) -> int | None:
    """Tokens of all questions; None for a model that does not count what it would read."""
    if not isinstance(model, CountsTokens):
        return None
    return sum(model.tokens([q.prompt for q in section.ask(model, row.quick)]) for section in SECTIONS)


def _values(row: ModelRow, base: ModelRow | None, runs: dict[str, RunFolder]) -> dict[str, Any]:
    """The verdict and every value. runs: is given the run folders that were read."""
    own = {c.column: (s.name, c) for s in SECTIONS for c in read_section(row, s, runs)}
    cells = {name: cell for name, (_, cell) in own.items()}
    before = None if base is None else {c.column: c for c in read_section(base, EVERYDAY, {})}
    headline, made = "It was not asked.", [_lacking(row, column.name) for column in checks.COLUMNS]
    if STATES.name in runs:
        headline, made = checks.check(runs[STATES.name], cells, checks.Base(row.base, before))
    needed = [c for c in made if row.base is not None or c.column != NothingLost.name]
    about = columns()
    return {
        "verdict": {"headline": headline, "passed": all(c.outcome == "passed" for c in needed)},
        "values": [
            value_row(
                section,
                {key: getattr(about[cell.column], key) for key in ("unit", "meaning", "interval")},
                cell,
            )
            for section, cell in (*(("checks", cell) for cell in made), *own.values())
        ],
    }


def _lacking(row: ModelRow, column: str) -> Cell:
    reason = str(row.section(STATES.name).get("error") or "no state was asked")
    return Cell(column=column, outcome="not asked", reason=reason)


def _asked(row: ModelRow, runs: Mapping[str, RunFolder]) -> dict[str, Any]:
    """How many questions of each section were asked, the hash of these, and all records."""
    records = {
        name: sorted((_record(name, r) for r in run.records), key=_place) for name, run in runs.items()
    }
    asked: dict[str, TableRow] = {}
    for section in SECTIONS:
        rows, noted = records.get(section.name, []), row.section(section.name)
        asked[section.name] = {
            "questions": len(rows),
            "failed": sum(r["p"] is None for r in rows),
            "sha256": hash_of([r["question"] for r in rows]),
            **({"error": str(noted["error"])[:1000]} if noted.get("error") else {}),
        }
    return {"asked": asked, "records": [r for rows in records.values() for r in rows]}


def _record(section: str, r: Record) -> TableRow:
    choice = r.choice
    return {
        "section": section,
        "question": str(r.provenance.get("prompt")),
        "labels": list(r.labels),
        "p": None if choice is None else [round(float(p), DIGITS) for p in choice.p],
        "mass": None if choice is None or is_normalised(r) else round(float(choice.mass), DIGITS),
        "n": None if choice is None or choice.n is None else float(choice.n),
    }


def _place(record: TableRow) -> str:
    """Answers of an API arrive in any order."""
    return str(record["question"])


def _cost(row: ModelRow, runs: Mapping[str, RunFolder]) -> dict[str, float | None]:
    """Questions, seconds, and the use of calls where they are counted."""
    used: dict[str, float] = {}
    for run in runs.values():
        for key, x in spent(run).items():
            if key in CALLS and (number := finite(x)) is not None:
                used[CALLS[key]] = used.get(CALLS[key], 0.0) + number
    seconds = sum(finite(row.section(name).get("seconds")) or 0.0 for name in runs)
    questions = sum(len(run.records) for run in runs.values())
    return {"questions": questions, "seconds": round(seconds, 1), **used}


def _provenance(runs: Mapping[str, RunFolder]) -> Mapping[str, Any]:
    """Versions and machine of the first answers."""
    return next((run.provenance for run in runs.values()), provenance())


def _date(folder: Path, records: list[TableRow]) -> str:
    """When the certificate of these records was first written: one that is written anew keeps its date."""
    if (folder / FILE).exists():
        try:
            earlier = read_certificate(folder / FILE).facts
        except HominesError:
            earlier = {}
        if earlier.get("records_sha256") == hash_of(records):
            return str(earlier["issued"])
    return datetime.now(UTC).isoformat(timespec="seconds")
