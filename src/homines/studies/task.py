"""What studies share: a folder of runs, each trained and measured once.

studies/NAME/study.py defines `run(task: StudyTask) -> StudyResult`, which trains and measures what is missing
in the task's folder and writes its report there; and SEEDS, how many trainings of each kind it makes by
default.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from homines.core.capabilities import Reasons
from homines.core.paths import PathError, inside
from homines.core.plausible import COUNT, within
from homines.core.progress import QUIET, Follow, ignore
from homines.core.run_folder import RunFolder, StoreError, read_json, write_json
from homines.core.types import HominesError, Model, Record, digest
from homines.datasets.row import Row
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question
from homines.inference.reasoning import ReasoningOptions
from homines.models import load, trainable
from homines.models.mock import Mock, uniform
from homines.reports import model_card
from homines.studies.omissions import Omission
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
    """A finished study.

    failed      the number of questions without an answer
    omissions   sections that are not on its page
    unread      the error of each model that could not be asked, by its MODEL string
    """

    page: Path
    failed: int = 0
    omissions: tuple[Omission, ...] = ()
    unread: Mapping[str, str] = MappingProxyType({})


class Asked(NamedTuple):
    """What came of asking models: the number of failed questions, and the error of each model that could not
    be asked."""

    failed: int
    unread: Mapping[str, str]


NOTHING_ASKED = Asked(0, MappingProxyType({}))


class Seeded(Protocol):
    """A kind of agent with the seeds of its trainings."""

    @property
    def seeds(self) -> tuple[int, ...]: ...


Kind = TypeVar("Kind", bound=Seeded)


class AgentExam(NamedTuple):
    """The questions of one agent. name: of its folder. model: the MODEL that it is or is trained from."""

    name: str
    model: str
    exam: Exam


class Thinker(Mock):
    """A mock that thinks aloud, to count and to sign the questions of models that do."""

    reasoning = ReasoningOptions()


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


UNTRAINED = "untrained"
"""The name on a page of the model that a study trains, before any training."""


@dataclass(frozen=True)
class StudyTask:
    """A study's settings, and the callbacks of the caller that follows its work.

    seeds   one training each
    quick   the short form: everything once, little of each
    also    other models that are measured too
    rivals  models that it meets in a market
    humans  a file of what people did, to compare with
    periods of a market in words; None: the study's own number
    only    the parts of the study that are carried out; empty: all
    study   its name, the folder of studies/
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
    only: tuple[str, ...] = ()
    follow: Follow = QUIET
    study: str = ""

    @property
    def trainable(self) -> bool:
        """Whether the model's weights are within reach, so that the study trains agents. Where they are not,
        its models are measured as they are."""
        return trainable(self.model)

    @property
    def models(self) -> dict[str, str]:
        """MODEL strings of the models that are measured as they are, each once, by the name of their folder:
        the study's own first, in `base`."""
        others = [model for model in dict.fromkeys(self.also) if model != self.model]
        return {"base": self.model, **{f"also-{digest(model)[:8]}": model for model in others}}

    def name_of(self, model: str) -> str:
        """The name on the page of a model that is measured as it is."""
        plain = model == self.model and self.trainable and "+" not in model
        return UNTRAINED if plain else model

    def load(self, model: str) -> Model:
        """Load a model on the study's device; one beside it that runs elsewhere has none."""
        if model != self.model and not trainable(model):
            return load(model)
        return load(model, device=self.device, dtype=self.dtype)

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

    def ask_models(
        self,
        open_run: Callable[[str, str], AbstractContextManager[RunFolder]],
        ask: Callable[[RunFolder, str], int],
        models: Mapping[str, str] | None = None,
    ) -> Asked:
        """Ask every model as it is; one that cannot be asked costs the others nothing.

        open_run   opens the run folder of a model: (name of the folder, MODEL string)
        ask        asks a model in its run folder; the number of failed questions
        models     MODEL strings by the name of their folder; None: `models`

        Raises the error of the first model where none can be asked.
        """
        models = self.models if models is None else models
        failed, errors = 0, dict[str, HominesError]()
        for name, model in models.items():
            with self.timed(), open_run(name, model) as run:
                try:
                    failed += ask(run, model)
                except (PathError, StoreError):  # of the folder, not of the model
                    raise
                except HominesError as failure:
                    errors[model] = failure
        if len(errors) == len(models):
            raise next(iter(errors.values()))
        return Asked(failed, {model: str(error) for model, error in errors.items()})

    def trainings(self, kinds: Sequence[Kind], asked: Asked = NOTHING_ASKED) -> list[tuple[Kind, int]]:
        """Every training as (kind, seed), seed by seed: an unfinished study has all of its first seeds.

        None where the model's weights are out of reach, and where it could not be asked.
        """
        if not self.trainable or self.model in asked.unread:
            return []
        return [(kind, seed) for seed in self.seeds for kind in kinds if seed in kind.seeds]

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
        reasoning: ReasoningOptions | None = None,
    ) -> int:
        """Ask a model its exam in an open run folder, and again where its words have changed since.

        Returns the number of failed questions.

        renamed   the model's name in records after "+": it does not change when the adapter is moved
        beside    notes what else is measured while the model is loaded
        reasoning how a model that reasons thinks aloud; None: as it does by itself
        """
        known = exam(Thinker(uniform))
        sign = digest([[q.record.game, q.record.frame, q.record.order, q.prompt.key] for q in known])
        if (run.noted("examined.json") or {}).get("exam") == sign:
            return 0
        model = self.load(spec)
        if reasoning is not None and isinstance(model, Reasons):
            model.reasoning = reasoning
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
