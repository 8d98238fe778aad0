"""What `homines fit` does: read, estimate every family asked for, test, print."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from homines.columns import Observation
from homines.compare import Comparison, compare
from homines.core.checks import count
from homines.core.run_folder import Run
from homines.core.types import HominesError
from homines.estimate import Estimate, fit
from homines.family import family
from homines.impossible import caveats, counts
from homines.mixture import Mixture, mixture
from homines.observed import READ, from_records, read_csv
from homines.terminal import Bars, estimated, mixed, tested
from homines.theory.choice import Belief, told, uniform

SEEN = 20_000
"""Choices from which a bar shows how far the estimates are."""
LARGE = 2**22
"""Bytes of a CSV from which a bar shows how far the reading is."""
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
        if not 0 < self.level < 1:
            raise HominesError(f"level {self.level} must lie between 0 and 1, such as 0.95")
        count("seed", self.seed, 0)
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
    """Estimate and print; what is refused is told, the others go on. HominesError where nothing is left."""
    if against and (options.classes > 1 or options.risk):
        raise HominesError(
            "--against tests one preference for all at given payoffs: leave out --classes and --risk, or "
            "--against"
        )
    for spec in (*families, *against):
        family(spec)  # a mistyped one costs no finished work
    observations, unsound, impossible = observed(source, model, plans=plans)
    found: list[Estimate | Mixture] = []
    refused: dict[str, str] = {}
    start = time.monotonic()
    tests: list[Comparison] = []
    testable = options.classes == 1 and not options.risk
    rivals = (*against, *(families[1:] if testable else ()))
    with watching(len(observations), len(families) + len(rivals)) as step:
        for i, spec in enumerate(families):
            try:
                found.append(one(observations, spec, options))
            except HominesError as why:
                refused[spec] = str(why)
            step(i + 1)
        for i, narrow in enumerate(rivals):
            try:
                tests.append(against_each_other(observations, narrow, families[0], options))
            except HominesError as why:
                refused[f"{narrow} against {families[0]}"] = str(why)
            step(len(families) + i + 1)
    if not found:
        raise HominesError("; ".join(dict.fromkeys(refused[spec] for spec in families)))
    seconds = time.monotonic() - start
    if as_json:
        out = {
            "source": str(source),
            "options": asdict(options),
            "estimates": [as_row(e) for e in found],
            "tests": [asdict(t) for t in tests],
            "refused": refused,
            "no_distribution": unsound,
            "impossible": impossible,
            "seconds": round(seconds, 3),
        }
        print(json.dumps(plain(out)))
        return
    for e in found:
        (mixed if isinstance(e, Mixture) else estimated)(e)  # pyright: ignore[reportArgumentType]
    tested(tests)
    if unsound == 1:
        print("1 answer is no distribution and counts as none")
    elif unsound:
        print(f"{unsound} answers are no distribution and count as none")
    for sentence in caveats(impossible):
        print(sentence)
    for spec, why in refused.items():
        print(f"{spec}: {why}")


@contextmanager
def watching(many: int, steps: int) -> Iterator[Callable[[int], None]]:
    """A bar of estimates and tests where there are so many choices that they take a while."""
    if many < SEEN:
        yield lambda done: None
        return
    with Bars() as bars:
        yield bars.begin(f"estimating, {many:,} choices", steps)


def observed(
    source: Path, model: str | None, *, plans: bool = True
) -> tuple[Sequence[Observation], int, dict[str, dict[str, int]]]:
    """Observations of a run folder, or of a CSV; how many stored answers are no distribution, and how many of
    each model are impossible, by kind."""
    if source.is_dir():
        run = Run(source)
        theirs = (r for r in run.records if model in (None, r.model))
        return from_records(run.records, model=model, plans=plans), run.unsound, counts(theirs)
    if model is not None:
        raise HominesError(f"--model names one of a run's models; {source} is a file")
    if source.is_file() and source.stat().st_size >= LARGE:
        with Bars() as bars:
            return read_csv(source, bars.begin("reading the CSV", READ)), 0, {}
    return read_csv(source), 0, {}


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


def plain(value: Any) -> Any:
    """JSON has no infinity and no nan: text, and null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
