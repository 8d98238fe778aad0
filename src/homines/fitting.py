"""What `homines fit` does: read, estimate every family asked for, test, print."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from homines.choice import Belief, told, uniform
from homines.compare import Comparison, compare
from homines.core import HominesError
from homines.estimate import Estimate, NotIdentified, Observation, fit
from homines.mixture import Mixture, mixture
from homines.observed import from_records, read_csv
from homines.store import Run
from homines.terminal import estimated, mixed, tested

BELIEFS: dict[str, Belief] = {"told": told, "uniform": uniform}


@dataclass(frozen=True)
class Options:
    """How to estimate, as the command line spells it."""

    cluster: str | None = None
    belief: str = "told"
    risk: bool = False
    level: float = 0.95
    classes: int = 1
    starts: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.belief not in BELIEFS:
            raise HominesError(f"no belief called {self.belief!r}; there are {', '.join(BELIEFS)}")
        if self.classes > 1 and (self.risk or self.cluster not in (None, "subject")):
            raise HominesError(
                "--classes estimates a mixture over subjects: leave out --risk, and --cluster but for subject"
            )


def carry_out_fit(
    source: Path,
    families: Sequence[str],
    against: Sequence[str],
    options: Options,
    *,
    model: str | None,
    plans: bool,
    as_json: bool,
) -> None:
    """Estimate and print; a family that is not identified is told and the others go on. HominesError where
    none is."""
    observations = observed(source, model, plans=plans)
    found: list[Estimate | Mixture] = []
    refused: dict[str, str] = {}
    start = time.monotonic()
    for spec in families:
        try:
            found.append(one(observations, spec, options))
        except NotIdentified as flat:
            refused[spec] = str(flat)
    tests: list[Comparison] = []
    for narrow in (
        *against,
        *([f for f in families[1:] if f not in refused] if options.classes == 1 else []),
    ):
        if families[0] in refused:
            break
        tests.append(against_each_other(observations, narrow, families[0], options))
    if not found:
        raise NotIdentified("; ".join(refused.values()))
    seconds = time.monotonic() - start
    if as_json:
        out = {
            "source": str(source),
            "options": asdict(options),
            "estimates": [as_row(e) for e in found],
            "tests": [asdict(t) for t in tests],
            "refused": refused,
            "seconds": round(seconds, 3),
        }
        print(json.dumps(_plain(out)))
        return
    for e in found:
        (mixed if isinstance(e, Mixture) else estimated)(e)  # pyright: ignore[reportArgumentType]
    tested(tests)
    for spec, why in refused.items():
        print(f"{spec}: not identified. {why}")


def observed(source: Path, model: str | None, *, plans: bool = True) -> list[Observation]:
    """Observations of a run folder, or of a CSV."""
    if source.is_dir():
        return from_records(Run(source).records, model=model, plans=plans)
    if model is not None:
        raise HominesError(f"--model names one of a run's models; {source} is a file")
    return read_csv(source)


def one(observations: Sequence[Observation], spec: str, options: Options) -> Estimate | Mixture:
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


def against_each_other(
    observations: Sequence[Observation], one: str, two: str, options: Options
) -> Comparison:
    """The narrower of two families against the wider; Vuong's test where neither is."""
    belief = BELIEFS[options.belief]
    try:
        return compare(observations, one, two, belief=belief, cluster=options.cluster)
    except HominesError as failure:
        if "exchange them" not in str(failure):
            raise
        return compare(observations, two, one, belief=belief, cluster=options.cluster)


def as_row(e: Estimate | Mixture) -> dict[str, Any]:
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
            "converged": e.converged,
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
        "explained": e.explained,
        "misfit": dict(e.misfit),
        "converged": e.converged,
        "exact": e.exact,
        "cluster": e.cluster,
        "clusters": e.clusters,
        "observations": e.observations,
        "decisions": e.decisions,
        "level": e.level,
        "mass": e.mass,
        "notes": list(e.notes),
    }


def _plain(value: Any) -> Any:
    """JSON has no infinity and no nan: text, and null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
