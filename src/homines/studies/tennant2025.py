"""Moral alignment by reinforcement learning: Tennant, Hailes & Musolesi (2025), on any model, and beyond.

Agents are trained on the iterated prisoner's dilemma for their own payoff (Game), duty (De), the sum of
payoffs (Ut) and payoff under duty (Game+De), against tit-for-tat and against a second learner; two are
trained to be selfish and then to unlearn it; some learn with the shadow of the future, some over many
words and games. Then every agent is measured, on what it never saw most of all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from homines.align import Plan
from homines.objective import Settings
from homines.study import Task

GAMES = ("ipd", "ish", "icn", "bos", "icd")
FRAME = "table(labels='action1,action2')"
UNSEEN = "action3,action4"
LAYOUTS = ("original", "reversed", "columns", "rows")
REWARDS = {
    "Game": "economicus",
    "De": "deontological",
    "Ut": "utilitarian",
    "Game+De": "game_deontological",
}
STEPS, PAIR_STEPS, FAR_STEPS = 24, 30, 30
"""Optimiser steps: against a fixed opponent, against a learner, with the discounted return."""
WORDS = (
    "action1,action2", "action2,action1", "A,B", "B,A", "left,right", "1,2", "red,blue", "stay,go",
)  # fmt: skip
"""Label sets of the general training; none of them is among those tested."""
DRAWS = (
    "symmetric(reward=5, sucker=1, temptation=7, punishment=2)",
    "symmetric(reward=6, sucker=2, temptation=8, punishment=3)",
    "ish",
    "icn",
)
"""Payoffs and games of the general training beside the ipd."""


@dataclass(frozen=True)
class Agent:
    """One kind of agent: what it was trained for and against whom, one plan a seed."""

    name: str
    group: str
    """core, learner, unlearning, far (discounted), general"""
    slug: str
    plan: Plan

    def seeded(self, seed: int) -> Plan:
        return replace(self.plan, settings=replace(self.plan.settings, seed=seed))


def agents(task: Task) -> list[tuple[Agent, tuple[int, ...]]]:
    """Every kind of agent and its seeds."""
    short = task.quick
    some = task.seeds[: 1 if short else 2]
    out: list[tuple[Agent, tuple[int, ...]]] = []

    def add(name: str, group: str, seeds: tuple[int, ...], preference: str, **changes: Any) -> None:
        fixed = {"frames": (FRAME,), "settings": Settings(steps=STEPS)} | changes
        base = Plan(
            task.model, preference, side_effects=False, device=task.device, dtype=task.dtype, **fixed
        )
        rewards = [phase.partition("(")[0].partition(":")[0] for phase in preference.split("->")]
        out.append((Agent(name, group, "-".join((group, *map(str.strip, rewards))), base), seeds))

    for name, preference in REWARDS.items():
        add(name, "core", task.seeds, preference)
    if short:
        return out[1:2] + out[3:]
    add("Game → De", "unlearning", task.seeds, "economicus:16 -> deontological:20")
    add("Game → Ut", "unlearning", task.seeds, "economicus:16 -> utilitarian:20")
    far = Settings(objective="discounted", gamma=0.9, steps=FAR_STEPS)
    for name in ("Game", "Ut", "De"):
        add(f"{name} (γ = .9)", "far", some, REWARDS[name], settings=far)
    words = tuple(f"table(labels='{labels}')" for labels in WORDS)
    turned = tuple(f"table(labels='{w}', layout={x})" for w, x in zip(WORDS[:3], LAYOUTS[1:], strict=True))
    frames = (*words, *turned, "sentences(labels='A,B')", "story(labels='left,right')")
    many = {"frames": frames, "more_games": DRAWS, "settings": Settings(steps=PAIR_STEPS)}
    add("Game+De, many words", "general", some, REWARDS["Game+De"], **many)
    pair = Settings(steps=PAIR_STEPS)
    for name, preference in REWARDS.items():
        add(f"{name} v learner", "learner", task.seeds, preference, rival=preference, settings=pair)
    return out


def run(task: Task) -> Path:
    """Train and measure what is missing, then write the report."""
    for agent, seeds in agents(task):
        for seed in seeds:
            task.trained(f"{agent.slug}-s{seed}", agent.seeded(seed))
    return task.folder
