"""Words, layouts, frames, payoffs and games to train over: with many of them a model learns about acts, and
not about one token."""

from __future__ import annotations

import numpy as np

WORDS = (
    "action1,action2", "action2,action1", "A,B", "B,A", "left,right", "1,2", "red,blue", "stay,go",
)  # fmt: skip
FRAMES = (
    *(f"table(labels='{words}')" for words in WORDS),
    "table(labels='action1,action2', layout=reversed)",
    "table(labels='action2,action1', layout=columns)",
    "table(labels='A,B', layout=rows)",
    "sentences(labels='A,B')",
    "story(labels='left,right')",
)
GAMES = (
    "symmetric(reward=5, sucker=1, temptation=7, punishment=2)",
    "symmetric(reward=6, sucker=2, temptation=8, punishment=3)",
    "ish",
    "icn",
)
"""Trained on beside the first game."""
MOST = 9


def dilemmas(count: int, seed: int) -> tuple[str, ...]:
    """Specs of prisoner's dilemmas with payoffs drawn from 0 to 9: temptation > reward > punishment >
    sucker and 2 reward > temptation + sucker, every such game as likely as any other."""
    rng = np.random.default_rng(seed)
    out: list[str] = []
    while len(out) < count:
        sucker, punishment, reward, temptation = sorted(rng.choice(MOST + 1, 4, replace=False).tolist())
        if 2 * reward > temptation + sucker:
            paid = f"reward={reward}, sucker={sucker}, temptation={temptation}, punishment={punishment}"
            out.append(f"symmetric({paid})")
    return tuple(out)
