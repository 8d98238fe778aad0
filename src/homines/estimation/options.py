"""The options of an estimate, checked. Light to import: the command line reads its options here."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import count, one_of
from homines.core.options import option
from homines.core.types import HominesError
from homines.theory.choice import Belief, stated_beliefs, uniform_beliefs

BELIEFS: dict[str, Belief] = {"told": stated_beliefs, "uniform": uniform_beliefs}

BY = ("prompt", "subject")
"""What may have a distribution of parameters."""


@dataclass(frozen=True)
class FitOptions:
    """How to estimate, as the command line spells it."""

    cluster: str | None = option(
        None, "What errors depend within: subject, game, decision, none; default: by the data."
    )
    belief: str = option("told", "About the others: told (uniform where nothing is), or uniform.")
    risk: bool = option(False, "Estimate relative risk aversion too.")
    lapse: bool = option(False, "Estimate the share of choices made at random too (slips).")
    level: float = option(0.95, "Of the intervals.")
    classes: int = option(1, "Types of subjects: a finite mixture.", low=1)
    starts: int = option(20, "Random starts of a mixture.", low=1)
    by: str = option("", "Mean and spread over: prompt (labels, frame and order), or subject.")
    random: bool = option(False, "Random coefficients: a distribution of every parameter over subjects.")
    draws: int = option(500, "Halton draws a subject of random coefficients.", low=10)
    seed: int = option(0, "Of those starts, or draws.")

    def __post_init__(self) -> None:
        one_of("belief", self.belief, BELIEFS)
        if not 0 < self.level < 1:
            raise HominesError(f"level {self.level} must lie between 0 and 1, such as 0.95")
        count("seed", self.seed, 0)
        if self.by:
            one_of("--by", self.by, BY)
        if self.by and (self.classes > 1 or self.risk or self.cluster is not None):
            raise HominesError("--by estimates a spread: leave out --classes, --risk and --cluster")
        if self.risk and self.lapse:
            raise HominesError("--risk and --lapse are not estimated together; leave out one of them")
        if self.random and (self.classes > 1 or self.bends or self.cluster not in (None, "subject")):
            raise HominesError(
                "--random estimates a distribution over subjects: leave out --classes, --risk, --lapse, and "
                "--cluster but for subject"
            )
        if self.classes > 1 and (self.bends or self.cluster not in (None, "subject")):
            raise HominesError(
                "--classes estimates a mixture over subjects: leave out --risk, --lapse, and --cluster but "
                "for subject"
            )

    @property
    def bends(self) -> bool:
        """Whether a parameter is estimated in which the likelihood is not that of a plain logit."""
        return self.risk or self.lapse

    @property
    def one_for_all(self) -> bool:
        """Whether one preference for all choices is estimated."""
        return self.classes == 1 and not self.random and not self.by

    @property
    def together(self) -> bool:
        """Whether the agents of a run are the subjects of one estimate."""
        return not self.one_for_all and self.by != "prompt"
