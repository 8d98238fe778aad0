"""The steps of `homines fit`: read observations, estimate a family by the options, convert it to JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.estimation.agent_estimates import where_defined
from homines.estimation.columns import Columns, Observation
from homines.estimation.family import family
from homines.estimation.fit import Estimate, fit
from homines.estimation.mixture import Mixture, mixture
from homines.estimation.observations import NoAnswers, from_records
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


@dataclass(frozen=True, eq=False)
class AgentChoices:
    """The choices of one agent, or why there are none. agent: None for a CSV, and for all agents together."""

    agent: str | None
    observations: Sequence[Observation]
    why: str = ""


def read_agents(
    source: Path, model: str | None, *, plans: bool = True, together: bool = False, follow: Follow = QUIET
) -> tuple[list[AgentChoices], int, dict[str, dict[str, int]]]:
    """As `read_observations`, of every agent of a run by itself: the base, the trained one, a person.

    model      of this agent alone
    together   the agents are the subjects of one set of choices
    """
    if not source.is_dir() or model is not None:
        observations, unsound, impossible = read_observations(source, model, plans=plans, follow=follow)
        return [AgentChoices(model, observations)], unsound, impossible
    run = RunFolder(source)
    agents: list[AgentChoices] = []
    for name in dict.fromkeys(r.model for r in run.records):
        try:
            agents.append(AgentChoices(name, from_records(run.records, model=name, plans=plans)))
        except HominesError as failure:
            agents.append(AgentChoices(name, (), str(failure)))
    if not any(a.observations for a in agents):
        raise NoAnswers("; ".join(dict.fromkeys(a.why for a in agents)) or f"{source} holds no records")
    if together:
        agents = [AgentChoices(None, [o for a in agents for o in a.observations])]
    return agents, run.unsound, counts(run.records)


def with_values(observations: Sequence[Observation], *specs: str) -> Sequence[Observation]:
    """The choices of a run at whose decisions these families have values: kappa has none in a game that is
    not symmetric. All of them where none has, for `fit` to say why; a CSV is read whole."""
    if isinstance(observations, Columns):
        return observations
    valued: Sequence[Observation] = observations
    for spec in specs:
        valued = where_defined(family(spec), valued)
    return observations if len(valued) in (0, len(observations)) else valued


def estimate_one(observations: Sequence[Observation], spec: str, options: FitOptions) -> Estimate | Mixture:
    """One family, or a mixture of it; a note says how many choices it has no values for."""
    belief = BELIEFS[options.belief]
    valued = with_values(observations, spec)
    if options.classes > 1:
        types, starts, seed = options.classes, options.starts, options.seed
        found = mixture(valued, spec, types, belief=belief, starts=starts, seed=seed)
    else:
        found = fit(
            valued, spec, belief=belief, cluster=options.cluster, risk=options.risk, level=options.level
        )
    if not (left := len(observations) - len(valued)):
        return found
    note = f"{left} choices are left out: {spec} has no values at their decisions"
    return replace(found, notes=(*found.notes, note))


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
