"""Questions: decisions of a game in frames and option orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homines.core.capabilities import asks_of, check_begun
from homines.core.checks import count
from homines.core.registry import find, spell
from homines.core.types import Decision, Frame, HominesError, Model, Prompt, Record
from homines.elicitation.orders import few_orders, orders
from homines.theory.count_form import CountForm
from homines.theory.game_forms import NormalForm, Repeated, nodes
from homines.theory.two_stage import TwoStage


@dataclass(frozen=True, eq=False)
class Question:
    """A record without an answer, and its prompt."""

    record: Record
    prompt: Prompt


def battery(game: Any, memory: int = 1) -> tuple[Decision, ...]:
    """The decisions that measure a game: every state of `memory` past rounds of a repeated one (seat 0),
    else every point of decision of every player (seat 0 alone where all seats are alike)."""
    count("memory", memory)
    if not hasattr(game, "due"):
        raise HominesError(f"{game!r} is no game: it lacks due(history); core.Game says what one has")
    if isinstance(game, Repeated):
        return game.remembered(0, memory)
    if isinstance(game, NormalForm | CountForm) and game.symmetric:
        return (game.seat(0),)
    if isinstance(game, TwoStage):
        return tuple(due[0] for _, due in nodes(game))
    return tuple(d for _, due in nodes(game) for d in due.values())


def without_past(game: Any) -> Any:
    """The game; of a repeated one that ends after a round its stage, which no round comes before."""
    return game.stage if isinstance(game, Repeated) and game.rounds == 1 else game


def questions(
    model: Model,
    batteries: Mapping[str, Sequence[Decision]],
    frames: Sequence[Frame],
    *,
    most: int | None = None,
) -> list[Question]:
    """Every decision of every battery (by game name), in every frame, in every balanced order.

    most   1 or 2: this many orders a frame and game (`orders.few_orders`), the same for all its decisions:
           no order effect then looks like a difference between states. With 1, orders take turns over frames
           and games: balanced over as many frames as there are orders, not within one

    Raises HominesError where a frame begins the answer and the model cannot continue it.
    """
    out: list[Question] = []
    for i, frame in enumerate(frames):
        for g, (game, decisions) in enumerate(batteries.items()):
            for d in decisions:
                option_orders = orders(len(d.actions), frame.places)
                if most is not None:
                    option_orders = few_orders(
                        len(d.actions), frame.places, most, i + g + g // len(option_orders)
                    )
                for order in option_orders:
                    prompt = frame(d, order)
                    record = Record(
                        d,
                        spell(frame),
                        order,
                        prompt.labels,
                        model.name,
                        game,
                        provenance={"revision": model.provenance.get("revision"), "prompt": prompt.key},
                        asks=asks_of(frame),
                    )
                    out.append(Question(record, prompt))
    check_begun(model, (q.prompt for q in out))
    return out


def retell(record: Record) -> Prompt | None:
    """The prompt of a record, told again by its frame; None where it is not the one that was asked (its hash
    is another), and where the frame is not known here."""
    try:
        prompt = find("frames", record.frame)(record.decision, record.order)
    except (HominesError, LookupError, TypeError, ValueError):
        return None
    return prompt if prompt.key == record.provenance.get("prompt") else None


def state(d: Decision) -> str | None:
    """The last round as 'mine,theirs', such as 'C,D'; None where there was none."""
    if not d.history or len(d.history[-1]) != 2 or None in d.history[-1]:
        return None
    return _joint(d, d.history[-1])


def situation(d: Decision) -> str:
    """Where a decision stands in its game: 'C,D' (the last round, mine first), 'C,C C,D' (several rounds,
    oldest first), 'after U' (what the other did just before), 'player 1' (another seat at the same
    time), or 'first move'."""
    if len(d.history) > 1 and all(None not in stage for stage in d.history):
        return " ".join(_joint(d, stage) for stage in d.history)
    if (last := state(d)) is not None:
        return last
    if acts := past_acts(d):
        return f"after {', '.join(acts)}"
    return f"player {d.player}" if d.player else "first move"


def past_acts(d: Decision) -> list[str]:
    """Names of the actions of the last stage, by player; empty at a first move."""
    return [d.action_name(k, a) for k, a in enumerate(d.history[-1]) if a is not None] if d.history else []


def _joint(d: Decision, stage: Sequence[int | None]) -> str:
    """A round in which everyone moved, my action first: 'C,D'."""
    seats = (d.player, *(k for k in range(len(stage)) if k != d.player))
    return ",".join(d.action_name(k, a) for k in seats if (a := stage[k]) is not None)
