"""How long the parts of the study lu2025 take, by the number of rows, questions and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from homines.elicitation.conditions import conditions
from homines.elicitation.questions import Question
from homines.models.mock import uniform
from homines.studies.lu2025 import applications, persistence
from homines.studies.lu2025.curriculum import STAGES, AgentKind, Stage
from homines.studies.lu2025.folders import planned_ends, planned_subjects
from homines.studies.task import AgentExam, StudyTask, Thinker

START, ALOUD, BARE = 45.0, 1.4, 0.6
"""Seconds of loading, and of a question aloud and at once: qwen-0.5b on two cores, in float32."""
CHECK = 60.0
"""Seconds of everyday questions, as many bare ones, and of the perplexity of a text."""
TEXT = 5.0
"""Seconds of a text of 80 tokens in a market."""
ROW: Mapping[Stage, float] = {"full": 1.8, "left_out": 1.8, "doses": 1.1}
"""Seconds of a row in training, in bfloat16 and with the KL on everyday text (738 for 400 rows)."""


def asking_seconds(questions: Sequence[Question]) -> float:
    """Seconds of loading a model and asking it."""
    aloud = sum(q.record.asks == "aloud" for q in questions)
    return START + ALOUD * aloud + BARE * (len(questions) - aloud)


def outline_lines(task: StudyTask, kinds: Sequence[AgentKind], exams: Sequence[AgentExam]) -> list[str]:
    """A line a kind of agent, one a part, and one of the whole. exams: of every agent, by its folder."""
    lines: list[str] = []
    asked = {exam.name: exam.exam(Thinker(uniform)) for exam in exams}
    seconds = {name: asking_seconds(questions) for name, questions in asked.items()}
    parts = {stage: 0.0 for stage in STAGES if not task.only or stage in task.only}
    for kind in kinds:
        name = kind.folder(kind.seeds[0])
        check = CHECK if kind.stage == "full" else 0.0
        own = ROW[kind.stage] * kind.rows + seconds[name] + check
        parts[kind.stage] += len(kind.seeds) * own
        text = f"{kind.rows} rows, {len(asked[name])} questions"
        lines.append(f"{kind.title}: {len(kind.seeds)} seeds, {text}, {own / 60:.0f} minutes each")
    if "applications" in parts:
        parts["applications"] = TEXT * applications.texts(task, planned_subjects(task)) + sum(
            seconds[name] for name in asked if name.startswith(tuple(f"{x}/" for x in applications.EXAMS))
        )
    if "persistence" in parts:
        folders = [persistence.folder_of(kind, seed) for kind, seed in planned_ends(task)]
        parts["persistence"] = sum(seconds[folder] + persistence_seconds(task) for folder in folders)
    before = sum(seconds[name] + CHECK for name in task.models)
    lines += [f"--only {stage}: about {spent / 60:.0f} minutes" for stage, spent in parts.items() if spent]
    lines.append(f"models before training: about {before / 60:.0f} minutes, once")
    total = (before + sum(parts.values())) / 60
    return [*lines, f"in all about {total:.0f} minutes, of qwen-0.5b on two cores; what is done is kept"]


def persistence_seconds(task: StudyTask) -> float:
    """Seconds of plain instruction tuning, and of everyday questions under every condition."""
    rows = 0 if task.quick else persistence.TUNED_ROWS
    checks = 0 if task.quick else len(conditions()) + 2
    return rows * (ROW["full"] + TEXT) + checks * CHECK
