"""How long the parts of the study tennant2025 take, by the number of prompts in training and of questions."""

from __future__ import annotations

from homines.models.mock import Mock, uniform
from homines.studies.task import AgentExam, StudyTask
from homines.studies.tennant2025.exam import FOLLOW_UPS, NORMS
from homines.studies.tennant2025.folders import ASKED, RIVAL
from homines.studies.tennant2025.kinds import Part, RewardKind, kinds, parts

LOAD, QUESTION = 15.0, 0.6
"""Seconds of loading, and of a bare question: qwen-0.5b on two cores, in float32."""
PROMPT = 0.65
"""Seconds of a prompt in training (bench/README.md: 44 for 17 steps of four, and everyday text)."""
CHECK = 60.0
"""Seconds of sixty everyday questions and the perplexity of a text."""
TEXT = 4.0
"""Seconds of a reply of sixty tokens."""


def training_seconds(kind: RewardKind) -> float:
    """Seconds of one training at most: all its steps."""
    settings = kind.plan.settings
    prompts = settings.sample or 4**kind.plan.memory
    learners = 1 if kind.plan.rival is None else 2
    return LOAD + PROMPT * prompts * learners * kind.plan.steps


def asking_seconds(task: StudyTask, exam: AgentExam) -> float:
    """Seconds of loading a model, its exam and what is measured beside it."""
    asked = LOAD + QUESTION * len(exam.exam(Mock(uniform)))
    if exam.name.startswith("probes/"):
        asked += CHECK + 4 * len(FOLLOW_UPS) * TEXT
    return asked + (CHECK * len(NORMS) if exam.name.startswith("prompted/") else 0.0)


def outline_lines(task: StudyTask, exams: list[AgentExam]) -> list[str]:
    """A line a kind of agent, one a part, and one of the whole. exams: of every agent, by its folder."""
    seconds = {exam.name: asking_seconds(task, exam) for exam in exams}
    spent: dict[Part, float] = dict.fromkeys(parts(task), 0.0)
    lines: list[str] = []
    for kind in kinds(task):
        name = kind.folder(kind.seeds[0])
        folders = [kind.folder(seed) for seed in kind.seeds]
        own = sum(training_seconds(kind) + seconds[folder] for folder in folders)
        own += sum(seconds.get(f"{RIVAL}/{folder}", 0.0) for folder in folders)
        spent[kind.part] += own
        most = "at most " if kind.plan.settings.until else ""
        pair = ", two learners" if kind.plan.rival else ""
        lines.append(
            f"{kind.name}: {len(kind.seeds)} x {most}{kind.plan.steps} steps{pair}, "
            f"{own / len(kind.seeds) / 60:.0f} minutes each ({name})"
        )
    for part in ASKED:
        if part in spent:
            spent[part] = sum(x for name, x in seconds.items() if name.startswith(f"{part}/"))
    before = sum(seconds[name] for name in task.models)
    lines += [f"--only {part}: about {x / 60:.0f} minutes" for part, x in spent.items() if x]
    lines.append(f"models before training: about {before / 60:.0f} minutes, once")
    total = (before + sum(spent.values())) / 60
    return [*lines, f"in all about {total:.0f} minutes, of qwen-0.5b on two cores; what is done is kept"]
