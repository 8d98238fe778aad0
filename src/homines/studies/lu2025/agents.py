"""Agents of the study lu2025, the canonical games that they are asked, and what each answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from homines.core.types import Record
from homines.datasets.recipe import drawer
from homines.elicitation.metrics import answered_records, group_by
from homines.estimation.columns import Observation
from homines.estimation.observations import from_records
from homines.estimation.published import AMOUNTS, PAIRS
from homines.studies.kit import Agent, Findings
from homines.studies.lu2025.curriculum import AgentKind, DoseKind, Stage
from homines.studies.lu2025.dose_games import kappa_design
from homines.studies.omissions import Omission

HOW_ASKED = "Models as they are answer at once; the tuned ones think aloud first, as they were taught."
PROTOCOL_SPECS = tuple(f"{game}({k})" for game in ("spd", "trust", "ultimatum") for k in range(1, 7))
PROTOCOLS = ("spd(", "trust(", "ultimatum(")
"""Beginnings of the specs of the protocols."""
DRAWN_SEED = 2025
"""Seed of the games drawn for measurement; the games of the training have seeds of their own."""
DRAWN = 12
"""The number of divisions of money, and of those after a kind or unkind act, that are drawn."""
STAKE = 99
"""Their highest payoff."""


def kappa_games() -> dict[str, float]:
    """The kappa of indifference by spec, for the games that tell doses of kappa and state no share of others
    (dose_games.py)."""
    return {spec: kappa for spec, kappa in kappa_design().items() if "share=" not in spec}


def stated_games() -> tuple[str, ...]:
    """Those that state a share of others, which tell kappa from aversion to inequity."""
    return tuple(spec for spec in kappa_design() if "share=" in spec)


@cache
def random_games(game: str) -> tuple[str, ...]:
    """Specs of games drawn with a seed of their own."""
    rng = np.random.default_rng(DRAWN_SEED)
    draw = drawer(game)
    assert draw is not None
    return tuple(draw(rng, STAKE) for _ in range(DRAWN))


@cache
def canonical_specs() -> tuple[str, ...]:
    """Specs of the canonical games and of those that tell kappa: no exam or training has them."""
    pairs = [spec for spec, _ in PAIRS.values()]
    drawn = [spec for game in ("split", "reciprocity") for spec in random_games(game)]
    amounts = [reference.game for reference in AMOUNTS]
    return tuple(dict.fromkeys([*PROTOCOL_SPECS, *pairs, *drawn, *amounts, *kappa_games(), *stated_games()]))


def observations(records: Sequence[Record], *, whole: bool = False) -> list[Observation]:
    """Observations of these records; none where no record has an answer. whole: see `from_records`."""
    return from_records(records, whole=whole) if answered_records(records) else []


@dataclass(frozen=True, eq=False, kw_only=True)
class DoseAgent(Agent):
    """A model of the study and what it was trained to.

    kind   None for a model as it is
    """

    kind: AgentKind | None = None

    @property
    def kappa(self) -> float | None:
        """The dose of an agent that was trained to one; None for the others."""
        return self.kind.kappa if isinstance(self.kind, DoseKind) else None

    @property
    def records(self) -> list[Record]:
        """Its own answers: the folder of a tuned model may also hold answers of the model as it was."""
        return self._own_records

    @cached_property
    def _own_records(self) -> list[Record]:
        records, own = self.run.records, f"+{self.run.folder.name}"
        return records if self.kind is None else [r for r in records if r.model.endswith(own)]

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """Scores of its exam, a row a cell."""
        return list((self.run.noted("exam.json") or {}).get("cells", ()))

    def answers(self, game: str, *, aloud: bool | None = None) -> list[Record]:
        """Answers and beliefs in the canonical games whose spec begins with `game`.

        aloud   after reasons, or at once; None: as the agent was taught, at once where it is untrained
        """
        reasons, canonical = self.kind is not None if aloud is None else aloud, set(canonical_specs())
        return [
            r
            for r in self.records
            if r.game.startswith(game) and r.game in canonical and (r.asks == "aloud") == reasons
        ]

    def kappa_answers(self, *, aloud: bool) -> list[Record]:
        """Answers in the games that distinguish doses of kappa, which no agent was trained on."""
        specs = set(kappa_games())
        return [r for r in self.answers("symmetric", aloud=aloud) if r.game in specs]

    def stated_answers(self, *, aloud: bool) -> list[Record]:
        """Answers in those of these games that state beliefs."""
        specs = set(stated_games())
        return [r for r in self.answers("symmetric", aloud=aloud) if r.game in specs]

    @cached_property
    def plans(self) -> list[tuple[tuple[str, ...], Observation]]:
        """(labels, the product of the answers at all points) for every protocol with an answer at each."""
        return [
            (labels, o)
            for g in PROTOCOLS
            for (labels,), group in group_by(self.answers(g), "labels").items()
            for o in observations(group, whole=True)
            if o.decision.chance is not None
        ]

    @cached_property
    def protocols(self) -> list[Observation]:
        """Answers at the points of the protocols, each with its reading as part of a plan."""
        return [o for g in PROTOCOLS for o in observations(self.answers(g))]

    @cached_property
    def divisions(self) -> list[Observation]:
        """Choices between divisions drawn at random. The pairs of Charness & Rabin are left out: they pay ten
        times as much and would outweigh the others at one precision."""
        pairs = {game for game, _ in PAIRS.values()}
        return observations(
            [r for g in ("split", "reciprocity") for r in self.answers(g) if r.game not in pairs]
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class DoseFindings(Findings[DoseAgent]):
    """Models as they are and every agent that was trained, whatever part of the study it is of."""

    def lacks(self, section: str, part: Stage) -> Omission:
        """The omission of a section on the agents of one part of the study."""
        if not self.task.trainable:
            return Omission(section, "training", (part,))
        asked = not self.task.only or part in self.task.only
        return Omission(section, "the full form" if asked else "another part", (part,))

    @property
    def ends(self) -> list[DoseAgent]:
        """The two ends, trained on every kind of game."""
        return [a for a in self.able if a.kind is not None and a.kind.stage == "full"]

    @property
    def wide(self) -> list[DoseAgent]:
        """Those asked the canonical games: models as they are, and the two ends."""
        return [a for a in self.able if a.kind is None] + self.ends

    @property
    def doses(self) -> list[DoseAgent]:
        """Agents of a dose of kappa."""
        return [a for a in self.able if a.kappa is not None]
