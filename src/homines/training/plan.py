"""The plan of an alignment, and what is read off it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from homines.core.capabilities import Remembers, variant
from homines.core.checks import count
from homines.core.registry import find, spell
from homines.core.types import Decision, HominesError, Policy, Prompt
from homines.elicitation.policies import ModelPolicy
from homines.elicitation.questions import Question, battery, questions
from homines.models import known, load
from homines.models.mock import Mock, uniform
from homines.opponents import opponent
from homines.theory.game_forms import Repeated
from homines.training.objective import Settings
from homines.training.prompt_sets import PromptSets, prompt_sets
from homines.training.rollout import Rollout, check_settings
from homines.training.sampled import check_sampled
from homines.training.schedule import Phase, schedule, spell_schedule

ROADS = ("rl", "grpo", "rloo")
ITSELF = "self"
"""In place of an opponent: the learner."""
MOST_MEASURED = 64
"""States of a game that are all measured; where there are more, those of one round are."""
CHECKED = 16
"""Pasts drawn to check a plan on, where there are more."""


@dataclass(frozen=True)
class AlignmentPlan:
    """What to align, to what, on what, and what to verify it on. Every field is a spec or a setting."""

    model: str
    preference: str
    """A preference, or a schedule of them (schedule.py)."""
    by: str = "rl"
    """rl: exact; grpo, rloo: sampled completions (sampled.py)."""
    warmup: int = 0
    """Exact steps towards legal answers before a sampled road."""
    game: str = "ipd"
    more_games: tuple[str, ...] = ()
    """Trained on too."""
    opponent: str | None = None
    """A strategy, `axelrod:NAME`, or a model; plays the other seats of a repeated game. `self`: the learner
    meets its own play, as it is at each step. None becomes tit_for_tat, but beside a rival and in games
    played once, where no opponent is met."""
    rival: str | None = None
    """Instead of an opponent: a second learner, aligned to this (a preference or schedule) meanwhile."""
    memory: int = 1
    """Rounds remembered, by the learner and by what it is told."""
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
        if self.by not in ROADS:
            raise HominesError(f"no road called {self.by!r}; there are {', '.join(ROADS)}")
        if self.warmup < 0 or (self.warmup and self.by == "rl"):
            raise HominesError(
                f"warmup is {self.warmup}; it must be at least 0, and is for sampled roads (grpo, rloo): the "
                "exact one needs none"
            )
        count("memory", self.memory)
        if self.settings.sample and self.settings.sets > 1:
            raise HominesError(
                f"sets is {self.settings.sets} and sample {self.settings.sample}; players who walk are one "
                "set: drop --sets, or walk more of them (--sample)"
            )
        for name in ("frames", "transfer_frames"):
            made = [find("frames", spec) for spec in getattr(self, name)]
            deep = [
                variant(f, memory=self.memory) if isinstance(f, Remembers) and f.memory < self.memory else f
                for f in made
            ]
            object.__setattr__(self, name, tuple(map(spell, deep)))
        object.__setattr__(self, "preference", spell_schedule(schedule(self.preference, self.settings.steps)))
        if self.rival is not None:
            object.__setattr__(self, "rival", spell_schedule(schedule(self.rival, self.settings.steps)))
        self._face()
        self._check_transfer()

    def _face(self) -> None:
        """Who plays the other seats; HominesError where two are named for them, or there are none."""
        repeated = isinstance(find("games", self.game), Repeated)
        if self.opponent is not None and self.rival is not None:
            raise HominesError(
                f"opponent is {self.opponent!r} and rival {self.rival!r}; the second learner plays in the "
                "opponent's place: drop --opponent or --rival"
            )
        if not repeated and (self.opponent is not None or self.memory > 1):
            what = (
                f"opponent is {self.opponent!r}" if self.opponent is not None else f"memory is {self.memory}"
            )
            raise HominesError(
                f"{what}, but {self.game} is no repeated game, so nothing is met or remembered there; drop "
                f"--{what.partition(' ')[0]}, or choose another --game"
            )
        if repeated and self.opponent is None and self.rival is None:
            object.__setattr__(self, "opponent", "tit_for_tat")

    def _check_transfer(self) -> None:
        """What is trained on cannot show transfer."""
        for also, option, trained, by in (
            (self.transfer_frames, "unseen", self.frames, "--frame, --labels, --general"),
            (self.transfer_games, "other-game", (self.game, *self.more_games), "--game, --general"),
        ):
            if both := [spec for spec in also if spec in trained]:
                raise HominesError(
                    f"{both[0]} is trained on ({by}) and would be reported as never seen; drop it from "
                    f"--{option}"
                )

    @property
    def measured(self) -> int:
        """Rounds told where it is measured: all that are remembered, or one where these make more than
        MOST_MEASURED states of any game."""
        specs = (self.game, *self.more_games, *self.transfer_games)
        return self.memory if all(few(find("games", spec), self.memory) for spec in specs) else 1

    @property
    def phases(self) -> tuple[Phase, ...]:
        return schedule(self.preference, self.settings.steps)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return sum(phase.steps for phase in self.phases)

    @property
    def rank(self) -> int:
        return self.settings.rank

    @property
    def reasoning(self) -> None:
        """The model thinks aloud as it does by itself."""

    @property
    def remedy(self) -> str:
        return "smollm2 or hf/..."

    def config(self, *, kind: str = "align", command: str = "") -> dict[str, Any]:
        """The resolved config of the run folder of this plan."""
        raw = asdict(self)
        return {
            "kind": kind,
            "command": command,
            **{k: v for k, v in raw.items() if k not in ("frames", "transfer_frames", "transfer_games")},
            "preference": spell(self.phases[-1].preference),
            "schedule": self.preference,
            "training_frames": list(self.frames),
            "training_games": [self.game, *self.more_games],
            "frames": [*self.frames, *self.transfer_frames],
            "games": [self.game, *self.transfer_games],
            **({"measured_memory": self.measured} if self.measured < self.memory else {}),
        }


class Unread(Mock):
    """Stands in for a model whose answers and tokens nobody reads: it takes prompts as they are."""

    def __init__(self) -> None:
        super().__init__(uniform)

    def encode(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        return list(prompts)


UNREAD: Any = Unread()


@dataclass(frozen=True, eq=False)
class Alignment:
    """A plan with its specs as objects, and the model that it is for.

    It is built without a model first: thus a mistake in the plan costs no work.
    """

    plan: AlignmentPlan
    model: Any
    phases: tuple[Phase, ...]
    rival: tuple[Phase, ...] | None
    game: Any
    more_games: list[Any]
    opponent: Policy | None
    """None: a second learner, the learner itself, or a game that is not repeated."""
    frames: list[Any]
    transfer_frames: list[Any]
    transfer_games: dict[str, Any]

    @classmethod
    def of(cls, plan: AlignmentPlan, model: Any = UNREAD) -> Alignment:
        """The plan as objects. Raises HominesError where it cannot be carried out."""
        frames = [find("frames", spec) for spec in plan.frames]
        alignment = cls(
            plan,
            model,
            plan.phases,
            None if plan.rival is None else schedule(plan.rival, plan.settings.steps),
            find("games", plan.game),
            [find("games", spec) for spec in plan.more_games],
            None if plan.opponent in (None, ITSELF) else against(plan, plan.opponent, frames[0]),
            frames,
            [find("frames", spec) for spec in plan.transfer_frames],
            {spec: find("games", spec) for spec in plan.transfer_games},
        )
        if plan.rival is not None and not all(map(_for_two, alignment.games)):
            raise HominesError("two learners need repeated games of two players; choose another --game")
        if plan.opponent == ITSELF and not all(_for_two(g) and g.stage.symmetric for g in alignment.games):
            raise HominesError(
                "a learner meets itself in symmetric games of two players, where its like is in its place; "
                "choose another --game or --opponent"
            )
        if len({isinstance(game, Repeated) for game in alignment.games}) > 1:
            raise HominesError(
                f"games that are repeated and games played once are not trained on together, and "
                f"{plan.game}, {', '.join(plan.more_games)} are of both kinds; keep those of one kind"
            )
        unread = alignment.on(UNREAD)
        unread._check_words()
        unread._rehearse()
        return alignment

    def on(self, model: Any) -> Alignment:
        """The same for this model."""
        return replace(self, model=model)

    def _check_words(self) -> None:
        """Every preference has a utility, and every frame has words, for every decision."""
        plan = self.plan
        for game in self.games:
            for d in met(game, plan.memory):
                for phase in (*self.phases, *(self.rival or ())):
                    phase.preference(d)
        self.questions()
        if plan.measured < plan.memory:
            questions(self.model, {plan.game: met(self.game, plan.memory)}, self.frames)

    def _rehearse(self) -> None:
        """Prepare the training as with the model, and check it."""
        plan, opponent = self.plan, self.opponent
        if isinstance(opponent, ModelPolicy):
            opponent = replace(opponent, model=self.model)
        rehearsal = replace(self, opponent=opponent)
        source, rival = rehearsal.prompt_source(), rehearsal.rival_prompts()
        check_settings(source, plan.settings, rival)
        if plan.by != "rl":
            check_sampled(source, plan.settings, rival, by=plan.by, warmup=plan.warmup)

    @property
    def games(self) -> list[Any]:
        """Trained on."""
        return [self.game, *self.more_games]

    def questions(self) -> list[Question]:
        """What the model is asked before training and after it."""
        plan, model, memory = self.plan, self.model, self.plan.measured
        trained = {plan.game: battery(self.game, memory)}
        others = dict(zip(plan.more_games, (battery(g, memory) for g in self.more_games), strict=True))
        transfer = {name: battery(g, memory) for name, g in self.transfer_games.items()}
        return [
            *questions(model, {**trained, **transfer}, self.frames),
            *questions(model, others, self.frames[:1]),
            *questions(model, trained, self.transfer_frames),
        ]

    def prompt_source(self) -> PromptSets | Rollout:
        """What the learner is trained on: all states, or with `sample` those that it meets."""
        plan, model = self.plan, self.model
        if plan.settings.sample:
            nobody = self.opponent is None and plan.opponent != ITSELF
            if nobody or plan.states or not all(map(_for_two, self.games)):
                raise HominesError(
                    "--sample walks through repeated games of two players against an opponent, meeting "
                    "states as they come; drop --sample, or --rival and --states"
                )
            players, seed = plan.settings.sample, plan.settings.seed
            rollout = Rollout(
                model, self.games, self.phases, self.frames, self.opponent, plan.memory, players, seed
            )
            rollout.batch([0])  # a prompt that cannot be, or does not fit the model, shows now
            return rollout
        specs = (plan.game, *plan.more_games)
        once = {spec: battery(game) for spec, game in zip(specs, self.games, strict=True)}
        decisions = self.games if isinstance(self.game, Repeated) else once
        return prompt_sets(
            model,
            decisions,
            self.phases,
            self.frames,
            self.opponent,
            memory=plan.memory,
            keep=plan.states,
            itself=plan.opponent == ITSELF,
        )

    def rival_prompts(self) -> PromptSets | None:
        """What the second learner is trained on, from its seat; None where there is none."""
        if self.rival is None:
            return None
        plan = self.plan
        return prompt_sets(
            self.model, self.games, self.rival, self.frames, memory=plan.memory, seat=1, keep=plan.states
        )


def _for_two(game: Any) -> bool:
    return isinstance(game, Repeated) and len(game.stage.actions) == 2


def few(game: Any, memory: int) -> bool:
    """Whether a game has so few states of this memory that all are measured."""
    # beyond 64 rounds the number itself would be too long to compute
    return not isinstance(game, Repeated) or len(game.states) ** min(memory, 64) <= MOST_MEASURED


def met(game: Any, memory: int) -> Sequence[Decision]:
    """The game's decisions; where they are too many, those after some pasts drawn at random."""
    if few(game, memory):
        return battery(game, memory)
    drawn = np.random.default_rng(0).integers(len(game.states), size=(CHECKED, memory))
    return [game.seat(0, tuple(game.states[s] for s in past)) for past in drawn]


def against(plan: AlignmentPlan, spec: str, frame: Any) -> Policy:
    """The opponent of a plan: a model (speaking the first training frame's words) or a strategy."""
    if known(spec):
        kind = {"device": plan.device, "dtype": plan.dtype, "trust_remote_code": plan.trust_remote_code}
        return ModelPolicy(load(spec, **kind), frame)
    return opponent(spec)
