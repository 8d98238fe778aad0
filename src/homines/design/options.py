"""Options of an adaptive measurement. Light to import: the command line reads them here."""

from __future__ import annotations

from dataclasses import dataclass, fields

from homines.core.checks import count
from homines.core.options import option
from homines.core.types import HominesError

KINDS = ("symmetric",)
"""Kinds of games drawn where none is named: one-shot, with and without a stated share of others, which tell
alpha, beta and kappa apart (docs/identification.md)."""


@dataclass(frozen=True)
class DesignOptions:
    """When an adaptive measurement ends, and what it chooses its questions by.

    families   the first is estimated; the prior is over all of them
    """

    until: str | None = option(
        None, "Draw games and ask the best one next until this holds, as 'se(kappa)<.1' or 'width(kappa)<.3'."
    )
    families: tuple[str, ...] = option(
        ("kantian", "inequity", "moralis"),
        "Preference to estimate (--until), then others that may be true; repeat for several.",
        "--family",
    )
    stake: int = option(9, "Highest payoff of the games drawn (--until).", low=2)
    pool: int = option(
        2000, "Games drawn, of which the next is chosen; none is asked twice (--until).", low=2
    )
    least: int = option(30, "Different games asked before it may end (--until).", "--min-games", low=2)
    max_questions: int = option(1000, "Prompts at most (--until).", low=1)

    def __post_init__(self) -> None:
        named = (self.families,) if isinstance(self.families, str) else tuple(self.families)
        if not all(isinstance(spec, str) for spec in (*named, self.until or "")):
            raise HominesError("families and until must be texts, as kantian and 'se(kappa)<.1'")
        object.__setattr__(self, "families", named)
        for name, low in (("stake", 2), ("pool", 2), ("least", 2), ("max_questions", 1)):
            count(name, getattr(self, name), low)
        if self.until is None:
            if changed := [f.name for f in fields(self) if getattr(self, f.name) != f.default]:
                raise HominesError(
                    f"{', '.join(changed)} bear on a measurement that ends at what is wanted alone; add "
                    "--until, as --until 'se(kappa)<.1'"
                )
            return
        if not self.families:
            raise HominesError("no family is named; name the one to estimate, as kantian (--family)")
        if self.least > self.pool:
            raise HominesError(
                f"--min-games {self.least} games are more than the {self.pool} drawn; draw more (--pool)"
            )
