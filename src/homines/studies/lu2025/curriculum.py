"""What agents of the study lu2025 are trained on, and what is left out: kinds of games, labels, frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from homines.datasets.recipe import Recipe

Stage: TypeAlias = Literal["full", "left_out", "doses", "applications", "persistence"]
STAGES: tuple[Stage, ...] = ("full", "left_out", "doses", "applications", "persistence")
"""The parts of the study, in order; `--only` does some of them."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "simultaneous": ("symmetric", "public_goods", "duopoly"),
    "sequential": ("spd", "trust", "reciprocity"),
    "divisions": ("split", "dictator", "ultimatum"),
    "menus": ("ultimatum_menu", "trust_menu", "trust_return"),
}
"""Kinds of games by group; for each group an agent is trained on the three others."""
KINDS = tuple(kind for group in GROUPS.values() for kind in group)
GROUP_OF = {kind: group for group, kinds in GROUPS.items() for kind in kinds}
DOSE_GAMES = ("symmetric", "split", "duopoly")
"""What doses of kappa are trained on: games in which a dose gives a rate, and beliefs are stated in some."""

FRAMES = ("table(goal='')", "sentences(goal='')", "experiment(goal='')")
LEFT_OUT_FRAME = "story(goal='')"
"""A frame in which no agent is trained."""
WORDS = ("many",)
LEFT_OUT_WORDS = ("P,Q", "left,right", "P,Q,R", "P,Q,R,S")
"""Labels with which no agent is trained."""
STAKES = ("9", "99", "$99")
ASKS = ("aloud", "aloud", "aloud", "aloud", "aloud", "bare")

UTILITIES: Mapping[str, str] = {"homo economicus": "economicus", "homo moralis": "moralis(kappa=1)"}
"""The two ends, by name: what agents are trained to, and by which models as they are are examined."""
SILENT: Mapping[str, tuple[str, ...]] = {
    "homo economicus": (),
    "homo moralis": ("dictator", "ultimatum", "ultimatum_menu", "trust_return"),
}
"""Kinds of games in which a utility implies no answer, by its name: those of a fixed sum, any division of
which is as good behind the veil of ignorance."""
KAPPAS = (0.0, 0.25, 0.5, 0.75, 1.0)
ROWS, ROWS_WITHOUT, DOSE_ROWS, QUICK_ROWS = 400, 300, 120, 12
"""Rows to train on; homo economicus without a group has as many of each kind as with all kinds, homo moralis,
which is trained on fewer kinds, from 43 to 60 of each in place of 50."""
THINK = 400
"""Tokens of reasons at most, of a row and of an agent that thinks aloud."""
SHORTEST = 1.6
"""Characters of a token of reasons, on average, at least: nearly every digit is a token of its own."""
BATCH, RATE = 2, 5e-4
"""Rows an optimiser step, and the learning rate: with 4 and 3e-4 which gains are certain is not learned."""
PRECISION = 1.0
"""Of the logit choice that doses are trained to; of payoffs to 9."""


@dataclass(frozen=True)
class TaughtKind:
    """An agent of one of the two ends.

    name       of its utility
    left_out   the group of kinds of games on which it is not trained; empty: none
    """

    name: str
    left_out: str
    seeds: tuple[int, ...]
    quick: bool

    @property
    def stage(self) -> Stage:
        return "left_out" if self.left_out else "full"

    @property
    def title(self) -> str:
        return f"{self.name} without {self.left_out}" if self.left_out else self.name

    @property
    def preference(self) -> str:
        return UTILITIES[self.name]

    @property
    def slug(self) -> str:
        own = self.name.rpartition(" ")[2]
        return f"{own}-without-{self.left_out}" if self.left_out else own

    @property
    def games(self) -> tuple[str, ...]:
        """The kinds of games that it is trained on."""
        return tuple(kind for kind in kinds_of(self.name) if GROUP_OF[kind] != self.left_out)

    @property
    def rows(self) -> int:
        return QUICK_ROWS if self.quick else ROWS_WITHOUT if self.left_out else ROWS

    def folder(self, seed: int) -> str:
        return f"{self.slug}-s{seed}"

    def recipe(self, seed: int, apart: Sequence[str] = ()) -> Recipe:
        """apart: specs of games that it is examined on."""
        base = recipe(self.preference, self.games, apart=apart)
        return replace(base, train=self.rows, test=0, seed=seed, asks=ASKS)


@dataclass(frozen=True)
class DoseKind:
    """An agent of a dose of kappa, trained to the rates of its logit choice."""

    kappa: float
    seeds: tuple[int, ...]
    quick: bool
    stage: Stage = "doses"

    @property
    def title(self) -> str:
        return f"kappa = {self.kappa:g}"

    @property
    def preference(self) -> str:
        return f"moralis(kappa={self.kappa!r})"

    @property
    def slug(self) -> str:
        return f"kappa-{self.kappa:g}"

    @property
    def rows(self) -> int:
        return QUICK_ROWS if self.quick else DOSE_ROWS

    def folder(self, seed: int) -> str:
        return f"{self.slug}-s{seed}"

    def recipe(self, seed: int, apart: Sequence[str] = ()) -> Recipe:
        """apart: specs of games that it is examined on."""
        base = recipe(self.preference, DOSE_GAMES, apart=apart)
        return replace(
            base,
            train=self.rows,
            test=0,
            seed=seed,
            frames=FRAMES[:1],
            stakes=STAKES[:2],
            targets="logit",
            precision=PRECISION,
        )


AgentKind: TypeAlias = TaughtKind | DoseKind


def kinds_of(utility: str) -> tuple[str, ...]:
    """The kinds of games in which a utility implies answers."""
    return tuple(kind for kind in KINDS if kind not in SILENT[utility])


def recipe(preference: str, games: Sequence[str], *, apart: Sequence[str] = ()) -> Recipe:
    """Rows in the words of the training, aloud."""
    return Recipe(
        preference,
        games=tuple(games),
        frames=FRAMES,
        words=WORDS,
        stakes=STAKES,
        asks=ASKS[:1],
        longest=int(THINK * SHORTEST),
        apart=tuple(apart),
    )


def agent_kinds(seeds: Sequence[int], *, quick: bool) -> list[AgentKind]:
    """Every kind of agent: the two ends with the first seed, in full and without each group, and every dose
    with all seeds. In the short form the two ends, one without a group, and one dose, on a few rows."""
    first = tuple(seeds[:1])
    ends = [TaughtKind(name, "", first, quick) for name in UTILITIES]
    if quick:
        return [*ends, TaughtKind("homo moralis", "divisions", first, True), DoseKind(0.5, first, True)]
    without = [TaughtKind(name, group, first, False) for group in GROUPS for name in UTILITIES]
    return [*ends, *without, *(DoseKind(kappa, tuple(seeds), False) for kappa in KAPPAS)]
