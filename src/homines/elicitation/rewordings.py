"""Rewordings: frames that ask the same decisions in other words, which tell an act from a word."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

from homines.core.capabilities import Labelled, asks_of, labels_of, memory_of, variant
from homines.core.registry import find, head, spell
from homines.core.types import Decision, Frame, HominesError
from homines.elicitation.orders import orders

UNSEEN = ("X,Y", "left,right", "red,blue", "P,Q", "1,2")
"""Pairs of labels; the first whose words no frame uses is the unseen one."""
OTHER = ("sentences", "story", "table", "market")
"""Frames that state payoffs; the first that is not used is the other one."""
Rewording = Literal["the labels exchanged", "other labels", "another frame"]
EXCHANGED: Rewording = "the labels exchanged"


def rewordings(
    decisions: Sequence[Decision], frames: Sequence[str], others: Sequence[str] = (), known: str = ""
) -> dict[Rewording, str]:
    """What the frames of a training leave open: the first with its two labels exchanged, with two labels that
    none of them uses, and another frame with its labels. Specs by what they change.

    A rewording is left out where a frame does it already, and where no frame can: labels are exchanged where
    every decision is between two actions, and a frame needs words for every decision. Where the first frame
    has no labels, the pair exchanged is the unseen one.

    others   specs of frames that are asked too and not trained on
    known    labels that are not unseen, beside those of the frames: "A,B"
    """
    trained, asked = ([find("frames", spec) for spec in specs] for specs in (frames, others))
    first, heads = trained[0], set(map(head, frames))
    used = {*known.split(","), *(word for frame in trained for word in labels_of(frame))}
    candidates: dict[Rewording, list[Any]] = {}
    if isinstance(first, Labelled) and all(len(d.actions) == 2 for d in decisions):
        unseen = [text.split(",") for text in UNSEEN if not used & set(text.split(","))]
        pair = labels_of(first) or next(iter(unseen), ())
        if pair and not any(change(a, b) == EXCHANGED for a, b in combinations([*trained, *asked], 2)):
            candidates[EXCHANGED] = [variant(first, labels=",".join(pair[::-1]))]
        if all(not labels_of(frame) or used & set(labels_of(frame)) for frame in asked):
            candidates["other labels"] = [variant(first, labels=",".join(words)) for words in unseen]
    if heads.issuperset(map(head, others)):
        settings = {"labels": labels_of(first), "memory": int(memory_of(first)), "asks": asks_of(first)}
        candidates["another frame"] = [
            variant(find("frames", name), **settings) for name in OTHER if name not in heads
        ]
    out: dict[Rewording, str] = {}
    for name, listed in candidates.items():
        if fitting := [frame for frame in listed if _tells(frame, decisions)]:
            out[name] = spell(fitting[0])
    return out


def change(a: Frame, b: Frame) -> Rewording:
    """What differs between two frames: the order of their two labels alone, the labels, or more."""
    words, others = labels_of(a), labels_of(b)
    if type(a) is not type(b) or words == others or variant(a, labels=others) != b:
        return "another frame"
    return EXCHANGED if words == others[::-1] and len(words) == 2 else "other labels"


def _tells(frame: Frame, decisions: Sequence[Decision]) -> bool:
    """Whether the frame has words for each of these decisions."""
    try:
        for d in decisions:
            frame(d, orders(len(d.actions), frame.places)[0])
    except HominesError:
        return False
    return True
