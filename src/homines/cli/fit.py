"""Command line of `homines fit`; the work is in estimation/."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homines.cli.options import AsJson, TrustModules, trusted
from homines.cli.sample_size import print_plan
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
    from homines.estimation.random_coefficients import RandomCoefficients

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
    plan: str = option("", "Games and answers that an error takes: 'se(kappa)<.05', 'width(kappa)<.2'.")
    truth: str = option("", "With --plan: assume this preference chose, as 'moralis(kappa=0.4)'.")
    precision: float = option(0.1, "With --truth: its precision, in 1/payoff.")


def fit(
    task: FitTask, options: FitOptions, trust_modules: TrustModules = False, as_json: AsJson = False
) -> None:
    """Estimate the families of a task and print them."""
    if task.plan:
        print_plan(
            trusted(task.source, trust_modules),
            task.family,
            task.plan,
            (task.truth, task.precision),
            options,
            model=task.model,
            as_json=as_json,
        )
        return
    if task.truth:
        raise HominesError("--truth is for --plan: say which error is wanted, as --plan 'se(kappa)<.05'")
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
    from homines.estimation.fitting import (
        checks_of,
        estimate_one,
        estimate_row,
        read_observations,
        spell_infinities,
        under_beliefs,
    )
    from homines.estimation.model_tests import holm
    from homines.reports.console import print_comparisons

    one_for_all = options.classes == 1 and not options.random
    testable = one_for_all and not options.risk
    if against and not testable:
        raise HominesError(
            "--against tests one preference for all at given payoffs: leave out --classes, --random and "
            "--risk, or --against"
        )
    for spec in (*families, *against):
        family(spec)  # a mistyped one costs no finished work
    with reading(source) as follow:
        observations, unsound, impossible = read_observations(source, model, plans=plans, follow=follow)
        variants = under_beliefs(source, model, observations, plans=plans) if one_for_all else {}
    estimates: list[Estimate | Mixture | RandomCoefficients] = []
    checks: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    start = time.monotonic()
    tests: list[Comparison] = []
    rivals = (*against, *(families[1:] if testable else ()))
    with watching(len(observations), len(families) + len(rivals)) as step:
        for i, spec in enumerate(families):
            try:
                estimates.append(estimate_one(observations, spec, options))
                checks.append(checks_of(observations, variants, spec, options) if one_for_all else {})
            except HominesError as why:
                refused[spec] = str(why)
            step(i + 1)
        for i, narrow in enumerate(rivals):
            try:
                tests.append(against_each_other(observations, narrow, families[0], options))
            except HominesError as why:
                refused[f"{narrow} against {families[0]}"] = str(why)
            step(len(families) + i + 1)
    tests = holm(tests)
    if not estimates:
        raise HominesError("; ".join(dict.fromkeys(refused[spec] for spec in families)))
    seconds = time.monotonic() - start
    if as_json:
        out = {
            "source": str(source),
            "options": asdict(options),
            "estimates": [estimate_row(e) | c for e, c in zip(estimates, checks, strict=True)],
            "tests": [asdict(t) for t in tests],
            "refused": refused,
            "no_distribution": unsound,
            "impossible": impossible,
            "seconds": round(seconds, 3),
        }
        print(json.dumps(spell_infinities(out)))
        return
    print_estimates(estimates, checks)
    print_comparisons(tests)
    print_losses(unsound, impossible, refused)


def print_losses(unsound: int, impossible: dict[str, dict[str, int]], refused: Mapping[str, str]) -> None:
    """Answers that count as none, and families without an estimate, with the reason."""
    if unsound == 1:
        print("1 answer is no distribution and counts as none")
    elif unsound:
        print(f"{unsound} answers are no distribution and count as none")
    for sentence in caveats(impossible):
        print(sentence)
    for spec, why in refused.items():
        print(f"{spec}: {why}")


def print_estimates(
    estimates: Sequence[Estimate | Mixture | RandomCoefficients], checks: Sequence[Mapping[str, Any]]
) -> None:
    """Every estimate with its checks, then the families by their held-out fit."""
    from homines.estimation.mixture import Mixture
    from homines.estimation.random_coefficients import RandomCoefficients
    from homines.reports.console import print_estimate, print_mixture  # with it comes rich
    from homines.reports.estimate_console import print_checks, print_order, print_random_coefficients

    held_out: dict[str, float] = {}
    for e, c in zip(estimates, checks, strict=True):
        if isinstance(e, Mixture):
            print_mixture(e)
        elif isinstance(e, RandomCoefficients):
            print_random_coefficients(e)
        else:
            print_estimate(e)
        if c:
            print_checks(c)
            if c["held_out"] and not c["held_out"]["why"]:
                held_out[e.family.spec] = c["held_out"]["held_out"]
    print_order(held_out)


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
