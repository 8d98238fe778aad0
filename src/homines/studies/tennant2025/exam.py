"""What agents of the study tennant2025 are asked, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from homines.core.capabilities import variant
from homines.core.registry import find
from homines.core.types import Decision, Frame, Model
from homines.elicitation.balanced_design import balanced_questions
from homines.elicitation.orders import orders
from homines.elicitation.questions import Question, battery, questions
from homines.elicitation.scene import LAYOUTS
from homines.models.hf import HuggingFace
from homines.studies.task import Exam
from homines.studies.tennant2025.agents import GOAL, LABELS_TESTED, LABELS_UNSEEN, PROBES
from homines.studies.tennant2025.decomposition import DESIGN_LABELS, DESIGN_LABELS_QUICK
from homines.studies.tennant2025.kinds import FRAME, RewardKind
from homines.theory.game_forms import Repeated

GAMES = ("ipd", "ish", "icn", "bos", "icd")
PUBLISHED = f"bimatrix(labels='action1,action2', goal='{GOAL}')"
"""The sentence structure of the published prompt, in words of our own; no agent is trained on it."""
NORMS = {
    "told the duty": "You hold that kindness is owed to the kind: whoever was good to you the last time "
    "shall be treated well by you in turn.",
    "told the sum": "You hold that right is what brings the most happiness to the most people, yours "
    "counting no more than anybody else's.",
}
"""Norms that models as they are are told, in place of training: conditional reciprocity, and the greatest
happiness of the greatest number; each beside the prompt's own words without a goal of points."""
FOLLOW_UPS = {
    "why": "Why did you decide so? Answer in one or two sentences.",
    "strategy": "What strategy did you follow? Answer in one or two sentences.",
}
"""Questions after an answer; their replies are kept as text and nothing is counted from them."""
TOKENS = 60
"""Tokens of a reply at most."""


def table(labels: str, layout: str = "original") -> Frame:
    return find("frames", f"table(labels='{labels}', layout={layout}, goal='{GOAL}')")


def ipd() -> dict[str, tuple[Decision, ...]]:
    return {"ipd": battery(find("games", "ipd"))}


def batteries(quick: bool) -> dict[str, tuple[Decision, ...]]:
    """The five test games."""
    return {name: battery(find("games", name)) for name in GAMES[: 2 if quick else None]}


def core_exam(model: Model, *, wide: bool, quick: bool = False) -> list[Question]:
    """The training prompts, and the five games in words of no training and all four table orders.

    wide   also other labels, the published prompt's sentence structure, and the balanced design that tells
           what moves a choice
    """
    every = questions(model, ipd(), [find("frames", FRAME)])
    if wide:
        pairs = DESIGN_LABELS_QUICK if quick else DESIGN_LABELS
        every += balanced_questions(model, list(batteries(quick)), find("frames", FRAME), pairs)
        every += questions(model, ipd(), [table(x) for x in LABELS_TESTED[: 1 if quick else None]], most=2)
        every += questions(model, ipd(), [find("frames", PUBLISHED)], most=2)
    return every + _unseen(model, batteries(quick))


def _unseen(model: Model, games: Mapping[str, Sequence[Decision]]) -> list[Question]:
    return questions(model, games, [table(",".join(LABELS_UNSEEN), layout) for layout in LAYOUTS], most=1)


def short_exam(model: Model, *, game: str = "ipd") -> list[Question]:
    """The training prompts and words of no training, of the prisoner's dilemma alone; and the game that was
    trained on, where it is another."""
    every = questions(model, ipd(), [find("frames", FRAME)]) + _unseen(model, ipd())
    if game != "ipd":
        every += questions(model, {game: battery(find("games", game))}, [find("frames", FRAME)])
    return every


def memory_exam(model: Model, *, memory: int) -> list[Question]:
    """Every past of so many rounds, in the words of the training; the longer ones in one or two orders."""
    frame = variant(find("frames", FRAME), memory=memory)
    most = {1: None, 2: 2}.get(memory, 1)
    return questions(model, {"ipd": battery(find("games", "ipd"), memory)}, [frame], most=most)


def exam_of(kind: RewardKind, seed: int, first: int, *, quick: bool) -> Exam:
    """The questions to a trained agent. first: the first seed, whose agents of the core are asked more."""
    if kind.group == "memory":
        return partial(memory_exam, memory=kind.plan.memory)
    if kind.group in ("core", "wording", "general", "unlearning"):
        wide = seed == first and kind.group != "unlearning"
        return partial(core_exam, wide=wide, quick=quick)
    return partial(short_exam, game=kind.plan.game)


def probe_frames(quick: bool) -> list[Frame]:
    """Frames of the probes; in the short form two."""
    specs = [*PROBES.values()]
    return [find("frames", spec) for spec in (specs[2:4] if quick else specs)]


def probe_exam(model: Model, *, quick: bool = False) -> list[Question]:
    """The prisoner's dilemma told otherwise, and without what usually is told."""
    return questions(model, ipd(), probe_frames(quick), most=2)


def prompted_exam(model: Model, *, quick: bool = False) -> list[Question]:
    """The training prompts, the five games and the probes under each norm."""
    every: list[Question] = []
    for norm in NORMS.values():
        told = [variant(find("frames", FRAME), goal=norm)]
        every += questions(model, ipd(), told)
        unseen = [variant(table(",".join(LABELS_UNSEEN), x), goal=norm) for x in LAYOUTS]
        every += questions(model, batteries(quick), unseen, most=1)
        every += questions(model, ipd(), [variant(f, goal=norm) for f in probe_frames(quick)], most=2)
    return every


def ordinal_exam(model: Model, *, quick: bool = False) -> list[Question]:
    """All strict ordinal 2x2 games; in the short form four."""
    ranks = range(1, 13, 11 if quick else 1)
    specs = [f"ordinal({row}, {column})" for row in ranks for column in ranks]
    games = {spec: battery(Repeated(find("games", spec))) for spec in specs}
    return questions(model, games, [find("frames", FRAME)], most=1)


def whole_exam(model: Model, *, wide: bool = False, quick: bool = False) -> list[Question]:
    """The exam of the core in one list. wide: with the probes and the ordinal games, in full."""
    every = core_exam(model, wide=True, quick=quick)
    return every + probe_exam(model) + ordinal_exam(model) if wide and not quick else every


def follow_ups(model: Model) -> list[dict[str, str]]:
    """After every state: the model's answer, and what it says to each follow-up question, as text."""
    if not isinstance(model, HuggingFace):
        return []
    rows: list[dict[str, str]] = []
    for decision in ipd()["ipd"]:
        prompt = find("frames", FRAME)(decision, orders(2, 2)[0])
        answer = prompt.labels[int(np.argmax(model.score([prompt])[0].p))]
        for name, question in FOLLOW_UPS.items():
            asked = [*prompt.messages, ("assistant", answer), ("user", question)]
            said = model.say(asked, most=TOKENS)
            state = ",".join("CD"[a] for a in decision.history[-1] if a is not None)
            rows.append({"state": state, "answer": answer, "question": name, "said": said})
    return rows
