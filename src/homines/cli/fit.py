"""Command line of `homines fit`; the work is in estimation/."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homines.cli.options import AsJson, TrustModules, trusted
from homines.core.options import option, required
from homines.core.progress import QUIET, Follow, Tell, ignore
from homines.core.types import HominesError
from homines.estimation.options import BELIEFS, FitOptions
from homines.inference.impossible import caveats

if TYPE_CHECKING:
    from homines.estimation.columns import Observation
    from homines.estimation.fit import Estimate
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
    model: str | None = option(None, "Whose records, where a run holds several models.")
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
    from homines.estimation.fitting import estimate_one, estimate_row, read_observations, spell_infinities
    from homines.estimation.mixture import Mixture
    from homines.estimation.observations_csv import choice_column
    from homines.reports.console import print_comparisons, print_estimate, print_mixture  # with it comes rich

    if against and (options.classes > 1 or options.risk):
        raise HominesError(
            "--against tests one preference for all at given payoffs: leave out --classes and --risk, or "
            "--against"
        )
    for spec in (*families, *against):
        family(spec)  # a mistyped one costs no finished work
    with reading(source) as follow:
        observations, unsound, impossible = read_observations(source, model, plans=plans, follow=follow)
    column = choice_column(source, observations) if source.is_file() else None
    estimates: list[Estimate | Mixture] = []
    refused: dict[str, str] = {}
    start = time.monotonic()
    tests: list[Comparison] = []
    testable = options.classes == 1 and not options.risk
    rivals = (*against, *(families[1:] if testable else ()))
    with watching(len(observations), len(families) + len(rivals)) as step:
        for i, spec in enumerate(families):
            try:
                estimates.append(estimate_one(observations, spec, options))
            except HominesError as why:
                refused[spec] = str(why)
            step(i + 1)
        for i, narrow in enumerate(rivals):
            try:
                tests.append(against_each_other(observations, narrow, families[0], options))
            except HominesError as why:
                refused[f"{narrow} against {families[0]}"] = str(why)
            step(len(families) + i + 1)
    if not estimates:
        raise HominesError("; ".join(dict.fromkeys(refused[spec] for spec in families)))
    seconds = time.monotonic() - start
    if as_json:
        out = {
            "source": str(source),
            "options": asdict(options),
            "choices": column and {"column": column.name, "exact": column.exact},
            "estimates": [estimate_row(e) for e in estimates],
            "tests": [asdict(t) for t in tests],
            "refused": refused,
            "no_distribution": unsound,
            "impossible": impossible,
            "seconds": round(seconds, 3),
        }
        print(json.dumps(spell_infinities(out)))
        return
    if column:
        print(column)
    for e in estimates:
        if isinstance(e, Mixture):
            print_mixture(e)
        else:
            print_estimate(e)
    print_comparisons(tests)
    if unsound == 1:
        print("1 answer is no distribution and counts as none")
    elif unsound:
        print(f"{unsound} answers are no distribution and count as none")
    for sentence in caveats(impossible):
        print(sentence)
    for spec, why in refused.items():
        print(f"{spec}: {why}")


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
    from homines.estimation.model_tests import NotNested, compare

    belief = BELIEFS[options.belief]
    try:
        return compare(observations, one, two, belief=belief, cluster=options.cluster)
    except NotNested:
        return compare(observations, two, one, belief=belief, cluster=options.cluster)
