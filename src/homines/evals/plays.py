"""Two models play a game in the roles `row` (player 0) and `column` (player 1); each reads its own side of
it.

Every move is a text that must choose a label (inference/answer_reader.py). After an illegal answer the
question is repeated, up to `tries` answers in all; if none is legal the game is broken and has no payoffs.
Option orders alternate over rounds, players and epochs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inspect_ai.log import transcript
from inspect_ai.model import ChatMessageUser, GenerateConfig, Model, get_model, model_roles
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, mean, metric, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import collect, span

from homines.core.capabilities import asks_of, check_begun, memory_of
from homines.core.redaction import redact
from homines.core.registry import find, spell
from homines.core.types import (
    Choice,
    Decision,
    Frame,
    Game,
    History,
    HominesError,
    Order,
    Prompt,
    Record,
    digest,
)
from homines.elicitation.orders import orders
from homines.evals.asking import check_output
from homines.evals.samples import KEY, answer_json, question_json
from homines.inference.api_answers import read_texts
from homines.inference.api_calls import chat_messages
from homines.inference.sampled_answers import pool_notes
from homines.theory.choice import pool_choices
from homines.theory.game_forms import Repeated, append_stage

ROLES = ("row", "column")
PLAYED = "played"


@dataclass(frozen=True, kw_only=True)
class Match:
    """A game between two models, in one frame.

    name     spec of the game
    rounds   of a repeated game that announces no end; an upper limit for a game that does
    tries    answers to one question, at most
    seed     of the sampling; None: the provider draws one
    """

    name: str
    game: Game
    frame: Frame
    rounds: int
    tries: int
    seed: int | None

    def call_seed(self, *parts: int) -> int | None:
        """The seed of one call; every call of a match has its own."""
        return None if self.seed is None else int(digest([self.seed, *parts]), 16) % 2**31


def two_player(spec: str) -> Any:
    """The game of this spec. Raises HominesError where it is not a game of two players."""
    game = find("games", spec)
    first = game.due(()) if hasattr(game, "due") else {}
    if not first or max(first) > 1 or any(len(d.theirs) != 1 for d in first.values()):
        raise HominesError(f"{spec} is no game between two players; choose another, as ipd or 'trust(1)'")
    return game


def prompt_of(d: Decision, frame: Frame, turn: int) -> tuple[Order, Prompt]:
    """The option order of this turn, and the decision's prompt in it."""
    cycle = orders(len(d.actions), frame.places)
    order = cycle[turn % len(cycle)]
    prompt = frame(d, order)
    check_begun(None, [prompt], "a model asked by Inspect")
    return order, prompt


@solver
def play_out(game: str, frame: str, rounds: int, tries: int, seed: int | None = None) -> Solver:
    """Play the game once. The sample's metadata receives a record of each move."""
    match = Match(
        name=game,
        game=two_player(game),
        frame=find("frames", frame),
        rounds=rounds,
        tries=tries,
        seed=seed,
    )

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        models = players()
        moves: list[dict[str, Any]] = []
        state.metadata = {**state.metadata, KEY: moves}
        history: History = ()
        while (due := match.game.due(history)) and len(history) < rounds:
            async with span(f"round {len(history) + 1}"):
                calls = [move(state, models[k], d, match, len(history)) for k, d in due.items()]
                acts = dict(zip(due, await collect(*calls), strict=True))
                if broken := [ROLES[k] for k, act in acts.items() if act is None]:
                    state.metadata[PLAYED] = play_json(match.game, history) | {"broken": broken}
                    transcript().info(state.metadata[PLAYED], source="homines")
                    return state
                history = append_stage(
                    history, {k: act for k, act in acts.items() if act is not None}, len(ROLES)
                )
                names = {ROLES[k]: due[k].actions[a] for k, a in acts.items() if a is not None}
                transcript().info({"round": len(history), **names}, source="homines")
        state.metadata[PLAYED] = play_json(match.game, history, over=True)
        return state

    return solve


def players() -> tuple[Model, ...]:
    """The models of both roles. Raises HominesError where a role has none: `--model` fills neither."""
    if missing := [role for role in ROLES if role not in model_roles()]:
        raise HominesError(
            f"no model in the role {' and '.join(missing)}; give both: "
            "--model-role row=PROVIDER/MODEL --model-role column=PROVIDER/MODEL"
        )
    return tuple(get_model(role=role) for role in ROLES)


def recent(d: Decision, frame: Frame) -> Decision:
    """The decision with the rounds that the frame shows (its `memory`), where all moved in each round."""
    whole_rounds = bool(d.history) and None not in d.history[-1]
    return replace(d, history=d.history[-int(memory_of(frame)) :]) if whole_rounds else d


async def move(state: TaskState, model: Model, due: Decision, match: Match, stage: int) -> int | None:
    """A player's action; None where no answer was legal. The metadata receive question and answers."""
    d, frame = recent(due, match.frame), match.frame
    player = d.player
    order, prompt = prompt_of(d, frame, state.epoch - 1 + stage + player)
    provenance = {"revision": None, "prompt": prompt.key}
    record = Record(
        d,
        spell(frame),
        order,
        prompt.labels,
        str(model),
        match.name,
        provenance=provenance,
        asks=asks_of(frame),
    )
    question = question_json(record, prompt)
    entry: dict[str, Any] = {**question, "role": ROLES[player], "round": stage, "said": []}
    state.metadata[KEY].append(entry)
    state.messages += [ChatMessageUser(content=f"[{ROLES[player]}, round {stage + 1}]\n\n{prompt.text}")]
    answers: list[Choice] = []
    try:
        for attempt in range(match.tries):
            config = GenerateConfig(seed=match.call_seed(state.epoch, stage, player, attempt))
            output = check_output(await model.generate(chat_messages(prompt.messages), config=config))
            state.messages.append(output.message)
            texts = read_texts(output.choices[:1], prompt)
            (label,) = texts.indices
            entry["said"].append(output.completion)
            answers.append(texts.choice)
            entry["choice"] = answer_json(pool_choices(answers))
            entry["notes"] = pool_notes([entry.get("notes", {}), texts.notes])
            if label is not None:
                return label
    except Exception as failure:
        entry["error"] = redact(f"{type(failure).__name__}: {failure}")
        raise
    return None


def play_json(game: Game, history: History, *, over: bool = False) -> dict[str, Any]:
    """The play, and the total payoffs where the game came to its end or repeats."""
    payoffs = game.payoffs(history).tolist() if over or isinstance(game, Repeated) else None
    return {"history": [list(stage) for stage in history], "payoffs": payoffs}


@metric(scores="unreduced")
def average() -> Metric:
    """Mean over games; epochs are games of their own."""

    inner: Any = mean()

    def compute(scores: list[SampleScore]) -> Value:
        return inner(scores)

    return compute


@metric(scores="unreduced")
def error() -> Metric:
    """Standard error of that mean over games; none below two."""

    inner: Any = stderr()

    def compute(scores: list[SampleScore]) -> Value:
        return inner(scores) if len(scores) > 1 else math.nan

    return compute


@scorer(metrics=[{"*": [average(), error()]}])
def outcome() -> Scorer:
    """By role the payoff, the share of the first action (C in a dilemma) and the number of illegal answers;
    and whether the game was broken, in which case there are no payoffs."""

    async def score(state: TaskState, target: Target) -> Score:
        moves, played = state.metadata[KEY], state.metadata[PLAYED]
        broken = played.get("broken", [])
        value: dict[str, float] = {}
        for k, role in enumerate(ROLES):
            own = [stage[k] for stage in played["history"] if stage[k] is not None]
            value[role] = math.nan if broken else played["payoffs"][k]
            value[f"{role} first action"] = own.count(0) / len(own) if own else math.nan
            value[f"{role} illegal"] = float(sum(illegal_answers(m) for m in moves if m["role"] == role))
        value["broken"] = float(bool(broken))
        return Score(
            value=value, answer=play_line(moves, played["history"]), explanation=explanation(played, value)
        )

    return score


def illegal_answers(move: Mapping[str, Any]) -> int:
    """The number of illegal answers of a move: n (1 - mass)."""
    choice = move["choice"]
    return round(choice["n"] * (1 - choice["mass"])) if choice else 0


def play_line(moves: Sequence[Mapping[str, Any]], history: Sequence[Sequence[int | None]]) -> str:
    """The play by rounds: 'C,C C,D D,D'."""
    names = {(m["role"], m["round"]): m["decision"]["actions"] for m in moves}
    return " ".join(
        ",".join(names[ROLES[k], i][a] for k, a in enumerate(stage) if a is not None)
        for i, stage in enumerate(history)
    )


def explanation(played: Mapping[str, Any], value: Mapping[str, float]) -> str:
    """The outcome in a sentence."""
    rounds = len(played["history"])
    wrong = Counter({role: int(value[f"{role} illegal"]) for role in ROLES})
    errors = f"{wrong.total()} illegal answers"
    if broken := played.get("broken"):
        return f"broken in round {rounds + 1}: {' and '.join(broken)} gave no legal answer; {errors}"
    return f"{rounds} rounds; row {value['row']:g}, column {value['column']:g}; {errors}"
