"""Helpers of opponents: last moves, pure and mixed choices, checks of the game's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from homines.core.types import Array, Choice, Decision, NotDefined


def check_simultaneous(d: Decision) -> None:
    """Raise NotDefined where the others do not choose at the same time as I do."""
    if not d.theirs or d.reply or d.chance is not None:
        raise NotDefined(
            "this opponent plays games in which two or more choose at the same time, and nothing is drawn by "
            "chance; choose another game or opponent"
        )


def payoffs_by_player(d: Decision) -> Array:
    """Payoffs of the players who choose, in the game's order of players: [player, a_0, a_1, ...]."""
    check_simultaneous(d)
    if d.crowd:
        raise NotDefined(
            f"this opponent reckons with what each other player does, and is told only how many of "
            f"{d.crowd} do it; choose an opponent such as conditional_contributor"
        )
    mine, others = d.player, [k for k in range(1 + len(d.theirs)) if k != d.player]
    seats = np.argsort([mine, *others])
    return d.payoffs[seats].transpose(0, *(1 + seats))


def last_actions(d: Decision) -> tuple[int, ...] | None:
    """Everyone's last action by player; None at the start."""
    if not d.history:
        return None
    return tuple(0 if a is None else a for a in d.history[-1])


def pure_choice(d: Decision, action: int) -> Choice:
    """This action for certain."""
    return Choice.at(np.eye(len(d.actions))[action])


def last_moves(d: Decision) -> tuple[int | None, int | None]:
    """My last action and the other's, as indices; None for a player who has not moved yet."""
    check_pair([d])

    def last(k: int) -> int | None:
        return next((stage[k] for stage in reversed(d.history) if stage[k] is not None), None)

    return last(d.player), last(1 - d.player)


def first_action_with(p: float) -> Choice:
    """The first of two actions with probability p."""
    return Choice.at([p, 1 - p])


def first_or_second(index: int) -> Choice:
    """One of two actions for sure."""
    return first_action_with(1.0 - index)


def cooperators(d: Decision) -> tuple[int, int] | None:
    """How many of the others played the first action (C, where there is one) in the last round, and how many
    others moved then; None where nobody did."""
    if not d.history:
        return None
    if d.crowd:
        _, second = last_actions(d) or (0, 0)
        return d.crowd - second, d.crowd
    acts = [a for k, a in enumerate(d.history[-1]) if k != d.player and a is not None]
    return (sum(a == 0 for a in acts), len(acts)) if acts else None


def check_two_actions(ds: Sequence[Decision]) -> None:
    """Raise NotDefined unless two players are as `check_pair` asks, or more choose between C, which is first,
    and another action."""
    for d in ds:
        several = d.crowd > 1 or len(d.payoffs) > 2
        if not several:
            check_pair([d])
            continue
        others = () if d.crowd else d.theirs
        paid = 1 + (d.crowd or len(others))
        if any(len(names) != 2 or names[0] != "C" for names in (d.actions, *others)) or len(d.payoffs) > paid:
            raise NotDefined(
                f"a decision of {len(d.payoffs)} players between {', '.join(d.actions)}; this opponent plays "
                "games of two players with two actions each, or of more in which all who are paid choose "
                "between C and another action, C first"
            )


def check_pair(ds: Sequence[Decision]) -> None:
    """Raise NotDefined unless there are two players with two actions each, C (where there is one) first."""
    for d in ds:
        sizes = [len(d.actions), *map(len, d.theirs)]
        if len(d.payoffs) != 2 or set(sizes) != {2}:
            raise NotDefined(
                f"a decision of {len(d.payoffs)} players with {sizes} actions; this opponent plays "
                "games of two players with two actions each"
            )
        if any(names[1] == "C" for names in (d.actions, *d.theirs)):
            raise NotDefined(
                f"actions {d.actions} put C second; this opponent takes the first action for "
                "cooperation: list C first"
            )


def contribute(
    ds: Sequence[Decision], start: float, probability: Callable[[int, int], float]
) -> list[Choice]:
    """Choices of one who takes the first action with `probability` of (how many of the others took it last
    round, the others), in the first round with `start`."""
    check_two_actions(ds)
    seen = map(cooperators, ds)
    return [first_action_with(start if last is None else probability(*last)) for last in seen]
