"""An alignment: its plan with every spec as an object, its questions and what it trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from homines.core.registry import find
from homines.core.types import Decision, HominesError, Policy, Prompt
from homines.elicitation.policies import ModelPolicy
from homines.elicitation.questions import Question, battery, questions
from homines.elicitation.rewordings import rewordings
from homines.models import known, load
from homines.models.mock import Mock, uniform
from homines.opponents import opponent
from homines.theory.count_form import CountForm
from homines.theory.game_forms import Repeated
from homines.training.prompt_sets import EverySet, PromptSets, StateSpace, mixed_sets, prompt_sets
from homines.training.rollout import Rollout, check_settings
from homines.training.sampled import check_sampled
from homines.training.schedule import Phase, schedule
from homines.training.settings import AlignmentPlan, few

ITSELF = "self"
"""In place of an opponent: the learner."""
CHECKED = 16
"""Pasts drawn to check a plan on, where there are more."""


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
            None if plan.opponent in (None, ITSELF) else plan_opponent(plan, plan.opponent, frames[0]),
            frames,
            [find("frames", spec) for spec in plan.transfer_frames],
            {spec: find("games", spec) for spec in plan.transfer_games},
        )
        if plan.rival is not None and not all(map(_for_two, alignment.games)):
            raise HominesError("two learners need repeated games of two players; choose another --game")
        if plan.opponent == ITSELF and not all(map(_of_one_kind, alignment.games)):
            raise HominesError(
                "a learner meets itself in symmetric games of two players, or told by counts, where its like "
                "is in its place; choose another --game or --opponent"
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
            for d in sample_decisions(game, plan.memory):
                for phase in (*self.phases, *(self.rival or ())):
                    phase.preference(d)
        self.questions()
        if plan.measured < plan.memory:
            questions(self.model, {plan.game: sample_decisions(self.game, plan.memory)}, self.frames)

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
        open_words = rewordings(trained[plan.game], plan.frames, plan.transfer_frames)
        reworded = open_words.values() if plan.rewordings else ()
        return [
            *questions(model, {**trained, **transfer}, self.frames),
            *questions(model, others, self.frames[:1]),
            *questions(model, trained, [*self.transfer_frames, *(find("frames", spec) for spec in reworded)]),
        ]

    def prompt_source(self) -> EverySet | Rollout:
        """What the learner is trained on: all states, or with `sample` those that it meets."""
        plan, model = self.plan, self.model
        if plan.settings.sample:
            nobody = self.opponent is None and plan.opponent != ITSELF
            if nobody or plan.states or not all(_for_two(g) or _told_by_counts(g) for g in self.games):
                raise HominesError(
                    "--sample walks through repeated games of two players, or told by counts, against an "
                    "opponent, meeting states as they come; drop --sample, or --rival and --states"
                )
            players, seed = plan.settings.sample, plan.settings.seed
            rollout = Rollout(
                model, self.games, self.phases, self.frames, self.opponent, plan.memory, players, seed
            )
            rollout.batch([0])  # a prompt that cannot be, or does not fit the model, shows now
            return rollout
        specs = (plan.game, *plan.more_games)
        games = {
            spec: game if isinstance(game, Repeated) else battery(game)
            for spec, game in zip(specs, self.games, strict=True)
        }
        return mixed_sets(
            model,
            games,
            self.phases,
            self.frames,
            self.opponent,
            space=StateSpace(memory=plan.memory, names=plan.states),
            itself=plan.opponent == ITSELF,
        )

    def rival_prompts(self) -> PromptSets | None:
        """What the second learner is trained on, from its seat; None where there is none."""
        if self.rival is None:
            return None
        plan = self.plan
        space = StateSpace(memory=plan.memory, seat=1, names=plan.states)
        return prompt_sets(self.model, self.games, self.rival, self.frames, space=space)


def _told_by_counts(game: Any) -> bool:
    return isinstance(game, Repeated) and isinstance(game.stage, CountForm)


def _for_two(game: Any) -> bool:
    return isinstance(game, Repeated) and not _told_by_counts(game) and len(game.stage.actions) == 2


def _of_one_kind(game: Any) -> bool:
    """Whether a learner can meet its like here; in a game played once nobody is met."""
    if not isinstance(game, Repeated):
        return True
    return _told_by_counts(game) or (_for_two(game) and game.stage.symmetric)


def sample_decisions(game: Any, memory: int) -> Sequence[Decision]:
    """The game's decisions; where they are too many, those after CHECKED pasts drawn at random."""
    if few(game, memory):
        return battery(game, memory)
    drawn = np.random.default_rng(0).integers(len(game.states), size=(CHECKED, memory))
    return [game.remember(0, tuple(game.states[s] for s in past)) for past in drawn]


def plan_opponent(plan: AlignmentPlan, spec: str, frame: Any) -> Policy:
    """The opponent of a plan: a model (speaking the first training frame's words) or a strategy."""
    if known(spec):
        kind = {"device": plan.device, "dtype": plan.dtype, "trust_remote_code": plan.trust_remote_code}
        return ModelPolicy(load(spec, **kind), frame)
    return opponent(spec)
