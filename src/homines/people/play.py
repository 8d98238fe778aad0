"""The play of a sitting, a pure function of its plan and of the answers given.

    plan (games, whom to meet, words) + answers -> Progress: the next question, or the end

The same answers lead to the same place: thus a sitting goes on where it was left.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from homines.core.capabilities import labels_of
from homines.core.registry import find
from homines.core.types import Array, Choice, Decision, History, HominesError, Prompt, Record
from homines.design.inquiry import begin
from homines.design.options import DesignOptions
from homines.elicitation.orders import few_orders
from homines.elicitation.questions import battery
from homines.elicitation.scene import Names
from homines.estimation.observations import CHOSE_PLANS
from homines.people.counterpart import Counterpart, pose
from homines.people.next_game import next_game
from homines.people.plan import ROUNDS, SessionPlan, deciders, players
from homines.theory.game_forms import Repeated, append_stage


class NotAnAnswer(HominesError):  # noqa: N818 (to be asked again, not to stop at)
    """What was typed is none of the options."""


@dataclass(frozen=True, eq=False)
class Turn:
    """One question to the person.

    when     where in the sitting it stands, such as 'round 2'
    record   without its answer
    """

    number: int
    game: str
    when: str
    decision: Decision
    prompt: Prompt
    record: Record

    @property
    def options(self) -> tuple[int, ...]:
        """The actions in the order in which the words name them last."""
        return self.record.order[-1]

    def read(self, text: str) -> int:
        """The action an answer names, its case aside where that is clear. Raises NotAnAnswer."""
        answer = text.strip()
        labels = self.prompt.labels
        if answer in labels:
            return labels.index(answer)
        alike = [a for a, label in enumerate(labels) if label.casefold() == answer.casefold()]
        if len(alike) == 1:
            return alike[0]
        choices = ", ".join(labels[a] for a in self.options)
        raise NotAnAnswer(
            f"{answer[:80]!r} is none of {choices}" if answer else f"answer with one of {choices}"
        )


@dataclass(frozen=True, eq=False)
class Act:
    """An action of one player at a stage; `choice`: its exact distribution, None for the person."""

    player: int
    action: str
    actions: tuple[str, ...]
    choice: Choice | None


@dataclass(frozen=True, eq=False)
class Stage:
    """The acts of one stage, and each seat's payoff where the stage (or game) was paid.

    when   where in the sitting it stands
    seat   the person's
    paid   by seat; None where nothing was paid yet
    """

    game: str
    when: str
    seat: int
    acts: tuple[Act, ...]
    paid: Array | None
    situation: bool = False
    """A situation told in words, whose payoffs are not the player's."""


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a sitting stands.

    turn       the next question; None: the sitting is over
    answered   questions with the actions that answered them
    stages     all that happened
    """

    turn: Turn | None
    answered: tuple[tuple[Turn, int], ...]
    stages: tuple[Stage, ...]


def replay(plan: SessionPlan, other: Counterpart, answers: Sequence[int]) -> Progress:
    """The progress that these answers lead to. Raises HominesError where `other` has no answer."""
    play = Play(plan, other)
    answered: list[tuple[Turn, int]] = []
    turns = play.turns()
    turn: Turn | None = None
    try:
        turn = next(turns)
        for action in answers:
            answered.append((turn, action))
            turn = turns.send(action)
    except StopIteration:
        turn = None
    return Progress(turn, tuple(answered), tuple(play.stages))


Turns = Generator[Turn, int, None]
"""Yields a question, takes the action that answers it."""


@dataclass(frozen=True, eq=False)
class Match:
    """One play of one game.

    seat   the person's
    when   where in the sitting it stands
    rng    draws the counterpart's acts
    """

    spec: str
    game: Any
    seat: int
    when: str
    rng: np.random.Generator


class Play:
    """All games of a plan in turn; `stages` grows as they are played."""

    def __init__(self, plan: SessionPlan, other: Counterpart) -> None:
        self.plan, self.other = plan, other
        self.frame = find("frames", plan.frame)
        self.stages: list[Stage] = []
        self._number = 0

    def turns(self) -> Turns:
        """The questions of the whole sitting."""
        plan = self.plan
        if plan.design is not None:
            yield from self._next_best(plan.design)
            return
        for i, (spec, game) in enumerate(plan.games_by_spec.items()):
            times = 1 if isinstance(game, Repeated) else plan.rounds or 1
            for again in range(times):
                when = _joined(
                    f"game {i + 1} of {len(plan.games)}" if len(plan.games) > 1 else "",
                    f"time {again + 1} of {times}" if times > 1 else "",
                )
                rng = np.random.default_rng([plan.seed, i, again])
                if plan.both:
                    yield from self._strategy_method(spec, game, when, rng)
                else:
                    seat = min(deciders(game)) if plan.seat is None else plan.seat
                    yield from self._direct(Match(spec, game, seat, when, rng))

    def _next_best(self, design: DesignOptions) -> Turns:
        """Games drawn, the next best one each time, until what is wanted is reached or there are no more."""
        answers: tuple[tuple[int, int], ...] = ()
        while (place := next_game(self.plan, answers)) is not None:
            pool = begin(design, self.plan.games, self.plan.seed).pool
            game = find("games", pool.specs[place])
            rng = np.random.default_rng([self.plan.seed, len(answers), 0])
            acts: list[int] = []
            match = Match(pool.specs[place], game, 0, f"game {len(answers) + 1}", rng)
            yield from self._noted(self._direct(match), acts)
            answers = (*answers, (place, acts[0]))

    @staticmethod
    def _noted(turns: Turns, acts: list[int]) -> Turns:
        """The same turns; each answer is added to `acts`."""
        try:
            turn = next(turns)
            while True:
                acts.append((yield turn))
                turn = turns.send(acts[-1])
        except StopIteration:
            return

    def _ask(self, spec: str, when: str, d: Decision, **provenance: Any) -> Generator[Turn, int, int]:
        """Ask the person one decision; the action. provenance: of the record, beside the usual."""
        number = self._number
        order = few_orders(len(d.actions), self.frame.places, 1, number + self.plan.seed)[0]
        question = pose(self.plan.person, spec, d, self.frame, order, f"turn {number}", **provenance)
        self._number += 1
        return (yield Turn(number, spec, when, d, question.prompt, question.record))

    def _direct(self, match: Match) -> Turns:
        """One game as it is played, the person at one seat."""
        game = match.game
        repeated = isinstance(game, Repeated)
        rounds = (self.plan.rounds or game.rounds or ROUNDS) if repeated else None
        history: History = ()
        while (due := game.due(history)) and (rounds is None or len(history) < rounds):
            when = _joined(match.when, f"round {len(history) + 1}" if repeated else "")
            acts: dict[int, int] = {}
            if match.seat in due:
                acts[match.seat] = yield from self._ask(match.spec, when, due[match.seat])
            history = self._finish_stage(replace(match, when=when), history, due, acts)

    def _strategy_method(self, spec: str, game: Any, when: str, rng: np.random.Generator) -> Turns:
        """Every point answered first; then a role is drawn and the game played by these answers."""
        answers: dict[str, int] = {}
        for d in battery(game):
            role = _joined(when, f"in role {d.player + 1}")
            answers[d.key] = yield from self._ask(spec, role, d, **{CHOSE_PLANS: True})
        roles = sorted({d.player for d in battery(game)})
        seat = roles[int(rng.integers(len(roles)))]
        match = Match(spec, game, seat, _joined(when, f"role {seat + 1} was drawn"), rng)
        history: History = ()
        while due := game.due(history):
            acts = {seat: answers[due[seat].key]} if seat in due else {}
            history = self._finish_stage(match, history, due, acts)

    def _finish_stage(
        self, match: Match, history: History, due: Mapping[int, Decision], acts: dict[int, int]
    ) -> History:
        """Let the others act and record the stage; the history after it. acts: the person's."""
        game, rng = match.game, match.rng
        decisions = {k: d for k, d in due.items() if k != match.seat}
        replies = self.other(match.spec, list(decisions.values()))
        choices: dict[int, Choice] = dict(zip(decisions, replies, strict=True))
        acts = acts | {k: int(rng.choice(len(c.p), p=c.p)) for k, c in choices.items()}
        after = append_stage(history, acts, players(game))
        over = not game.due(after)
        paid = (
            game.payoffs(after[-1:]) if isinstance(game, Repeated) else game.payoffs(after) if over else None
        )
        labels = labels_of(self.frame)
        stage: list[Act] = []
        for k in sorted(acts):
            mine = Names.of(due[k], labels).mine
            stage.append(Act(k, mine[acts[k]], mine, choices.get(k)))
        situation = any(d.does for d in due.values())
        self.stages.append(Stage(match.spec, match.when, match.seat, tuple(stage), paid, situation))
        return after


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))
