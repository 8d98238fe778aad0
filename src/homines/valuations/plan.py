"""A valuation: which outcomes a model chooses between, in how many pairs, and what is asked beside them.

FOLDER/                a run folder, as any other: the answers of the model
FOLDER/report.html     the page
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from homines.core.checks import one_of
from homines.core.options import DEVICE, DTYPE, MODEL, SEED, TRUST_REMOTE_CODE, option, required
from homines.core.run_folder import default_folder
from homines.core.types import HominesError
from homines.elicitation.budgets import BudgetList, read_budgets
from homines.elicitation.outcome_file import OutcomeList, read_outcomes
from homines.elicitation.text_choices import letter_pairs
from homines.models import check_kind

KIND = "values"
Part = Literal["outcomes", "budgets", "lotteries", "delays"]
PARTS: tuple[Part, ...] = get_args(Part)
FEW_A_OUTCOME = 3
"""Pairs an outcome where few are asked."""
LEAST_A_OUTCOME = 2
"""Pairs an outcome that a number must give: one circle for the scale, the rest for its intervals and
check."""


@dataclass(frozen=True, kw_only=True)
class ValuesPlan:
    """A model, outcomes and what else it chooses between."""

    model: str = required(MODEL, "model")
    outcomes: Path | None = option(None, "File of outcomes, CSV or JSON lines; default: the built-in list.")
    kind: tuple[str, ...] = option((), "Kind of outcomes to ask; repeat for several; default: all.")
    pairs: str = option(
        "few", "How many pairs: few (three an outcome, chosen as answers come), all, or a number."
    )
    labels: tuple[str, ...] = option(("A,B", "X,Y"), "Labels of the two options, as A,B; repeat for several.")
    ask: tuple[str, ...] = option(("outcomes",), f"What to ask: {', '.join(PARTS)}; repeat for several.")
    budgets: Path | None = option(None, "File of budgets, CSV or JSON lines; default: the built-in ones.")
    seed: int = option(0, SEED)
    device: str | None = option(None, DEVICE)
    dtype: str | None = option(None, DTYPE)
    trust_remote_code: bool = option(False, TRUST_REMOTE_CODE)

    def __post_init__(self) -> None:
        if not self.ask:
            raise HominesError(f"nothing is to be asked; name one of {', '.join(PARTS)}")
        for part in self.ask:
            one_of("part of a valuation", part, PARTS)
        letter_pairs(self.labels)
        if self.pairs not in ("few", "all"):
            _number(self.pairs)

    @cached_property
    def outcome_list(self) -> OutcomeList:
        """The outcomes. Raises HominesError, which names the line, where the file holds none."""
        return read_outcomes(None if self.outcomes is None else Path(self.outcomes)).of_kinds(self.kind)

    @cached_property
    def budget_list(self) -> BudgetList:
        """The budgets. Raises HominesError, which names the line, where the file holds none."""
        return read_budgets(None if self.budgets is None else Path(self.budgets))

    @property
    def letters(self) -> tuple[tuple[str, ...], ...]:
        """Pairs of labels."""
        return letter_pairs(self.labels)

    @property
    def every_pair(self) -> int:
        """How many pairs the outcomes have."""
        n = len(self.outcome_list.outcomes)
        return n * (n - 1) // 2

    @property
    def number_of_pairs(self) -> int:
        """How many pairs are asked. Raises HominesError for a number that gives no scale to check."""
        n = len(self.outcome_list.outcomes)
        if self.pairs == "all":
            return self.every_pair
        wanted = FEW_A_OUTCOME * n if self.pairs == "few" else _number(self.pairs)
        if wanted < min(LEAST_A_OUTCOME * n, self.every_pair):
            raise HominesError(
                f"{wanted} pairs of {n} outcomes leave nothing to check a scale by; ask "
                f"{min(LEAST_A_OUTCOME * n, self.every_pair)} or more, or fewer outcomes (--kind)"
            )
        return min(wanted, self.every_pair)

    def check(self) -> None:
        """Raise HominesError for what cannot be asked; no model is loaded, no folder made."""
        check_kind(str(self.model))
        _ = self.number_of_pairs, self.budget_list

    @property
    def placement(self) -> dict[str, Any]:
        """How a model is loaded."""
        return {name: getattr(self, name) for name in ("device", "dtype", "trust_remote_code")}

    def config(self, command: str = "") -> dict[str, Any]:
        """The resolved config of the run folder. How many pairs and which parts are asked is not in it: a
        rerun may ask more."""
        return {
            "kind": KIND,
            "command": command,
            "model": str(self.model),
            "outcomes": self.outcome_list.file,
            "sha256": self.outcome_list.sha256,
            "kinds": [*map(str, self.kind)],
            "labels": [",".join(pair) for pair in self.letters],
            "budgets": self.budget_list.file,
            "budgets_sha256": self.budget_list.sha256,
            "seed": self.seed,
            "device": self.device,
            "dtype": self.dtype,
        }

    @property
    def folder(self) -> Path:
        """The folder where none is named."""
        return default_folder(f"values-{self.model}-{self.outcome_list.name}", self.config())


def _number(text: str) -> int:
    """A number of pairs that was typed."""
    try:
        value = int(str(text))
    except ValueError as failure:
        raise HominesError(f"pairs {text!r} is no number; write few, all, or a whole number") from failure
    if value < 1:
        raise HominesError(f"pairs is {value}; ask 1 or more")
    return value
