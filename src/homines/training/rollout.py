"""States sampled by playing an iterated game, where there are too many to list; checks of settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from homines.core.capabilities import Seeded
from homines.core.types import Array, Decision, Frame, History, HominesError, Policy, Prompt
from homines.elicitation.orders import orders
from homines.elicitation.questions import situation
from homines.models.hf import HuggingFace
from homines.theory.game_forms import Repeated
from homines.training.prompt_sets import Batch, EverySet, PromptSets, joint_utility, others_play
from homines.training.schedule import Phase
from homines.training.self_play import Mirror
from homines.training.settings import Settings

EPISODE = 20
"""Rounds after which a walker starts anew, from random past rounds."""


class Walker(NamedTuple):
    """One player of a rollout: its game, frame and order by index, the opponent's seed, the rounds so far."""

    game: int
    frame: int
    order: int
    seed: int
    past: list[list[int]]


@dataclass(eq=False)
class Rollout:
    """Walkers through a game of two players, or told by counts: players of it with the learner's own play,
    whose states are those it meets.

    Each pass asks the state of every walker once, in one order of options. Then every walker draws an action
    from the learner's answer, meets the opponent's, and is one round further. The opponent sees the whole
    history, and may be of any depth; the learner reads the last `memory` rounds. An opponent that is drawn by
    a seed (`Seeded`) is drawn anew in every episode. Without an opponent the learner meets itself: walkers 2i
    and 2i + 1 play one game, each from its own seat.
    """

    model: HuggingFace
    games: Sequence[Repeated]
    phases: Sequence[Phase]
    frames: Sequence[Frame]
    opponent: Policy | None
    memory: int
    count: int
    seed: int
    actions: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    follows: None = None
    walkers: list[Walker] = field(default_factory=list[Walker])
    states: tuple[str, ...] = ()
    """Situation of every walker in the batch last asked."""
    rng: np.random.Generator = field(init=False)
    _decisions: list[tuple[Decision, History]] = field(default_factory=list[Any])
    _replies: list[Array] = field(default_factory=list[Any])

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.actions = self.games[0].stage.actions[0]
        self.steps = tuple(phase.steps for phase in self.phases)
        shapes = {(game.stage.actions[0], game.state_shape) for game in self.games}
        if len(shapes) > 1 or len(self.games[0].state_shape) != 2:
            raise HominesError(
                "--sample walks through two-player games that share their actions, or games told by counts "
                "of as many players; choose other games, or drop --sample"
            )
        if self.opponent is None and len(self.games[0].stage.actions) > 2:
            raise HominesError(
                f"learners of one kind walk in pairs, and this game has {len(self.games[0].stage.actions)} "
                "players; drop --sample, or choose another --opponent"
            )
        if self.opponent is None and self.count % 2:
            raise HominesError(f"{self.count} players cannot meet in pairs; give an even --sample")
        self.walkers = [self._new_episode() for _ in range(self.count)]
        self._seat_others()

    def _seat_others(self) -> None:
        """Put the second walker of every pair where the first is, seen from the other seat."""
        for i in range(1, self.count, 2) if self.opponent is None else ():
            first = self.walkers[i - 1]
            past = [stage[::-1] for stage in first.past]
            self.walkers[i] = first._replace(order=self.walkers[i].order, past=past)

    @property
    def parts(self) -> tuple[Rollout, ...]:
        return (self,)

    def divide(self, chosen: Sequence[int]) -> Iterator[tuple[Rollout, list[int], list[int]]]:
        """Itself, as `MixedSets` its parts."""
        yield self, [*chosen], [*chosen]

    @property
    def mirror(self) -> Mirror | None:
        """Where each walker's partner stands."""
        return None if self.opponent is not None else Mirror(torch.arange(self.count) ^ 1)

    def _new_episode(self) -> Walker:
        g, f = int(self.rng.integers(len(self.games))), int(self.rng.integers(len(self.frames)))
        shape = self.games[g].state_shape
        past = [[int(self.rng.integers(values)) for values in shape] for _ in range(self.memory)]
        return Walker(g, f, self._order(f), int(self.rng.integers(2**32)), past)

    def _order(self, frame: int) -> int:
        return int(self.rng.integers(len(orders(len(self.actions), self.frames[frame].places))))

    def batch(self, chosen: Sequence[int]) -> Batch:
        """One set: the state of every walker; `chosen` is not used."""
        self._decisions.clear()
        self._replies.clear()
        prompts: list[Prompt] = []
        worth: list[list[Array]] = []
        for g, f, o, seed, past in self.walkers:
            game, frame = self.games[g], self.frames[f]
            history: History = tuple(tuple(stage) for stage in past)
            d = game.remember(0, history[-self.memory :])
            if self.opponent is not None:
                opponent = self._opponent_in(self.opponent, seed)
                self._replies.append(others_play(game, opponent, [history])[0])
            self._decisions.append((d, history))
            prompts.append(frame(d, orders(len(d.actions), frame.places)[o]))
            worth.append([joint_utility(phase.preference(d), d) for phase in self.phases])
        self.states = tuple(situation(d) for d, _ in self._decisions)
        replies = torch.tensor(np.array(self._replies))[None] if self._replies else None
        utility = torch.tensor(np.array(worth)).transpose(0, 1)[:, None]
        return Batch([self.model.encode(prompts)], utility, replies, self.mirror)

    def _opponent_in(self, opponent: Policy, seed: int) -> Policy:
        """The opponent as it is in an episode with this seed."""
        return opponent.seeded(seed) if isinstance(opponent, Seeded) else opponent

    def advance(self, legal: torch.Tensor) -> None:
        """Let every walker play a round, its action drawn from `legal`, shape [1, walker, action]."""
        acts = [self._draw(p) for p in legal[0].numpy()]
        others = [self._draw(p) for p in self._replies] or [acts[i ^ 1] for i in range(self.count)]
        for i, (walker, mine, other) in enumerate(zip(self.walkers, acts, others, strict=True)):
            past = [*map(list, self._decisions[i][1]), [mine, other]]
            if len(past) >= EPISODE + self.memory:
                self.walkers[i] = self._new_episode()
            else:
                self.walkers[i] = walker._replace(order=self._order(walker.frame), past=past)
        self._seat_others()

    def _draw(self, p: Array) -> int:
        return int(self.rng.choice(len(p), p=p / p.sum()))

    def position(self) -> Mapping[str, Any]:
        """Where every walker stands, as JSON, for a checkpoint."""
        return {"place": self.walkers, "rng": self.rng.bit_generator.state}

    def restore(self, position: Mapping[str, Any]) -> None:
        self.walkers = [Walker(*walker) for walker in position["place"]]
        self.rng.bit_generator.state = position["rng"]


def check_settings(source: EverySet | Rollout, settings: Settings, rival: PromptSets | None = None) -> None:
    """Raise HominesError where a learner cannot be trained on this source under these settings."""
    sets = [part for part in source.parts if isinstance(part, PromptSets)]
    if any(part.replies is None and part.mirror is None for part in sets) and rival is None:
        raise HominesError("a repeated game is taught against an opponent or beside a rival; give one")
    goes_on = bool(sets) and any(part.follows is not None for part in sets)
    if settings.objective == "discounted" and not (
        goes_on and all(part.once or part.follows is not None for part in sets)
    ):
        raise HominesError(
            "the discounted return needs a repeated game with all its states; "
            "use --objective myopic, or drop --states"
        )
    if settings.rank == 0 and (rival is not None or isinstance(source, Rollout)):
        raise HominesError(
            "rank is 0 (all weights); two learners and --sample need LoRA adapters on fixed weights: "
            "give --rank 8 or more"
        )
    if rival is not None and sum(rival.steps) != sum(source.steps):
        raise HominesError(
            f"the learners' schedules take {sum(source.steps)} and {sum(rival.steps)} steps; they learn at "
            "the same time, so the steps must add up to the same"
        )
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    trackers = ["none", "all", *get_available_reporting_integrations()]
    if settings.report_to not in trackers:
        raise HominesError(
            f"report_to is {settings.report_to!r}; on this machine there are {', '.join(trackers)} "
            "(pip install what it names)"
        )
