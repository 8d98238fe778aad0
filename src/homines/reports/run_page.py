"""A run folder as one HTML page that needs no network and no other file; its charts and tables as files.

    records, curve, notes -> rows (plain dicts) -> tables and charts -> report.html

A report is a pure function of its run folder: the same folder gives the same bytes. A sentence
stands for what a folder does not hold. Text from models and files is escaped, and the page's policy lets
nothing run but the two scripts written here, known by their hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from homines.core.format import TableRow
from homines.core.types import LEGAL_MASS, HominesError, digest
from homines.elicitation.answers_in_words import none_legal, remedies
from homines.estimation.agent_estimates import NO_KAPPA
from homines.estimation.published import HUMANS
from homines.inference.answer_reader import ILLEGAL, LEGAL
from homines.reports import comparison_page, model_card, page, run_charts
from homines.reports.asked import effect_rows, wordings
from homines.reports.caveats import caveats
from homines.reports.decomposition_text import NAME as DECOMPOSITION
from homines.reports.decomposition_text import sections as decomposition_sections
from homines.reports.measures import elsewhere, preferences, tabulate
from homines.reports.persistence import condition_effects
from homines.reports.persistence_text import sections as persistence_sections
from homines.reports.persistence_text import tidy
from homines.reports.promises_text import NAME as PROMISES
from homines.reports.promises_text import sections as promise_sections
from homines.reports.run_view import (
    EVERY_ORDER,
    MOST_ACTIONS,
    TRAINING_KINDS,
    RunView,
    describe_orders,
    describe_training,
    interval,
    list_kinds,
    progress,
    read,
)
from homines.reports.same_act import TOLERANCE
from homines.reports.suggestions import identification_command
from homines.reports.tables import Table
from homines.reports.training_end import training_end
from homines.reports.verdict_text import describe_verdicts

HIDDEN = ("games", "place", "told")
"""Keys of rows that tables leave out."""


def write(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write report.html, figures/ (PNG, SVG) and tables/ (CSV, LaTeX) from a run folder; the page's path.

    out   the folder to write into, which leaves the run as it is; None: the run folder, with the model card
          of its training

    Raises StoreError where the folder is no run folder, HominesError where it cannot be written.
    """
    view = read(folder)
    place = view.run.folder if out is None else Path(out)
    if place.resolve() == view.run.folder.resolve():
        model_card.write(folder)
    rows = tabulate(view) | {"preferences": preferences(view)}
    drawn = [role for role in view.columns if role in view.roles.values()]
    specs = {name: page.spec(chart) for name, chart in run_charts.draw(rows, drawn).items()}
    persistence = persistence_sections(view)
    specs |= {s.name: page.spec(s.chart, s.title) for s in persistence if s.chart is not None}
    if persistence:
        rows["persistence"] = tidy(condition_effects(view))
    tables = {
        name: Table({k: v for k, v in row.items() if k not in HIDDEN} for row in group)
        for name, group in rows.items()
        if group
    }
    moves = [*promise_sections(view), *decomposition_sections(view)]
    tables |= {s.name: Table(s.rows) for s in moves}
    text = _page(view, rows, specs, persistence, moves)
    return page.files_of(
        place, text, specs, tables, {*run_charts.CAPTIONS, *rows, "persistence", DECOMPOSITION, PROMISES}
    )


def reports(folders: Sequence[str | Path], out: str | Path | None = None) -> Path:
    """Write the page of one run, in its folder or in `out`; for several runs, or a study's folder, one page
    that compares them, in `out`.

    Raises HominesError where no run is given.
    """
    if not folders:
        raise HominesError("no run was given; give a run folder, several, or what hm.measure returned")
    single = len(folders) == 1
    if single and (Path(folders[0]) / "config.json").exists():
        return write(folders[0], out)
    if out is None and single and not comparison_page.runs_below(Path(folders[0])):
        return write(folders[0])  # which says what it lacks
    names = [str(folder) for folder in folders]
    return comparison_page.write(folders, Path(out) if out else Path("runs") / f"beside-{digest(names)[:8]}")


def _page(
    view: RunView,
    rows: Mapping[str, list[TableRow]],
    specs: Mapping[str, TableRow],
    persistence: Sequence[page.Section],
    moves: Sequence[page.Section],
) -> str:
    config, training = view.run.config, view.noted
    revisions = {(r.model, str(r.provenance.get("revision") or "not recorded")): None for r in view.records}
    return page.render(
        "report_page.html",
        specs,
        version=view.run.provenance.get("homines") or "",
        first="states",
        kind=config.get("kind"),
        trained=config.get("kind") in TRAINING_KINDS,
        config=config,
        ended=training_end(training, config),
        training={key: training.get(key) for key in ("seconds", "steps", "device", "dtype")},
        view=view,
        roles=view.columns,
        rows=rows,
        rates=run_charts.rates(rows),
        elsewhere=elsewhere(rows),
        left=progress(view),
        material=describe_training(view),
        option_orders=describe_orders(view.records),
        every_order=EVERY_ORDER,
        asked_games=list_kinds(row["game"] for row in rows["games"]),
        agent=_agent(view),
        asked=_asked(view),
        role_of=view.roles,
        wide=MOST_ACTIONS,
        humans=HUMANS,
        no_kappa=NO_KAPPA,
        identification_command=identification_command(view),
        interval=interval,
        types=list(dict.fromkeys(key for row in rows["types"] for key in row if "|" in key)),
        regrets=run_charts.regrets(rows),
        caveats=caveats(view, rows),
        verdicts=describe_verdicts(view),
        persistence=_tables(persistence),
        moves=_tables(moves),
        listed_steps=sorted({round(i) for i in np.linspace(0, len(view.curve) - 1, 12)})
        if view.curve
        else [],
        frames=[(short, spec, spec in view.training) for spec, short in view.short.items()],
        revisions=list(revisions),
        settings=page.flat(config),
        provenance=page.flat(view.run.provenance),
        answered=sum(r.choice is not None for r in view.records),
        none_legal=none_legal(view.records),
        remedies=[] if config.get("kind") == "import" else remedies(view.records),
        legal_readings=LEGAL,
        illegal_readings=ILLEGAL,
        exact=all(r.choice is None or r.choice.n is None for r in view.records),
        most=run_charts.MOST_PANELS,
        legal=LEGAL_MASS,
        tolerance=TOLERANCE,
    )


def _tables(sections: Sequence[page.Section]) -> list[tuple[page.Section, list[str], list[list[str]]]]:
    """Sections, each with the keys and the values of its table."""
    return [(s, list(s.rows[0]) if s.rows else [], [list(r.values()) for r in s.rows]) for s in sections]


def _asked(view: RunView) -> TableRow:
    """Variables of asked.html."""
    every = [*view.every, *view.treated]
    moved = effect_rows(every)
    masses = [row[side] or 0 for row in moved for side in ("mass without", "mass with")]
    weak = min(masses, default=1) < LEGAL_MASS
    return {"wordings": wordings(every, view.run.prompts), "effects": moved, "weak": weak}


def _agent(view: RunView) -> str:
    """The name of the trained model in the records; the run's model where it was not asked."""
    after = [model for model, role in view.roles.items() if "after" in role]
    return after[0] if len(after) == 1 else str(view.run.config.get("model") or "a model")
