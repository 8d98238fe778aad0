"""What is right, what one would buy, what one would vote for: self-driving cars, on any model.

The self-versus-others design of Bonnefon, Shariff & Rahwan (2016): the same sacrifice is judged, bought and
made a rule, for 1 to 100 people saved, with the owner, one of the family too, or a stranger aboard. Agents
are aligned to homo economicus and homo moralis on a few numbers in some words, and asked about others in
other words. A utilitarian is not trained: it never differs here from homo moralis with kappa = 1.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from homines import sideeffects
from homines.align import Plan
from homines.core import Model, digest
from homines.games.av import ABOARD, ASKED
from homines.lookup import find
from homines.measure import Question, questions
from homines.models.hf import HuggingFace
from homines.objective import Settings
from homines.store import Run
from homines.studies._av_dilemma import TESTED, page
from homines.studies._av_theory import faced, place, says
from homines.study import Done, Kind, Task

OPTIONS = ("also",)
SEEDS = 1
"""Trainings of each kind, unless said otherwise."""
AGENTS = {"homo economicus": "economicus", "homo moralis": "moralis(kappa=1)"}
TRAINED = ("A,B", "B,A", "P,Q", "Q,P")
"""Words for (sacrifice, protect); both ways round, so that the act is learned and not the label."""
POINTS = (("self", 2), ("self", 100), ("family", 1), ("stranger", 10))
"""(aboard, saved) trained on, in every question; one of them has more aboard than on the road."""
SAVED = (1, 2, 5, 10, 20, 50, 100)
"""Numbers asked about; 5, 20 and 50 are trained on nowhere."""
FEW = (2, 20)
STEPS, SHORT = 48, 6
SETTINGS = Settings(steps=STEPS, illegal=-2.0, kl_start=1.0, kl=0.02)
"""Own payoffs lie in [0, 1], and answers differ by a third of a life to a whole one: a third or so of what
the defaults are made for; so are the reward of an illegal answer and both KL weights."""


def kinds(task: Task) -> list[Kind]:
    """Every kind of agent; in short the first alone, for a few steps, in a folder of its own."""
    out: list[Kind] = []
    for name, preference in [*AGENTS.items()][: 1 if task.quick else None]:
        first, *more = taught(preference)
        plan = Plan(
            task.model,
            preference,
            game=first,
            more_games=tuple(more),
            frames=tuple(f"sentences(labels='{words}')" for words in TRAINED),
            settings=replace(SETTINGS, steps=SHORT) if task.quick else SETTINGS,
            side_effects=False,
            device=task.device,
            dtype=task.dtype,
        )
        slug = preference.partition("(")[0] + ("-short" if task.quick else "")
        out.append(Kind(name, slug, plan, task.seeds))
    return out


def outline(task: Task) -> list[str]:
    """What would be trained, a line a kind of agent."""
    return [
        f"{kind.name}: {len(kind.seeds)} seeds of {kind.plan.steps} steps on "
        f"{1 + len(kind.plan.more_games)} decisions"
        for kind in kinds(task)
    ]


def spec(asked: str, saved: int, aboard: str) -> str:
    return f"av(asked={asked}, saved={saved}, aboard={aboard})"


def taught(preference: str) -> tuple[str, ...]:
    """The decisions trained on: those in which the preference has a view, for a tie teaches nothing."""
    points = [spec(asked, saved, aboard) for asked in ASKED for aboard, saved in POINTS]
    return tuple(p for p in points if says(preference, faced(place(p))) != 0.5)


def exam(model: Model, *, quick: bool = False) -> list[Question]:
    """What a model is asked: every situation in words trained on nowhere; what is trained on, in its words.
    All four orders in the former, an order and its reverse in the latter."""
    numbers, aboard, points = (FEW, ABOARD[:1], POINTS[:1]) if quick else (SAVED, ABOARD, POINTS)
    new = [spec(asked, saved, who) for asked in ASKED for who in aboard for saved in numbers]
    old = [spec(asked, saved, who) for asked in ASKED for who, saved in points]

    def asked_of(specs: list[str], words: tuple[str, ...], most: int | None = None) -> list[Question]:
        games = {name: (faced(place(name)),) for name in specs}
        frames = [find("frames", f"sentences(labels='{some}')") for some in words]
        return questions(model, games, frames, most=most)

    return asked_of(new, TESTED) + asked_of(old, TRAINED[:2], 2)


def beside(task: Task) -> dict[str, str]:
    """Other models that are measured: MODEL by folder."""
    return {f"also-{digest(model)[:8]}": model for model in task.also}


def run(task: Task) -> Done:
    """Train and measure what is missing, then write the report."""
    there = kinds(task)
    failed = 0
    for name, model in {"base": task.model, **beside(task)}.items():
        with task.timed():
            failed += measured(task, name, None, model)
    for kind, seed in [(kind, seed) for seed in task.seeds for kind in there]:
        with task.timed():
            model = task.trained(kind.folder(seed), kind.seeded(seed))
            failed += measured(task, kind.folder(seed), kind.seeded(seed), model)
    return Done(page(task, there, beside(task)), failed)


def measured(task: Task, name: str, plan: Plan | None, model: str) -> int:
    """Ask a model its exam, once; how many questions failed. plan None: it was not trained here."""

    def beside(held: Run, loaded: Model) -> None:
        if isinstance(loaded, HuggingFace) and not task.quick:
            held.note("sideeffects.json", {loaded.name: sideeffects.check(loaded)})

    with task.measuring(name, model, quick=task.quick) if plan is None else task.run(name, plan) as held:
        asked = partial(exam, quick=task.quick)
        return task.examined(held, model, asked, renamed=name if plan else "", beside=beside)
