"""Persistence: the same questions asked plainly, under every condition, and after plain instruction tuning.

plan -> run folder with the records of all of these -> reports/persistence.py
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Record
from homines.elicitation.asking import measure
from homines.elicitation.capability import measure_capability
from homines.elicitation.conditions import PLAIN, condition
from homines.models import load
from homines.models.hf import HuggingFace
from homines.reports.persistence import EVERYDAY
from homines.training.exam import note_side_effects
from homines.training.lifecycle import finished_training
from homines.training.persistence_plan import PersistencePlan
from homines.training.plain import plain_lessons
from homines.training.student import load_student, load_trained
from homines.training.supervised import sft


def persist(
    plan: PersistencePlan, folder: Path, *, command: str = "", follow: Follow = QUIET
) -> list[Record]:
    """Carry out a plan in `folder`; its records. What is there already is not asked or trained again.

    Raises Interrupted where `follow.stop` says so; the same call goes on from there.
    """
    plan.check()  # a mistyped spec costs no loading and leaves no folder
    follow.say(f"loading {plan.model}")
    models = [load(plan.model, **plan.placement)]
    plan.questions(models[0], (PLAIN,))  # a model that cannot be asked so leaves no folder either
    with RunFolder(folder, plan.config(command)) as run:
        _ask(plan, models[0], run, (PLAIN, *plan.names), follow)
        if plan.tune:
            models.clear()  # the memory is needed for the learner
            _ask(plan, _tuned(plan, run, follow), run, (PLAIN,), follow)
        return run.records


def _ask(plan: PersistencePlan, model: Model, run: RunFolder, names: Sequence[str], follow: Follow) -> None:
    """Ask a model under these conditions; of a network also everyday questions."""
    every = plan.questions(model, names)
    tell = follow.begin(f"asking {model.name}", len(every))
    measure(model, every, run, progress=lambda done, _: tell(done), stop=follow.stop)
    if not (plan.side_effects and isinstance(model, HuggingFace)):
        return
    note_side_effects(model, run, f"side effects of {model.name}", follow)
    conditioned = [name for name in names if name != PLAIN]
    if not conditioned:
        return
    tell = follow.begin("everyday questions", len(conditioned))
    for done, name in enumerate(conditioned, 1):
        noted = run.noted(EVERYDAY) or {}
        if name not in noted:
            scores = measure_capability(model, before=condition(name))
            run.note(EVERYDAY, {**noted, name: scores})
        tell(done)


def _tuned(plan: PersistencePlan, run: RunFolder, follow: Follow) -> HuggingFace:
    """The model after plain instruction tuning; trained where that is not done yet."""
    tuning = plan.tuning
    if (trained := finished_training(run.folder)) is None:
        base = plan.model.partition("+")[0]  # its answers, not those of the agent
        plain_lessons(load_student(tuning, base), 1, run.folder, follow)  # stores them
        tell = follow.begin("plain instruction tuning", tuning.course.steps(plan.tune))

        def log(row: dict[str, Any]) -> None:
            run.log(row)
            tell(row["step"])

        trained = sft(load_student(tuning), (), tuning.course, run.folder, follow.also(log))
        noted = {"result": trained.folder.name, "seconds": trained.seconds, "rows": plan.tune}
        run.note("training.json", {**noted, "last": trained.last})
        shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    return load_trained(tuning, trained)
