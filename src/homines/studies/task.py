"""What studies share: a folder of runs, each trained and measured once.

studies/NAME/study.py defines `run(task: StudyTask) -> StudyResult`, which trains and measures what is missing
in the task's folder and writes its report there; and SEEDS, how many trainings of each kind it makes by
default.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from homines.core.paths import inside
from homines.core.plausible import COUNT, within
from homines.core.progress import QUIET, Follow, ignore
from homines.core.run_folder import RunFolder, read_json, write_json
from homines.core.types import Model, Record, digest
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question
from homines.models import load, trainable
from homines.models.mock import Mock, uniform
from homines.reports import model_card
from homines.training.data import Row
from homines.training.lifecycle import AlignmentTraining, Tuning, finished_training, train_once
from homines.training.plan import Alignment
from homines.training.settings import AlignmentPlan, Settings, SupervisedSettings, TuningPlan
from homines.training.student import load_student, name_after

FIXED = Settings(until=0.0, text_kl=0.0, kl_steps=0)
"""Settings of every reinforcement learning in a study: all steps, so that the curves of seeds are equally
long, and no KL on everyday text, as in the runs that docs/ reports."""
Exam = Callable[[Model], list[Question]]
"""Gives the questions of a model."""
SideMeasure = Callable[[RunFolder, Model], None]
"""Notes in a run folder what else is measured while a model is loaded."""


class StudyResult(NamedTuple):
    """A finished study: its page, and how many questions failed."""

    page: Path
    failed: int


@dataclass(frozen=True)
class AgentKind:
    """One kind of agent: what it is trained for, and with which seeds. `slug` begins its folders' names."""

    name: str
    slug: str
    plan: AlignmentPlan
    seeds: tuple[int, ...]

    def folder(self, seed: int) -> str:
        return f"{self.slug}-s{seed}"

    def seeded(self, seed: int) -> AlignmentPlan:
        return replace(self.plan, settings=replace(self.plan.settings, seed=seed))


@dataclass(frozen=True)
class StudyTask:
    """A study's settings, and the callbacks of the caller that follows its work.

    seeds   one training each
    quick   the short form: everything once, little of each
    also    other models that are measured too
    rivals  models that it meets in a market
    humans  a file of what people did, to compare with
    periods of a market in words; None: the study's own number
    """

    model: str
    folder: Path
    seeds: tuple[int, ...]
    quick: bool = False
    device: str | None = None
    dtype: str | None = None
    command: str = ""
    also: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    humans: Path | None = None
    periods: int | None = None
    follow: Follow = QUIET

    @property
    def trainable(self) -> bool:
        """Whether the model's weights are here. Where they are not, a study of agents and their untrained
        model is one of the model as it is."""
        here = trainable(self.model)
        if not here:
            self.follow.say(
                f"{self.model} cannot be trained here (its weights are out of reach): it is measured alone"
            )
        return here

    def place(self, name: str) -> Path:
        """The path of a folder in the study's, trusted as that is. Raises PathError as `inside`."""
        inside(self.folder, name)
        return self.folder / name

    def run(self, name: str, plan: AlignmentPlan) -> RunFolder:
        """The run folder of one training, held open by the caller."""
        return RunFolder(self.place(name), plan.config(command=self.command))

    def measuring(self, name: str, model: str, **settings: Any) -> RunFolder:
        """The run folder of a model that is measured as it is, held open by the caller."""
        fixed = {"kind": "measure", "model": model, "device": self.device, "dtype": self.dtype}
        return RunFolder(self.place(name), {**fixed, **settings, "command": self.command})

    def trained(self, name: str, plan: AlignmentPlan) -> str:
        """Train a plan where that is not done yet; the MODEL string of the result."""
        with self.run(name, plan) as run:
            if (done := finished_training(run.folder)) is not None:
                return name_after(plan, done.folder)
            self.follow.say(name)
            alignment, students = Alignment.of(plan), [load_student(plan)]
            training = AlignmentTraining.of(alignment, students[0])
            return name_after(plan, train_once(training, students.pop, run, self.follow).folder)

    def distilled(
        self,
        name: str,
        rows: Sequence[Row],
        course: SupervisedSettings,
        exam: Exam,
        *,
        beside: SideMeasure = ignore,
        **settings: Any,
    ) -> tuple[str, int]:
        """Fine-tune on rows unless this folder already did, then ask the exam.

        Returns the MODEL string of the result and the number of failed questions. Extra keywords are stored
        in the run's config.
        """
        plan = TuningPlan(self.model, "", course, device=self.device, dtype=self.dtype)
        config = {
            "kind": course.by,
            "model": self.model,
            "course": asdict(course),
            "rows": digest([[row.prompt.key, row.completion, row.target.tolist()] for row in rows]),
            "device": self.device,
            "dtype": self.dtype,
        }
        with RunFolder(self.place(name), {**config, **settings, "command": self.command}) as run:
            if not run.noted("training.json"):
                self.follow.say(name)
            trained = train_once(Tuning(plan, None, rows), partial(load_student, plan), run, self.follow)
            spec = f"{self.model}+{trained.folder}"
            return spec, self.examined(run, spec, exam, renamed=name, beside=beside)

    def _ask(self, run: RunFolder, model: Model, questions: Sequence[Question], what: str) -> list[Record]:
        """Answers to these questions, in the run's folder; only missing ones are asked."""
        tell = self.follow.begin(what, len(questions))
        return measure(model, questions, run, progress=lambda done, _: tell(done), stop=self.follow.stop)

    def examined(
        self,
        run: RunFolder,
        spec: str,
        exam: Exam,
        *,
        renamed: str = "",
        beside: SideMeasure = ignore,
    ) -> int:
        """Ask a model its exam in an open run folder, and again where its words have changed since.

        Returns the number of failed questions.

        renamed   the model's name in records after "+": it does not change when the adapter is moved
        beside    notes what else is measured while the model is loaded
        """
        known = exam(Mock(uniform))
        sign = digest([[q.record.game, q.record.frame, q.record.order, q.prompt.key] for q in known])
        if (run.noted("examined.json") or {}).get("exam") == sign:
            return 0
        model = load(spec, device=self.device, dtype=self.dtype)
        if renamed:
            model.name = f"{self.model}+{renamed}"  # pyright: ignore[reportAttributeAccessIssue]
        records = self._ask(run, model, exam(model), renamed or spec)
        beside(run, model)
        if not (failed := sum(r.choice is None for r in records)):
            run.note("examined.json", {"exam": sign})
        model_card.write(run.folder)
        return failed

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Work whose seconds count into the study's, whether it ends or is interrupted."""
        start = time.monotonic()
        try:
            yield
        finally:
            if self.folder.is_dir():
                spent = self.seconds + time.monotonic() - start
                write_json(self.folder, "seconds.json", {"seconds": spent})

    @property
    def seconds(self) -> float:
        """Work in this folder so far, over all calls."""
        if not inside(self.folder, "seconds.json").exists():
            return 0.0
        return within(read_json(self.folder, "seconds.json").get("seconds"), *COUNT) or 0.0
