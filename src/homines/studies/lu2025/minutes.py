"""How long the parts of the study lu2025 take, by the number of rows and questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from homines.core.types import Model
from homines.elicitation.questions import Question
from homines.models.mock import Mock, uniform
from homines.studies.lu2025.curriculum import STAGES, AgentKind, Stage
from homines.studies.task import StudyTask

START, ALOUD, BARE = 45.0, 1.4, 0.6
"""Seconds of loading, and of a question aloud and at once: qwen-0.5b on two cores, in float32."""
ROW: Mapping[Stage, float] = {"full": 1.8, "left_out": 1.8, "doses": 1.1}
"""Seconds of a row in training, in bfloat16 and with the KL on everyday text (738 for 400 rows)."""
AS_IT_IS = 15.0
PARTS = {"applications": 40.0, "persistence": 20.0}
"""Minutes of asking the model before its training, and of the parts that train nothing."""


def asking_seconds(questions: Sequence[Question]) -> float:
    """Seconds of loading a model and asking it."""
    aloud = sum(q.record.asks == "aloud" for q in questions)
    return START + ALOUD * aloud + BARE * (len(questions) - aloud)


def outline_lines(
    task: StudyTask, kinds: Sequence[AgentKind], questions_of: Callable[[AgentKind, Model], list[Question]]
) -> list[str]:
    """A line a kind of agent, one a part, and one of the whole."""
    lines: list[str] = []
    parts = {stage: PARTS.get(stage, 0.0) for stage in STAGES if not task.only or stage in task.only}
    for kind in kinds:
        questions = questions_of(kind, Mock(uniform))
        seconds = ROW[kind.stage] * kind.rows + asking_seconds(questions)
        parts[kind.stage] += len(kind.seeds) * seconds / 60
        asked = f"{kind.rows} rows, {len(questions)} questions"
        lines.append(f"{kind.title}: {len(kind.seeds)} seeds, {asked}, {seconds / 60:.0f} minutes each")
    lines += [f"--only {stage}: about {minutes:.0f} minutes" for stage, minutes in parts.items()]
    lines.append(f"the model before training: about {AS_IT_IS:.0f} minutes, once")
    total = AS_IT_IS + sum(parts.values())
    return [*lines, f"in all about {total:.0f} minutes, of qwen-0.5b on two cores; what is done is kept"]
