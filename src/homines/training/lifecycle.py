"""The life of a run: load, measure, train, note, card, measure again, in one run folder.

Every stage finds what an earlier, interrupted call left in the folder and does only what is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from homines.core.paths import inside
from homines.core.progress import QUIET, Follow, Tell
from homines.core.run_folder import RunFolder, read_json, trained_folder
from homines.core.types import HominesError
from homines.datasets.recipe import Recipe
from homines.datasets.row import Row
from homines.elicitation.asking import measure
from homines.elicitation.benchmark import note_benchmarks, read_benchmarks
from homines.inference import processes
from homines.inference.logits import distinct_tokens
from homines.models.hf import HuggingFace
from homines.reports import model_card
from homines.reports.training_end import training_end
from homines.training import distributed
from homines.training.checkpoints import whole_checkpoint
from homines.training.exact import rl
from homines.training.exam import examine, note_side_effects
from homines.training.plan import Alignment
from homines.training.prompt_sets import EverySet, PromptSets
from homines.training.rollout import Rollout
from homines.training.sampled import WarmUp, sampled
from homines.training.settings import MOST_MEASURED, PROMPTS_OF_PASS, AlignmentPlan, TuningPlan
from homines.training.student import TrainingPlan, load_student, load_trained
from homines.training.supervised import train_supervised
from homines.training.trainer import Trained


class Training(Protocol):
    """One kind of training, as the life of a run asks for it."""

    @property
    def plan(self) -> TrainingPlan: ...
    @property
    def stages(self) -> Mapping[str, int]:
        """Optimiser steps by stage, in order; the last one is 'training'."""
        ...

    @property
    def rolls_out(self) -> bool:
        """Whether its checkpoints hold where the players of a rollout stand."""
        ...

    @property
    def reloading(self) -> str:
        """The sentence printed as the trained model is loaded; empty: none."""
        ...

    def config(self, *, kind: str, command: str) -> dict[str, Any]: ...
    def measure(self, model: HuggingFace, run: RunFolder, when: str, follow: Follow) -> None: ...
    def train(self, model: HuggingFace, folder: Path, follow: Follow, stages: Mapping[str, Tell]) -> Trained:
        """Train. stages: called with the steps done of each stage but 'training', which `follow` gets."""
        ...

    def share(self, model: HuggingFace, folder: Path, follow: Follow) -> Trained:
        """The part of a process that is not the first: its share of the training, and nothing else."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What training.json holds of this kind of training alone."""
        ...


@dataclass(frozen=True, eq=False)
class AlignmentTraining:
    """Reinforcement learning of a preference."""

    alignment: Alignment
    source: EverySet | Rollout
    rival: PromptSets | None
    reloading: str = "loading the aligned model"

    @classmethod
    def of(cls, alignment: Alignment, model: HuggingFace) -> AlignmentTraining:
        """The training of this model. Raises HominesError where a prompt does not fit it."""
        ready = alignment.on(model)
        return cls(alignment, ready.prompt_source(), ready.rival_prompts())

    @property
    def plan(self) -> AlignmentPlan:
        return self.alignment.plan

    @property
    def stages(self) -> dict[str, int]:
        warmup = {"warm-up": self.plan.warmup} if self.plan.warmup else {}
        return {**warmup, "training": self.plan.steps}

    @property
    def rolls_out(self) -> bool:
        return isinstance(self.source, Rollout)

    def config(self, *, kind: str, command: str) -> dict[str, Any]:
        return self.plan.config(kind=kind, command=command)

    def measure(self, model: HuggingFace, run: RunFolder, when: str, follow: Follow) -> None:
        questions = self.alignment.on(model).questions()
        tell = follow.begin(f"measuring {when}", len(questions))
        measure(model, questions, run, progress=lambda done, _: tell(done), stop=follow.stop)
        if self.plan.side_effects:
            note_side_effects(model, run, f"side effects {when}", follow)
        note_benchmarks(model, run, self.plan.benchmark or (), follow)

    def train(self, model: HuggingFace, folder: Path, follow: Follow, stages: Mapping[str, Tell]) -> Trained:
        plan, source = self.plan, self.source
        if plan.by == "rl":
            return rl(model, source, plan.settings, folder, rival=self.rival, follow=follow)
        assert isinstance(source, PromptSets)  # checked before
        warmup = WarmUp(plan.warmup, Follow(step=lambda row: stages["warm-up"](row["step"])))
        return sampled(model, source, plan.settings, folder, by=plan.by, warmup=warmup, follow=follow)

    def share(self, model: HuggingFace, folder: Path, follow: Follow) -> Trained:
        if self.plan.by != "rl":
            raise HominesError(f"--by {self.plan.by} trains in one process; start it in one process")
        if (done := finished_training(folder)) is not None:
            return done
        return rl(model, self.source, self.plan.settings, folder, follow=Follow(stop=follow.stop))

    @property
    def facts(self) -> dict[str, Any]:
        prompts = None if isinstance(self.source, Rollout) else sum(map(len, self.source.sets))
        return {"rival": None, "steps": self.plan.steps, "prompts": prompts}


@dataclass(frozen=True, eq=False)
class Tuning:
    """Supervised fine-tuning on rows.

    recipe   how the data were generated
    rows     trained on; `test`: asked before and after
    """

    plan: TuningPlan
    recipe: Recipe | None
    rows: Sequence[Row]
    test: Sequence[Row] = ()
    rolls_out: bool = False
    reloading: str = ""

    @classmethod
    def of(cls, plan: TuningPlan) -> Tuning:
        return cls(plan, *plan.rows())

    @property
    def soft(self) -> bool:
        """Whether the answers' logit choice is taught, not the best answer."""
        return getattr(self.recipe, "targets", "best") == "logit"

    @property
    def stages(self) -> dict[str, int]:
        course = self.plan.course
        return {"training": course.steps(len(self.rows) + (course.plain if course.by == "sft" else 0))}

    def config(self, *, kind: str, command: str) -> dict[str, Any]:
        assert self.recipe is not None  # rows without one are taught in a folder of the caller's
        return self.plan.config(self.recipe, kind=kind, command=command)

    def measure(self, model: HuggingFace, run: RunFolder, when: str, follow: Follow) -> None:
        examine(self.plan, model, run, {when: self.test}, follow)

    def train(self, model: HuggingFace, folder: Path, follow: Follow, stages: Mapping[str, Tell]) -> Trained:
        return train_supervised(model, self.rows, self.plan.course, folder, soft=self.soft, follow=follow)

    def share(self, model: HuggingFace, folder: Path, follow: Follow) -> Trained:
        quiet = Follow(stop=follow.stop)
        return finished_training(folder) or train_supervised(
            model, self.rows, self.plan.course, folder, soft=self.soft, follow=quiet
        )

    @property
    def facts(self) -> dict[str, Any]:
        return {"rows": len(self.rows), "steps": self.stages["training"]}


def align(
    plan: AlignmentPlan,
    folder: Path,
    *,
    kind: str = "align",
    command: str = "",
    follow: Follow = QUIET,
) -> Trained:
    """Carry out the plan in `folder`; the trained adapter (or model) lies there too.

    Raises Interrupted where `follow.stop` says so; the same call goes on from there.
    """
    alignment = Alignment.of(plan)
    read_benchmarks(plan.benchmark or ())  # a bad line costs no training
    if plan.measured < plan.memory:
        follow.say(
            f"{plan.memory} rounds make more than {MOST_MEASURED} states: measuring those of one round"
        )
    follow.say(f"loading {plan.model}")
    students = [load_student(plan)]
    training = AlignmentTraining.of(alignment, students[0])
    return live(training, students, folder, kind=kind, command=command, follow=follow)


def tune(plan: TuningPlan, folder: Path, *, command: str = "", follow: Follow = QUIET) -> Trained:
    """Carry out a tuning in `folder`.

    Raises Interrupted where `follow.stop` says so; the same call goes on from there.
    """
    training = Tuning.of(plan)
    read_benchmarks(plan.benchmark or ())
    follow.say(f"loading {plan.model}")
    return live(training, [load_student(plan)], folder, kind="tune", command=command, follow=follow)


def live(
    training: Training,
    students: list[HuggingFace],
    folder: Path,
    *,
    kind: str,
    command: str,
    follow: Follow,
) -> Trained:
    """Measure a model, train it, and measure the trained model, in one run folder.

    students   a list of the model alone; the training empties it, which frees the memory for the trained one
    """
    if not processes.is_first():
        return training.share(students[0], folder, follow)
    with RunFolder(folder, training.config(kind=kind, command=command)) as run:
        training.measure(students[0], run, "before", follow)
        trained = train_once(training, students.pop, run, follow)
        students.clear()
        if training.reloading:
            follow.say(training.reloading)
        training.measure(load_trained(training.plan, trained), run, "after", follow)
    model_card.write(folder)
    return trained


def train_once(
    training: Training, learner: Callable[[], HuggingFace], run: RunFolder, follow: Follow = QUIET
) -> Trained:
    """Train in a run folder and note the result; where the training is done already, return its result.

    learner   gives the network; it is not called where the training is done
    """
    if (done := finished_training(run.folder)) is not None:
        follow.say("training is done already")
        return done
    whole_checkpoint(run.folder / "checkpoints", rollout=training.rolls_out, say=follow.say)
    model = learner()
    stages = {stage: follow.begin(stage, steps) for stage, steps in training.stages.items()}

    def log(row: dict[str, Any]) -> None:
        run.log(row)
        stages["training"](row["step"])

    trained = training.train(model, run.folder, follow.also(log), stages)
    run.note(
        "training.json",
        {
            "result": trained.folder.name,
            "seconds": trained.seconds,
            **training.facts,
            **({"rival": trained.rival.name} if trained.rival else {}),
            **_end(training, trained),
            "device": model.provenance["device"],
            "dtype": model.provenance["dtype"],
            **({"products": trained.products} if trained.products else {}),
            **distributed.describe_processes(),
            "last": trained.last,
        },
    )
    if end := training_end(run.noted("training.json") or {}, run.config):
        follow.say(f"training ended {end}")
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    model_card.write(run.folder)  # in place of PEFT's form; once more when it is measured
    return trained


def _end(training: Training, trained: Trained) -> dict[str, Any]:
    """What training.json holds on the end of a training that had a target of regret."""
    if trained.reached is None:
        return {}
    return {
        "steps": trained.last["step"],
        "most_steps": training.stages["training"],
        "reached": trained.reached,
        **{name: trained.last[name] for name in ("regret", "highest_regret")},
    }


def finished_training(folder: Path) -> Trained | None:
    """The result of the training in this run folder; None where it is not done."""
    if not inside(folder, "training.json").exists():
        return None
    noted = read_json(folder, "training.json")
    if (result := trained_folder(folder, noted)) is None:
        return None
    rival = trained_folder(folder, noted, "rival")
    return Trained(result, noted.get("seconds", 0.0), noted.get("last", {}), rival, noted.get("reached"))


def estimate(plan: AlignmentPlan) -> dict[str, int]:
    """How many prompts and tokens the plan would run; loads the model, runs nothing.

    The tokens of a sampled road are an upper bound on its prompts and completions, and those of its warm-up.
    `measured_memory` is the number of rounds in the questions, where they are fewer than are remembered.
    """
    alignment = Alignment.of(plan)
    model = load_student(plan)
    alignment = alignment.on(model)
    questions, source = alignment.questions(), alignment.prompt_source()
    encoded = source.batch([0]).encoded if isinstance(source, Rollout) else source.sets
    in_set = [distinct_tokens(prompts, 10**9) for prompts in encoded]
    exact = plan.steps if plan.by == "rl" else plan.warmup
    sets = exact * plan.settings.sets * plan.settings.accumulation * (1 if plan.rival is None else 2)
    prompts, tokens = round(sets * sum(map(len, encoded)) / len(encoded)), sets * sum(in_set) / len(in_set)
    if plan.by != "rl":
        completions = plan.steps * plan.settings.accumulation * PROMPTS_OF_PASS
        longest = max(len(item.prompt) for items in encoded for item in items)
        prompts += completions
        tokens += completions * plan.settings.generations * (longest + plan.settings.completion)
    return {
        "questions": 2 * len(questions),
        "question_tokens": 2 * model.tokens([q.prompt for q in questions]),
        "training_prompts": prompts,
        "training_tokens": round(tokens),
        **({"measured_memory": plan.measured} if plan.measured < plan.memory else {}),
    }
