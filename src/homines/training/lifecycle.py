"""Measure, train, measure again: one alignment from its plan to its evidence, in one run folder.

Every stage finds what an earlier, interrupted call left in the folder and does only what is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from homines.core.paths import inside
from homines.core.progress import Begin, Say
from homines.core.run_folder import RunFolder, read_json, trained_folder
from homines.core.types import HominesError
from homines.elicitation import capability
from homines.elicitation.asking import measure
from homines.inference import processes
from homines.inference.logits import distinct_tokens
from homines.models import load
from homines.models.hf import HuggingFace
from homines.reports import model_card
from homines.training import distributed
from homines.training.data import Row
from homines.training.exact import rl
from homines.training.exam import TuningPlan, examine, tuned_model, tuning_config
from homines.training.plan import Alignment, plan_config
from homines.training.prompt_sets import PromptSets
from homines.training.rollout import Rollout
from homines.training.sampled import PROMPTS, sampled
from homines.training.settings import MOST_MEASURED, AlignmentPlan
from homines.training.supervised import train_supervised
from homines.training.trainer import Trained, whole_checkpoint


def align(
    plan: AlignmentPlan,
    folder: Path,
    *,
    kind: str = "align",
    command: str = "",
    say: Say = lambda text: None,
    begin: Begin = lambda what, total: lambda done: None,
    on_step: Callable[[dict[str, Any]], None] = lambda row: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Carry out the plan in `folder`; the trained adapter (or model) lies there too.

    Raises Interrupted where `stop` says so; the same call goes on from there.
    """
    made = Alignment.of(plan)
    if plan.measured < plan.memory:
        say(f"{plan.memory} rounds make more than {MOST_MEASURED} states: measuring those of one round")
    say(f"loading {plan.model}")
    model = load_student(plan, plan.model)
    taught, rival = made.lesson(model, plan), made.rivals(model, plan)
    if not processes.is_first():
        return _beside(plan, taught, model, folder, stop)
    with RunFolder(folder, plan_config(plan, kind=kind, command=command)) as run:
        _verify(plan, made, model, run, "before", begin, stop)
        trained = train(plan, taught, model, run, rival, say, begin, on_step, stop)
        del model
        say("loading the aligned model")
        if plan.settings.rank:
            after = load_student(plan, plan.model, str(trained.folder))
        else:
            after = load_student(plan, f"hf/{trained.folder}")
        after.name = f"{plan.model}+{trained.folder.name}"  # wherever the folder may be moved to
        _verify(plan, made, after, run, "after", begin, stop)
    model_card.write(folder)
    return trained


def _beside(
    plan: AlignmentPlan,
    taught: PromptSets | Rollout,
    model: HuggingFace,
    folder: Path,
    stop: Callable[[], bool],
) -> Trained:
    """The part of a process that is not the first: its share of the training, and nothing else."""
    if plan.by != "rl":
        raise HominesError(f"--by {plan.by} trains in one process; start it in one process")
    if (done := finished_training(folder)) is not None:
        return done
    return rl(model, taught, plan.settings, folder, stop=stop)


def finished_training(folder: Path) -> Trained | None:
    """What the training in this run folder came to, where it is done."""
    if not inside(folder, "training.json").exists():
        return None
    noted = read_json(folder, "training.json")
    if (made := trained_folder(folder, noted)) is None:
        return None
    return Trained(
        made, noted.get("seconds", 0.0), noted.get("last", {}), trained_folder(folder, noted, "rival")
    )


def name_after(plan: AlignmentPlan, result: Path) -> str:
    """The MODEL string that loads the aligned model from here."""
    return f"{plan.model}+{result}" if plan.settings.rank else f"hf/{result}"


def load_student(plan: AlignmentPlan, name: str, *adapters: str) -> HuggingFace:
    trust = plan.trust_remote_code
    model = load(name, *adapters, device=plan.device, dtype=plan.dtype, trust_remote_code=trust)
    if not isinstance(model, HuggingFace):
        raise HominesError(
            f"{name} cannot be trained here: its weights are out of reach; use smollm2 or hf/..."
        )
    return model


def _verify(
    plan: AlignmentPlan,
    made: Alignment,
    model: HuggingFace,
    run: RunFolder,
    when: str,
    begin: Begin,
    stop: Callable[[], bool],
) -> None:
    asked = made.questions(model, plan)
    tell = begin(f"measuring {when}", len(asked))
    measure(model, asked, run, progress=lambda done, _: tell(done), stop=stop)
    if plan.side_effects:
        noted = run.noted("sideeffects.json") or {}
        if model.name not in noted:
            tell = begin(f"side effects {when}", 1)
            run.note("sideeffects.json", {**noted, model.name: capability.measure_capability(model)})
            tell(1)


def train(
    plan: AlignmentPlan,
    taught: PromptSets | Rollout,
    model: HuggingFace,
    run: RunFolder,
    rival: PromptSets | None = None,
    say: Say = lambda text: None,
    begin: Begin = lambda what, total: lambda done: None,
    on_step: Callable[[dict[str, Any]], None] = lambda row: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """The training of a plan in its run folder; where it is done already, what it came to."""
    if (done := finished_training(run.folder)) is not None:
        say("training is done already")
        return done
    whole_checkpoint(run.folder / "checkpoints", walking=isinstance(taught, Rollout), say=say)
    warm = begin("warm-up", plan.warmup) if plan.warmup else lambda done: None
    tell = begin("training", plan.steps)

    def follow(row: dict[str, Any]) -> None:
        run.log(row)
        tell(row["step"])
        on_step(row)

    if plan.by == "rl":
        trained = rl(model, taught, plan.settings, run.folder, rival=rival, on_step=follow, stop=stop)
    else:
        assert isinstance(taught, PromptSets)  # checked before
        trained = sampled(
            model,
            taught,
            plan.settings,
            run.folder,
            by=plan.by,
            warmup=plan.warmup,
            on_step=follow,
            on_warmup=lambda row: warm(row["step"]),
            stop=stop,
        )
    run.note(
        "training.json",
        {
            "result": trained.folder.name,
            "rival": trained.rival.name if trained.rival else None,
            "seconds": trained.seconds,
            "steps": plan.steps,
            "prompts": sum(map(len, taught.sets)) if isinstance(taught, PromptSets) else None,
            "device": model.provenance["device"],
            "dtype": model.provenance["dtype"],
            **distributed.describe_processes(),
            "last": trained.last,
        },
    )
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    model_card.write(run.folder)  # in place of PEFT's form; once more when it is measured
    return trained


def estimate(plan: AlignmentPlan) -> dict[str, int]:
    """How many prompts and tokens the plan would run; loads the model, runs nothing.

    Of a sampled road: the most tokens that its prompts and completions can come to, and the warm-up's.
    `measured_memory`: the rounds told in the questions, where they are fewer than are remembered.
    """
    made = Alignment.of(plan)
    model = load_student(plan, plan.model)
    asked = made.questions(model, plan)
    taught, rival = made.lesson(model, plan), made.rivals(model, plan)
    shown = taught.sets if isinstance(taught, PromptSets) else taught.batch([0]).encoded
    in_set = [distinct_tokens(some, 10**9) for some in shown]
    exact = plan.steps if plan.by == "rl" else plan.warmup
    sets = exact * plan.settings.sets * plan.settings.accumulation * (1 if rival is None else 2)
    prompts, tokens = sets * len(shown[0]), sets * sum(in_set) / len(in_set)
    if plan.by != "rl":
        said = plan.steps * plan.settings.accumulation * PROMPTS
        longest = max(len(item.prompt) for some in shown for item in some)
        prompts += said
        tokens += said * plan.settings.generations * (longest + plan.settings.completion)
    return {
        "questions": 2 * len(asked),
        "question_tokens": 2 * model.tokens([q.prompt for q in asked]),
        "training_prompts": prompts,
        "training_tokens": round(tokens),
        **({"measured_memory": plan.measured} if plan.measured < plan.memory else {}),
    }


def tune(
    tuning: TuningPlan,
    folder: Path,
    *,
    command: str = "",
    say: Say = lambda text: None,
    begin: Begin = lambda what, total: lambda done: None,
    on_step: Callable[[dict[str, Any]], None] = lambda row: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Carry out a tuning in `folder`. Raises Interrupted where `stop` says so; the same call goes on."""
    recipe, train, test = tuning.rows()
    say(f"loading {tuning.model}")
    untrained = [tuned_model(tuning, tuning.model)]
    if not processes.is_first():  # its share of the training, and nothing else
        return finished_training(folder) or train_supervised(
            untrained[0], train, tuning.course, folder, stop=stop
        )
    with RunFolder(folder, tuning_config(tuning, recipe, command=command)) as run:
        examine(tuning, untrained[0], run, {"before": test}, begin, stop)
        # handed over, so that it is not held while the tuned one is
        trained = train_on_rows(tuning, untrained.pop, run, train, say, begin, on_step, stop)
        untrained.clear()
        after = load_tuned(tuning, trained)
        examine(tuning, after, run, {"after": test}, begin, stop)
    model_card.write(folder)
    return trained


def load_tuned(tuning: TuningPlan, trained: Trained) -> HuggingFace:
    """The tuned model, loaded from its folder."""
    if tuning.course.rank:
        after = tuned_model(tuning, tuning.model, str(trained.folder))
    else:
        after = tuned_model(tuning, f"hf/{trained.folder}")
    after.name = f"{tuning.model}+{trained.folder.name}"  # wherever the folder may be moved to
    return after


def train_on_rows(
    tuning: TuningPlan,
    learner: Callable[[], HuggingFace],
    run: RunFolder,
    rows: Sequence[Row],
    say: Say = lambda text: None,
    begin: Begin = lambda what, total: lambda done: None,
    on_step: Callable[[dict[str, Any]], None] = lambda row: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """The training in its run folder; where it is done already, what it came to, without the learner."""
    if (done := finished_training(run.folder)) is not None:
        say("training is done already")
        return done
    whole_checkpoint(run.folder / "checkpoints", say=say)
    model = learner()
    tell = begin("training", tuning.course.steps(len(rows)))

    def follow(row: dict[str, Any]) -> None:
        run.log(row)
        tell(row["step"])
        on_step(row)

    trained = train_supervised(model, rows, tuning.course, run.folder, on_step=follow, stop=stop)
    run.note(
        "training.json",
        {
            "result": trained.folder.name,
            "seconds": trained.seconds,
            "rows": len(rows),
            "steps": tuning.course.steps(len(rows)),
            "device": model.provenance["device"],
            "dtype": model.provenance["dtype"],
            **distributed.describe_processes(),
            "last": trained.last,
        },
    )
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    model_card.write(run.folder)  # in place of PEFT's form; once more when it is measured
    return trained
