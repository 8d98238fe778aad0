"""What `homines fit --plan` does: how many games and answers a wanted error or interval takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from homines.core.types import HominesError
from homines.estimation.options import BELIEFS, FitOptions

if TYPE_CHECKING:
    from homines.cli.fit import FitTask

PRECISION = 0.1
"""Of an assumed truth, in 1/payoff."""


def print_plan(task: FitTask, options: FitOptions, *, as_json: bool) -> None:
    """The sample size of one family, from a source's choices, or from its questions and an assumed truth.

    Raises HominesError for what a plan does not take, and as `sample_size` does.
    """
    from homines.estimation.fitting import read_observations, spell_infinities, with_values
    from homines.estimation.sample_size import Truth, Wanted, sample_size
    from homines.reports.estimate_console import print_sample_size

    if len(task.family) != 1 or options.classes > 1 or options.random or options.risk:
        raise HominesError("--plan is for one --family: leave out the others, --classes, --random and --risk")
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
