"""A run folder as one HTML page that needs no network and no other file, and its charts as images.

    records, curve, notes -> rows (plain dicts, by homines.measure) -> tables and charts -> report.html

A report is a pure function of its run folder: the same folder gives the same bytes. What a folder does
not hold is told in a sentence. Text from models and files is escaped, and the page's policy lets
nothing run but the two scripts written here, known by their hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from homines import beside, card, figures, pages
from homines.core import LEGAL_MASS, digest
from homines.evidence import TRAINED, Row, Study, caveats, elsewhere, measured, read


def write(folder: str | Path) -> Path:
    """Write folder/report.html and folder/figures/*.png, and the card of what was trained (card.py), from the
    run folder alone.

    Raises StoreError where the folder is no run folder, HominesError where it cannot be written.
    """
    study = read(folder)
    card.write(folder)
    rows = measured(study)
    drawn = [role for role in study.columns if role in study.roles.values()]
    specs = {name: pages.spec(chart) for name, chart in figures.draw(rows, drawn).items()}
    text = _page(study, rows, specs)
    with pages.writing(study.run.folder):
        pages.images(study.run.folder / "figures", specs, figures.NAMES)
        return pages.put(study.run.folder / "report.html", text)


def reports(folders: Sequence[str | Path], out: str | Path | None = None) -> Path:
    """The page of one run, in its folder; of several, or of a study's folder, one page beside one another in
    `out` (beside.py)."""
    if len(folders) == 1 and out is None and (Path(folders[0]) / "config.json").exists():
        return write(folders[0])
    if out is None and len(folders) == 1 and not list(Path(folders[0]).glob("*/config.json")):
        return write(folders[0])  # which says what it lacks
    names = [str(folder) for folder in folders]
    return beside.write(folders, Path(out) if out else Path("runs") / f"beside-{digest(names)[:8]}")


def _page(study: Study, rows: Mapping[str, list[Row]], specs: Mapping[str, Row]) -> str:
    config, training = study.run.config, study.run.noted("training.json") or {}
    revisions = {(r.model, str(r.provenance.get("revision") or "not recorded")): None for r in study.records}
    return pages.render(
        "report_page.html",
        specs,
        version=study.run.provenance.get("homines") or "",
        first="states",
        kind=config.get("kind"),
        trained=config.get("kind") in TRAINED,
        config=config,
        training={key: training.get(key) for key in ("seconds", "steps", "device", "dtype")},
        study=study,
        roles=study.columns,
        rows=rows,
        rates=figures.rates(rows),
        elsewhere=elsewhere(rows),
        types=list(dict.fromkeys(key for row in rows["types"] for key in row if "|" in key)),
        regrets=figures.regrets(rows),
        caveats=caveats(study, rows),
        some_steps=sorted({round(i) for i in np.linspace(0, len(study.curve) - 1, 12)})
        if study.curve
        else [],
        frames=[(short, spec, spec in study.training) for spec, short in study.short.items()],
        revisions=list(revisions),
        settings=pages.flat(config),
        provenance=pages.flat(study.run.provenance),
        answered=sum(r.choice is not None for r in study.records),
        exact=all(r.choice is None or r.choice.n is None for r in study.records),
        most=figures.MOST_PANELS,
        legal=LEGAL_MASS,
    )
