"""The plan of an alignment, and what is read off it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from homines.core.registry import find, spell
from homines.core.types import Decision, HominesError, Model, Policy, Prompt
from homines.elicitation.policies import ModelPolicy
from homines.elicitation.questions import Question, battery, questions
from homines.models import known, load
from homines.models.hf import HuggingFace
from homines.models.mock import Mock, uniform
from homines.opponents import opponent
from homines.theory.game_forms import Repeated
from homines.training.prompt_sets import PromptSets, prompt_sets
from homines.training.rollout import Rollout, check_settings
from homines.training.sampled import check_sampled
from homines.training.schedule import Phase, schedule
from homines.training.settings import AlignmentPlan, few

ITSELF = "self"
"""In place of an opponent: the learner."""
CHECKED = 16
"""Pasts drawn to check a plan on, where there are more."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """The plan's specs as objects. Made first, so that a mistake costs no work."""

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
    def of(cls, plan: AlignmentPlan) -> Alignment:
        frames = [find("frames", spec) for spec in plan.frames]
        made = cls(
            plan.phases,
            None if plan.rival is None else schedule(plan.rival, plan.settings.steps),
            find("games", plan.game),
            [find("games", spec) for spec in plan.more_games],
            None if plan.opponent in (None, ITSELF) else against(plan, plan.opponent, frames[0]),
            frames,
            [find("frames", spec) for spec in plan.transfer_frames],
            {spec: find("games", spec) for spec in plan.transfer_games},
        )
        if plan.rival is not None and not all(map(_for_two, made.games)):
            raise HominesError("two learners need repeated games of two players; choose another --game")
        if plan.opponent == ITSELF and not all(_for_two(g) and g.stage.symmetric for g in made.games):
            raise HominesError(
                "a learner meets itself in symmetric games of two players, where its like is in its place; "
                "choose another --game or --opponent"
            )
        if len({isinstance(game, Repeated) for game in made.games}) > 1:
            raise HominesError(
                f"games that are repeated and games played once are not trained on together, and "
                f"{plan.game}, {', '.join(plan.more_games)} are of both kinds; keep those of one kind"
            )
        made._check_words(plan)
        made._rehearse(plan)
        return made

    def _check_words(self, plan: AlignmentPlan) -> None:
        """Every preference has a utility, and every frame has words, for every decision."""
        for game in self.games:
            for d in met(game, plan.memory):
                for phase in (*self.phases, *(self.rival or ())):
                    phase.preference(d)
        self.questions(Mock(uniform), plan)
        if plan.measured < plan.memory:
            questions(Mock(uniform), {plan.game: met(self.game, plan.memory)}, self.frames)

    def _rehearse(self, plan: AlignmentPlan) -> None:
        """Prepare the training as with the model, and check it."""
        other = self.opponent
        if isinstance(other, ModelPolicy):
            other = replace(other, model=Mock(uniform))
        made, model = replace(self, opponent=other), cast(HuggingFace, _Unread())
        taught, rival = made.lesson(model, plan), made.rivals(model, plan)
        check_settings(taught, plan.settings, rival)
        if plan.by != "rl":
            check_sampled(taught, plan.settings, rival, by=plan.by, warmup=plan.warmup)

    @property
    def games(self) -> list[Any]:
        """Trained on."""
        return [self.game, *self.more_games]

    def questions(self, model: Model, plan: AlignmentPlan) -> list[Question]:
        told = plan.measured
        here = {plan.game: battery(self.game, told)}
        too = dict(zip(plan.more_games, (battery(g, told) for g in self.more_games), strict=True))
        away = {name: battery(g, told) for name, g in self.transfer_games.items()}
        asked = questions(model, {**here, **away}, self.frames) + questions(model, too, self.frames[:1])
        return asked + questions(model, here, self.transfer_frames)

    def lesson(self, model: HuggingFace, plan: AlignmentPlan) -> PromptSets | Rollout:
        if plan.settings.sample:
            nobody = self.opponent is None and plan.opponent != ITSELF
            if nobody or plan.states or not all(map(_for_two, self.games)):
                raise HominesError(
                    "--sample walks through repeated games of two players against an opponent, meeting "
                    "states as they come; drop --sample, or --rival and --states"
                )
            players, seed = plan.settings.sample, plan.settings.seed
            walk = Rollout(
                model, self.games, self.phases, self.frames, self.opponent, plan.memory, players, seed
            )
            walk.batch([0])  # a prompt that cannot be, or does not fit the model, shows now
            return walk
        specs = (plan.game, *plan.more_games)
        once = {spec: battery(game) for spec, game in zip(specs, self.games, strict=True)}
        taught = self.games if isinstance(self.game, Repeated) else once
        return prompt_sets(
            model,
            taught,
            self.phases,
            self.frames,
            self.opponent,
            memory=plan.memory,
            keep=plan.states,
            itself=plan.opponent == ITSELF,
        )

    def rivals(self, model: HuggingFace, plan: AlignmentPlan) -> PromptSets | None:
        """The second learner's lesson, from its seat."""
        if self.rival is None:
            return None
        return prompt_sets(
            model, self.games, self.rival, self.frames, memory=plan.memory, seat=1, keep=plan.states
        )


class _Unread:
    """In place of a model, where nobody reads the prompts."""

    def encode(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        return list(prompts)


def _for_two(game: Any) -> bool:
    return isinstance(game, Repeated) and len(game.stage.actions) == 2


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


def plan_config(plan: AlignmentPlan, *, kind: str, command: str) -> dict[str, Any]:
    """The resolved config of an alignment run, as its folder stores it."""
    raw = asdict(plan)
    return {
        "kind": kind,
        "command": command,
        **{k: v for k, v in raw.items() if k not in ("frames", "transfer_frames", "transfer_games")},
        "preference": spell(plan.phases[-1].preference),
        "schedule": plan.preference,
        "training_frames": list(plan.frames),
        "training_games": [plan.game, *plan.more_games],
        "frames": [*plan.frames, *plan.transfer_frames],
        "games": [plan.game, *plan.transfer_games],
        **({"measured_memory": plan.measured} if plan.measured < plan.memory else {}),
    }
