"""The games that may be asked: drawn once, as regressors of every family of the prior."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from homines.core.plugins import names
from homines.core.registry import find
from homines.core.types import Decision, HominesError
from homines.datasets.recipe import drawable, drawer
from homines.estimation.columns import group_decisions
from homines.estimation.family import Family
from homines.estimation.likelihood import Design
from homines.theory.choice import stated_beliefs
from homines.theory.game_forms import Repeated

IDLE = 200
"""Games drawn in a row without a new candidate, after which no other is drawn."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates: different decisions, the first of a game each.

    specs, decisions   of each; designs: the columns of each family, in the order of the families
    """

    specs: tuple[str, ...]
    decisions: tuple[Decision, ...]
    designs: tuple[Design, ...]

    def __len__(self) -> int:
        return len(self.specs)

    def place(self, spec: str) -> int:
        """The index of a game. Raises HominesError where it is no candidate."""
        if spec not in self.specs:
            raise HominesError(
                f"{spec[:200]!r} is none of the {len(self)} games drawn; the file that names it was changed, "
                "or another version drew them: use another --out"
            )
        return self.specs.index(spec)


def draw_pool(kinds: Sequence[str], families: Sequence[Family], size: int, stake: int, seed: int) -> Pool:
    """At most `size` games of these kinds in turn, payoffs up to `stake`; the same arguments, the same pool.

    Left out: decisions at which a family has no value, and those whose options the first family values alike
    whatever its parameters. Raises HominesError for a kind that cannot be drawn or is repeated, and where no
    candidate is left.
    """
    games: dict[str, tuple[str, Decision]] = {}
    left_out = idle = 0
    for spec, d in _drawn(kinds, stake, seed):
        if len(games) == size or idle == IDLE:
            break
        idle += 1
        if d.key in games:
            continue
        if len(d.actions) > 1 and not any(of.needs_veil(d) for of in families) and _tells(families[0], d):
            games[d.key] = spec, d
            idle = 0
        else:
            left_out += 1
    if not games:
        raise HominesError(
            f"no candidate is left of {', '.join(kinds)}: at {left_out} decisions drawn, "
            f"{', '.join(of.spec for of in families)} have no value or value all options alike; draw another "
            "kind, as symmetric or split, or name other families"
        )
    specs, decisions = zip(*games.values(), strict=True)
    grouped = group_decisions(decisions)
    return Pool(specs, decisions, tuple(grouped.design(of, stated_beliefs) for of in families))


def _drawn(kinds: Sequence[str], stake: int, seed: int) -> Iterator[tuple[str, Decision]]:
    """Games and their first decisions, the kinds in turn."""
    drawers = [_drawer(kind) for kind in kinds]
    rng = np.random.default_rng(seed)
    for i in count():
        spec = drawers[i % len(drawers)](rng, stake)
        game: Any = find("games", spec)
        if isinstance(game, Repeated) and game.rounds != 1:
            raise HominesError(
                f"{kinds[i % len(kinds)]} is a repeated game, and candidates are played once; draw "
                "symmetric, split or another kind that is"
            )
        yield spec, next(iter(game.due(()).values()))


def _drawer(kind: str) -> Any:
    if kind not in names("games") or (draw := drawer(kind)) is None:
        raise HominesError(
            f"no game {kind!r} can be drawn; there are {', '.join(drawable())}. With --until the games named "
            "are kinds to draw, without parameters"
        )
    return draw


def _tells(of: Family, d: Decision) -> bool:
    """Whether the options of a decision differ for some parameters."""
    columns = of.columns(d)
    return bool(np.ptp(columns, axis=0).any())
