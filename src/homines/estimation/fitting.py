"""The steps of `homines fit`: read observations, estimate a family by the options, convert it to JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.estimation.columns import Observation
from homines.estimation.fit import Estimate, fit
from homines.estimation.mixture import Mixture, mixture
from homines.estimation.observations import from_records
from homines.estimation.observations_csv import READING_STEPS, read_csv
from homines.estimation.options import BELIEFS, FitOptions
from homines.inference.impossible import counts


def read_observations(
    source: Path, model: str | None, *, plans: bool = True, follow: Follow = QUIET
) -> tuple[Sequence[Observation], int, dict[str, dict[str, int]]]:
    """(observations, number of stored answers that are no distribution, impossible ones by model and kind).

    source   a run folder or a CSV
    model    of a run with several; None for a CSV
    plans    sequential games as one choice between plans
    follow   reports the progress of reading a CSV
    """
    if source.is_dir():
        run = RunFolder(source)
        theirs = (r for r in run.records if model in (None, r.model))
        return from_records(run.records, model=model, plans=plans), run.unsound, counts(theirs)
    if model is not None:
        raise HominesError(f"--model names one of a run's models; {source} is a file")
    return read_csv(source, follow.begin("reading the CSV", READING_STEPS)), 0, {}


def estimate_one(observations: Sequence[Observation], spec: str, options: FitOptions) -> Estimate | Mixture:
    """One family, or a mixture of it."""
    belief = BELIEFS[options.belief]
    if options.classes > 1:
        return mixture(
            observations, spec, options.classes, belief=belief, starts=options.starts, seed=options.seed
        )
    return fit(
        observations,
        spec,
        belief=belief,
        cluster=options.cluster,
        risk=options.risk,
        level=options.level,
    )


def estimate_row(e: Estimate | Mixture) -> dict[str, Any]:
    """An estimate as JSON."""
    if isinstance(e, Mixture):
        return {
            "family": e.family.spec,
            "types": [
                {"share": s, "share_se": t, **dict(zip(e.names, v, strict=True))}
                | {"se": dict(zip(e.names, r, strict=True))}
                for s, t, v, r in zip(e.shares, e.share_se, e.values, e.se, strict=True)
            ],
            "loglik": e.loglik,
            "bic": e.bic,
            "icl": e.icl,
            "entropy": e.entropy,
            "misfit": dict(e.misfit),
            "chance": dict(e.chance),
            "converged": e.converged,
            "notes": list(e.notes),
            "starts": e.starts,
            "posterior": {s: list(row) for s, row in zip(e.subjects, e.types, strict=True)},
        }
    return {
        "family": e.family.spec,
        "parameters": {
            name: {"value": v, "se": s, "low": i[0], "high": i[1]}
            for name, v, s, i in zip(e.names, e.values, e.se, e.intervals, strict=True)
        },
        "loglik": e.loglik,
        "null": e.null,
        "best": e.best,
        "expected": e.expected,
        "explained": e.explained,
        "explainable": e.explainable,
        "misfit": dict(e.misfit),
        "chance": dict(e.chance),
        "converged": e.converged,
        "exact": e.exact,
        "cluster": e.cluster,
        "clusters": e.clusters,
        "observations": e.observations,
        "choices": e.choices,
        "decisions": e.decisions,
        "level": e.level,
        "mass": e.mass,
        "notes": list(e.notes),
    }


def spell_infinities(value: Any) -> Any:
    """The value with infinities as text and nan as None, for JSON."""
    if isinstance(value, dict):
        return {k: spell_infinities(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [spell_infinities(v) for v in value]
    if isinstance(value, np.generic):
        return spell_infinities(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
