"""Command line of `homines fit`; the work is in estimation/."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from homines.cli.options import AsJson, TrustModules, trusted
from homines.core.options import option, required
from homines.core.progress import QUIET, Follow, Tell, ignore
from homines.core.types import HominesError
from homines.estimation.options import BELIEFS, FitOptions
from homines.inference.impossible import caveats

if TYPE_CHECKING:
    from homines.estimation.agent_fit import AgentFit

MANY_CHOICES = 20_000
"""Choices from which a bar shows how far the estimates are."""
PRECISION = 0.1
"""Of an assumed truth, in 1/payoff."""
LARGE = 2**22
"""Bytes of a CSV from which a bar shows how far the reading is."""


@dataclass(frozen=True)
class FitTask:
    """Which preferences are estimated on which choices, and tested against which."""

    source: Path = required("A run folder, or a tidy CSV of choices.", "source")
    family: tuple[str, ...] = required(
        "Preference to estimate, as inequity or 'kantian(alpha=0)'; repeat for several."
    )
    model: str | None = option(None, "Of this agent alone; default: of every agent of a run by itself.")
    against: tuple[str, ...] = option(
        (), "Test this narrower (or rival) family, or given parameters, against the first."
    )
    rivals: bool = option(True, "Say which other families explain the choices as well, or better.")
    plans: bool = option(
        True, "An answer in a sequential game as part of a plan, where kappa needs it; else never."
    )
    plan: str = option("", "Games and answers that an error takes: 'se(kappa)<.05', 'width(kappa)<.2'.")
    truth: str = option("", "With --plan: assume this preference chose, as 'moralis(kappa=0.4)'.")
    precision: float | None = option(None, "With --truth: its precision, in 1/payoff; 0.1 by default.")


def fit(
    task: FitTask, options: FitOptions, trust_modules: TrustModules = False, as_json: AsJson = False
) -> None:
    """Estimate the families of a task and print them."""
    task = replace(task, source=trusted(task.source, trust_modules))
    if task.plan:
        print_plan(task, options, as_json=as_json)
        return
    if task.truth or task.precision is not None:
        raise HominesError(
            "--truth is for --plan, as is --precision: say which error is wanted, as --plan 'se(kappa)<.05'"
        )
    carry_out_fit(task, options, as_json=as_json)


def print_plan(task: FitTask, options: FitOptions, *, as_json: bool) -> None:
    """The sample size of one family, from a source's choices, or from its questions and an assumed truth.

    Raises HominesError for what a plan does not take, and as `sample_size` does.
    """
    from homines.estimation.fitting import read_observations, spell_infinities, with_values
    from homines.estimation.sample_size import Truth, Wanted, sample_size
    from homines.reports.estimate_console import print_sample_size

    if len(task.family) != 1 or not options.one_for_all or options.bends:
        raise HominesError(
            "--plan is for one --family: leave out the others, --classes, --random, --by, --risk and --lapse"
        )
    if task.against:
        raise HominesError(
            "--plan is for the error of one family, and plans no test: leave out --against, or --plan"
        )
    if task.precision is not None and not task.truth:
        raise HominesError("--precision is of an assumed truth: add --truth, as --truth 'moralis(kappa=0.4)'")
    wanted = Wanted.read(task.plan)
    precision = PRECISION if task.precision is None else task.precision
    truth = Truth(task.truth, precision) if task.truth else None
    (spec,) = task.family
    observations = read_observations(task.source, task.model, plans=task.plans)[0]
    valued = with_values(observations, spec, *([task.truth] if task.truth else []))
    size = sample_size(
        valued,
        spec,
        wanted,
        truth=truth,
        belief=BELIEFS[options.belief],
        cluster=options.cluster,
        level=options.level,
    )
    left_out = len(observations) - len(valued)
    if as_json:
        row = {"source": str(task.source), "family": spec, **asdict(size), "left_out": left_out}
        print(json.dumps(spell_infinities(row)))
        return
    print_sample_size(size)
    if left_out:
        also = f" or {task.truth}" if task.truth else ""
        print(f"note: {left_out} choices are left out: {spec}{also} has no values at their decisions")


def carry_out_fit(task: FitTask, options: FitOptions, *, as_json: bool) -> None:
    """Estimate and print, refusals included. Raises HominesError where no family has an estimate."""
    from homines.estimation.agent_fit import FamilySet, fit_agent
    from homines.estimation.family import family
    from homines.estimation.fitting import read_agents, spell_infinities
    from homines.estimation.observations_csv import choice_column
    from homines.reports.estimate_console import print_agents  # with it comes rich

    wanted = FamilySet(task.family, task.against, options, task.rivals)
    if task.against and not wanted.testable:
        raise HominesError(
            "--against tests one preference for all at given payoffs: leave out --classes, --random, --by, "
            "--risk and --lapse, or --against"
        )
    for spec in (*task.family, *task.against):
        family(spec)  # a mistyped one costs no finished work
    with reading(task.source) as follow:
        agents, unsound, impossible = read_agents(
            task.source,
            task.model,
            plans=task.plans,
            together=options.together,
            by_prompt=options.by == "prompt",
            follow=follow,
        )
    file = task.source.is_file()
    column = choice_column(task.source, agents[0].observations) if file else None
    start = time.monotonic()
    many = sum(len(a.observations) for a in agents)
    with watching(many, len(agents) * wanted.steps) as step:
        steps = count(1)
        fits = [fit_agent(a, wanted, lambda: step(next(steps))) for a in agents]
    if not any(f.families for f in fits):
        raise HominesError(_refusals(fits, task.family))
    if as_json:
        out = {
            "source": str(task.source),
            "options": asdict(options),
            "choices": column and {"column": column.name, "exact": column.exact},
            "estimates": [{"agent": f.agent, **each.row()} for f in fits for each in f.families],
            "tests": [{"agent": f.agent, **asdict(t)} for f in fits for t in f.tests],
            "refused": [
                {"agent": f.agent, "what": what, "why": why} for f in fits for what, why in f.refused.items()
            ],
            "left_out": {f.agent: f.left for f in fits if f.left},
            "no_distribution": unsound,
            "impossible": impossible,
            "seconds": round(time.monotonic() - start, 3),
        }
        print(json.dumps(spell_infinities(out)))
        return
    if column:
        print(column)
    print_agents(fits)
    if unsound == 1:
        print("1 answer is no distribution and counts as none")
    elif unsound:
        print(f"{unsound} answers are no distribution and count as none")
    for sentence in caveats(impossible):
        print(sentence)


def _refusals(fits: Sequence[AgentFit], families: Sequence[str]) -> str:
    """Why no family has an estimate, each reason once."""
    return "; ".join(
        dict.fromkeys(
            (f"{f.agent}: " if len(fits) > 1 else "") + f.refused[spec] for f in fits for spec in families
        )
    )


@contextmanager
def reading(source: Path) -> Iterator[Follow]:
    """A bar of how far the reading is where the file is so large that it takes a while."""
    from homines.reports.console import Bars

    if not source.is_file() or source.stat().st_size < LARGE:
        yield QUIET
        return
    with Bars() as bars:
        yield bars.follow()


@contextmanager
def watching(many: int, steps: int) -> Iterator[Tell]:
    """A bar of estimates and tests where there are so many choices that they take a while."""
    from homines.reports.console import Bars

    if many < MANY_CHOICES:
        yield ignore
        return
    with Bars() as bars:
        yield bars.begin(f"estimating, {many:,} choices", steps)
