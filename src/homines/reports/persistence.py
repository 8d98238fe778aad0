"""Persistence: what each condition before a question changes, from the records of `homines persist`.

plain answers, answers under a condition -> ConditionEffect: checks, rates, kappa, each change with interval
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from homines.core.format import TableRow
from homines.core.plausible import drop_impossible_sides
from homines.core.rates import mean_interval
from homines.core.registry import head, spell
from homines.core.types import LEGAL_MASS, Array, HominesError, Preference, Record, frozen
from homines.datasets.best_answers import implied_answers
from homines.elicitation.conditions import PLAIN, condition, conditions
from homines.elicitation.metrics import average_by_decision, group_by, instability, mass
from homines.elicitation.metrics import choices as own_choices
from homines.elicitation.questions import situation, without_past
from homines.estimation.kappa_change import LEVEL, NO_WIDTH, KappaChange, kappa_change
from homines.frames.under import Under
from homines.reports.run_view import RunView, find_or_none
from homines.reports.same_act import same_act
from homines.reports.verdict import Verdict, legal_answers, losses

EVERYDAY = "everyday.json"
"""File of a run with the everyday questions under each condition, by its name."""
TUNED = "tuned"
"""Name of the condition that is another model: the same one after plain instruction tuning."""
BOUND = 0.1
"""Most that a rate may change for a behaviour to persist: an interval inside says that it does."""
Outcome = Literal["plain", "stays", "other answers", "moved", "not told", "no answer"]
Place = tuple[str, str]
"""A question: its game and the key of its decision. An everyday question is a game of its own."""


@dataclass(frozen=True)
class PairedChange:
    """A mean over games of the same questions asked plainly and under a condition, and the 95% interval of
    its change by Student's t over games: decisions of one game are answered alike, so each game counts once,
    by the mean of its questions. Without an interval for a single game, and where all games changed alike.
    """

    before: float
    after: float
    low: float | None
    high: float | None
    questions: int
    games: int

    @property
    def change(self) -> float:
        return self.after - self.before

    @property
    def alike(self) -> bool:
        """Whether every one of several games changed by the same: an interval would have no width, which
        says nothing of other games."""
        return self.low is None and self.games > 1

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The interval; the change itself where all games changed alike; None for a single game."""
        if self.alike:
            return self.change, self.change
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True, eq=False)
class ConditionEffect:
    """What one condition changes.

    verdict      the checks of the answers under it; `lost` of everyday questions against the plain ones
    questions    asked under it; failed: those without an answer
    share        probability of the answers that the preference implies; without a preference, of the answer
                 that was likeliest when asked plainly; given a legal answer
    moved        mean over games of |change of share| of a question: what a mean rate may hide
    mass         legal mass; spread: instability by question; right: everyday questions answered right
    perplexity   (plain, after tuning) of a text; None where the weights are the same
    states       P(first action) by game and situation, of games with an answer by state
    """

    name: str
    title: str
    model: str
    verdict: Verdict
    questions: int
    failed: int
    share: PairedChange | None
    moved: float | None
    mass: PairedChange | None
    spread: PairedChange | None
    right: PairedChange | None
    perplexity: tuple[float, float] | None
    states: Mapping[str, float]
    kappa: KappaChange

    @property
    def outcome(self) -> Outcome:
        """Whether the behaviour persists: the interval of its rate lies inside BOUND, and `moved` too (stays)
        or not (other answers); or the rate changed by more than BOUND and the interval excludes 0 (moved).
        Where all games changed alike, `bounds` stand for the interval; of a single game nothing is told. No
        answer where the legal mass is under LEGAL_MASS, asked plainly or under the condition."""
        if self.mass is None or min(self.mass.before, self.mass.after) < LEGAL_MASS:
            return "no answer"
        if self.name == PLAIN:
            return "plain"
        if self.share is None or self.share.bounds is None:
            return "not told"
        low, high = self.share.bounds
        if max(-low, high) <= BOUND:
            return "stays" if self.moved is not None and self.moved <= BOUND else "other answers"
        excludes = low > 0 or high < 0
        return "moved" if excludes and abs(self.share.change) > BOUND else "not told"


def condition_effects(view: RunView) -> list[ConditionEffect]:
    """Every condition of a run of `homines persist`, the plain questions first."""
    groups = _groups(view)
    base = str(view.run.config.get("model"))
    plain = groups.get((base, PLAIN))
    if not plain:
        return []
    noted, _ = drop_impossible_sides(view.run.noted(EVERYDAY) or {})
    implied = _implied(view.preference, plain)
    out: list[ConditionEffect] = []
    for (model, name), records in groups.items():
        sides = view.sides.get(model, {}) if name == PLAIN else noted.get(name, {})
        tuned = model != base
        out.append(_effect(view, (TUNED if tuned else name, model), plain, records, implied, sides))
    order = [PLAIN, *conditions(), TUNED]
    return sorted(out, key=lambda e: order.index(e.name))


def _groups(view: RunView) -> dict[tuple[str, str], list[Record]]:
    """Choices by model and condition; frames are spelt as without the condition, so that questions pair."""
    out: dict[tuple[str, str], list[Record]] = {}
    for r in [*view.every, *view.treated]:
        name = PLAIN
        if head(r.frame) == "under":
            if not isinstance(frame := find_or_none("frames", r.frame), Under):
                continue  # a condition of another version
            name, r = frame.condition, replace(r, frame=spell(frame.inner))
        out.setdefault((r.model, name), []).append(r)
    return out


def _effect(
    view: RunView,
    who: tuple[str, str],
    plain: Sequence[Record],
    records: Sequence[Record],
    implied: Mapping[Place, tuple[int, ...]],
    sides: TableRow,
) -> ConditionEffect:
    name, model = who
    base, choices = own_choices(plain), own_choices(records)
    before = view.sides.get(str(view.run.config.get("model")), {})
    needs = frozenset({"everyday accuracy"} if name != TUNED else {"everyday accuracy", "perplexity"})
    lost = losses(before, sides, needs) if name != PLAIN else None
    before_shares, after_shares = _shares(base, implied), _shares(choices, implied)
    moves = {k: abs(after_shares[k] - p) for k, p in before_shares.items() if k in after_shares}
    alone = replace(view, records=choices, every=list(records))
    return ConditionEffect(
        name,
        _title(view, name),
        model,
        Verdict(model, legal_answers(alone, choices), same_act(alone, choices), lost),
        len(choices),
        sum(r.error is not None for r in choices),
        paired(before_shares, after_shares),
        float(np.mean(_by_game(moves))) if moves else None,
        paired(_masses(base), _masses(choices)),
        paired(_spreads(base), _spreads(choices)),
        paired(_right(before), _right(sides)),
        _perplexities(before, sides) if name == TUNED else None,
        _states(choices),
        kappa_change(plain, records, changed=name != PLAIN),
    )


def _title(view: RunView, name: str) -> str:
    if name == TUNED:
        rows = view.run.config.get("tune")
        return f"after {rows} {'row' if rows == 1 else 'rows'} of plain instructions"
    return condition(name).title


# --- rates by question -----------------------------------------------------------------------------


def paired(before: Mapping[Place, float], after: Mapping[Place, float]) -> PairedChange | None:
    """The mean change over games of the questions in both, with its interval; None where none is in both."""
    both = [place for place in before if place in after]
    if not both:
        return None
    one, two = (_by_game({place: side[place] for place in both}) for side in (before, after))
    n, moved = len(one), two - one
    start, end = float(one.mean()), float(two.mean())
    if n < 2 or np.ptp(moved) < NO_WIDTH:
        return PairedChange(start, end, None, None, len(both), n)
    return PairedChange(start, end, *mean_interval(moved.tolist(), LEVEL), len(both), n)


def _by_game(values: Mapping[Place, float]) -> Array:
    """The mean over its questions of every game."""
    groups: dict[str, list[float]] = {}
    for (game, _), value in values.items():
        groups.setdefault(game, []).append(value)
    return frozen([float(np.mean(group)) for group in groups.values()])


def _place(r: Record) -> Place:
    return r.game, r.decision.key


def _by_place(records: Sequence[Record]) -> dict[Place, list[Record]]:
    out: dict[Place, list[Record]] = {}
    for r in records:
        out.setdefault(_place(r), []).append(r)
    return out


def _implied(preference: Preference | None, plain: Sequence[Record]) -> dict[Place, tuple[int, ...]]:
    """The answers that count at every question: those that the preference implies; without a preference the
    likeliest when asked plainly. A question at which the preference is not defined has none."""
    if preference is None:
        averages = {place: average_by_decision(group) for place, group in _by_place(plain).items()}
        return {place: (int(a[0][1].p.argmax()),) for place, a in averages.items() if a}
    out: dict[Place, tuple[int, ...]] = {}
    for game in dict.fromkeys(r.game for r in plain):
        if (known := find_or_none("games", game)) is None:
            continue
        try:
            answers = implied_answers(preference, without_past(known))
        except HominesError:
            continue
        out |= {(game, a.decision.key): a.answers for a in answers if len(a.answers) < len(a.worth)}
    return out


def _shares(records: Sequence[Record], implied: Mapping[Place, tuple[int, ...]]) -> dict[Place, float]:
    """Probability of the answers that count, by question."""
    out: dict[Place, float] = {}
    for place, group in _by_place(records).items():
        if place in implied and (average := average_by_decision(group)):
            out[place] = float(average[0][1].p[list(implied[place])].sum())
    return out


def _masses(records: Sequence[Record]) -> dict[Place, float]:
    return {place: float(m) for place, group in _by_place(records).items() if (m := mass(group)) is not None}


def _spreads(records: Sequence[Record]) -> dict[Place, float]:
    """Instability by question: the spread of P(first action) over frames."""
    return {
        place: float(s)
        for place, group in _by_place(records).items()
        if (s := instability(group)) is not None
    }


def _right(sides: Mapping[str, Any]) -> dict[Place, float]:
    """Whether each everyday question was answered right."""
    answers = sides.get("answers")
    rows = answers if isinstance(answers, list) else []
    every = [a for a in rows if isinstance(a, Mapping)]
    return {(str(a.get("question")), ""): float(a.get("right") is True) for a in every}


def _perplexities(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[float, float] | None:
    one, two = before.get("perplexity"), after.get("perplexity")
    both = isinstance(one, int | float) and isinstance(two, int | float)
    return (float(one), float(two)) if both else None  # type: ignore[arg-type]


def _states(records: Sequence[Record]) -> dict[str, float]:
    """P(first action) by game and situation, of games with several decisions of two actions."""
    out: dict[str, float] = {}
    for (game,), group in group_by(records, "game").items():
        averages = average_by_decision(group)
        if len(averages) > 1 and all(len(d.actions) == 2 for d, _ in averages):
            out |= {f"{game}: {d.actions[0]} at {situation(d)}": float(c.p[0]) for d, c in averages}
    return out
