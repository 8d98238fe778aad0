"""What agents of the study tennant2025 are trained on: rewards, opponents, regimes and memories, by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any, Literal, TypeAlias

from homines.core.types import HominesError
from homines.studies.task import FIXED, AgentKind, StudyTask
from homines.studies.tennant2025.agents import GOAL, REWARDS
from homines.training import curriculum
from homines.training.settings import AlignmentPlan, Settings

Part: TypeAlias = Literal[
    "core", "opponents", "learners", "unlearning", "prompted", "probes", "ordinal", "sensitivity", "memory"
]
PARTS: tuple[Part, ...] = (
    "core", "opponents", "learners", "unlearning", "prompted", "probes", "ordinal", "sensitivity", "memory",
)  # fmt: skip
"""The parts of the study, in order; `--only` does some of them."""
FRAME = f"table(labels='action1,action2', goal='{GOAL}')"
"""The one wording: that of the sixteen prompts on which every agent is compared."""
WORDS = tuple(spec.replace("table(", f"table(goal='{GOAL}', ") for spec in curriculum.FRAMES)
"""The many wordings that agents are trained on unless said otherwise."""
SETTLED = replace(FIXED, until=0.05, steps=48, kl_steps=16)
"""A training of one learner in all states: until it has settled (training/stopping.py), at most 48 steps."""
PAIR = replace(FIXED, steps=20)
MET = replace(FIXED, sample=4, steps=24)
"""A training in the states that four players meet, as published; none of these can settle by a rule."""
REGIME = replace(FIXED, steps=20)
GAMMA = 0.9
FAR = replace(FIXED, objective="discounted", gamma=GAMMA, steps=30)
OPPONENTS = ("random", "always_defect", "always_cooperate")
LONG = ("grim", "two_tits_for_tat", "alternator")
"""Opponents of the learners with a longer memory."""
LONG_STEPS = {1: 30, 2: 20, 3: 8}
"""Steps by memory: each asks all 4^memory states."""
SHORT = 3
"""Steps of a training in the short form, other than those of the core."""


@dataclass(frozen=True)
class RewardKind(AgentKind):
    """A reward and its training.

    part    of the study
    group   what a section tells together: core, wording (trained on one wording), general (games too),
            opponents, learner, unlearning, unlearning_learner, illegal, scale, regime, far (discounted),
            memory
    """

    part: Part = "core"
    group: str = ""


def parts(task: StudyTask) -> tuple[Part, ...]:
    """The parts of the study that are carried out. Raises HominesError for an unknown one."""
    if unknown := [name for name in task.only if name not in PARTS]:
        raise HominesError(f"tennant2025 has no part {unknown[0]!r}; --only takes {', '.join(PARTS)}")
    return tuple(part for part in PARTS if not task.only or part in task.only)


def all_kinds(task: StudyTask) -> list[RewardKind]:
    """Every kind of agent of every part. In the short form there is one kind of each group, or two."""
    makers = (_core, _opponents, _learners, _unlearning, _sensitivity, _memory)
    if task.quick:
        return list(_short(task))
    return [kind for make in makers for kind in make(task)]


def kinds(task: StudyTask) -> list[RewardKind]:
    """Every kind of agent that is trained in the parts that are carried out."""
    here = parts(task)
    return [kind for kind in all_kinds(task) if kind.part in here]


def _kind(task: StudyTask, name: str, group: str, preference: str, *slug: str, **changes: Any) -> RewardKind:
    """A kind. slug: words that tell its folder from others' of the group; changes: fields of the plan, and
    part, seeds."""
    part: Part = changes.pop("part")
    seeds = changes.pop("seeds", task.seeds[:1])
    fixed = {"rewordings": False, "side_effects": False, "device": task.device, "dtype": task.dtype}
    fields: dict[str, Any] = {"frames": WORDS} | changes | fixed
    plan = AlignmentPlan(task.model, preference, **fields)
    rewards = [phase.partition("(")[0].partition(":")[0].strip() for phase in preference.split("->")]
    return RewardKind(name, "-".join((group, *rewards, *slug)), plan, seeds, part, group)


def _core(task: StudyTask) -> Iterator[RewardKind]:
    """Four rewards against tit-for-tat: over many words, over one wording, and one over many games too."""
    for name, reward in REWARDS.items():
        yield _kind(task, name, "core", reward, part="core", seeds=task.seeds, settings=SETTLED)
    one: dict[str, Any] = {"part": "core", "settings": SETTLED, "frames": (FRAME,)}
    for name, reward in REWARDS.items():
        yield _kind(task, f"{name}, one wording", "wording", reward, **one)
    many: dict[str, Any] = {"part": "core", "settings": SETTLED, "more_games": curriculum.GAMES}
    yield _kind(task, "Game+De, many games", "general", REWARDS["Game+De"], **many)


def _opponents(task: StudyTask) -> Iterator[RewardKind]:
    for other in OPPONENTS:
        for name, reward in REWARDS.items():
            title = f"{name} v {other.replace('_', ' ')}"
            more = {"part": "opponents", "settings": MET, "opponent": other}
            yield _kind(task, title, "opponents", reward, other, **more)


def _learners(task: StudyTask) -> Iterator[RewardKind]:
    """Two learners at once: of the same reward, and of every pair of rewards."""
    for one, two in combinations_with_replacement(REWARDS, 2):
        more: dict[str, Any] = {"part": "learners", "settings": PAIR, "rival": REWARDS[two]}
        yield _kind(task, f"{one} v learner {two}", "learner", REWARDS[one], REWARDS[two], **more)


def _unlearning(task: StudyTask) -> Iterator[RewardKind]:
    for to in ("De", "Ut"):
        plan = f"economicus:16 -> {REWARDS[to]}:16"
        more: dict[str, Any] = {"part": "unlearning", "settings": FIXED}
        yield _kind(task, f"Game → {to}", "unlearning", plan, seeds=task.seeds, **more)
        yield _kind(task, f"Game → {to} v learner", "unlearning_learner", plan, rival=plan, **more)


def _sensitivity(task: StudyTask) -> Iterator[RewardKind]:
    """One wording: rewards of illegal answers, scales of payoffs, and regimes of the KL."""
    fixed: dict[str, Any] = {"part": "sensitivity", "frames": (FRAME,)}
    for name in ("De", "Game+De"):
        reward = REWARDS[name]
        for illegal in (-15.0, -100.0):
            settings = replace(REGIME, illegal=illegal)
            title = f"{name}, illegal {illegal:g}"
            yield _kind(task, title, "illegal", reward, f"{-illegal:g}", settings=settings, **fixed)
        for factor, game in SCALES.items():
            more = fixed | {"settings": REGIME, "game": game}
            yield _kind(
                task,
                f"{name}, payoffs × {factor}",
                "scale",
                reward,
                f"times_{factor}".replace(".", "_"),
                **more,
            )
    for title, slug, settings in REGIMES:
        for name in ("De", "Game+De"):
            more = fixed | {"settings": settings}
            yield _kind(task, f"{name}, {title}", "regime", REWARDS[name], slug, **more)
    for to in ("De", "Ut"):
        plan = f"economicus:20 -> {REWARDS[to]}:16"
        more = fixed | {"settings": replace(FIXED, kl_between=0.05)}
        yield _kind(task, f"Game → {to}, settled first", "regime", plan, "settled", **more)


SCALES = {"0.1": "ipd(payoffs=(0.4, 0.3, 0.1, 0))", "10": "ipd(payoffs=(40, 30, 10, 0))"}
"""Games by the factor of their payoffs; duty's penalty stays at 3 points."""
REGIMES: tuple[tuple[str, str, Settings], ...] = (
    ("KL weight .2 throughout", "kl_02", replace(REGIME, kl=0.2, kl_start=0.2)),
    ("KL weight 1 throughout", "kl_1", replace(REGIME, kl=1.0, kl_start=1.0)),
)
"""Weights of the KL to the model before, in place of one that falls from 3 to .05. The published one starts
at .2 and adapts."""


def _memory(task: StudyTask) -> Iterator[RewardKind]:
    """Learners who see the future: against tit-for-tat, and with a longer past against opponents with one."""
    fixed: dict[str, Any] = {"part": "memory"}
    for name in ("Game", "Ut", "De"):
        yield _kind(task, f"{name} (γ = .9)", "far", REWARDS[name], settings=FAR, **fixed)
    for other in LONG:
        for memory, steps in LONG_STEPS.items():
            if not (other == "two_tits_for_tat" and memory == 1):  # its replies take a past of two rounds
                yield _long(task, other, memory, steps)


def _long(task: StudyTask, other: str, memory: int, steps: int, *slug: str) -> RewardKind:
    """A selfish learner with a past of so many rounds."""
    more: dict[str, Any] = {
        "part": "memory",
        "frames": (FRAME,),
        "settings": replace(FAR, steps=steps),
        "opponent": other,
        "memory": memory,
    }
    title = f"Game (γ = .9), memory {memory}, v {other.replace('_', ' ')}"
    return _kind(task, title, "memory", REWARDS["Game"], other, str(memory), *slug, **more)


def _short(task: StudyTask) -> Iterator[RewardKind]:
    """The short form: two rewards of the core in one wording, and a few steps of one kind of each part."""
    core: dict[str, Any] = {"part": "core", "frames": (FRAME,), "seeds": task.seeds}
    for name, steps in (("De", 16), ("Game+De", 24)):
        settings = replace(FIXED, steps=steps)
        yield _kind(task, name, "core", REWARDS[name], "short", settings=settings, **core)
    few, short = replace(FIXED, steps=SHORT), ("short",)
    one: dict[str, Any] = {"frames": (FRAME,)}
    met = one | {"part": "opponents", "settings": replace(few, sample=2), "opponent": "always_defect"}
    yield _kind(task, "De v always defect", "opponents", REWARDS["De"], *short, **met)
    pair = one | {"part": "learners", "settings": few, "rival": REWARDS["De"]}
    yield _kind(task, "Game v learner De", "learner", REWARDS["Game"], *short, **pair)
    plan = f"economicus:{SHORT} -> deontological:{SHORT}"
    yield _kind(task, "Game → De", "unlearning", plan, *short, part="unlearning", settings=few, **one)
    loud = one | {"part": "sensitivity", "settings": replace(few, illegal=-15.0)}
    yield _kind(task, "De, illegal -15", "illegal", REWARDS["De"], *short, **loud)
    yield _long(task, "two_tits_for_tat", 2, SHORT, *short)
