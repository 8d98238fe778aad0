"""Agents of the study lu2025: doses of kappa, and what each agent answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from homines.core.types import Record
from homines.datasets.recipe import Recipe
from homines.elicitation.metrics import answered_records, group_by
from homines.estimation.columns import Observation
from homines.estimation.observations import from_records
from homines.estimation.published import PAIRS
from homines.studies.kit import Agent, Findings
from homines.studies.lu2025.dose_games import kappa_design

CONDITIONS = ("asked as trained", "asked for the bare answer")
HOW_ASKED = (
    "Models as they are answer at once; the tuned ones think aloud first, as they were taught, in games "
    "whose like they were not taught."
)
KAPPAS = (0.0, 0.25, 0.5, 0.75, 1.0)
ENDS = (0.0, 1.0)
"""Homo economicus and homo moralis, which are asked everything; of the doses between kappa is estimated."""
ROWS, TESTS = 320, 64
"""Rows of an agent's data: to train on, and to test on."""
WORDS = ("A,B", "X,Y")
PROTOCOLS = ("spd", "trust(", "ultimatum(")
"""Beginnings of the specs of the protocols."""
DRAWN_SEED = 2025
"""Seed of the games drawn for measurement; the games of the training have seeds of their own."""


@dataclass(frozen=True)
class DoseKind:
    """A kind of agent: the dose of kappa it is tuned to; `direct` tunes on bare answers, without reasons."""

    kappa: float
    seeds: tuple[int, ...]
    quick: bool
    direct: bool = False

    @property
    def name(self) -> str:
        name = {0.0: "homo economicus", 1.0: "homo moralis"}.get(self.kappa, f"kappa = {self.kappa:g}")
        return f"{name}, no reasons" if self.direct else name

    @property
    def slug(self) -> str:
        return f"kappa-{self.kappa:g}{'-direct' if self.direct else ''}"

    @property
    def wide(self) -> bool:
        """Whether it is asked every question: the two ends that think aloud."""
        return self.kappa in ENDS and not self.direct

    def folder(self, seed: int) -> str:
        return f"{self.slug}-s{seed}"

    @property
    def rows(self) -> tuple[int, int]:
        """The number of rows to train on, and to test on."""
        return (24, 6) if self.quick else (ROWS, TESTS)

    def recipe(self, seed: int) -> Recipe:
        train, test = self.rows
        return Recipe(
            f"moralis(kappa={self.kappa!r})",
            train=train,
            test=test,
            words=WORDS,
            reasons=not self.direct,
            seed=seed,
            apart=tuple(kappa_design()),
        )


def kappa_games() -> dict[str, float]:
    """The kappa of indifference by spec, for the games that tell doses of kappa and state no share of others
    (dose_games.py)."""
    return {spec: kappa for spec, kappa in kappa_design().items() if "share=" not in spec}


def stated_games() -> tuple[str, ...]:
    """Those that state a share of others, which tell kappa from aversion to inequity."""
    return tuple(spec for spec in kappa_design() if "share=" in spec)


def observations(records: Sequence[Record], *, whole: bool = False) -> list[Observation]:
    """Observations of these records; none where no record has an answer. whole: see `from_records`."""
    return from_records(records, whole=whole) if answered_records(records) else []


@dataclass(frozen=True, eq=False, kw_only=True)
class DoseAgent(Agent):
    """A model and the dose of kappa it was tuned to.

    kappa    None for a model as it is
    direct   whether it was tuned on bare answers
    """

    kappa: float | None = None
    direct: bool = False

    @property
    def records(self) -> list[Record]:
        """Its own answers: the folder of a tuned model may also hold answers of the model as it was."""
        return self._own_records

    @cached_property
    def _own_records(self) -> list[Record]:
        records, own = self.run.records, f"+{self.run.folder.name}"
        return records if self.kappa is None else [r for r in records if r.model.endswith(own)]

    def answers(self, game: str, *, aloud: bool | None = None) -> list[Record]:
        """Answers and beliefs in games whose spec begins with `game`.

        aloud   after reasons, or at once; None: as the agent was taught, at once where it is untrained
        """
        reasons = self.kappa is not None if aloud is None else aloud
        return [r for r in self.records if r.game.startswith(game) and (r.asks == "aloud") == reasons]

    def kappa_answers(self, *, aloud: bool) -> list[Record]:
        """Answers in the games that distinguish doses of kappa, which no agent was trained on."""
        specs = set(self.run.config["data"]["apart"])
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
    """Models as they are and every tuned agent."""

    @property
    def wide(self) -> list[DoseAgent]:
        """Those asked every question: models as they are, and the two ends with the first seed."""
        seeds = self.task.seeds[:1]
        ends = [a for a in self.able if a.kappa in ENDS and a.seed in seeds and not a.direct]
        return [a for a in self.able if a.kappa is None] + ends
