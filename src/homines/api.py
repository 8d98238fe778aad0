"""The Python interface: load, measure, align, persist, transfer, population, report, atlas; as the commands.

    import homines as hm
    m = hm.load("smollm2")
    run = hm.measure(m, "ipd", labels="X,Y")            # a RunResult: records, table, fit, report
    m2 = hm.align(m, to=hm.moralis(kappa=0.5), steps=24)
    hm.report([run, m2.run])

Games, frames, preferences and opponents are specs, as on the command line, or objects: hm.games.trust(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homines import models
from homines.atlases.options import AtlasOptions
from homines.core.options import LABELS, fields_among, option, with_options
from homines.core.progress import QUIET
from homines.core.registry import TrustedPath, find, spell, trust
from homines.core.run_folder import default_folder
from homines.core.types import Frame, Game, HominesError, Policy, Preference
from homines.elicitation.asking import measure as answer
from homines.elicitation.scenario_file import OWN
from homines.elicitation.survey import Survey, frame_specs
from homines.inference.processes import quiet
from homines.loaded import LOADING, Loaded, loading_of
from homines.populations.plan import PopulationPlan
from homines.reports.console import Bars
from homines.results import PopulationResult, Rows, RunResult, TransferResult, folders
from homines.training.persistence_plan import PersistencePlan
from homines.training.schedule import schedule, schedule_title
from homines.training.settings import AlignmentPlan, Settings, without_benchmark
from homines.valuation_api import values as values

Words = str | Sequence[str]
Games = str | Game | Sequence[str | Game]
Frames = str | Frame | Sequence[str | Frame]


def load(
    model: str, *, device: str | None = None, dtype: str | None = None, trust_remote_code: bool = False
) -> Loaded:
    """A model by name: 'smollm2', 'qwen-0.5b', 'hf/FOLDER-OR-HUB-ID', any with '+ADAPTER'; 'mock' for trials.

    device, dtype   None: the best of this machine
    Raises HominesError for an unknown model.
    """
    quiet()
    kind: dict[str, Any] = {"device": device, "dtype": dtype, "trust_remote_code": trust_remote_code}
    return Loaded(models.load(model, **kind), model, **kind)


@dataclass(frozen=True, kw_only=True)
class AskingOptions:
    """How a measurement is carried out from Python."""

    batch: int | None = option(None, "Prompts scored between two writes.")
    progress: bool = option(True, "Bars on standard error.")


@with_options(Survey, AskingOptions, without=("device", "dtype"))
def measure(
    model: str | Loaded,
    games: Games = "ipd",
    *,
    frames: Frames = "table",
    labels: Words | None = None,
    out: str | Path | None = None,
    **options: Any,
) -> RunResult:
    """Read a model's exact choice distribution in games, in every option order, as `homines measure` does.

    games      "battery" among them: 18 sequential games and beliefs (beliefs=False: without), which
               tell alpha, beta and kappa
    labels     words for the actions, 'X,Y'; several sets as a list
    out        run folder; None: the folder in runs/ that the command would use. Questions with an answer
               there are not asked again
    decompose  also drawn games and words that tell word, place, echo and payoff apart: RunResult.decompose
    swap, beliefs, goal, begins, traces, temperature, think, seed   as of the command
    progress   bars on standard error (default)
    Raises HominesError for an unknown spec or option, before a model is loaded.
    """
    asking = AskingOptions(**fields_among(AskingOptions, options))
    loaded = model if isinstance(model, Loaded) else None
    survey = Survey(
        trust(model if isinstance(model, str) else model.spec),
        _specs("games", games),
        _specs("frames", frames),
        None if labels is None else _several(labels),
        device=loaded and loaded.device,
        dtype=loaded and loaded.dtype,
        **fields_among(Survey, options),
    )
    survey.words()
    loaded = loaded or load(survey.model)
    folder = survey.folder if out is None else Path(out)
    questions = survey.questions(loaded.model)
    command = _call_text(
        "measure", survey.model, games=_specs("games", games), frames=survey.frames, labels=labels
    )
    with survey.run(folder, command) as run, Bars() if asking.progress else nullcontext() as bars:
        tell = (QUIET if bars is None else bars.follow()).begin("measuring", len(questions))
        answer(loaded.model, questions, run, batch=asking.batch, progress=lambda done, _: tell(done))
    return RunResult(folder)


@dataclass(frozen=True, kw_only=True)
class AligningOptions:
    """Labels and games of an alignment, in the form of the Python interface."""

    labels: Words | None = option(None, LABELS)
    unseen: Words | None = option(None, "Labels to verify on, not trained on.")
    other_games: Games = option((), "Games to verify on, not trained on.")
    progress: bool = option(True, "Bars on standard error.")


PLANNED = ("preference", "game", "more_games", "transfer_frames", "transfer_games", "settings")
"""Fields of AlignmentPlan that `align` fills in from its own parameters."""


@with_options(AlignmentPlan, Settings, AligningOptions, without=(*PLANNED, *LOADING))
def align(
    model: str | Loaded,
    to: str | Preference,
    *,
    games: Games = "ipd",
    opponent: str | Policy | None = None,
    frames: Frames = "table",
    out: str | Path | None = None,
    **options: Any,
) -> Loaded:
    """Align a model to a preference and measure it before and after, as `homines align` does.

    to            a preference, or a schedule as text: 'economicus:16 -> utilitarian:20'
    opponent      plays the other seats; None: tit_for_tat, except with a rival
    labels        words for the actions, as of `measure`; `unseen`: labels to verify on, not trained on
    other_games   to verify on
    progress      bars on standard error (default)
    options       fields of AlignmentPlan and Settings (training.settings): steps, lr, seed, by, rival ...
    Returns the aligned model with its evidence as `.run`. The folder holds a LoRA adapter (with rank=0, a
    whole model) and its card. The original model is not changed. The same call again continues the run, or
    returns it where it is done.
    """
    from homines.training.lifecycle import align as carry_out
    from homines.training.student import name_after

    data = AligningOptions(**fields_among(AligningOptions, options))
    spec = model if isinstance(model, str) else model.spec
    kind = {} if isinstance(model, str) else {k: getattr(model, k) for k in LOADING}
    (first, *others), words = _specs("games", games), _specs("frames", frames)

    def framed(labels: Words | None) -> tuple[str, ...]:
        sets = _several(labels) if labels else None
        return tuple(frame_specs(find("games", first), words, sets, swap=False))

    plan = AlignmentPlan(
        spec,
        trust(to) if isinstance(to, str) else spell(to),
        game=first,
        more_games=tuple(others),
        opponent=None if opponent is None else _spec("opponents", opponent),
        frames=framed(data.labels),
        transfer_frames=framed(data.unseen) if data.unseen else (),
        transfer_games=_specs("games", data.other_games),
        settings=Settings(**fields_among(Settings, options)),
        **trust(fields_among(AlignmentPlan, options)),
        **kind,
    )
    title = schedule_title(schedule(plan.preference, plan.settings.steps))
    folder = default_folder(f"align-{spec}-{title}", without_benchmark(plan)) if out is None else Path(out)
    command = _call_text("align", spec, to=plan.preference, games=(first, *others), **options)
    quiet()
    with Bars() if data.progress else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        outcome = carry_out(plan, folder, command=command, follow=follow)
    after = name_after(plan, outcome.folder)
    return Loaded(models.load(after, **kind), after, **kind, run=RunResult(folder))


def report(runs: Any, out: str | Path | None = None, *, trust_modules: bool = False) -> Path:
    """Write a page, as `homines report` does; its path.

    runs   a result of `measure`, an aligned model or a run folder: the run's own page; several of them: one
           page that compares them
    out    folder of the page of several; None: one in runs/ by their names
    trust_modules   load modules that specs in these folders name; else these specs are not available
    """
    from homines.reports.run_page import reports  # with it comes altair

    paths = list(dict.fromkeys(folders(runs)))
    return reports([TrustedPath(folder) for folder in paths] if trust_modules else paths, out)


def atlas(
    model: str | Loaded | None = None,
    *,
    out: str | Path = "runs/atlas",
    base: str | None = None,
    quick: bool = False,
    progress: bool = True,
) -> Rows:
    """Add or complete a model's row of an atlas, as `homines atlas` does; a line a model and column.

    model      None: only the table and the page are written anew from the rows in `out`
    base       the model that it was made from; None: what stands before the + of its name
    quick      fewer questions; the same call without it completes the row
    progress   bars on standard error
    A line has model, column, outcome, value, lower, upper, n, legal mass, instability, reason. Raises
    HominesError where `out` holds no row.
    """
    from homines.atlases.collection import complete
    from homines.atlases.page import write_atlas  # with it comes altair
    from homines.atlases.table import tidy

    loaded = model if isinstance(model, Loaded) else None
    spec = loaded.spec if loaded else trust(model) if isinstance(model, str) else None
    command = _call_text("atlas", *([spec] if spec else []), out=str(out), base=base, quick=quick or None)
    if spec is not None:
        kind = {} if loaded is None else {"device": loaded.device, "dtype": loaded.dtype}
        options = AtlasOptions(model=spec, out=Path(out), base=base, quick=quick, **kind)
        quiet()
        with Bars() if progress else nullcontext() as bars:
            follow = QUIET if bars is None else bars.follow()
            complete(options, loaded=loaded and loaded.model, command=command, follow=follow)
    return Rows(tidy(write_atlas(Path(out), command)[1]))


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
        frames=_specs("frames", frames),
        labels=None if labels is None else _several(labels),
        conditions=None if form.conditions is None else _several(form.conditions),
        **({} if games is None else {"games": _specs("games", games)}),
        **({} if loaded is None else {name: getattr(loaded, name) for name in LOADING}),
        **settings,
    )
    folder = plan.folder if out is None else Path(out)
    command = _call_text("persist", plan.model, to=plan.to)
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
    command = _call_text("transfer", names, scenarios=given, form=None if form == OWN else form)
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
        agents=tuple(m.spec if isinstance(m, Loaded) else _spec("agents", m) for m in agents),
        game=_spec("games", game),
        frame=_spec("frames", frame),
        labels=None if labels is None else _several(labels),
        sigma=tuple(sigma) if isinstance(sigma, Sequence) else (sigma,),
        **loading_of([m for m in agents if isinstance(m, Loaded)]),
        **options,
    )
    plan.check()
    command = _call_text("population", *plan.agents, game=plan.game, sigma=plan.sigma)
    quiet()
    with Bars() if progress else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        folder = plan.folder if out is None else Path(out)
        found = carry_out(plan, folder, loaded=loaded, command=command, follow=follow)
    return PopulationResult(found, command)


def _spec(folder: str, instance: Any) -> str:
    """The spec of a game, frame, preference or opponent. Raises HominesError where it has none."""
    if isinstance(instance, str):
        return trust(instance)
    if (name := getattr(instance, "spec", None)) is not None:
        return trust(str(name))
    try:
        return spell(instance)
    except HominesError as failure:
        raise HominesError(
            f"{instance!r} has no name that records could tell; make it by hm.{folder}.NAME(...), or give "
            "the text 'module:function(...)' of your own"
        ) from failure


def _specs(folder: str, instances: Any) -> tuple[str, ...]:
    """The specs of one or several."""
    one = isinstance(instances, str) or not isinstance(instances, Iterable)
    return tuple(_spec(folder, instance) for instance in ([instances] if one else instances))


def _several(words: Words) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _call_text(verb: str, *values: Any, **keywords: Any) -> str:
    """The call as text, for the run's config."""
    arguments = [f"{k}={v!r}" for k, v in keywords.items() if v is not None]
    return f"homines.{verb}({', '.join([*map(repr, values), *arguments])})"
