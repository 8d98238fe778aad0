"""One cell of a sweep: its task, its name, and its execution, the same in every engine.

A cell is a plan to carry out, a game to ask or a study to run. It makes the run folder that `homines align`,
`measure` or `study` makes, by the same functions.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

import homines
from homines.core.format import count
from homines.core.progress import Follow, Stop, never
from homines.core.redaction import redact
from homines.core.run_folder import FREE_SETTINGS, RunFolder, source_commit
from homines.core.scratch import scratch
from homines.core.types import HominesError, Interrupted, digest
from homines.elicitation.asking import measure
from homines.elicitation.survey import Survey
from homines.models import load
from homines.reports.measures import tabulate
from homines.reports.run_page import write
from homines.reports.run_view import read
from homines.studies.task import StudyTask
from homines.sweeps.claims import claim
from homines.sweeps.store import SharedStore
from homines.training.lifecycle import align
from homines.training.settings import AlignmentPlan

LONGEST = 220
"""Bytes of the words in a cell's name: with its key and an ending it is a name of at most 255."""
State = Literal["done", "failed", "stopped", "lost", "busy"]
"""lost: its worker died, so that the sweep itself must record it; busy: another sweep does it now."""


@dataclass(frozen=True)
class StudyCell:
    """A study on one model, as `homines study` takes it."""

    study: str
    model: str
    seeds: tuple[int, ...]
    quick: bool = False
    also: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    periods: int | None = None
    device: str | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Cell:
    """One piece of a sweep.

    threads   of the network's arithmetic. They are part of what a cell is: sums of floats depend on them
    """

    work: AlignmentPlan | Survey | StudyCell
    threads: int = 1

    @property
    def config(self) -> dict[str, Any]:
        """Everything that bears on the result, resolved."""
        work = self.work
        if isinstance(work, AlignmentPlan):
            whole = work.config()
        else:
            whole = work.settings() if isinstance(work, Survey) else {"kind": "study", **vars(work)}
        settings = whole.get("settings", {})
        fixed = {k: v for k, v in settings.items() if f"settings.{k}" not in FREE_SETTINGS}
        config = {k: v for k, v in whole.items() if k not in FREE_SETTINGS}
        return {**config, **({"settings": fixed} if fixed else {}), "threads": self.threads}

    @property
    def key(self) -> str:
        """Content hash of the config and the version of this package."""
        return digest([homines.__version__, self.config])

    @property
    def name(self) -> str:
        """What the cell's folder is called: words for people, the key for the rest."""
        heads = (str(value).partition("(")[0] for value in self.columns.values() if value not in (None, ""))
        words = "-".join("".join(c if c.isalnum() else "_" for c in text[-24:]) for text in heads)
        return f"{words.encode()[:LONGEST].decode(errors='ignore')}-{self.key}"

    @property
    def columns(self) -> dict[str, Any]:
        """The cell's place in the grid, as the summary's first columns."""
        work = self.work
        if isinstance(work, AlignmentPlan):
            where = {"preference": work.preference, "opponent": work.rival or work.opponent}
            return {"kind": "align", "model": work.model, "game": work.game, **where} | {
                "seed": work.settings.seed
            }
        if isinstance(work, Survey):
            return {"kind": "measure", "model": work.model, "game": work.title}
        return {
            "kind": "study",
            "model": work.model,
            "study": work.study,
            "seed": " ".join(map(str, work.seeds)),
        }


class SourceTree(NamedTuple):
    """The code that a sweep was started with."""

    version: str
    commit: str | None

    @classmethod
    @cache
    def here(cls) -> SourceTree:
        """This process's: as it was when first asked, for code that is loaded does not change."""
        return cls(homines.__version__, source_commit())

    def __str__(self) -> str:
        return f"homines {self.version}" + (f" ({self.commit})" if self.commit else "")


class Job(NamedTuple):
    """A cell, with what its worker needs to know."""

    cell: Cell
    store: str
    home: SourceTree
    command: str
    owner: str = ""
    """The sweep that gives it."""


class Outcome(NamedTuple):
    """How a job ended."""

    name: str
    state: State
    error: str | None = None
    seconds: float = 0.0


def attempt(job: Job, stop: Stop = never) -> Outcome:
    """Do a cell in a scratch folder of this machine and commit it whole, unless it is done in the store or
    another sweep does it now.

    An error is recorded in the store and returned. MemoryError alone is raised: the engine decides whether
    another worker has room. The store keeps interrupted work as far as it went.
    """
    cell, name, start = job.cell, job.cell.name, time.monotonic()
    facts = {
        "cell": name,
        "config": cell.config,
        **job.home._asdict(),
        "machine": f"{platform.node()}, {platform.machine()}",
    }
    try:
        if (here := SourceTree.here()) != job.home:
            raise HominesError(f"this worker has {here}, the sweep was started with {job.home}")
        store = SharedStore(job.store)
        with claim(store, name, job.owner) as ours:
            if store.marks([name]):
                return Outcome(name, "done")
            if not ours:
                return Outcome(name, "busy")
            return _attempt(job, store, facts, stop)
    except MemoryError:
        raise
    except Exception as failure:  # the store itself, or the code: the sweep goes on without this cell
        return Outcome(name, "lost", brief(failure), time.monotonic() - start)


def _attempt(job: Job, store: SharedStore, facts: dict[str, Any], stop: Stop) -> Outcome:
    cell, name, start = job.cell, job.cell.name, time.monotonic()
    with scratch() as place, threads(cell.threads):
        folder = place / "run"
        store.restore(name, folder)
        try:
            failed = carry_out(cell, folder, job.command, stop)
        except (Interrupted, KeyboardInterrupt) as failure:
            error = redact(f"interrupted: {failure}") if str(failure) else "interrupted"
            store.fail(name, {**facts, "error": error, "interrupted": True}, folder)
            return Outcome(name, "stopped", error, time.monotonic() - start)
        except MemoryError:
            raise
        except Exception as failure:
            error = brief(failure)
            store.fail(name, {**facts, "error": error})
            return Outcome(name, "failed", error, time.monotonic() - start)
        seconds = time.monotonic() - start
        facts |= {"seconds": seconds, "questions failed": failed, "results": results(cell, folder)}
        if failed:
            error = f"{count(failed, 'question')} failed; the next run asks them again"
            store.fail(name, {**facts, "error": error}, folder)
            return Outcome(name, "failed", error, seconds)
        store.commit(name, folder, facts)
        return Outcome(name, "done", None, seconds)


def carry_out(cell: Cell, folder: Path, command: str, stop: Stop) -> int:
    """Do the work of a cell; the number of failed questions."""
    work = cell.work
    if isinstance(work, AlignmentPlan):
        align(work, folder, command=command, follow=Follow(stop=stop))
    elif isinstance(work, Survey):
        model = load(work.model, device=work.device, dtype=work.dtype)
        with work.run(folder, command) as run:
            measure(model, work.questions(model), run, stop=stop)
    else:
        module = import_module(f"homines.studies.{work.study}.study")
        task = StudyTask(
            work.model,
            folder,
            work.seeds,
            work.quick,
            work.device,
            work.dtype,
            command,
            also=work.also,
            rivals=work.rivals,
            periods=work.periods,
            follow=Follow(stop=stop),
        )
        return int(module.run(task).failed)
    write(folder)
    return sum(record.error is not None for record in RunFolder(folder).records)


def results(cell: Cell, folder: Path) -> dict[str, Any]:
    """The results of a cell as columns of the summary: a function of its records alone.

    They are the action types, regrets, legal mass and order effect of its game, before and after, as its page
    shows them. A study has none: its results are its tables.
    """
    if isinstance(cell.work, StudyCell):
        return {}
    rows = tabulate(read(folder))
    game = cell.columns["game"]
    out: dict[str, Any] = {}
    for row in (row for part in ("types", "regret", "stability") for row in rows[part]):
        if row["game"] == game:
            figures = {k: v for k, v in row.items() if k not in ("game", "role", "mass")}
            out |= {f"{row['role']} legal mass": row["mass"]}
            out |= {f"{row['role']} {k}": v for k, v in figures.items()}
    return out


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Give the network's arithmetic this number of threads, and afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def brief(failure: BaseException) -> str:
    """An exception as one line, without secrets."""
    if isinstance(failure, HominesError):
        return redact(str(failure))
    text = redact(str(failure)).strip().splitlines()
    return f"{type(failure).__name__}: {text[0][:300]}" if text else type(failure).__name__
