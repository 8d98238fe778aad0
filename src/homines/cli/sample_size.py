"""What `homines fit --plan` does: how many games and answers a wanted error or interval takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from homines.core.types import HominesError
from homines.estimation.options import BELIEFS, FitOptions


def print_plan(
    source: Path,
    families: Sequence[str],
    plan: str,
    truth: tuple[str, float],
    options: FitOptions,
    *,
    model: str | None,
    as_json: bool,
) -> None:
    """The sample size of one family, from a source's choices, or from its questions and an assumed truth
    (spec, precision).

    Raises HominesError for several families, and as `sample_size` does.
    """
    from homines.estimation.fitting import read_observations, spell_infinities
    from homines.estimation.sample_size import Truth, Wanted, sample_size
    from homines.reports.estimate_console import print_sample_size

    if len(families) != 1 or options.classes > 1 or options.random or options.risk:
        raise HominesError("--plan is for one --family: leave out the others, --classes, --random and --risk")
    wanted = Wanted.read(plan)
    spec, precision = truth
    size = sample_size(
        read_observations(source, model)[0],
        families[0],
        wanted,
        truth=Truth(spec, precision) if spec else None,
        belief=BELIEFS[options.belief],
        cluster=options.cluster,
        level=options.level,
    )
    if as_json:
        print(json.dumps(spell_infinities({"source": str(source), "family": families[0], **asdict(size)})))
    else:
        print_sample_size(size)
