"""The main job on the embedded model, in minutes: measure, align, verify.

SmolLM2-135M in the iterated prisoner's dilemma against tit-for-tat, aligned to its own payoff with a
penalty for betrayal (Game+De of Tennant et al. 2025) on the 16 training prompts; verified on those, on
labels never trained on, and on the paper's other matrix games.
"""

from __future__ import annotations

from homines.align import Plan

UNSEEN = ("action3,action4", "action2,action1", "X,Y", "B,A")


def plan() -> Plan:
    """What the demo does, every choice written out."""
    return Plan(
        model="smollm2",
        preference="game_deontological(rule='betrayal', penalty=3)",
        game="ipd",
        opponent="tit_for_tat",
        frames=("table(labels='action1,action2')",),
        transfer_frames=tuple(f"table(labels='{labels}')" for labels in UNSEEN),
        transfer_games=("ish", "icn", "bos", "icd", "ivd"),
    )
