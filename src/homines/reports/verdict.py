"""The verdict on an agent as data: it answers legally, does the same act in other words, lost nothing else.

records, side effects -> LegalAnswers, SameAct (same_act.py), NothingLost -> Verdict -> verdict_text.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from homines.core.format import TableRow
from homines.core.types import LEGAL_MASS, Record
from homines.elicitation.metrics import is_normalised, mass
from homines.reports.run_view import ROW_KINDS, TRAINING_KINDS, RunView
from homines.reports.same_act import OrderEffect, Outcome, SameAct, by_frame, by_game, same_act

Finding = Literal[
    "no answer", "a word", "the words", "the order", "no answer in other words", "a loss", "open", "passed"
]

LOSSES = {"everyday accuracy": 0.05, "everyday legal mass": 0.05, "perplexity": 0.1}
"""Most that may be lost: of accuracy and legal mass as a difference, of perplexity as a share of what it was.
.05 is three of the sixty questions: they are fixed, so that a fall has no sampling error, but one or two
answers near a tie change in any training (40 to 38 in docs/self_versus_others.md). 10% more perplexity is .1
nats a token; trainings that kept their everyday answers stayed below, those that lost six of them did not."""
MOST_ROWS = 12
"""Most rows of evidence in JSON, the worst first."""


# --- the checks ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Legal mass in one game and frame. trained: in the words of the training."""

    game: str
    frame: str
    mass: float
    trained: bool


@dataclass(frozen=True)
class LegalAnswers:
    """Whether a legal answer is likely in every game and frame.

    rows         by legal mass, the lowest first
    normalised   answers whose legal mass the service does not tell
    """

    rows: tuple[Place, ...]
    normalised: int = 0
    name: ClassVar[str] = "answers legally"
    threshold: ClassVar[float] = LEGAL_MASS

    @property
    def figure(self) -> float | None:
        """The lowest legal mass."""
        return self.rows[0].mass if self.rows else None

    @property
    def outcome(self) -> Outcome:
        if self.figure is None:
            return "not asked"
        return "passed" if self.figure >= self.threshold else "failed"

    @property
    def home(self) -> float | None:
        """Mean legal mass in the words of the training; without a training, in all."""
        rows = [row for row in self.rows if row.trained] or self.rows
        return float(np.mean([row.mass for row in rows])) if rows else None


@dataclass(frozen=True)
class Loss:
    """A side effect before and after; `lost` is what got worse, on the scale of its tolerance in LOSSES."""

    name: str
    before: float
    after: float
    of: float | None = None
    """Number of everyday questions, for the accuracy on them."""

    @property
    def lost(self) -> float:
        if self.name == "perplexity":
            return self.after / self.before - 1
        return self.before - self.after

    @property
    def tolerance(self) -> float:
        """Most that may be lost; of a user's own benchmark as of the everyday questions."""
        return LOSSES.get(self.name, LOSSES["everyday accuracy"])

    @property
    def share(self) -> float:
        """Of the tolerance."""
        return self.lost / self.tolerance


@dataclass(frozen=True)
class NothingLost:
    """Whether a training left everyday answers and plain text as they were. rows: the worst first.

    needs   names of what must have been measured for it to pass
    """

    rows: tuple[Loss, ...]
    needs: frozenset[str] = frozenset({"everyday accuracy", "perplexity"})
    name: ClassVar[str] = "nothing else lost"
    threshold: ClassVar[float] = 1.0

    @property
    def figure(self) -> float | None:
        """The largest loss as a share of its tolerance."""
        return self.rows[0].share if self.rows else None

    @property
    def outcome(self) -> Outcome:
        if self.figure is not None and self.figure > self.threshold + 1e-9:
            return "failed"
        return "passed" if self.needs <= {row.name for row in self.rows} else "not asked"


Check = LegalAnswers | SameAct | NothingLost


@dataclass(frozen=True)
class Verdict:
    """Three checks of one agent; two of an agent that was not trained, which has lost nothing (`lost` None).

    model   its name in the records
    """

    model: str
    legal: LegalAnswers
    act: SameAct
    lost: NothingLost | None

    @property
    def trained(self) -> bool:
        return self.lost is not None

    @property
    def checks(self) -> list[Check]:
        return [self.legal, self.act, *([self.lost] if self.lost else [])]

    @property
    def finding(self) -> Finding:
        """The failed check that weighs most: no rate without legal answers, no act where a word is chosen."""
        home = self.legal.home
        if (home is None and not self.legal.normalised) or (home is not None and home < LEGAL_MASS):
            return "no answer"
        if self.act.outcome == "failed":
            if self.act.word:
                return "a word"
            return "the order" if _first_is_order(self.act) else "the words"
        if self.legal.outcome == "failed":
            return "no answer in other words"
        if self.lost and self.lost.outcome == "failed":
            return "a loss"
        return "passed" if all(check.outcome == "passed" for check in self.checks) else "open"

    def to_json(self) -> dict[str, Any]:
        """Finding and checks with their figures, thresholds and first rows of evidence."""
        return {
            "model": self.model,
            "finding": self.finding,
            "checks": [
                {
                    "name": check.name,
                    "outcome": check.outcome,
                    "figure": check.figure,
                    "threshold": check.threshold,
                    "rows": [asdict(row) for row in check.rows[:MOST_ROWS]],
                    **(_act_json(check) if isinstance(check, SameAct) else {}),
                }
                for check in self.checks
            ],
        }


def _first_is_order(act: SameAct) -> bool:
    return bool(act.failures) and isinstance(act.failures[0], OrderEffect)


def _act_json(act: SameAct) -> TableRow:
    return {
        "instability": act.instability,
        "orders": [asdict(row) for row in act.orders[:MOST_ROWS]],
        "answers": act.answers,
        "enough": act.enough,
    }


# --- from records ------------------------------------------------------------------------------------


def verdicts(view: RunView) -> list[Verdict]:
    """The verdict on every model of a run; of a training on what it trained, of a person's sitting none."""
    kind = view.run.config.get("kind")
    models = [] if kind == "play" else list(view.roles)
    if kind in TRAINING_KINDS:
        models = [model for model in models if "after" in view.roles[model]]
    return [verdict(view, model) for model in models if any(r.model == model for r in view.records)]


def verdict(view: RunView, model: str) -> Verdict:
    """The verdict on a model of a run. `NothingLost` is of a model that the run trained."""
    records = _asked_alike(view, [r for r in view.records if r.model == model])
    training = "after" in view.roles.get(model, "")
    lost = None
    if training:
        before = next(
            (view.sides[m] for m, role in view.roles.items() if role == "before" and m in view.sides), {}
        )
        lost = losses(before, view.sides.get(model, {}))
    return Verdict(model, legal_answers(view, records), same_act(view, records), lost)


def _asked_alike(view: RunView, records: list[Record]) -> list[Record]:
    """Of an agent that was taught to think aloud the answers after its thoughts; the exam asks for the bare
    answer too, which its training did not teach."""
    aloud = [r for r in records if r.asks == "aloud"]
    return aloud if aloud and view.run.config.get("kind") in ROW_KINDS else records


def legal_answers(view: RunView, records: Sequence[Record]) -> LegalAnswers:
    """The legal mass of these records in every game and frame."""
    rows = [
        Place(game, view.short.get(frame, frame), m, frame in view.training and group[0].game in view.games)
        for game, inside in by_game(view, records).items()
        for frame, group in by_frame(inside).items()
        if (m := mass(group)) is not None
    ]
    normalised = sum(r.choice is not None and is_normalised(r) for r in records)
    return LegalAnswers(tuple(sorted(rows, key=lambda row: row.mass)), normalised)


def losses(before: TableRow, after: TableRow, needs: frozenset[str] = NothingLost.needs) -> NothingLost:
    """What side effects (`measure_capability`) say was lost between two models, or two ways of asking one."""
    keys = {"everyday accuracy": "accuracy", "everyday legal mass": "mass", "perplexity": "perplexity"}
    rows: list[Loss] = []
    for name, key in keys.items():
        a, b = before.get(key), after.get(key)
        if isinstance(a, int | float) and isinstance(b, int | float) and (a > 0 or key != "perplexity"):
            of = after.get("questions") if key == "accuracy" else None
            rows.append(Loss(name, float(a), float(b), float(of) if isinstance(of, int | float) else None))
    for name, scores in after.get("benchmarks", {}).items():
        a, b = (side.get("accuracy") for side in (before.get("benchmarks", {}).get(name, {}), scores))
        if isinstance(a, int | float) and isinstance(b, int | float):
            rows.append(Loss(f"accuracy on {name}", float(a), float(b)))
    return NothingLost(tuple(sorted(rows, key=lambda row: -row.share)), needs)
