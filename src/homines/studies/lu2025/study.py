"""Preferences from economics: Lu, Dhanda, Chen & Hansen (2025), on any model, and beyond.

A model is fine-tuned on a small set of utility-implied reasons and answers in canonical games, as homo
economicus and as homo moralis: on every kind of game, and for each group of kinds on the others alone. All
are examined on games, labels and a frame that no training has; the same agents then decide in cars and in
markets, and are asked again in other circumstances. Doses of kappa give a dose and a response.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Model
from homines.datasets import folder as data_folder
from homines.datasets.recipe import Recipe
from homines.elicitation.questions import Question
from homines.inference.reasoning import ReasoningOptions
from homines.models.hf import HuggingFace
from homines.studies.lu2025 import applications, persistence
from homines.studies.lu2025.agents import canonical_specs
from homines.studies.lu2025.curriculum import BATCH, RATE, STAGES, THINK, AgentKind, Stage, agent_kinds
from homines.studies.lu2025.exam import Cell, cells_of, exam_questions, exam_specs, note_scores
from homines.studies.lu2025.folders import ends, planned_ends, planned_subjects, subjects, trained_agents
from homines.studies.lu2025.minutes import outline_lines
from homines.studies.lu2025.page import page
from homines.studies.lu2025.questions import canonical_questions, doses
from homines.studies.task import AgentExam, StudyResult, StudyTask
from homines.training.exam import note_side_effects
from homines.training.lifecycle import Tuning, train_once
from homines.training.settings import SupervisedSettings, TuningPlan
from homines.training.student import load_student, name_after

OPTIONS = ("also", "only")
SEEDS = 3
"""Trainings of each dose, unless said otherwise; of the others there is one each."""
THINK_QUICK = 48
"""Tokens of reasons at most in the short form."""


def kinds(task: StudyTask) -> list[AgentKind]:
    """Every kind of agent that is trained in the parts of the study that are carried out."""
    here = parts(task)
    return [kind for kind in agent_kinds(task.seeds, quick=task.quick) if kind.stage in here]


def parts(task: StudyTask) -> tuple[Stage, ...]:
    """The parts of the study that are carried out. Raises HominesError for an unknown one."""
    if unknown := [name for name in task.only if name not in STAGES]:
        raise HominesError(f"lu2025 has no part {unknown[0]!r}; --only takes {', '.join(STAGES)}")
    return tuple(stage for stage in STAGES if not task.only or stage in task.only)


def outline(task: StudyTask) -> list[str]:
    """What would be trained and asked, a line a kind of agent, with the minutes it takes."""
    here = parts(task)
    if not task.trainable:
        lines = [f"persistence takes agents that are trained here; as it is: homines persist {task.model}"]
        return lines if "persistence" in here else []
    lacking = [part for part in ("applications", "persistence") if part in here and not planned_ends(task)]
    return outline_lines(task, kinds(task), exams(task)) + [
        f"--only {part}: needs the agents of --only full" for part in lacking
    ]


def exams(task: StudyTask) -> list[AgentExam]:
    """The questions of every agent: of models as they are, and of trained ones."""
    every = [
        AgentExam(name, model, partial(questions_as_it_is, task, model))
        for name, model in task.models.items()
    ]
    trained = task.trainings(kinds(task))
    every += [
        AgentExam(kind.folder(seed), task.model, partial(questions_of, task, kind)) for kind, seed in trained
    ]
    if "applications" in parts(task):
        every += applications.exams(task, planned_subjects(task))
    if "persistence" in parts(task):
        every += persistence.exams(task, planned_ends(task), reasoning(task).most)
    return every


def cells_as_it_is(task: StudyTask, spec: str) -> list[Cell]:
    """The exam of a model as it is; a short one of the model that is trained here."""
    return cells_of(None, quick=task.quick, untrained=task.name_of(spec) != spec)


def questions_as_it_is(task: StudyTask, spec: str, model: Model) -> list[Question]:
    """The questions to a model as it is: the exam by both utilities, and the canonical games at once."""
    cells = cells_as_it_is(task, spec)
    canonical = canonical_questions(model, "choice", quick=task.quick)
    return exam_questions(model, cells) + canonical + doses(model, "choice", quick=task.quick)


def questions_of(task: StudyTask, kind: AgentKind, model: Model) -> list[Question]:
    """The questions to a trained agent: its exam; the two ends the canonical games too, aloud; they and the
    doses the games that tell kappa."""
    every = exam_questions(model, cells_of(kind, quick=task.quick))
    if kind.stage == "full":
        every += canonical_questions(model, "aloud", quick=task.quick)
    return every + (doses(model, "aloud", quick=task.quick) if kind.stage != "left_out" else [])


# --- carrying it out -----------------------------------------------------------------------------


def run(task: StudyTask) -> StudyResult:
    """Train and ask what is missing, then write the page, also of parts that other calls carried out."""
    agents = kinds(task)
    asked = task.ask_models(partial(open_as_it_is, task), partial(ask_as_it_is, task))
    for kind, seed in task.trainings(agents, asked):
        with task.timed():
            train_agent(task, kind, seed)
    here, failed, unread = parts(task), 0, dict(asked.unread)
    if "applications" in here:
        applied = applications.ask(task, subjects(task, unread), reasoning(task))
        failed, unread = applied.failed, unread | dict(applied.unread)
    if "persistence" in here:
        failed += persistence.ask(task, ends(task), reasoning(task).most)
    result = page(task, trained_agents(task), asked.unread)
    return result._replace(failed=result.failed + failed, unread=unread)


def reasoning(task: StudyTask) -> ReasoningOptions:
    """How every model thinks aloud."""
    return ReasoningOptions(most=THINK_QUICK if task.quick else THINK)


def open_as_it_is(task: StudyTask, name: str, model: str) -> AbstractContextManager[RunFolder]:
    """The run folder of a model as it is."""
    return task.measuring(name, model, quick=task.quick)


def ask_as_it_is(task: StudyTask, run: RunFolder, spec: str) -> int:
    """Ask a model as it is everything; the number of failed questions."""

    def note(run: RunFolder, model: Model) -> None:
        note_all(task, run, model, cells_as_it_is(task, spec), side_effects=True)

    ask = partial(questions_as_it_is, task, spec)
    return task.examined(run, spec, ask, beside=note, reasoning=reasoning(task))


def note_all(
    task: StudyTask, run: RunFolder, model: Model, cells: Sequence[Cell], *, side_effects: bool
) -> None:
    """Note the scores of the exam, and of a network the side effects."""
    note_scores(run, model, cells)
    if side_effects and isinstance(model, HuggingFace):
        note_side_effects(model, run, f"side effects of {model.name}", task.follow)


def train_agent(task: StudyTask, kind: AgentKind, seed: int) -> int:
    """Train one agent and examine it; the number of failed questions."""
    name, recipe = kind.folder(seed), recipe_of(kind, seed)
    plan = tuning(task, kind, seed)
    data_folder.write(recipe, plan.data)

    def note(run: RunFolder, model: Model) -> None:
        cells = cells_of(kind, quick=task.quick)
        note_all(task, run, model, cells, side_effects=kind.stage == "full")

    with RunFolder(task.place(name), plan.config(recipe, command=task.command)) as run:
        if not run.noted("training.json"):
            task.follow.say(name)
        trained = train_once(Tuning.of(plan), partial(load_student, plan), run, task.follow)
        return task.examined(
            run,
            name_after(plan, trained.folder),
            partial(questions_of, task, kind),
            renamed=name,
            beside=note,
            reasoning=plan.reasoning,
        )


def recipe_of(kind: AgentKind, seed: int) -> Recipe:
    """The recipe of an agent's training, without any game that an agent is asked."""
    return kind.recipe(seed, (*canonical_specs(), *persistence.KAPPA_GAMES, *exam_specs()))


def tuning(task: StudyTask, kind: AgentKind, seed: int) -> TuningPlan:
    """The fine-tuning of one agent."""
    return TuningPlan(
        task.model,
        str(task.place(f"data/{kind.folder(seed)}")),
        SupervisedSettings("sft", batch=BATCH, lr=RATE, seed=seed),
        reasoning(task),
        rewordings=False,
        side_effects=False,
        device=task.device,
        dtype=task.dtype,
    )
