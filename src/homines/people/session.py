"""A person in a model's place: asked in its words, met by another, recorded as a model is.

    Plan (games, whom to meet, words) + answers given so far -> Course: the next question, or what came of it

A course is a pure function of the plan and of the answers: the same answers lead to the same place, so that a
sitting goes on where it was left.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from typing import Any
from unicodedata import category

import numpy as np

from homines.core.capabilities import ChecksAccess, StatesFeatures, asks_of, labels_of
from homines.core.checks import count
from homines.core.options import option, required
from homines.core.plugins import names
from homines.core.registry import find, spell
from homines.core.run_folder import RunFolder
from homines.core.types import (
    Array,
    Choice,
    Decision,
    Frame,
    Game,
    History,
    HominesError,
    Model,
    Order,
    Policy,
    Prompt,
    Record,
)
from homines.elicitation.asking import measure
from homines.elicitation.metrics import average_by_decision
from homines.elicitation.orders import few_orders, orders
from homines.elicitation.questions import battery, questions
from homines.elicitation.scene import Names
from homines.models import PROVIDERS, behind, known, load
from homines.opponents import opponent
from homines.theory.game_forms import NormalForm, Repeated, append_stage, nodes

BATTERY = "battery"
PROTOCOLS = tuple(f"{kind}({k})" for k in range(1, 7) for kind in ("spd", "trust", "ultimatum"))
"""What `battery` stands for: the games that van Leeuwen & Alger (2024) estimate preferences from."""
ROUNDS = 10
"""Of a repeated game that announces no end."""
MOST_ROUNDS = 1000
UNWRITTEN = ("Cc", "Cs")
"""Of Unicode: control characters, and halves of a pair that UTF-8 cannot write."""
MOST_GAMES = 100
LONGEST_NAME = 60


class NotAnAnswer(HominesError):  # noqa: N818 (to be asked again, not to stop at)
    """What was typed is none of the options."""


@dataclass(frozen=True)
class SessionPlan:
    """Who plays what against whom, in which words.

    games    one after another; `battery` stands for PROTOCOLS
    against  takes all other seats
    seat     None: the first that decides
    both     the person answers every point of decision in every role, and a draw says which role was played
    rounds   None: 10, or as announced; 1 of a game played once
    """

    games: tuple[str, ...] = required(
        "Games, as ipd; battery: 18 games by the strategy method, for fit.", "game"
    )
    against: str = option("tit_for_tat", "Whom you meet: a strategy, axelrod:NAME or a MODEL.")
    frame: str = option("table(goal='')", "Words you read, as a model does.")
    seat: int | None = None
    both: bool = False
    rounds: int | None = option(None, "Of a repeated game (10); times one played once is played (1).", low=1)
    seed: int = option(0, "Of whatever is drawn.")
    person: str = option("person", "Yours in the records.", "--name")

    def __post_init__(self) -> None:
        count("seed", self.seed, 0)
        if not 0 < len(self.games) <= MOST_GAMES:
            raise HominesError(f"{len(self.games)} games are asked for; name 1 to {MOST_GAMES}")
        if self.rounds is not None:
            count("rounds", self.rounds, 1, MOST_ROUNDS)
        if BATTERY in self.games:
            if self.seat is not None or self.games != (BATTERY,):
                raise HominesError(
                    f"{BATTERY} is {len(PROTOCOLS)} games in which every role is answered for; drop the "
                    "other games and the seat"
                )
            object.__setattr__(self, "games", PROTOCOLS)
            object.__setattr__(self, "both", True)
        if not self.person.strip() or len(self.person) > LONGEST_NAME:
            raise HominesError(
                f"the person's name {self.person[:80]!r} must be 1 to {LONGEST_NAME} characters long"
            )
        if any(category(c) in UNWRITTEN for c in self.person):
            raise HominesError(f"the person's name {self.person!r} holds a control character; leave it out")
        if self.person == self.against:
            raise HominesError(
                f"{self.person!r} is the name of whom you meet as well; give the person another (--name)"
            )
        words = find("frames", self.frame)
        if not hasattr(words, "places"):
            raise HominesError(f"{words!r} is no frame: it lacks `places`; core.Frame says what one has")
        if asks_of(words) != "choice":
            raise HominesError(
                f"frame {self.frame} asks for more than a choice, and a person is asked for that alone; "
                "drop asks="
            )
        object.__setattr__(self, "frame", spell(words))
        for name, game in self.made.items():
            self._check(name, game, words)

    def _check(self, name: str, game: Any, words: Frame) -> None:
        """A seat that never decides, an end that is not the announced one, words that fail: all told now."""
        asked = battery(game)
        if not asked:
            raise HominesError(f"in {name} nobody decides; choose another game")
        if isinstance(game, Repeated):
            if self.both:
                raise HominesError(
                    f"{name} is repeated, and the strategy method is for games played once; give a seat"
                )
            if game.rounds is not None and self.rounds not in (None, game.rounds):
                raise HominesError(
                    f"{name} announces {game.rounds} rounds, not {self.rounds}; drop --rounds, or change the "
                    "game's"
                )
        if self.seat is not None and self.seat not in (there := deciders(game)):
            raise HominesError(
                f"nobody decides at seat {self.seat} of {name}; there are "
                f"{', '.join(map(str, sorted(there)))}"
            )
        for d in asked:
            words(d, orders(len(d.actions), words.places)[0])

    @property
    def made(self) -> dict[str, Any]:
        """The games, by their specs."""
        return {spec: find("games", spec) for spec in self.games}

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> SessionPlan:
        """The plan that `config` wrote. Raises HominesError where it is none."""
        try:
            games, frames = config["games"], config["frames"]
            if not isinstance(games, list | tuple) or not isinstance(frames, list | tuple):
                raise TypeError("games and frames must be lists")
            if not all(
                isinstance(word, str) for word in (*games, config["model"], frames[0], config["person"])
            ):
                raise TypeError("games, model, frame and person must be texts")
            return cls(
                tuple(games),
                config["model"],
                frames[0],
                config["seat"],
                config["both"],
                config["rounds"],
                config["seed"],
                config["person"],
            )
        except (KeyError, TypeError, IndexError, AttributeError) as failure:
            raise HominesError(f"this is no config of a sitting ({failure!r}); start another") from failure

    def config(self, command: str = "") -> dict[str, Any]:
        """The resolved config of a run folder that keeps this sitting."""
        raw = asdict(self)
        told = {"kind": "play", "command": command, "model": self.against, "frames": [self.frame]}
        return told | {k: v for k, v in raw.items() if k not in ("against", "frame")}


@dataclass(frozen=True, eq=False)
class Turn:
    """One question to the person. `record`: without its answer; `told`: where in the sitting it stands."""

    number: int
    game: str
    told: str
    decision: Decision
    prompt: Prompt
    record: Record

    @property
    def shown(self) -> tuple[int, ...]:
        """The options in the order in which the words name them last."""
        return self.record.order[-1]

    def read(self, text: str) -> int:
        """The action an answer names, its case aside where that is clear. Raises NotAnAnswer."""
        said = text.strip()
        labels = self.prompt.labels
        if said in labels:
            return labels.index(said)
        alike = [a for a, label in enumerate(labels) if label.casefold() == said.casefold()]
        if len(alike) == 1:
            return alike[0]
        told = ", ".join(labels[a] for a in self.shown)
        raise NotAnAnswer(f"{said[:80]!r} is none of {told}" if said else f"answer with one of {told}")


@dataclass(frozen=True, eq=False)
class Act:
    """What one player did at a stage; `choice`: its exact distribution, None for the person."""

    player: int
    action: str
    actions: tuple[str, ...]
    choice: Choice | None


@dataclass(frozen=True, eq=False)
class Stage:
    """What happened at once: everyone's acts, and each seat's payoff where the stage (or game) was paid.

    told   where in the sitting it stands; `seat`: the person's
    """

    game: str
    told: str
    seat: int
    acts: tuple[Act, ...]
    paid: Array | None
    situation: bool = False
    """A situation told in words, whose payoffs are not the player's."""


@dataclass(frozen=True, eq=False)
class Course:
    """Where a sitting stands. `turn` None: it is over; `asked`: questions answered, with their answers."""

    turn: Turn | None
    asked: tuple[tuple[Turn, int], ...]
    stages: tuple[Stage, ...]


class Other:
    """Whom the person meets. Answers are asked once, and kept in the run folder where there is one."""

    def __init__(self, plan: SessionPlan, policy: Policy | Model, run: RunFolder | None = None) -> None:
        self.policy, self.frame, self.run = policy, find("frames", plan.frame), run
        self.name = policy.name if isinstance(policy, Model) else plan.against
        self._known: dict[tuple[str, str], Choice] = {}
        self.records: dict[str, Record] = {}

    def __call__(self, game: str, ds: Sequence[Decision]) -> list[Choice]:
        """Its choice at each decision. Raises HominesError where it has none to give."""
        new = list({d.key: d for d in ds if (game, d.key) not in self._known}.values())
        if new:
            answers = self._model(game, new) if isinstance(self.policy, Model) else self._strategy(game, new)
            self._known |= {(game, d.key): choice for d, choice in answers}
        return [self._known[game, d.key] for d in ds]

    def _model(self, game: str, ds: Sequence[Decision]) -> list[tuple[Decision, Choice]]:
        """Every balanced order of the words is asked, and the answers averaged."""
        model = self.policy
        assert isinstance(model, Model)
        asked = questions(model, {game: ds}, [self.frame])
        held = {} if self.run is None else self.run.done
        known = [r for q in asked if (r := held.get(q.record.key)) is not None and r.choice is not None]
        keys = {r.key for r in known}
        fresh = measure(model, [q for q in asked if q.record.key not in keys])
        self._keep(fresh, known)
        pairs = average_by_decision([*known, *fresh])
        failed = next((r.error for r in fresh if r.error), None)  # without it the orders would not balance
        if failed or len(pairs) < len(ds):
            raise HominesError(
                f"{self.name} gave no answer in {game} ({failed or 'no probability on any legal answer'}); "
                "your answers are kept, go on to ask it again"
            )
        return pairs

    def _strategy(self, game: str, ds: Sequence[Decision]) -> list[tuple[Decision, Choice]]:
        policy = self.policy
        assert not isinstance(policy, Model)
        pairs = list(zip(ds, policy(ds), strict=True))
        made: list[Record] = []
        for d, choice in pairs:
            order = orders(len(d.actions), self.frame.places)[0]
            record = _record(self.name, game, d, self.frame, order, "strategy")[1]
            made.append(replace(record, choice=choice))
        self._keep(made)
        return pairs

    def _keep(self, fresh: Sequence[Record], known: Sequence[Record] = ()) -> None:
        if self.run is not None:
            self.run.add([r for r in fresh if r.key not in self.run.done or self.run.done[r.key].error])
        self.records |= {r.key: r for r in (*known, *fresh)}


class Sitting:
    """A person at play: the next question, and answers as they come, each on the disk before the next."""

    def __init__(self, plan: SessionPlan, other: Other, run: RunFolder | None = None) -> None:
        self.plan, self.other, self.run = plan, other, run
        self.records: dict[str, Record] = {}
        self._given: list[int] = []
        self.course = course(plan, other, ())
        while (turn := self.course.turn) is not None and run is not None:
            held = run.done.get(turn.record.key)
            if held is None or held.choice is None:
                break
            self._take(held, int(np.argmax(held.choice.p)))

    def answer(self, action: int) -> None:
        """Take the answer to the present question: record it, then play on. Raises HominesError where whom
        the person meets fails; the answer is kept, and `go_on` asks that one again."""
        turn = self.course.turn
        if turn is None:
            raise HominesError("this sitting is over; start another")
        if self.late:
            raise HominesError("the last answer was not met yet; go on first")
        record = replace(turn.record, choice=Choice.at(np.eye(len(turn.decision.actions))[action], n=1))
        if self.run is not None and record.key not in self.run.done:
            self.run.add([record])
        self._take(record, action)

    def _take(self, record: Record, action: int) -> None:
        self.records[record.key] = record
        self._given.append(action)
        self.go_on()

    def go_on(self) -> None:
        """Play as far as the answers go."""
        self.course = course(self.plan, self.other, self._given)

    @property
    def late(self) -> bool:
        """Whether the last answer has not been met yet: whom the person meets failed."""
        return len(self._given) > len(self.course.asked)


def start(plan: SessionPlan, run: RunFolder | None = None, **kind: Any) -> Sitting:
    """A sitting, or the rest of the one that the run folder holds. kind: device, dtype."""
    return Sitting(plan, Other(plan, rival(plan.against, **kind), run), run)


def rival(spec: str, **kind: Any) -> Policy | Model:
    """Whom a spec names: a MODEL, with adapters or without, or a strategy. Raises HominesError where it names
    neither, and for a model behind an API that tells no log-probabilities: it could only be sampled."""
    spec = spec.strip()
    if known(spec):
        try:
            model = load(spec, **kind)
        except OSError as failure:  # a name that is too long for a folder's
            raise HominesError(
                f"{spec[:80]!r} cannot be opened ({failure.strerror}); name a folder that is there"
            ) from failure
        if behind(spec):
            _check_told(model, spec)
        return model
    word = spec.partition("(")[0]
    if ":" in word or word in names("opponents"):
        return opponent(spec)
    first = re.split(r"[/+(]", spec, maxsplit=1)[0].strip()
    there = (*names("models"), *names("opponents"), *PROVIDERS)
    near = get_close_matches(first.lower(), there, n=1)
    hint = f"; did you mean {near[0] + ('/NAME' if near[0] in PROVIDERS else '')!r}?" if near else "."
    raise HominesError(f"no model and no opponent called {spec[:80]!r}{hint} {_offered()}")


def _offered() -> str:
    """Whom a person can meet."""
    return (
        "Models you can meet: smollm2, hf/FOLDER-OR-HUB-ID, vllm/NAME, any of these with +ADAPTER-FOLDER, "
        "and PROVIDER/NAME where the provider tells log-probabilities; strategies: "
        f"{', '.join(names('opponents'))}, axelrod:NAME, module:object"
    )


def _check_told(model: Any, spec: str) -> None:
    """HominesError where what stands behind an API tells no probabilities; one short call finds out."""
    if isinstance(model, ChecksAccess):
        model.ready()
    if isinstance(model, StatesFeatures) and model.features is not None and not model.features.top:
        raise HominesError(
            f"{spec}: its probabilities cannot be read here, as no log-probabilities came, and counting "
            f"answers would take many calls for every move. {_offered()}"
        )


# --- the course of play ------------------------------------------------------------------------


def course(plan: SessionPlan, other: Other, given: Sequence[int]) -> Course:
    """Where these answers lead. Raises HominesError where `other` has no answer."""
    asked: list[tuple[Turn, int]] = []
    stages: list[Stage] = []
    play = _play(plan, other, stages)
    try:
        turn = next(play)
        for action in given:
            asked.append((turn, action))
            turn = play.send(action)
        return Course(turn, tuple(asked), tuple(stages))
    except StopIteration:
        return Course(None, tuple(asked), tuple(stages))


Play = Generator[Turn, int, None]


def _play(plan: SessionPlan, other: Other, stages: list[Stage]) -> Play:
    """Every game in turn; yields a question, takes the action that answers it."""
    words, number = find("frames", plan.frame), 0

    def ask(game: str, told: str, d: Decision) -> Generator[Turn, int, int]:
        nonlocal number
        order = few_orders(len(d.actions), words.places, 1, number + plan.seed)[0]
        prompt, record = _record(plan.person, game, d, words, order, f"turn {number}")
        number += 1
        return (yield Turn(number - 1, game, told, d, prompt, record))

    for i, (spec, game) in enumerate(plan.made.items()):
        times = 1 if isinstance(game, Repeated) else plan.rounds or 1
        for again in range(times):
            told = f"game {i + 1} of {len(plan.games)}, " if len(plan.games) > 1 else ""
            told += f"time {again + 1} of {times}" if times > 1 else ""
            rng = np.random.default_rng([plan.seed, i, again])
            if plan.both:
                yield from _strategy(spec, game, told, words, other, rng, ask, stages)
            else:
                seat = min(deciders(game)) if plan.seat is None else plan.seat
                yield from _once(plan, spec, game, seat, told, words, other, rng, ask, stages)


def _once(
    plan: SessionPlan,
    spec: str,
    game: Any,
    seat: int,
    told: str,
    words: Frame,
    other: Other,
    rng: np.random.Generator,
    ask: Any,
    stages: list[Stage],
) -> Play:
    """One game as it is played, the person at one seat."""
    repeated = isinstance(game, Repeated)
    most = (plan.rounds or game.rounds or ROUNDS) if repeated else None
    history: History = ()
    while (due := game.due(history)) and (most is None or len(history) < most):
        where = _joined(told, f"round {len(history) + 1}" if repeated else "")
        acts: dict[int, int] = {}
        if seat in due:
            acts[seat] = yield from ask(spec, where, due[seat])
        history, stage = _met(spec, where, game, history, due, acts, seat, words, other, rng)
        stages.append(stage)


def _strategy(
    spec: str,
    game: Any,
    told: str,
    words: Frame,
    other: Other,
    rng: np.random.Generator,
    ask: Any,
    stages: list[Stage],
) -> Play:
    """Every point answered first; then a role is drawn and the game played by these answers."""
    answers: dict[str, int] = {}
    for d in battery(game):
        answers[d.key] = yield from ask(spec, _joined(told, f"in role {d.player + 1}"), d)
    roles = sorted({d.player for d in battery(game)})
    seat = roles[int(rng.integers(len(roles)))]
    history: History = ()
    while due := game.due(history):
        acts = {seat: answers[due[seat].key]} if seat in due else {}
        where = _joined(told, f"role {seat + 1} was drawn")
        history, stage = _met(spec, where, game, history, due, acts, seat, words, other, rng)
        stages.append(stage)


def _met(
    spec: str,
    told: str,
    game: Game,
    history: History,
    due: Mapping[int, Decision],
    acts: dict[int, int],
    seat: int,
    words: Frame,
    other: Other,
    rng: np.random.Generator,
) -> tuple[History, Stage]:
    """The others act; what happened, and the history after it."""
    theirs = {k: d for k, d in due.items() if k != seat}
    found: dict[int, Choice] = dict(zip(theirs, other(spec, list(theirs.values())), strict=True))
    acts = acts | {k: int(rng.choice(len(c.p), p=c.p)) for k, c in found.items()}
    after = append_stage(history, acts, players(game))
    over = not game.due(after)
    paid = game.payoffs(after[-1:]) if isinstance(game, Repeated) else game.payoffs(after) if over else None
    labels = labels_of(words)
    done: list[Act] = []
    for k in sorted(acts):
        mine = Names.of(due[k], labels).mine
        done.append(Act(k, mine[acts[k]], mine, found.get(k)))
    situation = any(d.does for d in due.values())
    return after, Stage(spec, told, seat, tuple(done), paid, situation)


def _record(
    who: str, game: str, d: Decision, words: Frame, order: Order, revision: str
) -> tuple[Prompt, Record]:
    """A question to one who is no model. revision: sets apart what is asked twice."""
    prompt = words(d, order)
    told = {"revision": revision, "prompt": prompt.key}
    return prompt, Record(
        d, spell(words), order, prompt.labels, who, game, provenance=told, asks=asks_of(words)
    )


def _joined(*parts: str) -> str:
    return ", ".join(part.removesuffix(", ") for part in parts if part)


def players(game: Any) -> int:
    """How many players a game has, bystanders aside."""
    if isinstance(game, Repeated):
        return len(game.stage.actions)
    if isinstance(game, NormalForm):
        return len(game.actions)
    return max(max(k + 1, 1 + len(d.theirs)) for k, d in game.due(()).items())


def deciders(game: Any) -> set[int]:
    """Seats that decide at some point."""
    if isinstance(game, Repeated | NormalForm):
        return set(range(players(game)))
    return {k for _, due in nodes(game, players(game)) for k in due}
