"""Two models play a game: the roles `row` (player 0) and `column` (player 1), each told its own side of it.

Every move is an answer in words. An illegal one is asked again, a stated number of times; then the game is
broken: it has no payoffs, and says so. Option orders take turns over rounds, players and epochs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from inspect_ai.log import transcript
from inspect_ai.model import ChatMessageUser, GenerateConfig, Model, get_model, model_roles
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, mean, metric, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import collect, span

from homines.core.capabilities import asks_of, memory_of
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
from homines.evals.asking import in_words, whole
from homines.evals.samples import KEY, answer_json, messages, packed
from homines.theory.choice import pool_choices
from homines.theory.game_forms import Repeated, append_stage

ROLES = ("row", "column")
PLAYED = "played"


def two_player(spec: str) -> Any:
    """The game, where it is one of two players; HominesError else."""
    game = find("games", spec)
    first = game.due(()) if hasattr(game, "due") else {}
    if not first or max(first) > 1 or any(len(d.theirs) != 1 for d in first.values()):
        raise HominesError(f"{spec} is no game between two players; choose another, as ipd or 'trust(1)'")
    return game


def prompt_of(d: Decision, frame: Frame, turn: int) -> tuple[Order, Prompt]:
    """The words of a decision in the order whose turn it is."""
    there = orders(len(d.actions), frame.places)
    order = there[turn % len(there)]
    return order, frame(d, order)


@solver
def play_out(game: str, frame: str, rounds: int, tries: int, seed: int | None = None) -> Solver:
    """Play the game once; its moves go into the sample's metadata, a record each."""
    made: Game = two_player(game)
    words: Frame = find("frames", frame)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        models = players()
        moves: list[dict[str, Any]] = []
        state.metadata = {**state.metadata, KEY: moves}
        history: History = ()
        while (due := made.due(history)) and len(history) < rounds:
            async with span(f"round {len(history) + 1}"):
                asked = [
                    moved(
                        state,
                        models[k],
                        remembered(d, words),
                        words,
                        len(history),
                        game=game,
                        tries=tries,
                        seed=seed,
                    )
                    for k, d in due.items()
                ]
                acts = dict(zip(due, await collect(*asked), strict=True))
                if broken := [ROLES[k] for k, act in acts.items() if act is None]:
                    state.metadata[PLAYED] = told(made, history) | {"broken": broken}
                    transcript().info(state.metadata[PLAYED], source="homines")
                    return state
                history = append_stage(
                    history, {k: act for k, act in acts.items() if act is not None}, len(ROLES)
                )
                done = {ROLES[k]: due[k].actions[a] for k, a in acts.items() if a is not None}
                transcript().info({"round": len(history), **done}, source="homines")
        state.metadata[PLAYED] = told(made, history, over=True)
        return state

    return solve


def players() -> tuple[Model, ...]:
    """The models of both roles; HominesError where one is missing, for `--model` plays for neither."""
    if missing := [role for role in ROLES if role not in model_roles()]:
        raise HominesError(
            f"no model in the role {' and '.join(missing)}; give both: "
            "--model-role row=PROVIDER/MODEL --model-role column=PROVIDER/MODEL"
        )
    return tuple(get_model(role=role) for role in ROLES)


def remembered(d: Decision, frame: Frame) -> Decision:
    """The decision as it is told: of rounds in which all moved, the last alone (`memory` of the frame)."""
    whole_rounds = bool(d.history) and None not in d.history[-1]
    return replace(d, history=d.history[-int(memory_of(frame)) :]) if whole_rounds else d


async def moved(
    state: TaskState,
    model: Model,
    d: Decision,
    frame: Frame,
    stage: int,
    *,
    game: str,
    tries: int,
    seed: int | None,
) -> int | None:
    """A player's action; None where no answer was legal. What was asked and said is added to the metadata."""
    player = d.player
    order, prompt = prompt_of(d, frame, state.epoch - 1 + stage + player)
    about = {"revision": None, "prompt": prompt.key}
    record = Record(
        d, spell(frame), order, prompt.labels, str(model), game, provenance=about, asks=asks_of(frame)
    )
    move: dict[str, Any] = {**packed(record, prompt), "role": ROLES[player], "round": stage, "said": []}
    state.metadata[KEY].append(move)
    state.messages += [ChatMessageUser(content=f"[{ROLES[player]}, round {stage + 1}]\n\n{prompt.text}")]
    heard: list[Choice] = []
    try:
        for attempt in range(tries):
            config = GenerateConfig(
                seed=None if seed is None else drawn(seed, state.epoch, stage, player, attempt)
            )
            output = whole(await model.generate(messages(prompt), config=config))
            state.messages.append(output.message)
            answer = in_words(output, 0, prompt)
            move["said"].append(output.completion)
            heard.append(one_answer(answer, len(prompt.labels)))
            move["choice"] = answer_json(pool_choices(heard))
            if isinstance(answer, int):
                return answer
    except Exception as failure:
        move["error"] = redact(f"{type(failure).__name__}: {failure}")
        raise
    return None


def drawn(*parts: int) -> int:
    """A seed of its own for every call."""
    return int(digest(list(parts)), 16) % 2**31


def one_answer(answer: int | str, labels: int) -> Choice:
    """One answer as a choice: certain, or of mass 0 where it is illegal."""
    if isinstance(answer, str):
        return Choice.at([1.0] * labels, 0.0, 1)
    return Choice.at([float(a == answer) for a in range(labels)], 1.0, 1)


def told(game: Game, history: History, *, over: bool = False) -> dict[str, Any]:
    """What was played, and the total payoffs where it came to an end (or repeats)."""
    paid = game.payoffs(history).tolist() if over or isinstance(game, Repeated) else None
    return {"history": [list(stage) for stage in history], "payoffs": paid}


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
    """Payoffs of both, the share of each one's first action (cooperation, where it is called C), illegal
    answers, and whether the game was broken; one that was has no payoffs."""

    async def score(state: TaskState, target: Target) -> Score:
        moves, played = state.metadata[KEY], state.metadata[PLAYED]
        broken = played.get("broken", [])
        value: dict[str, float] = {}
        for k, role in enumerate(ROLES):
            own = [stage[k] for stage in played["history"] if stage[k] is not None]
            value[role] = math.nan if broken else played["payoffs"][k]
            value[f"{role} first action"] = own.count(0) / len(own) if own else math.nan
            value[f"{role} illegal"] = float(sum(illegal(m) for m in moves if m["role"] == role))
        value["broken"] = float(bool(broken))
        return Score(value=value, answer=line(moves, played["history"]), explanation=explained(played, value))

    return score


def illegal(move: Mapping[str, Any]) -> int:
    """Illegal answers of a move: all but the last, and that one where none was legal."""
    choice = move["choice"]
    return round(choice["n"] * (1 - choice["mass"])) if choice else 0


def line(moves: Sequence[Mapping[str, Any]], history: Sequence[Sequence[int | None]]) -> str:
    """The play by rounds: 'C,C C,D D,D'."""
    names = {(m["role"], m["round"]): m["decision"]["actions"] for m in moves}
    return " ".join(
        ",".join(names[ROLES[k], i][a] for k, a in enumerate(stage) if a is not None)
        for i, stage in enumerate(history)
    )


def explained(played: Mapping[str, Any], value: Mapping[str, float]) -> str:
    """The outcome in a sentence."""
    rounds = len(played["history"])
    wrong = Counter({role: int(value[f"{role} illegal"]) for role in ROLES})
    told = f"{wrong.total()} illegal answers"
    if broken := played.get("broken"):
        return f"broken in round {rounds + 1}: {' and '.join(broken)} gave no legal answer; {told}"
    return f"{rounds} rounds; row {value['row']:g}, column {value['column']:g}; {told}"
