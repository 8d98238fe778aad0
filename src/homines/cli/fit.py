"""Command line of `homines fit`; the work is in estimation/."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from homines.cli.options import AsJson, TrustModules, trusted
from homines.core.format import clean
from homines.core.options import option, required
from homines.core.progress import QUIET, Follow, Tell, ignore
from homines.core.types import HominesError
from homines.estimation.options import BELIEFS, FitOptions
from homines.inference.impossible import caveats

if TYPE_CHECKING:
    from homines.estimation.columns import Observation
    from homines.estimation.fit import Estimate
    from homines.estimation.fitting import AgentChoices
    from homines.estimation.mixture import Mixture
    from homines.estimation.model_tests import Comparison

MANY_CHOICES = 20_000
"""Choices from which a bar shows how far the estimates are."""
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
    plans: bool = option(
        True, "An answer in a sequential game as part of a plan, where kappa needs it; else never."
    )


def fit(
    task: FitTask, options: FitOptions, trust_modules: TrustModules = False, as_json: AsJson = False
) -> None:
    """Estimate the families of a task and print them."""
    carry_out_fit(
        trusted(task.source, trust_modules),
        task.family,
        task.against,
        options,
        model=task.model,
        plans=task.plans,
        as_json=as_json,
    )


def carry_out_fit(
    source: Path,
    families: Sequence[str],
    against: Sequence[str],
    options: FitOptions,
    *,
    model: str | None,
    plans: bool,
    as_json: bool,
) -> None:
    """Estimate and print, refusals included. Raises HominesError where no family has an estimate."""
    from homines.estimation.family import family
    from homines.estimation.fitting import estimate_row, read_agents, spell_infinities

    if against and (options.classes > 1 or options.risk):
        raise HominesError(
            "--against tests one preference for all at given payoffs: leave out --classes and --risk, or "
            "--against"
        )
    for spec in (*families, *against):
        family(spec)  # a mistyped one costs no finished work
    with reading(source) as follow:
        agents, unsound, impossible = read_agents(
            source, model, plans=plans, together=options.classes > 1, follow=follow
        )
    start = time.monotonic()
    testable = options.classes == 1 and not options.risk
    rivals = (*against, *(families[1:] if testable else ()))
    many = sum(len(a.observations) for a in agents)
    with watching(many, len(agents) * (len(families) + len(rivals))) as step:
        steps = count(1)
        fits = [fit_agent(a, families, rivals, options, lambda: step(next(steps))) for a in agents]
    if not any(f.estimates for f in fits):
        whys = [
            (f"{f.agent}: " if len(fits) > 1 else "") + f.refused[spec] for f in fits for spec in families
        ]
        raise HominesError("; ".join(dict.fromkeys(whys)))
    if as_json:
        out = {
            "source": str(source),
            "options": asdict(options),
            "estimates": [{"agent": f.agent, **estimate_row(e)} for f in fits for e in f.estimates],
            "tests": [{"agent": f.agent, **asdict(t)} for f in fits for t in f.tests],
            "refused": [
                {"agent": f.agent, "what": what, "why": why} for f in fits for what, why in f.refused.items()
            ],
            "no_distribution": unsound,
            "impossible": impossible,
            "seconds": round(time.monotonic() - start, 3),
        }
        print(json.dumps(spell_infinities(out)))
        return
    for f in fits:
        if len(fits) > 1:
            print(clean(f.agent or ""))
        print_fit(f)
    if unsound == 1:
        print("1 answer is no distribution and counts as none")
    elif unsound:
        print(f"{unsound} answers are no distribution and count as none")
    for sentence in caveats(impossible):
        print(sentence)


@dataclass(frozen=True, eq=False)
class AgentFit:
    """Estimates and tests from one agent's choices; refused: why there is none, by family or test."""

    agent: str | None
    estimates: list[Estimate | Mixture]
    tests: list[Comparison]
    refused: dict[str, str]


def fit_agent(
    choices: AgentChoices,
    families: Sequence[str],
    rivals: Sequence[str],
    options: FitOptions,
    step: Callable[[], None],
) -> AgentFit:
    """Estimate these families for one agent, and test `rivals` against the first. step: called after each."""
    from homines.estimation.fitting import estimate_one

    of = AgentFit(choices.agent, [], [], {})
    if not choices.observations:
        of.refused.update(dict.fromkeys(families, choices.why))
        return of
    for spec in families:
        try:
            of.estimates.append(estimate_one(choices.observations, spec, options))
        except HominesError as why:
            of.refused[spec] = str(why)
        step()
    for narrow in rivals:
        try:
            of.tests.append(against_each_other(choices.observations, narrow, families[0], options))
        except HominesError as why:
            of.refused[f"{narrow} against {families[0]}"] = str(why)
        step()
    return of


def print_fit(of: AgentFit) -> None:
    """Print the estimates and tests of one agent, and what was refused."""
    from homines.estimation.mixture import Mixture
    from homines.reports.console import print_comparisons, print_estimate, print_mixture  # with it comes rich

    for e in of.estimates:
        if isinstance(e, Mixture):
            print_mixture(e)
        else:
            print_estimate(e)
    print_comparisons(of.tests)
    for what, why in of.refused.items():
        print(f"{what}: {why}")


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


def against_each_other(
    observations: Sequence[Observation], one: str, two: str, options: FitOptions
) -> Comparison:
    """The narrower of two families against the wider; Vuong's test where neither is."""
    from homines.estimation.fitting import with_values
    from homines.estimation.model_tests import NotNested, compare

    belief = BELIEFS[options.belief]
    observations = with_values(observations, one, two)
    try:
        return compare(observations, one, two, belief=belief, cluster=options.cluster)
    except NotNested:
        return compare(observations, two, one, belief=belief, cluster=options.cluster)
