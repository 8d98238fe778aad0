"""The Python interface: load, measure, align, report. It does what the commands do, in the same run folders.

    import homines as hm
    m = hm.load("smollm2")
    run = hm.measure(m, "ipd", labels="X,Y")            # a Measured: records, table, fit, report
    m2 = hm.align(m, to=hm.moralis(kappa=0.5), steps=24)
    hm.report([run, m2.run])

Games, frames, preferences and opponents are specs, as on the command line, or objects: hm.games.trust(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from homines import models
from homines.core.progress import QUIET
from homines.core.registry import TrustedPath, find, spell, trust
from homines.core.run_folder import default_folder
from homines.core.types import Choice, Frame, Game, HominesError, Model, Policy, Preference, Prompt
from homines.elicitation.asking import measure as answer
from homines.elicitation.survey import Survey, frame_specs
from homines.inference.processes import quiet
from homines.reports.console import Bars
from homines.results import RunResult, folders
from homines.training.schedule import schedule, schedule_title

if TYPE_CHECKING:
    from typing_extensions import Unpack

Words = str | Sequence[str]
Games = str | Game | Sequence[str | Game]
Frames = str | Frame | Sequence[str | Frame]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model in memory, and how it was loaded: a Model, and whatever else its kind can do is `model`'s.

    run   the alignment it comes from; None where it was only loaded
    """

    model: Model
    spec: str
    device: str | None = None
    dtype: str | None = None
    trust_remote_code: bool = False
    run: RunResult | None = None

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def provenance(self) -> Any:
        return self.model.provenance

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        """The distribution over each prompt's labels."""
        return self.model.score(prompts)

    def __repr__(self) -> str:
        where = ", ".join(str(self.provenance[k]) for k in ("device", "dtype") if k in self.provenance)
        return f"{self.spec} ({where})" if where else self.spec

    def _repr_html_(self) -> str | None:
        return None if self.run is None else self.run._repr_html_()


def load(
    model: str, *, device: str | None = None, dtype: str | None = None, trust_remote_code: bool = False
) -> Loaded:
    """A model by name: 'smollm2', 'hf/FOLDER-OR-HUB-ID', either with '+ADAPTER-FOLDER'; 'mock' for trials.

    device, dtype   None: the best this machine has. Raises HominesError for what is no model.
    """
    quiet()
    kind: dict[str, Any] = {"device": device, "dtype": dtype, "trust_remote_code": trust_remote_code}
    return Loaded(models.load(model, **kind), model, **kind)


class Asking(TypedDict, total=False):
    """Rarer options of `measure`: those of Survey, and `batch`, prompts scored between two writes."""

    swap: bool
    beliefs: bool
    traces: int
    temperature: float
    think: int
    seed: int
    batch: int | None
    progress: bool


def measure(
    model: str | Loaded,
    games: Games = "ipd",
    *,
    frames: Frames = "table",
    labels: Words | None = None,
    out: str | Path | None = None,
    **more: Unpack[Asking],
) -> RunResult:
    """Read a model's exact choice distribution in games, in every option order, as `homines measure` does.

    labels     words for the actions, 'X,Y'; several sets as a list
    out        run folder; None: one in runs/ of its own, the same that the command would use. What it holds
               is not asked again
    swap, beliefs, traces, temperature, think, seed   as of the command
    progress   bars on standard error (default)
    Raises HominesError for what no spec names, before anything is loaded or asked.
    """
    _known("measure", more, Asking)
    options: dict[str, Any] = dict(more)
    batch, progress = options.pop("batch", None), options.pop("progress", True)
    held = model if isinstance(model, Loaded) else None
    survey = Survey(
        trust(model if isinstance(model, str) else model.spec),
        _specs("games", games),
        _specs("frames", frames),
        None if labels is None else _several(labels),
        device=held and held.device,
        dtype=held and held.dtype,
        **options,
    )
    survey.words()
    held = held or load(survey.model)
    folder = survey.folder if out is None else Path(out)
    asked = survey.questions(held.model)
    command = _told("measure", survey.model, games=survey.games, frames=survey.frames, labels=labels)
    with survey.run(folder, command) as run, Bars() if progress else nullcontext() as bars:
        tell = (QUIET if bars is None else bars.follow()).begin("measuring", len(asked))
        answer(held.model, asked, run, batch=batch, progress=lambda done, _: tell(done))
    return RunResult(folder)


class Aligning(TypedDict, total=False):
    """Options of `align` beside its own: fields of AlignmentPlan and of Settings (training.settings)."""

    by: str
    warmup: int
    rival: str
    memory: int
    states: tuple[str, ...]
    side_effects: bool
    progress: bool
    objective: str
    gamma: float
    illegal: float
    kl: float
    kl_start: float
    kl_between: float
    kl_limit: float
    steps: int
    sets: int
    accumulation: int
    sample: int
    generations: int
    completion: int
    temperature: float
    lr: float
    rank: int
    seed: int
    save_every: int
    report_to: str
    labels: Words
    unseen: Words
    other_games: Games


def align(
    model: str | Loaded,
    to: str | Preference,
    *,
    games: Games = "ipd",
    opponent: str | Policy | None = None,
    frames: Frames = "table",
    out: str | Path | None = None,
    **more: Unpack[Aligning],
) -> Loaded:
    """Align a model to a preference and measure it before and after, as `homines align` does.

    to            a preference, or a schedule as text: 'economicus:16 -> utilitarian:20'
    opponent      plays the other seats; None: tit_for_tat, but beside a rival
    labels        words for the actions, as of `measure`; `unseen`: labels to verify on, not trained on
    other_games   to verify on
    more          fields of AlignmentPlan and Settings (training.settings): steps, lr, seed, by, rival ...
    The aligned model, its evidence as `.run`; a LoRA adapter (or, with rank=0, a model) lies in the folder,
    with its card. The model given is left as it was. The same call again goes on, or finds it done.
    """
    from homines.training.lifecycle import align as carry_out
    from homines.training.objective import Settings
    from homines.training.plan import AlignmentPlan
    from homines.training.student import name_after

    _known("align", more, Aligning)
    options: dict[str, Any] = dict(more)
    progress = options.pop("progress", True)
    labels, unseen = options.pop("labels", None), options.pop("unseen", None)
    away = _specs("games", options.pop("other_games", ()))
    settings = {f.name: options.pop(f.name) for f in fields(Settings) if f.name in options}
    spec = model if isinstance(model, str) else model.spec
    kind = {} if isinstance(model, str) else {k: getattr(model, k) for k in KIND}
    (first, *others), words = _specs("games", games), _specs("frames", frames)
    told = find("games", first)
    plan = AlignmentPlan(
        spec,
        trust(to) if isinstance(to, str) else spell(to),
        game=first,
        more_games=tuple(others),
        opponent=None if opponent is None else _spec("opponents", opponent),
        frames=tuple(frame_specs(told, words, labels and _several(labels), swap=False)),
        transfer_frames=tuple(frame_specs(told, words, _several(unseen), swap=False)) if unseen else (),
        transfer_games=away,
        settings=Settings(**settings),
        **trust(options),
        **kind,
    )
    title = schedule_title(schedule(plan.preference, plan.settings.steps))
    folder = default_folder(f"align-{spec}-{title}", asdict(plan)) if out is None else Path(out)
    command = _told("align", spec, to=plan.preference, games=(first, *others), **more)
    quiet()
    with Bars() if progress else nullcontext() as bars:
        follow = QUIET if bars is None else bars.follow()
        trained = carry_out(plan, folder, command=command, follow=follow)
    after = name_after(plan, trained.folder)
    return Loaded(models.load(after, **kind), after, **kind, run=RunResult(folder))


def report(runs: Any, out: str | Path | None = None, *, trust_modules: bool = False) -> Path:
    """Write a page, as `homines report` does; its path.

    runs   what `measure` gives, an aligned model, a run folder: the run's own page; or several of these: one
           page beside one another
    out    folder of such a page; None: one in runs/ by their names
    trust_modules   load modules that the specs in these folders name; else such a spec is not available
    """
    from homines.reports.run_page import reports  # with it comes altair

    given = list(dict.fromkeys(folders(runs)))
    return reports([TrustedPath(folder) for folder in given] if trust_modules else given, out)


KIND = ("device", "dtype", "trust_remote_code")


def _spec(folder: str, thing: Any) -> str:
    """What a thing is called in records; HominesError where it has no spec."""
    if isinstance(thing, str):
        return trust(thing)
    if (told := getattr(thing, "spec", None)) is not None:
        return trust(str(told))
    try:
        return spell(thing)
    except HominesError as failure:
        raise HominesError(
            f"{thing!r} has no name that records could tell; make it by hm.{folder}.NAME(...), or give the "
            "text 'module:function(...)' of your own"
        ) from failure


def _specs(folder: str, things: Any) -> tuple[str, ...]:
    """One or several, as specs."""
    one = isinstance(things, str) or not isinstance(things, Iterable)
    return tuple(_spec(folder, thing) for thing in ([things] if one else things))


def _several(words: Words) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _known(verb: str, given: Any, options: type) -> None:
    there = options.__annotations__
    if unknown := [name for name in given if name not in there]:
        raise HominesError(f"{verb} has no option {unknown[0]!r}; there are {', '.join(there)}")


def _told(verb: str, *values: Any, **named_: Any) -> str:
    """The call as text, for the run's config."""
    given = [f"{k}={v!r}" for k, v in named_.items() if v is not None]
    return f"homines.{verb}({', '.join([*map(repr, values), *given])})"
