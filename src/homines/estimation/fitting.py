"""The steps of `homines fit`: read observations, estimate a family by the options, convert it to JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Record
from homines.estimation.agent_estimates import where_defined
from homines.estimation.belief_sensitivity import sensitivity, with_correct_beliefs, with_uniform_beliefs
from homines.estimation.columns import Columns, Observation
from homines.estimation.cross_validation import cross_validate
from homines.estimation.family import family
from homines.estimation.fit import Estimate, fit
from homines.estimation.mixture import Mixture, mixture
from homines.estimation.observations import NoAnswers, from_records, legal_enough, plain_records
from homines.estimation.observations_csv import READING_STEPS, read_csv
from homines.estimation.options import BELIEFS, FitOptions
from homines.estimation.random_coefficients import RandomCoefficients, random_coefficients
from homines.estimation.spread import Spread, spread
from homines.inference.impossible import counts


def read_observations(
    source: Path,
    model: str | None,
    *,
    plans: bool = True,
    by_prompt: bool = False,
    follow: Follow = QUIET,
) -> tuple[Sequence[Observation], int, dict[str, dict[str, int]]]:
    """(observations, number of stored answers that are no distribution, impossible ones by model and kind).

    Of a run, answers of little legal mass are left out where there are others (`legal_enough`).

    source   a run folder or a CSV
    model    of a run with several; None for a CSV
    plans    families with kappa read an answer in a sequential game as part of a plan; False: never
    by_prompt   every prompt of a run is a subject
    follow   reports the progress of reading a CSV
    """
    if source.is_dir():
        run = RunFolder(source)
        theirs = (r for r in run.records if model in (None, r.model))
        every = from_records(
            plain_records(run.records, run.config), model=model, plans=plans, by_prompt=by_prompt
        )
        return legal_enough(every), run.unsound, counts(theirs)
    if model is not None and source.exists():
        raise HominesError(f"--model names one of a run's models; {source} is a file")
    if by_prompt and source.exists():
        raise HominesError(f"--by prompt is for a run folder, whose records hold prompts; {source} is a file")
    return read_csv(source, follow.begin("reading the CSV", READING_STEPS)), 0, {}


@dataclass(frozen=True, eq=False)
class AgentChoices:
    """The choices of one agent, or why there are none.

    agent      None for a CSV, and for all agents together
    left       answers of little legal mass that are left out
    variants   the same under uniform, elicited and correct beliefs (belief_sensitivity.py); empty for all
               agents together
    """

    agent: str | None
    observations: Sequence[Observation]
    why: str = ""
    left: int = 0
    variants: Mapping[str, Sequence[Observation]] = field(default_factory=dict[str, Sequence[Observation]])


def read_agents(
    source: Path,
    model: str | None,
    *,
    plans: bool = True,
    together: bool = False,
    by_prompt: bool = False,
    follow: Follow = QUIET,
) -> tuple[list[AgentChoices], int, dict[str, dict[str, int]]]:
    """As `read_observations`, of every agent of a run by itself: the base, the trained one, a person.

    model      of this agent alone
    together   the agents are the subjects of one set of choices
    by_prompt  the prompts are the subjects of each agent's choices
    """
    if not source.is_dir():
        observations, unsound, impossible = read_observations(
            source, model, plans=plans, by_prompt=by_prompt, follow=follow
        )
        variants = {} if together else under_beliefs(observations)
        return [AgentChoices(None, observations, variants=variants)], unsound, impossible
    run = RunFolder(source)
    records = plain_records(run.records, run.config)
    agents: list[AgentChoices] = []
    for name in [model] if model is not None else dict.fromkeys(r.model for r in run.records):
        try:
            agents.append(_of_agent(records, name, plans=plans, together=together, by_prompt=by_prompt))
        except HominesError as failure:
            agents.append(AgentChoices(name, (), str(failure)))
    if not any(a.observations for a in agents):
        raise NoAnswers("; ".join(dict.fromkeys(a.why for a in agents)) or f"{source} holds no records")
    if together:
        left = sum(a.left for a in agents)
        agents = [AgentChoices(None, [o for a in agents for o in a.observations], left=left)]
    theirs = (r for r in run.records if model in (None, r.model))
    return agents, run.unsound, counts(theirs)


def _of_agent(
    records: Sequence[Record], name: str, *, plans: bool, together: bool, by_prompt: bool
) -> AgentChoices:
    every = from_records(records, model=name, plans=plans, by_prompt=by_prompt)
    elicited = legal_enough(every)
    left = len(every) - len(elicited)
    if together or by_prompt:
        return AgentChoices(name, elicited, left=left)
    uniform = legal_enough(from_records(records, model=name, plans=plans, beliefs="uniform"))
    correct = legal_enough(from_records(records, model=name, plans=plans, beliefs="correct"))
    variants = {"uniform": uniform, "elicited": elicited, "correct": correct}
    return AgentChoices(name, elicited, left=left, variants=variants)


def under_beliefs(observations: Sequence[Observation]) -> dict[str, Sequence[Observation]]:
    """The observations of a CSV under uniform, stated and correct beliefs."""
    return {
        "uniform": with_uniform_beliefs(observations),
        "elicited": observations,
        "correct": with_correct_beliefs(observations),
    }


def with_values(observations: Sequence[Observation], *specs: str) -> Sequence[Observation]:
    """The choices of a run at whose decisions these families have values: kappa has none in a game that is
    not symmetric. All of them where none has, for `fit` to say why; a CSV is read whole."""
    if isinstance(observations, Columns):
        return observations
    valued: Sequence[Observation] = observations
    for spec in specs:
        valued = where_defined(family(spec), valued)
    return observations if len(valued) in (0, len(observations)) else valued


def checks_of(choices: AgentChoices, spec: str, options: FitOptions) -> dict[str, Any]:
    """How a family does on clusters that it was not fitted to, and under other beliefs, as JSON: held_out,
    beliefs."""
    held_out = cross_validate(
        with_values(choices.observations, spec),
        spec,
        belief=BELIEFS[options.belief],
        cluster=options.cluster,
        risk=options.risk,
        lapse=options.lapse,
    )
    variants = {name: with_values(each, spec) for name, each in choices.variants.items()}
    return {
        "held_out": None if held_out is None else asdict(held_out),
        "beliefs": [] if options.bends else [asdict(u) for u in sensitivity(variants, spec)],
    }


def estimate_one(
    observations: Sequence[Observation], spec: str, options: FitOptions
) -> Estimate | Mixture | RandomCoefficients | Spread:
    """One family, a mixture of it, its distribution over subjects, or its spread over prompts; a note says
    how many choices it has no values for."""
    belief, seed = BELIEFS[options.belief], options.seed
    valued = with_values(observations, spec)
    found: Estimate | Mixture | RandomCoefficients | Spread
    if options.random:
        found = random_coefficients(valued, spec, belief=belief, draws=options.draws, seed=seed)
    elif options.by:
        found = spread(valued, spec, by=options.by, belief=belief, lapse=options.lapse, level=options.level)
    elif options.classes > 1:
        found = mixture(valued, spec, options.classes, belief=belief, starts=options.starts, seed=seed)
    else:
        found = fit(
            valued,
            spec,
            belief=belief,
            cluster=options.cluster,
            risk=options.risk,
            lapse=options.lapse,
            level=options.level,
        )
    if not (left := len(observations) - len(valued)):
        return found
    note = f"{left} choices are left out: {spec} has no values at their decisions"
    return replace(found, notes=(*found.notes, note))


def estimate_row(e: Estimate | Mixture | RandomCoefficients | Spread) -> dict[str, Any]:
    """An estimate as JSON."""
    if isinstance(e, Spread):
        return {"family": e.family.spec, "by": e.by, "spread": e.rows()} | {
            name: getattr(e, name)
            for name in ("values", "refused", "games", "observations", "level", "scope", "notes")
        }
    if isinstance(e, RandomCoefficients):
        return {
            "family": e.family.spec,
            "coefficients": {
                name: {"mean": m, "sd": s, "mean_se": mean_se, "sd_se": sd_se}
                for name, m, s, mean_se, sd_se in zip(e.names, e.mean, e.sd, *e.se, strict=True)
            },
            **{
                name: getattr(e, name)
                for name in ("loglik", "pooled", "null", "bic", "subjects", "observations", "draws")
            },
            "effective": e.effective,
            "simulation": np.nanmax(e.simulation) if np.isfinite(e.simulation).any() else None,
            "converged": e.converged,
            "notes": list(e.notes),
        }
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
        "scope": e.scope,
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
