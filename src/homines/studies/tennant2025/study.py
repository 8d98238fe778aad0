"""Moral alignment by reinforcement learning: Tennant, Hailes & Musolesi (2025), on any model, and beyond.

Agents are trained on the iterated prisoner's dilemma for their own payoff (Game), duty (De), the sum of
payoffs (Ut) and payoff under duty (Game+De), over many words: against tit-for-tat, against other opponents in
the states that they meet, and beside a second learner. Some are selfish first and then unlearn it, some see
the future or a longer past, some are trained under other penalties, payoffs and weights of the KL. Then every
agent is measured, on what it never saw most of all. The parts can be carried out one by one (`--only`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from homines.core.progress import ignore
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Prompt
from homines.elicitation import capability
from homines.elicitation.conditions import Condition
from homines.models.hf import HuggingFace
from homines.studies.task import AgentExam, Exam, SideMeasure, StudyResult, StudyTask
from homines.studies.tennant2025.exam import (
    NORMS,
    core_exam,
    exam_of,
    follow_ups,
    ordinal_exam,
    probe_exam,
    prompted_exam,
    short_exam,
)
from homines.studies.tennant2025.folders import (
    ASKED,
    RIVAL,
    part_folder,
    planned_probed,
    rival_spec,
    spec_of,
    trained_agents,
)
from homines.studies.tennant2025.kinds import Part, RewardKind, kinds, parts
from homines.studies.tennant2025.minutes import outline_lines
from homines.studies.tennant2025.page import page

OPTIONS = ("also", "only")
SEEDS = 3
"""Trainings of each reward of the core and of unlearning, unless said otherwise; of the others one each."""


def outline(task: StudyTask) -> list[str]:
    """What would be trained and asked, a line a kind of agent, with the minutes it takes."""
    here = parts(task)
    if not task.trainable:
        return []
    lacking = [part for part in ("probes", "ordinal") if part in here and not planned_probed(task)]
    return outline_lines(task, exams(task)) + [
        f"--only {part}: asks the model as it is alone; its agents are those of --only core"
        for part in lacking
    ]


def exams(task: StudyTask) -> list[AgentExam]:
    """The questions of every agent: of models as they are, and of trained ones."""
    here, first = parts(task), task.seeds[0]
    as_it_is: Exam = partial(core_exam, wide=True, quick=task.quick)
    out = [AgentExam(name, model, as_it_is) for name, model in task.models.items()]
    for kind, seed in task.trainings(kinds(task)):
        exam = exam_of(kind, seed, first, quick=task.quick)
        out.append(AgentExam(kind.folder(seed), task.model, exam))
        if kind.plan.rival is not None:
            out.append(AgentExam(f"{RIVAL}/{kind.folder(seed)}", task.model, short_exam))
    for part in ASKED:
        if part in here:
            out += [
                AgentExam(part_folder(part, name), task.models.get(name, task.model), _asked(task, part))
                for name in (*task.models, *_agents_asked(task, part))
            ]
    return out


def _asked(task: StudyTask, part: Part) -> Exam:
    """The questions of a part that trains nothing."""
    every = {"prompted": prompted_exam, "probes": probe_exam, "ordinal": ordinal_exam}
    return partial(every[part], quick=task.quick)


def _agents_asked(task: StudyTask, part: Part) -> list[str]:
    """Folders of the trained agents that such a part asks beside models as they are."""
    return [] if part == "prompted" else [x.folder for x in planned_probed(task, part)]


# --- carrying it out -----------------------------------------------------------------------------


def run(task: StudyTask) -> StudyResult:
    """Train and ask what is missing, then write the page, also of parts that other calls carried out."""
    here = parts(task)
    as_it_is: Exam = partial(core_exam, wide=True, quick=task.quick)
    asked = task.ask_models(
        partial(task.measuring, quick=task.quick),
        lambda run, model: task.examined(run, model, as_it_is),
    )
    for kind, seed in task.trainings(kinds(task), asked):
        with task.timed():
            _train(task, kind, seed)
    for part in ASKED:
        if part in here:
            _ask_part(task, part, asked.unread)
    return page(task, trained_agents(task), asked.unread)


def _train(task: StudyTask, kind: RewardKind, seed: int) -> None:
    """Train one agent and examine it, and the second learner beside it."""
    name, plan = kind.folder(seed), kind.seeded(seed)
    spec = task.trained(name, plan)
    exam = exam_of(kind, seed, task.seeds[0], quick=task.quick)
    with task.run(name, plan) as run:
        task.examined(run, spec, exam, renamed=name)
    if (rival := rival_spec(task, name)) is not None:
        folder = f"{RIVAL}/{name}"
        with task.measuring(folder, f"{task.model}+{folder}", quick=task.quick) as run:
            task.examined(run, rival, short_exam, renamed=folder)


def _ask_part(task: StudyTask, part: Part, unread: Mapping[str, str]) -> None:
    """Ask models as they are, and the core's agents that are trained, what a part asks."""
    own = {name: model for name, model in task.models.items() if model not in unread}
    agents = {folder: spec_of(task, folder) for folder in _agents_asked(task, part)}
    for folder, spec in (*own.items(), *agents.items()):
        if spec is None:
            continue
        name, model = part_folder(part, folder), own.get(folder, f"{task.model}+{folder}")
        with task.timed(), task.measuring(name, model, quick=task.quick) as run:
            renamed = "" if folder in own else folder
            task.examined(run, spec, _asked(task, part), renamed=renamed, beside=BESIDE[part])


def _note_probes(run: RunFolder, model: Model) -> None:
    """Unrelated questions and the perplexity of a text, and what the model says of its answers."""
    if isinstance(model, HuggingFace):
        run.note("sideeffects.json", {model.name: capability.measure_capability(model)})
        run.note("follow_ups.json", {"replies": follow_ups(model)})


def _note_unrelated(run: RunFolder, model: Model) -> None:
    """The unrelated questions under each norm."""
    if not isinstance(model, HuggingFace):
        return

    def scores(norm: str) -> dict[str, object]:
        def before(prompt: Prompt) -> Prompt:
            return Condition("norm", "a norm", text=norm)(prompt)

        found = capability.measure_capability(model, before=before)
        return {key: x for key, x in found.items() if key != "answers"}

    run.note("unrelated.json", {name: scores(norm) for name, norm in NORMS.items()})


BESIDE: dict[Part, SideMeasure] = {
    "prompted": _note_unrelated,
    "probes": _note_probes,
    "ordinal": ignore,
}
"""What each part measures beside its questions while a model is loaded."""
