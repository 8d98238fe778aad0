"""What exact training is given: each state's prompt, utility u(s, a, b), replies q(b | s), and next state.

One prompt set holds every state of one game once, in one frame. The option orders are spread over the states
in a Latin square: all sets together show each state in each order. Where the states are too many, a `Rollout`
asks those that the learner meets instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from homines.core.capabilities import memory_of
from homines.core.types import Array, Decision, Frame, HominesError, Policy, Prompt
from homines.elicitation.orders import orders
from homines.elicitation.questions import situation
from homines.inference.tokens import Encoded
from homines.models.hf import HuggingFace
from homines.theory.choice import expected_utility, stated_beliefs
from homines.theory.game_forms import MOST_STATES, Repeated
from homines.training.schedule import Phase


@dataclass(frozen=True, eq=False)
class Batch:
    """Some sets, ready for the network and the objective.

    encoded   [set][state]
    utility   u(s, a, b) by phase, shape [phase, set, state, mine, other]
    replies   q(b | s), shape [set, state, other]; None where a learner gives them: a second one, or itself
    mirror    against itself: where the other's view of each state stands in its set, [state]
    """

    encoded: Sequence[Sequence[Encoded]]
    utility: torch.Tensor
    replies: torch.Tensor | None
    mirror: torch.Tensor | None = None

    def others_play(self, own: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
        """The others' play q(b | s), shape [set, state, other]: the opponent's, or that of the learner there.

        own, other   label log-probabilities of the learner and of the second one; they get no gradient
        """
        if self.replies is not None:
            return self.replies
        if self.mirror is not None:
            return own.detach().cpu().double().softmax(-1)[:, self.mirror]
        assert other is not None
        return other.detach().cpu().double().softmax(-1)


@dataclass(frozen=True, eq=False)
class PromptSets:
    """What a learner is trained on: all states of its games, set by set.

    sets      sets[i][s]: the prompt of state s in set i, as tokens; `prompts`: as words
    utility   [phase, set, state, mine, other]; `other` runs over the others' joint actions
    replies   [set, state, other]; None where a second learner gives them, or the learner itself
    follows   index of the next state, shape [state, mine, other]; None for one-shot decisions
    steps     optimiser steps of each phase
    mirror    against itself: index of each state as the other sees it, [state]
    wordings  number of games times number of frames
    """

    sets: tuple[tuple[Encoded, ...], ...]
    prompts: tuple[tuple[Prompt, ...], ...]
    utility: torch.Tensor
    replies: torch.Tensor | None
    follows: torch.Tensor | None
    actions: tuple[str, ...]
    states: tuple[str, ...]
    steps: tuple[int, ...]
    mirror: torch.Tensor | None = None
    wordings: int = 1

    def batch(self, chosen: Sequence[int]) -> Batch:
        replies = None if self.replies is None else self.replies[[*chosen]]
        return Batch([self.sets[i] for i in chosen], self.utility[:, [*chosen]], replies, self.mirror)

    def offered(self, phase: int = 0) -> torch.Tensor:
        """Expected utility of every answer, shape [set, state, action]."""
        if self.replies is None:
            raise HominesError("what an answer is worth here depends on a second learner; give it replies")
        return torch.einsum("isab,isb->isa", self.utility[phase], self.replies)

    def advance(self, legal: torch.Tensor) -> None:
        """Do nothing: every state is asked, so there is no round to play."""

    def position(self) -> Any:
        """None: there is no place to keep."""
        return None

    def restore(self, place: Any) -> None:
        """Do nothing: there is no place to go back to."""


@dataclass(frozen=True, kw_only=True)
class StateSpace:
    """The states of a repeated game that a learner is trained on.

    memory   rounds remembered
    seat     the learner's
    names    states such as ['C,C', 'D,C'], as player 0 sees them (mine, theirs); None: all
    """

    memory: int = 1
    seat: int = 0
    names: Sequence[str] | None = None


def prompt_sets(
    model: HuggingFace,
    games: Sequence[Repeated] | Sequence[Decision] | Mapping[str, Sequence[Decision]],
    phases: Sequence[Phase],
    frames: Sequence[Frame],
    opponent: Policy | None = None,
    *,
    space: StateSpace = StateSpace(),
    itself: bool = False,
) -> PromptSets:
    """Prompts and utilities for repeated games against an opponent, or for decisions taken once.

    games      repeated games, a set each; or decisions, all in one set, several games' by the game's name
    opponent   plays every other seat of a repeated game, remembering the same rounds; None: they learn too
    itself     the learner meets its own play: symmetric games of two players

    Raises HominesError where the decisions do not share their actions, or no state has a name of `space`.
    """
    once = games if isinstance(games, Mapping) else {"": [d for d in games if isinstance(d, Decision)]}
    repeated = [] if isinstance(games, Mapping) else [game for game in games if isinstance(game, Repeated)]
    if repeated and len(repeated) < len(games):
        raise HominesError("repeated games and one-shot decisions are not taught together; choose one kind")
    memory, seat = space.memory, space.seat
    by_set = [g.remembered(seat, memory) for g in repeated] or [tuple(d for ds in once.values() for d in ds)]
    if not by_set[0] or len({d.actions for ds in by_set for d in ds}) > 1:
        raise HominesError(
            "training needs decisions that share their actions; train on them one kind at a time"
        )
    names = tuple(map(situation, by_set[0])) if repeated else _named(once)
    own = tuple(map(situation, repeated[0].remembered(0, memory))) if repeated else names
    chosen = _indices(own, space.names)
    value = _joint if repeated else _expected
    sets: list[tuple[Encoded, ...]] = []
    words: list[tuple[Prompt, ...]] = []
    utility: list[Array] = []
    replies: list[Array] = []
    for i, decisions in enumerate(by_set):
        worth = np.array([[value(p, d) for d in decisions] for p in phases])[:, chosen]
        answers = np.ones((len(chosen), 1))
        if repeated and opponent is not None:
            answers = _replies(repeated[i], opponent, memory, seat)[chosen]
        for frame in frames:
            balanced = orders(len(decisions[0].actions), frame.places)
            for turn in range(len(balanced)):
                prompts = [frame(decisions[s], balanced[(turn + s) % len(balanced)]) for s in chosen]
                words.append(tuple(prompts))
                sets.append(tuple(model.encode(prompts)))
                utility.append(worth)
                replies.append(answers)
    learning = bool(repeated) and opponent is None
    return PromptSets(
        sets=tuple(sets),
        prompts=tuple(words),
        utility=torch.tensor(np.stack(utility, 1)),
        replies=None if learning else torch.tensor(np.stack(replies)),
        follows=next_states(repeated[0], memory, seat) if repeated and len(chosen) == len(names) else None,
        actions=by_set[0][0].actions,
        states=tuple(names[s] for s in chosen),
        steps=tuple(phase.steps for phase in phases),
        mirror=mirror_states(repeated[0], memory, chosen) if itself else None,
        wordings=len(by_set) * len(frames),
    )


def _named(once: Mapping[str, Sequence[Decision]]) -> tuple[str, ...]:
    """What the decisions are called: by situation, and by game where there are several."""
    if len(once) == 1:
        return tuple(situation(d) for ds in once.values() for d in ds)
    return tuple(f"{game} {situation(d)}" if len(ds) > 1 else game for game, ds in once.items() for d in ds)


def _indices(names: Sequence[str], chosen: Sequence[str] | None) -> list[int]:
    """Indices of the states to train on. Raises HominesError where there is no state of a name, or none."""
    if chosen is None:
        return list(range(len(names)))
    if unknown := [name for name in chosen if name not in names]:
        raise HominesError(f"no state called {unknown[0]!r}; there are {', '.join(names)}")
    if not chosen:
        raise HominesError(f"no state to train on; name some of {', '.join(names)}, or leave them out")
    return [i for i, name in enumerate(names) if name in chosen]


def mirror_states(game: Repeated, memory: int, states: Sequence[int]) -> torch.Tensor:
    """Among these states, the index of each as the other player sees it."""
    past = game.pasts(memory)
    index = {past[s]: i for i, s in enumerate(states)}
    turned = [tuple(stage[::-1] for stage in past[s]) for s in states]
    if any(history not in index for history in turned):
        raise HominesError(
            "a learner that meets itself is trained on a state only with the one that the other then sees: "
            "name both in --states, or leave them out"
        )
    return torch.tensor([index[history] for history in turned])


def joint_utility(u: Array, d: Decision) -> Array:
    """Utilities as [mine, the others' joint action]."""
    return (u if d.chance is None else u @ d.chance).reshape(len(d.actions), -1)


def _joint(phase: Phase, d: Decision) -> Array:
    """Utilities of a decision in a repeated game, [mine, the others' joint action]."""
    return joint_utility(phase.preference(d), d)


def _expected(phase: Phase, d: Decision) -> Array:
    """Expected utilities of a one-shot decision under the beliefs that it states, [mine, 1]."""
    return expected_utility(phase.preference(d), list(stated_beliefs(d)), d.chance)[:, None]


def _replies(game: Repeated, opponent: Policy, memory: int, seat: int) -> Array:
    """The others' joint play in every state, shape [state, other]."""
    if (deep := memory_of(opponent)) > memory:
        far = "any number of" if math.isinf(deep) else f"{deep:g}"
        fits = deep * math.log2(math.prod(map(len, game.stage.actions))) <= math.log2(MOST_STATES)
        raise HominesError(
            f"this opponent looks back {far} rounds, the run remembers {memory}; use "
            + (f"--memory {deep:.0f}, or " if fits else "")
            + "--sample 8, which plays against it round by round"
        )
    others = [k for k in range(len(game.stage.actions)) if k != seat]
    out: Array | None = None
    for k in others:
        p = np.array([c.p for c in opponent(game.remembered(k, memory))])
        out = p if out is None else np.einsum("sx,sy->sxy", out, p).reshape(len(p), -1)
    assert out is not None
    return out


def next_states(game: Repeated, memory: int = 1, seat: int = 0) -> torch.Tensor:
    """Index of the state after (state, my action, the others' joint action)."""
    past = game.pasts(memory)
    index = {history: i for i, history in enumerate(past)}
    sizes = [len(names) for names in game.stage.actions]
    others = list(product(*(range(n) for k, n in enumerate(sizes) if k != seat)))
    table = [
        [
            [index[*history[1:], (*joint[:seat], a, *joint[seat:])] for joint in others]
            for a in range(sizes[seat])
        ]
        for history in past
    ]
    return torch.tensor(table)
