"""Measure, train, measure again: one alignment from its plan to its evidence, in one run folder.

Every stage finds what an earlier, interrupted call left in the folder and does only what is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from homines import sideeffects
from homines.core import HominesError, Model, Preference
from homines.forms import Repeated
from homines.logits import distinct_tokens
from homines.lookup import find, spell
from homines.measure import Question, battery, measure, questions
from homines.models import load
from homines.models.hf import HuggingFace
from homines.models.mock import Mock, uniform
from homines.store import Run
from homines.train import Lesson, Settings, Trained, check, lesson, rl

Say = Callable[[str], None]
Begin = Callable[[str, int], Callable[[int], None]]
"""begin(what, total) returns tell(done): how a caller follows long work."""


@dataclass(frozen=True)
class Plan:
    """What to align, to what, on what, and what to verify it on. Every field is a spec or a setting."""

    model: str
    preference: str
    game: str = "ipd"
    opponent: str = "tit_for_tat"
    frames: tuple[str, ...] = ("table(labels='action1,action2')",)
    """Frames to train on."""
    transfer_frames: tuple[str, ...] = ()
    """Frames to verify the training game in, not trained on."""
    transfer_games: tuple[str, ...] = ()
    """Games to verify in the training frames, not trained on."""
    states: tuple[str, ...] | None = None
    settings: Settings = field(default_factory=Settings)
    side_effects: bool = True
    device: str | None = None
    dtype: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for name in ("frames", "transfer_frames"):
            object.__setattr__(self, name, tuple(spell(find("frames", x)) for x in getattr(self, name)))
        object.__setattr__(self, "preference", spell(find("preferences", self.preference)))


@dataclass(frozen=True, eq=False)
class Made:
    """The plan's specs as objects. Made first, so that a mistake costs no work."""

    preference: Preference
    game: Any
    opponent: Any
    frames: list[Any]
    transfer_frames: list[Any]
    transfer_games: dict[str, Any]

    @classmethod
    def of(cls, plan: Plan) -> Made:
        made = cls(
            find("preferences", plan.preference),
            find("games", plan.game),
            find("opponents", plan.opponent),
            [find("frames", spec) for spec in plan.frames],
            [find("frames", spec) for spec in plan.transfer_frames],
            {spec: find("games", spec) for spec in plan.transfer_games},
        )
        for d in battery(made.game):
            made.preference(d)
        made.questions(Mock(uniform), plan.game)  # every frame has words for every decision
        return made

    def questions(self, model: Model, game: str) -> list[Question]:
        here = {game: battery(self.game)}
        away = {name: battery(g) for name, g in self.transfer_games.items()}
        return questions(model, {**here, **away}, self.frames) + questions(model, here, self.transfer_frames)

    def lesson(self, model: HuggingFace, plan: Plan) -> Lesson:
        repeated = isinstance(self.game, Repeated)
        taught = self.game if repeated else battery(self.game)
        against = self.opponent if repeated else None
        return lesson(model, taught, self.preference, self.frames, against, keep=plan.states)


def config(plan: Plan, *, kind: str, command: str) -> dict[str, Any]:
    """The resolved config of an alignment run, as its folder stores it."""
    raw = asdict(plan)
    return {
        "kind": kind,
        "command": command,
        **{k: v for k, v in raw.items() if k not in ("frames", "transfer_frames", "transfer_games")},
        "training_frames": list(plan.frames),
        "frames": [*plan.frames, *plan.transfer_frames],
        "games": [plan.game, *plan.transfer_games],
    }


def align(
    plan: Plan,
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
    made = Made.of(plan)
    say(f"loading {plan.model}")
    model = _load(plan, plan.model)
    taught = made.lesson(model, plan)
    check(taught, plan.settings)
    with Run(folder, config(plan, kind=kind, command=command)) as run:
        _verify(plan, made, model, run, "before", begin, stop)
        trained = _train(plan, taught, model, run, say, begin, on_step, stop)
        del model
        say("loading the aligned model")
        if plan.settings.rank:
            after = _load(plan, plan.model, str(trained.folder))
        else:
            after = _load(plan, f"hf/{trained.folder}")
        after.name = f"{plan.model}+{trained.folder.name}"  # wherever the folder may be moved to
        _verify(plan, made, after, run, "after", begin, stop)
    return trained


def name_after(plan: Plan, result: Path) -> str:
    """The MODEL string that loads the aligned model from here."""
    return f"{plan.model}+{result}" if plan.settings.rank else f"hf/{result}"


def _load(plan: Plan, name: str, *adapters: str) -> HuggingFace:
    trust = plan.trust_remote_code
    model = load(name, *adapters, device=plan.device, dtype=plan.dtype, trust_remote_code=trust)
    if not isinstance(model, HuggingFace):
        raise HominesError(
            f"{name} cannot be trained here: its weights are out of reach; use smollm2 or hf/..."
        )
    return model


def _verify(
    plan: Plan,
    made: Made,
    model: HuggingFace,
    run: Run,
    when: str,
    begin: Begin,
    stop: Callable[[], bool],
) -> None:
    asked = made.questions(model, plan.game)
    tell = begin(f"measuring {when}", len(asked))
    measure(model, asked, run, progress=lambda done, _: tell(done), stop=stop)
    if plan.side_effects:
        noted = run.noted("sideeffects.json") or {}
        if model.name not in noted:
            tell = begin(f"side effects {when}", 1)
            run.note("sideeffects.json", {**noted, model.name: sideeffects.check(model)})
            tell(1)


def _train(
    plan: Plan,
    taught: Lesson,
    model: HuggingFace,
    run: Run,
    say: Say,
    begin: Begin,
    on_step: Callable[[dict[str, Any]], None],
    stop: Callable[[], bool],
) -> Trained:
    if (noted := run.noted("training.json")) and (run.folder / noted["result"]).exists():
        say("training is done already")
        return Trained(run.folder / noted["result"], noted["seconds"], noted["last"])
    tell = begin("training", plan.settings.steps)

    def follow(row: dict[str, Any]) -> None:
        run.log(row)
        tell(row["step"])
        on_step(row)

    trained = rl(model, taught, plan.settings, run.folder, on_step=follow, stop=stop)
    run.note(
        "training.json",
        {
            "result": trained.folder.name,
            "seconds": trained.seconds,
            "steps": plan.settings.steps,
            "prompts": sum(map(len, taught.sets)),
            "device": model.provenance["device"],
            "dtype": model.provenance["dtype"],
            "last": trained.last,
        },
    )
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    return trained


def estimate(plan: Plan) -> dict[str, int]:
    """How many prompts and tokens the plan would run; loads the model, runs nothing."""
    made = Made.of(plan)
    model = _load(plan, plan.model)
    asked = made.questions(model, plan.game)
    taught = made.lesson(model, plan)
    check(taught, plan.settings)
    in_set = [distinct_tokens(some, 10**9) for some in taught.sets]
    sets = plan.settings.steps * plan.settings.sets * plan.settings.accumulation
    return {
        "questions": 2 * len(asked),
        "question_tokens": 2 * model.tokens([q.prompt for q in asked]),
        "training_prompts": sets * len(taught.sets[0]),
        "training_tokens": round(sets * sum(in_set) / len(in_set)),
    }
