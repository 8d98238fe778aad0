"""The Python interface: load, measure, align, report, atlas, and those of api_plans; as the commands.

    import homines as hm
    m = hm.load("smollm2")
    run = hm.measure(m, "ipd", labels="X,Y")            # a RunResult: records, table, fit, report
    m2 = hm.align(m, to=hm.moralis(kappa=0.5), steps=24)
    hm.report([run, m2.run])

Games, frames, preferences and opponents are specs, as on the command line, or objects: hm.games.trust(5).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homines import models
from homines.api_plans import certify, persist, population, transfer, values
from homines.atlases.options import AtlasOptions
from homines.calls import Frames, Games, Words, call_text, several, spec_of, specs_of
from homines.core.options import LABELS, fields_among, option, with_options
from homines.core.progress import QUIET
from homines.core.registry import TrustedPath, find, spell, trust
from homines.core.run_folder import default_folder
from homines.core.types import Policy, Preference
from homines.design.options import DesignOptions
from homines.elicitation.asking import measure as answer
from homines.elicitation.survey import Survey, frame_specs
from homines.inference.processes import quiet
from homines.loaded import LOADING, Loaded
from homines.reports.console import Bars
from homines.results import Rows, RunResult, folders
from homines.training.schedule import schedule, schedule_title
from homines.training.settings import AlignmentPlan, Settings, without_benchmark

__all__ = [
    "align", "atlas", "certify", "load", "measure", "persist", "population", "report", "transfer", "values",
]  # fmt: skip


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


@with_options(Survey, AskingOptions, DesignOptions, without=("device", "dtype"))
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
    until      "se(kappa)<.1": kinds of games to draw from, and the next best one asked until this holds;
               families, stake, pool, least, max_questions: docs/next_question.md
    swap, beliefs, goal, begins, traces, temperature, think, seed   as of the command
    progress   bars on standard error (default)
    Raises HominesError for an unknown spec or option, before a model is loaded.
    """
    asking = AskingOptions(**fields_among(AskingOptions, options))
    loaded = model if isinstance(model, Loaded) else None
    survey = Survey(
        trust(model if isinstance(model, str) else model.spec),
        specs_of("games", games),
        specs_of("frames", frames),
        None if labels is None else several(labels),
        device=loaded and loaded.device,
        dtype=loaded and loaded.dtype,
        **fields_among(Survey, options),
    )
    design = DesignOptions(**fields_among(DesignOptions, options))
    told = {"games": specs_of("games", games), "frames": survey.frames, "labels": labels}
    command = call_text("measure", survey.model, **told, until=design.until)
    if design.until is not None:
        from homines.design.adaptive import AdaptivePlan, carry_out  # with it comes scipy

        plan = AdaptivePlan(survey, design)
        folder = plan.folder if out is None else Path(out)
        carry_out(plan, folder, lambda: (loaded or load(survey.model)).model, command, asking.batch)
        return RunResult(folder)
    survey.words()
    loaded = loaded or load(survey.model)
    folder = survey.folder if out is None else Path(out)
    questions = survey.questions(loaded.model)
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
    (first, *others), words = specs_of("games", games), specs_of("frames", frames)

    def framed(labels: Words | None) -> tuple[str, ...]:
        sets = several(labels) if labels else None
        return tuple(frame_specs(find("games", first), words, sets, swap=False))

    plan = AlignmentPlan(
        spec,
        trust(to) if isinstance(to, str) else spell(to),
        game=first,
        more_games=tuple(others),
        opponent=None if opponent is None else spec_of("opponents", opponent),
        frames=framed(data.labels),
        transfer_frames=framed(data.unseen) if data.unseen else (),
        transfer_games=specs_of("games", data.other_games),
        settings=Settings(**fields_among(Settings, options)),
        **trust(fields_among(AlignmentPlan, options)),
        **kind,
    )
    title = schedule_title(schedule(plan.preference, plan.settings.steps))
    folder = default_folder(f"align-{spec}-{title}", without_benchmark(plan)) if out is None else Path(out)
    command = call_text("align", spec, to=plan.preference, games=(first, *others), **options)
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
    command = call_text("atlas", *([spec] if spec else []), out=str(out), base=base, quick=quick or None)
    if spec is not None:
        kind = {} if loaded is None else {"device": loaded.device, "dtype": loaded.dtype}
        options = AtlasOptions(model=spec, out=Path(out), base=base, quick=quick, **kind)
        quiet()
        with Bars() if progress else nullcontext() as bars:
            follow = QUIET if bars is None else bars.follow()
            complete(options, loaded=loaded and loaded.model, command=command, follow=follow)
    return Rows(tidy(write_atlas(Path(out), command)[1]))
