"""What exact training is given: each state's prompt, utility u(s, a, b), replies q(b | s), and next state.

One prompt set holds every state of one game once, in one frame. The option orders are spread over the states
in a Latin square: all sets together show each state in each order. Where the states are too many, a `Rollout`
asks those that the learner meets instead. Games whose sets have other shapes (of other actions or numbers of
players, played once or again and again) are parts of `MixedSets`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from homines.core.capabilities import memory_of
from homines.core.types import Array, Decision, Frame, History, HominesError, Policy, Prompt
from homines.elicitation.orders import orders
from homines.elicitation.questions import situation
from homines.inference.tokens import Encoded
from homines.models.hf import HuggingFace
from homines.theory.choice import expected_utility, stated_beliefs
from homines.theory.count_form import CountForm
from homines.theory.crowd import Crowd, total
from homines.theory.game_forms import MOST_STATES, Repeated
from homines.training.schedule import Phase
from homines.training.self_play import CrowdMirror, Mirror, mirror_of


@dataclass(frozen=True, eq=False)
class Batch:
    """Some sets, ready for the network and the objective.

    encoded   [set][state]
    utility   u(s, a, b) by phase, shape [phase, set, state, mine, other]
    replies   q(b | s), shape [set, state, other]; None where a learner gives them: a second one, or itself
    mirror    against itself: gives the others' play from the learner's own
    """

    encoded: Sequence[Sequence[Encoded]]
    utility: torch.Tensor
    replies: torch.Tensor | None
    mirror: Mirror | CrowdMirror | None = None

    def others_play(self, own: torch.Tensor, other: torch.Tensor | None) -> torch.Tensor:
        """The others' play q(b | s), shape [set, state, other]: the opponent's, or that of the learner there.

        own, other   label log-probabilities of the learner and of the second one; they get no gradient
        """
        if self.replies is not None:
            return self.replies
        if self.mirror is not None:
            return self.mirror(own.detach().cpu().double().softmax(-1))
        assert other is not None
        return other.detach().cpu().double().softmax(-1)


@dataclass(frozen=True, eq=False)
class PromptSets:
    """What a learner is trained on: all states of its games, set by set; every set of the same shape.

    sets      sets[i][s]: the prompt of state s in set i, as tokens; `prompts`: as words
    utility   [phase, set, state, mine, other]; `other` runs over the others' joint actions, or over how many
              of a crowd play the second
    replies   [set, state, other]; None where a second learner gives them, or the learner itself
    follows   index of the next state, shape [state, mine, other]; None for one-shot decisions
    steps     optimiser steps of each phase
    mirror    against itself: gives the others' play from the learner's own
    once      the decisions are taken once: nothing follows
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
    mirror: Mirror | CrowdMirror | None = None
    once: bool = False
    wordings: int = 1

    @property
    def parts(self) -> tuple[PromptSets, ...]:
        return (self,)

    def divide(self, chosen: Sequence[int]) -> Iterator[tuple[PromptSets, list[int], list[int]]]:
        """(part, chosen sets as it counts them, as they are counted here), as of `MixedSets`."""
        yield self, [*chosen], [*chosen]

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


@dataclass(frozen=True, eq=False)
class MixedSets:
    """Prompt sets of several shapes, trained on in turn: `parts`, each with sets of one shape."""

    parts: tuple[PromptSets, ...]

    @property
    def sets(self) -> tuple[tuple[Encoded, ...], ...]:
        return tuple(states for part in self.parts for states in part.sets)

    @property
    def prompts(self) -> tuple[tuple[Prompt, ...], ...]:
        return tuple(prompts for part in self.parts for prompts in part.prompts)

    @property
    def steps(self) -> tuple[int, ...]:
        return self.parts[0].steps

    @property
    def wordings(self) -> int:
        return sum(part.wordings for part in self.parts)

    def divide(self, chosen: Sequence[int]) -> Iterator[tuple[PromptSets, list[int], list[int]]]:
        """(part, chosen sets as it counts them, as they are counted here) of every part with some."""
        first = 0
        for part in self.parts:
            here = [i for i in chosen if first <= i < first + len(part.sets)]
            if here:
                yield part, [i - first for i in here], here
            first += len(part.sets)

    def position(self) -> Any:
        """None: there is no place to keep."""
        return None


EverySet: TypeAlias = PromptSets | MixedSets
Games: TypeAlias = Sequence[Repeated] | Sequence[Decision] | Mapping[str, Repeated | Sequence[Decision]]


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
    games: Games,
    phases: Sequence[Phase],
    frames: Sequence[Frame],
    opponent: Policy | None = None,
    *,
    space: StateSpace = StateSpace(),
    itself: bool = False,
) -> PromptSets:
    """Prompts and utilities for repeated games against an opponent, or for decisions taken once.

    games      of one shape, with names or without: repeated games, a set each; or decisions, all in one set
    opponent   plays every other seat of a repeated game, remembering the same rounds; None: they learn too
    itself     the learner meets its own play: symmetric games

    Raises HominesError where the decisions do not share their actions and number of players, and where no
    state has a name of `space`.
    """
    kinds = list(_kinds(games, space))
    if len(kinds) != 1:
        raise HominesError(
            "this training needs decisions that share their actions and number of players, all of repeated "
            "games or all taken once; others are not taught together here: keep those of one kind"
        )
    return _alike(model, kinds[0], phases, frames, opponent, space, itself=itself)


def mixed_sets(
    model: HuggingFace,
    games: Games,
    phases: Sequence[Phase],
    frames: Sequence[Frame],
    opponent: Policy | None = None,
    *,
    space: StateSpace = StateSpace(),
    itself: bool = False,
) -> EverySet:
    """`prompt_sets` of games of any shapes, repeated and played once: MixedSets where they are several.

    States are then named by their game too, and `space` names none. Decisions taken once that share their
    actions are one set.
    """
    kinds = list(_kinds(games, space))
    if len(kinds) < 2:
        return prompt_sets(model, games, phases, frames, opponent, space=space, itself=itself)
    if space.names is not None:
        raise HominesError(
            "--states names states of games that share their actions and number of players; drop it, or keep "
            "games of one kind"
        )
    parts = [_alike(model, kind, phases, frames, opponent, space, itself=itself) for kind in kinds]
    named = zip(parts, map(_told_apart, kinds), strict=True)
    return MixedSets(tuple(replace(part, states=names) for part, names in named))


class _Battery(NamedTuple):
    """The decisions of one set; `game`: the repeated game whose states they are, None where taken once."""

    name: str
    game: Repeated | None
    decisions: tuple[Decision, ...]
    names: tuple[str, ...]


def _kinds(games: Games, space: StateSpace) -> Iterator[list[_Battery]]:
    """The sets by their shape: repeated games by actions and states, decisions taken once by actions."""
    if isinstance(games, Mapping):
        named = dict(games)
    else:
        named: dict[str, Any] = {str(i): game for i, game in enumerate(games) if isinstance(game, Repeated)}
        if rest := [d for d in games if isinstance(d, Decision)]:
            named[""] = rest
    repeated: dict[Any, list[_Battery]] = {}
    once: dict[Any, dict[str, list[Decision]]] = {}
    for name, game in named.items():
        if isinstance(game, Repeated):
            ds = game.remembered(space.seat, space.memory)
            shape = ds[0].actions, game.state_shape, isinstance(game.stage, CountForm)
            repeated.setdefault(shape, []).append(_Battery(name, game, ds, tuple(map(situation, ds))))
        else:
            for d in game:
                once.setdefault(d.actions, {}).setdefault(name, []).append(d)
    yield from repeated.values()
    for by_game in once.values():
        name = next(iter(by_game)) if len(by_game) == 1 else ""
        yield [_Battery(name, None, tuple(d for ds in by_game.values() for d in ds), _named(by_game))]


def _told_apart(kind: Sequence[_Battery]) -> tuple[str, ...]:
    """Names of states beside those of other shapes: with their game, where there is one; a state of several
    games told by counts with the number of players."""
    name, game, _, names = kind[0]
    if len(kind) > 1:
        counts = game is not None and isinstance(game.stage, CountForm)
        name = f"{len(game.stage.actions)} players:" if game is not None and counts else ""
    return tuple(f"{name} {each}".strip() for each in names)


def _alike(
    model: HuggingFace,
    kind: Sequence[_Battery],
    phases: Sequence[Phase],
    frames: Sequence[Frame],
    opponent: Policy | None,
    space: StateSpace,
    *,
    itself: bool,
) -> PromptSets:
    """The prompt sets of batteries of one shape."""
    first, memory, seat = kind[0].game, space.memory, space.seat
    names = kind[0].names
    own = names if first is None else tuple(map(situation, first.remembered(0, memory)))
    chosen = _indices(own, space.names)
    value = _expected if first is None else _joint
    sets: list[tuple[Encoded, ...]] = []
    words: list[tuple[Prompt, ...]] = []
    utility: list[Array] = []
    replies: list[Array] = []
    for _, game, decisions, _ in kind:
        worth = np.array([[value(p, d) for d in decisions] for p in phases])[:, chosen]
        answers = np.ones((len(chosen), 1))
        if game is not None and opponent is not None:
            check_depth(game, opponent, memory)
            answers = others_play(game, opponent, [d.history for d in decisions], seat)[chosen]
        for frame in frames:
            balanced = orders(len(decisions[0].actions), frame.places)
            for turn in range(len(balanced)):
                prompts = [frame(decisions[s], balanced[(turn + s) % len(balanced)]) for s in chosen]
                words.append(tuple(prompts))
                sets.append(tuple(model.encode(prompts)))
                utility.append(worth)
                replies.append(answers)
    learning = first is not None and opponent is None
    return PromptSets(
        sets=tuple(sets),
        prompts=tuple(words),
        utility=torch.tensor(np.stack(utility, 1)),
        replies=None if learning else torch.tensor(np.stack(replies)),
        follows=next_states(first, memory, seat) if first is not None and len(chosen) == len(names) else None,
        actions=kind[0].decisions[0].actions,
        states=tuple(names[s] for s in chosen),
        steps=tuple(phase.steps for phase in phases),
        mirror=mirror_of(first, memory, chosen) if itself and first is not None else None,
        once=first is None,
        wordings=len(kind) * len(frames),
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


def joint_utility(u: Array, d: Decision) -> Array:
    """Utilities as [mine, the others' joint action]."""
    return (u if d.chance is None else u @ d.chance).reshape(len(d.actions), -1)


def _joint(phase: Phase, d: Decision) -> Array:
    """Utilities of a decision in a repeated game, [mine, the others' joint action]."""
    return joint_utility(phase.preference(d), d)


def _expected(phase: Phase, d: Decision) -> Array:
    """Expected utilities of a one-shot decision under the beliefs that it states, [mine, 1]."""
    return expected_utility(phase.preference(d), list(stated_beliefs(d)), d.chance)[:, None]


def check_depth(game: Repeated, opponent: Policy, memory: int) -> None:
    """Raise HominesError where the opponent looks back further than the run remembers."""
    if (deep := memory_of(opponent)) > memory:
        far = "any number of" if math.isinf(deep) else f"{deep:g}"
        fits = deep * math.log2(len(game.states)) <= math.log2(MOST_STATES)
        raise HominesError(
            f"this opponent looks back {far} rounds, the run remembers {memory}; use "
            + (f"--memory {deep:.0f}, or " if fits else "")
            + "--sample 8, which plays against it round by round"
        )


def others_play(game: Repeated, opponent: Policy, pasts: Sequence[History], seat: int = 0) -> Array:
    """The others' joint play after each past, all by this opponent, shape [past, other].

    Of a game told by counts: how many of the others play the second action; pasts are those of `remember`.
    """
    if isinstance(game.stage, CountForm):
        crowd = Crowd.of(game, [opponent] * (game.stage.players - 1))
        last = [past[-1] for past in pasts]
        return total(crowd.counts([tuple(a or 0 for a in stage) for stage in last]))
    out = np.ones((len(pasts), 1))
    for k in range(len(game.stage.actions)):
        if k != seat:
            p = np.array([c.p for c in opponent([game.seat(k, past) for past in pasts])])
            out = np.einsum("sx,sy->sxy", out, p).reshape(len(p), -1)
    return out


def next_states(game: Repeated, memory: int = 1, seat: int = 0) -> torch.Tensor:
    """Index of the state after (state, my action, the others' joint action)."""
    past = game.pasts(memory)
    index = {history: i for i, history in enumerate(past)}
    sizes = game.state_shape
    others = list(product(*(range(n) for k, n in enumerate(sizes) if k != seat)))
    table = [
        [
            [index[*history[1:], (*joint[:seat], a, *joint[seat:])] for joint in others]
            for a in range(sizes[seat])
        ]
        for history in past
    ]
    return torch.tensor(table)
