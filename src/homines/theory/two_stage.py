"""Games of two stages: both choose, see it, and choose again; and the subgame-perfect play of preferences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from homines.core.types import Array, Decision, Game, History, HominesError, Preference, frozen
from homines.theory.game_forms import Plan, append_stage, stage_index

MOST_SELECTIONS = 4096


@dataclass(frozen=True, eq=False)
class TwoStage:
    """Two players in like places choose at the same time; having seen it, they choose again.

    mine[a, x, b, y] is what I get: a and x are my and the other's first action, b and y the second ones;
    the other gets mine[x, a, y, b]. The first decision is that of the agent form (Selten 1975, Int. J. Game
    Theory 4: 25): the other's second action and my own later one are axes of their own, so that every outcome
    has a place and nothing is assumed of what follows.

    first, second   names of the actions of the two stages
    rule            the game in words, told at both stages; no action's name and no unit in it, for frames
                    give both
    does            what each first action does, in words
    later           later[a][x]: what is told at the second stage after these first actions
    then            then[a][x][b]: what each second action does after them
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    mine: Array
    rule: str
    does: tuple[str, ...]
    later: tuple[tuple[str, ...], ...]
    then: tuple[tuple[tuple[str, ...], ...], ...]

    def __post_init__(self) -> None:
        want = (len(self.first),) * 2 + (len(self.second),) * 2
        if self.mine.shape != want or not np.isfinite(self.mine).all():
            raise HominesError(
                f"payoffs {str(self.mine.tolist())[:200]} must hold finite numbers, of shape [my first, the "
                f"other's first, my second, the other's second action] = {want}"
            )

    @property
    def _table(self) -> Array:
        """Payoffs [seat, my first, the other's first, my second, the other's second action]."""
        return np.array([self.mine, self.mine.transpose(1, 0, 3, 2)])

    def due(self, history: History) -> Mapping[int, Decision]:
        return {} if len(history) > 1 else {k: self.seat(k, history) for k in range(2)}

    def seat(self, k: int, history: History = ()) -> Decision:
        """The game seen from seat k, before or after the first stage."""
        if not history:
            table = frozen(self._table.transpose(0, 1, 2, 4, 3))
            theirs = (self.first, self.second, self.second)
            return Decision(self.first, table, theirs, player=k, rule=self.rule, does=self.does)
        stage = stage_index(history[0])
        a, x = stage[k], stage[1 - k]
        table = frozen(self._table[:, a, x])
        return Decision(
            self.second,
            table,
            (self.second,),
            frozen(np.diagonal(table[0])),
            history=history,
            player=k,
            names=(self.first, self.first),
            rule=f"{self.rule} {self.later[a][x]}",
            does=self.then[a][x],
        )

    def payoffs(self, history: History) -> Array:
        (a, x), (b, y) = (stage_index(stage) for stage in history)
        return self._table[:, a, x, b, y]


def dilemma_words(mine: Array) -> tuple[str, tuple[tuple[tuple[str, ...], ...], ...]]:
    """The rule of a second stage of two actions, and what each action does after every pair of first ones;
    in words without the actions' names.

    mine   as that of `TwoStage`; its last pair of first actions is the one without any agreement
    """
    (r, s), (t, p) = mine[-1, -1]
    rule = (
        "You and another player each take one of two options, at the same time and once. One option pays "
        f"each {r:.10g} where both take it, and {s:.10g} to one who takes it alone. The other option "
        f"pays each {p:.10g} where both take it, and {t:.10g} to one who takes it alone."
    )

    def words(alike: float, alone: float) -> str:
        return f"you get {alike:.10g} where the other takes it too, and {alone:.10g} where it does not."

    then = tuple(
        tuple((words(end[0, 0], end[0, 1]), words(end[1, 1], end[1, 0])) for end in row) for row in mine
    )
    return rule, then


def perfect_plays(game: Game, mine: Preference, other: Preference | None = None) -> list[Plan]:
    """Every subgame-perfect play in pure actions of two players of these preferences, who know each other's.

    Backward induction: at every outcome of the first stage the pure equilibria of what follows, then those of
    the first stage with any one of them taken at each. For games of one or two stages with two players: a
    `NormalForm`, a `Sequential`, a `TwoStage`. Empty where some part has no pure equilibrium. Raises
    HominesError where there are too many selections.
    """
    prefer = (mine, other or mine)
    due = game.due(())
    if any(k > 1 for k in due):
        raise HominesError("perfect_plays takes games of two players; this one has more")
    worth = {k: prefer[k](d) for k, d in due.items()}
    joints = [
        dict(zip(due, acts, strict=True)) for acts in product(*(range(len(d.actions)) for d in due.values()))
    ]
    after: list[tuple[History, list[dict[int, int]]]] = []
    for joint in joints:
        history = append_stage((), joint, 2)
        late = game.due(history)
        if any(game.due(append_stage(history, dict.fromkeys(late, 0), 2)) for _ in late):
            raise HominesError("perfect_plays takes games of at most two stages; this one has more")
        after.append((history, _equilibria({k: prefer[k](d) for k, d in late.items()})))
    later = {k for history, _ in after for k in game.due(history)}
    many = int(np.prod([float(len(each)) for _, each in after]))
    if many > MOST_SELECTIONS:
        raise HominesError(f"{many} ways to select what follows are more than {MOST_SELECTIONS}")
    plays: list[Plan] = []
    for chosen in product(*(each for _, each in after)):
        reduced = {k: _reduced(worth[k], k, due, joints, chosen, later) for k in due}
        plan = {(k, h): a for (h, _), acts in zip(after, chosen, strict=True) for k, a in acts.items()}
        plays += [{(k, ()): a for k, a in first.items()} | plan for first in _equilibria(reduced)]
    return plays


def _reduced(
    worth: Array,
    k: int,
    due: Mapping[int, Decision],
    joints: Sequence[Mapping[int, int]],
    chosen: Sequence[Mapping[int, int]],
    later: set[int],
) -> Array:
    """Player k's utility of the first stage, [mine, the other's where it moves], given what follows."""
    out = np.empty([len(due[j].actions) for j in (k, 1 - k) if j in due])
    for joint, acts in zip(joints, chosen, strict=True):
        place = tuple(joint[j] for j in (k, 1 - k) if j in due)
        out[place] = worth[(*place, *(acts.get(j, 0) for j in (1 - k, k) if j in later))]
    return out


def _equilibria(worth: Mapping[int, Array]) -> list[dict[int, int]]:
    """Pure equilibria, ties included, of one or two who move at once; worth[k] is [mine, other's]. One empty
    play where nobody moves."""
    return list(_plays(worth))


def _plays(worth: Mapping[int, Array]) -> Iterator[dict[int, int]]:
    if len(worth) < 2:
        for k, u in worth.items():
            yield from ({k: int(a)} for a in np.flatnonzero(u >= u.max() - 1e-9))
        if not worth:
            yield {}
        return
    u, v = worth[0], worth[1].T
    best = (u >= u.max(0, keepdims=True) - 1e-9) & (v >= v.max(1, keepdims=True) - 1e-9)
    yield from ({0: int(a), 1: int(b)} for a, b in np.argwhere(best))
