"""The Python interface, continued: persist, transfer, population, certify and values, each a plan."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homines.calls import Frames, Games, Words, call_text, several, spec_of, specs_of
from homines.certificates.plan import CertificatePlan
from homines.core.options import fields_among, option, with_options
from homines.core.progress import QUIET
from homines.core.registry import spell, trust
from homines.core.types import Frame, Game, Policy, Preference
from homines.elicitation.scenario_file import OWN
from homines.inference.processes import quiet
from homines.loaded import LOADING, Loaded, loading_of
from homines.populations.plan import PopulationPlan
from homines.reports.console import Bars
from homines.results import CertificateResult, PopulationResult, RunResult, TransferResult, ValuesResult
from homines.training.persistence_plan import PersistencePlan
from homines.valuations.plan import ValuesPlan


@dataclass(frozen=True, kw_only=True)
class PersistingOptions:
    """Conditions and progress, in the form of the Python interface."""

    conditions: Words | None = option(None, "Names of conditions; None: all.")
    progress: bool = option(True, "Bars on standard error.")


@with_options(PersistencePlan, PersistingOptions, without=LOADING)
def persist(
    model: str | Loaded,
    *,
    to: str | Preference | None = None,
    games: Games | None = None,
    frames: Frames = "table",
    labels: Words | None = None,
    out: str | Path | None = None,
    **options: Any,
) -> RunResult:
    """Ask the same questions plainly and under each condition, as `homines persist` does.

    to           preference whose answers are counted; None: those given plainly
    games        None: ipd, and 12 symmetric games that tell kappa
    conditions   names of elicitation/conditions.toml; default: all
    progress     bars on standard error (default)
    options      fields of PersistencePlan (training.persistence): tune, aloud, traces, think, seed ...
    The page is `.report()`. Raises HominesError for an unknown spec or option, before a model is loaded.
    """
    from homines.training.persistence import persist as carry_out  # with it comes torch

    form = PersistingOptions(**fields_among(PersistingOptions, options))
    settings = {name: x for name, x in options.items() if name not in ("conditions", "progress")}
    loaded = model if isinstance(model, Loaded) else None
    plan = PersistencePlan(
        model=trust(model if isinstance(model, str) else model.spec),
        to=to if to is None else trust(to) if isinstance(to, str) else spell(to),
        frames=specs_of("frames", frames),
        labels=None if labels is None else several(labels),
        conditions=None if form.conditions is None else several(form.conditions),
        **({} if games is None else {"games": specs_of("games", games)}),
        **({} if loaded is None else {name: getattr(loaded, name) for name in LOADING}),
        **settings,
    )
    folder = plan.folder if out is None else Path(out)
    command = call_text("persist", plan.model, to=plan.to)
    quiet()
    with Bars() if form.progress else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        carry_out(plan, folder, command=command, follow=follow)
    return RunResult(folder)


def transfer(
    models: str | Loaded | Sequence[str | Loaded],
    scenarios: str | Path | None = None,
    *,
    form: str = OWN,
    out: str | Path | None = None,
    progress: bool = True,
) -> TransferResult:
    """Ask models the same scenarios and compare the others with the first, as `homines transfer` does.

    models      names or models in memory, the untrained one first
    scenarios   a file, CSV or JSON lines; None: everyday dilemmas of this package
    form        of the file: "own", or that of a published set (elicitation.scenario_forms)
    out         folder with a run folder a model; None: one in runs/ for this set. What is answered there is
                not asked again
    progress    bars on standard error
    The page is `.report()`. Raises HominesError, which names the line, for a file that is none, before a
    model is asked.
    """
    from homines.transfers.asking import transfer as carry_out
    from homines.transfers.plan import TransferPlan

    every = [models] if isinstance(models, str | Loaded) else list(models)
    loaded = {m.spec: m.model for m in every if isinstance(m, Loaded)}
    kind = loading_of([m for m in every if isinstance(m, Loaded)])
    names = tuple(m.spec if isinstance(m, Loaded) else m for m in every)
    path = None if scenarios is None else Path(scenarios)
    plan = TransferPlan(models=names, scenarios=path, form=form, **kind)
    plan.check()
    given = None if path is None else str(path)
    command = call_text("transfer", names, scenarios=given, form=None if form == OWN else form)
    quiet()
    with Bars() if progress else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        folder = plan.folder if out is None else Path(out)
        found = carry_out(plan, folder, loaded=loaded, command=command, follow=follow)
    return TransferResult(found, command)


@with_options(PopulationPlan, without=("agents", "frame", *LOADING))
def population(
    *agents: str | Loaded | Policy | Preference,
    game: str | Game = "ipd",
    frame: str | Frame = "table",
    labels: Words | None = None,
    sigma: float | Sequence[float] = 0.0,
    out: str | Path | None = None,
    progress: bool = True,
    **options: Any,
) -> PopulationResult:
    """Let agents meet in pairs and compute which of them spread, as `homines population` does.

    agents      two or more: models, by name or in memory; strategies and preferences, as texts or objects
    game        symmetric, of two players
    sigma       assortment, one or several
    out         folder with a run folder a model; None: one in runs/ for this game and these words
    progress    bars on standard error
    options     fields of PopulationPlan (populations.plan): size, selection, precision, lapse, swap
    The page is `.report()`. Raises HominesError for an unknown agent, two that are one, and a game of another
    form, before a model is loaded.
    """
    from homines.populations.asking import population as carry_out

    loaded = {m.spec: m.model for m in agents if isinstance(m, Loaded)}
    plan = PopulationPlan(
        agents=tuple(m.spec if isinstance(m, Loaded) else spec_of("agents", m) for m in agents),
        game=spec_of("games", game),
        frame=spec_of("frames", frame),
        labels=None if labels is None else several(labels),
        sigma=tuple(sigma) if isinstance(sigma, Sequence) else (sigma,),
        **loading_of([m for m in agents if isinstance(m, Loaded)]),
        **options,
    )
    plan.check()
    command = call_text("population", *plan.agents, game=plan.game, sigma=plan.sigma)
    quiet()
    with Bars() if progress else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        folder = plan.folder if out is None else Path(out)
        found = carry_out(plan, folder, loaded=loaded, command=command, follow=follow)
    return PopulationResult(found, command)


@with_options(CertificatePlan, without=("model", *LOADING))
def certify(
    model: str | Loaded,
    *,
    against: str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    **options: Any,
) -> CertificateResult:
    """Write a model's certificate and compare it with an earlier one, as `homines certify` does.

    against    a certificate, whose form is asked anew: `.comparison()` says value by value what changed
    out        folder; None: one in runs/. What is answered there is not asked again
    progress   bars on standard error
    base, quick, tolerance   as of the command
    Raises HominesError for a file that is no certificate, before a model is asked.
    """
    from homines.certificates.recertification import certify_plan, read_earlier

    loaded = model if isinstance(model, Loaded) else None
    kind = {} if loaded is None else {name: getattr(loaded, name) for name in LOADING}
    spec = trust(model if isinstance(model, str) else model.spec)
    given = None if against is None else Path(against)
    plan, earlier = read_earlier(CertificatePlan(model=spec, against=given, **kind, **options))
    command = call_text("certify", spec, against=given and str(given), **options)
    quiet()
    with Bars() if progress else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        folder, memory = plan.folder if out is None else Path(out), loaded and loaded.model
        found = certify_plan(plan, folder, earlier, loaded=memory, command=command, follow=follow)
    return CertificateResult(*found, command)


@dataclass(frozen=True, kw_only=True)
class ValuingOptions:
    """How a valuation is carried out from Python."""

    progress: bool = option(True, "Bars on standard error.")


@with_options(ValuesPlan, ValuingOptions, without=("model", "outcomes", "kind", "labels", "ask", *LOADING))
def values(
    model: str | Loaded,
    outcomes: str | Path | None = None,
    *,
    kind: Words = (),
    pairs: str | int = "few",
    labels: Words = ("A,B", "X,Y"),
    ask: Words = "outcomes",
    out: str | Path | None = None,
    **options: Any,
) -> ValuesResult:
    """Ask a model choices between outcomes in words, as `homines values` does.

    outcomes   a file, CSV or JSON lines; None: 80 outcomes of this package, of five kinds
    kind       kinds of outcomes to ask; none named: all
    pairs      "few": three an outcome, chosen as answers come; "all"; or a number
    ask        outcomes, budgets, lotteries, delays: one or several
    out        run folder; None: one in runs/. What is answered there is not asked again
    budgets    a file of budgets; None: divisions between yourself and a stranger
    progress   bars on standard error (default)
    The page is `.report()`. Raises HominesError, which names the line, for a file that is none, before a
    model is loaded.
    """
    from homines.valuations.asking import value

    loaded = model if isinstance(model, Loaded) else None
    spec = loaded.spec if loaded else str(model)
    plan = ValuesPlan(
        model=spec,
        outcomes=None if outcomes is None else Path(outcomes),
        kind=several(kind),
        pairs=str(pairs),
        labels=several(labels),
        ask=several(ask),
        **loading_of([loaded] if loaded else []),
        **{name: x for name, x in options.items() if name != "progress"},
    )
    plan.check()
    command = call_text("values", spec, *([] if outcomes is None else [str(outcomes)]), pairs=plan.pairs)
    quiet()
    shown = ValuingOptions(**fields_among(ValuingOptions, options)).progress
    with Bars() if shown else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        folder = plan.folder if out is None else Path(out)
        models_of = {} if loaded is None else {spec: loaded.model}
        found = value(plan, folder, loaded=models_of, command=command, follow=follow)
    return ValuesResult(found, command)
