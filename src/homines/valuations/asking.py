"""Asking a model the choices of a plan: pairs of outcomes as answers come, budgets, lotteries, delays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from homines.core.progress import QUIET, Follow
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Record
from homines.elicitation.asking import measure
from homines.elicitation.money_questions import lottery_pairs, lottery_texts, payment_pairs, payment_texts
from homines.elicitation.questions import Question
from homines.elicitation.text_choices import (
    TextPair,
    average,
    menu_questions,
    pair_questions,
    records_by_options,
)
from homines.estimation.pair_design import Places, all_pairs, connected_design, next_pairs
from homines.estimation.utility_scale import Pairs
from homines.models import load
from homines.valuations.plan import ValuesPlan

HELD_OUT = 6
"""One pair in so many is drawn at random, asked, and left out of the scale, to check it by."""
BATCHES = 8
"""Times that the pairs which tell most are chosen anew."""


@dataclass(frozen=True, eq=False)
class Valuation:
    """A plan and its answers.

    folder    the run folder
    scale     pairs that make the scale; check: pairs that were asked and are not in it
    """

    folder: Path
    plan: ValuesPlan
    run: RunFolder
    scale: tuple[Places, ...]
    check: tuple[Places, ...]

    @cached_property
    def records(self) -> list[Record]:
        """All answers and errors."""
        return self.run.records

    @property
    def failed(self) -> int:
        """Questions without an answer."""
        return sum(r.error is not None for r in self.records)

    def of(self, part: str) -> list[Record]:
        """The records of a part."""
        return [r for r in self.records if r.game == part]

    def pairs(self, places: Sequence[Places]) -> Pairs:
        """The probabilities of these pairs; those without a legal answer to every question are left out."""
        return pairs_of(self.plan, self.records, places)

    def probabilities(self, part: str, texts: Sequence[TextPair]) -> np.ndarray:
        """P(first) of pairs of texts, nan where one is not answered."""
        by_options = records_by_options(self.records, part)
        asked = 2 * len(self.plan.letters)
        found = [average(by_options.get(pair, []), asked) for pair in texts]
        return np.array([np.nan if p is None else float(p[0]) for p in found])


def text_pair(plan: ValuesPlan, places: Places) -> TextPair:
    """The texts of a pair of outcomes."""
    every = plan.outcome_list.outcomes
    return every[places[0]].text, every[places[1]].text


def pairs_of(plan: ValuesPlan, records: Sequence[Record], places: Sequence[Places]) -> Pairs:
    """The probabilities of these pairs in these records; those that are not answered are left out."""
    by_options = records_by_options(records, "outcomes")
    asked = 2 * len(plan.letters)
    found = [(at, average(by_options.get(text_pair(plan, at), []), asked)) for at in places]
    known = [(i, j, float(p[0])) for (i, j), p in found if p is not None]
    i, j, p = np.array(known, float).reshape(-1, 3).T
    return Pairs(len(plan.outcome_list.outcomes), i.astype(int), j.astype(int), p)


def other_questions(plan: ValuesPlan, model: Model, part: str) -> list[Question]:
    """The questions of a part that is not outcomes."""
    if part == "budgets":
        return menu_questions(model, part, [(b.text, b.options) for b in plan.budget_list.budgets])
    if part == "lotteries":
        return pair_questions(model, part, [lottery_texts(x) for x in lottery_pairs()], plan.letters)
    return pair_questions(model, part, [payment_texts(x) for x in payment_pairs()], plan.letters)


def first_pairs(plan: ValuesPlan) -> tuple[list[Places], list[Places]]:
    """(the connected design, the pairs to check by) of a plan, before any answer."""
    n, many = len(plan.outcome_list.outcomes), plan.number_of_pairs
    rng = np.random.default_rng(plan.seed)
    first = connected_design(n, 1, rng)
    others = [pair for pair in all_pairs(n) if pair not in set(first)]
    held = min(many // HELD_OUT, max(0, many - len(first)))
    drawn = sorted(rng.choice(len(others), held, replace=False).tolist()) if held else []
    return first, [others[k] for k in drawn]


def questions_like(plan: ValuesPlan, model: Model) -> list[Question]:
    """As many questions as a plan asks; which pairs they are of is not known before the answers."""
    few = all_pairs(len(plan.outcome_list.outcomes))[: plan.number_of_pairs] if "outcomes" in plan.ask else []
    asked = pair_questions(model, "outcomes", [text_pair(plan, at) for at in few], plan.letters)
    return [
        *asked,
        *(q for part in plan.ask if part != "outcomes" for q in other_questions(plan, model, part)),
    ]


def value(
    plan: ValuesPlan,
    folder: Path,
    *,
    loaded: Mapping[str, Model] | None = None,
    command: str = "",
    follow: Follow = QUIET,
) -> Valuation:
    """Ask the model of a plan what its run folder does not hold.

    loaded   models in memory, by name
    Raises HominesError for what cannot be asked, before the model is loaded; Interrupted where `follow.stop`
    says so: all answers until then are kept, and the same call goes on.
    """
    plan.check()
    with RunFolder(folder, plan.config(command)) as run:
        follow.say(f"loading {plan.model}")
        model = (loaded or {}).get(plan.model) or load(str(plan.model), **plan.placement)
        session = _Session(plan, model, run, follow)
        scale, check = session.outcomes() if "outcomes" in plan.ask else ([], [])
        for part in plan.ask:
            if part != "outcomes":
                session.ask(part, other_questions(plan, model, part))
    return Valuation(folder, plan, run, tuple(scale), tuple(check))


@dataclass(frozen=True, eq=False)
class _Session:
    """One model asked for one plan."""

    plan: ValuesPlan
    model: Model
    run: RunFolder
    follow: Follow

    def ask(self, what: str, questions: Sequence[Question]) -> None:
        """Ask these, and keep what the folder holds of other parts and pairs."""
        tell = self.follow.begin(f"asking {what}", len(questions))
        mine = {q.record.key for q in questions}
        kept = [q for q in self._known() if q.record.key not in mine]
        measure(
            self.model,
            [*kept, *questions],
            self.run,
            progress=lambda done, _: tell(max(0, done - len(kept))),
            stop=self.follow.stop,
        )

    def _known(self) -> list[Question]:
        """The questions of all that was answered before, by what the records say: pairs and parts."""
        done = self.run.records
        texts = {o.text for o in self.plan.outcome_list.outcomes}
        pairs = [pair for pair in records_by_options(done, "outcomes") if set(pair) <= texts]
        out = pair_questions(self.model, "outcomes", [(a, b) for a, b in pairs], self.plan.letters)
        for part in ("budgets", "lotteries", "delays"):
            if any(r.game == part for r in done):
                out += other_questions(self.plan, self.model, part)
        held = self.run.done
        return [q for q in out if q.record.key in held]

    def outcomes(self) -> tuple[list[Places], list[Places]]:
        """Ask the pairs of a plan; (those of the scale, those to check it by)."""
        every = all_pairs(len(self.plan.outcome_list.outcomes))
        if self.plan.number_of_pairs == len(every):
            self._ask_pairs(every)
            return every, []
        chosen, check = [], []
        for chosen, check in designs(self.plan, lambda: self.run.records):
            self._ask_pairs([*chosen, *check])
        return chosen, check

    def _ask_pairs(self, places: Sequence[Places]) -> None:
        texts = [text_pair(self.plan, at) for at in places]
        self.ask("pairs of outcomes", pair_questions(self.model, "outcomes", texts, self.plan.letters))


def designs(
    plan: ValuesPlan, answers: Callable[[], Sequence[Record]]
) -> Iterator[tuple[list[Places], list[Places]]]:
    """(pairs of the scale, pairs to check it by), growing: each time those that tell most, given the answers
    to the pairs of the scale so far."""
    chosen, check = first_pairs(plan)
    yield chosen, check
    left = plan.number_of_pairs - len(chosen) - len(check)
    batch = max(1, -(-left // BATCHES))
    while left > 0:
        taken = {*chosen, *check}
        others = [pair for pair in all_pairs(len(plan.outcome_list.outcomes)) if pair not in taken]
        new = next_pairs(pairs_of(plan, answers(), chosen), others, min(batch, left))
        chosen, left = [*chosen, *new], left - len(new)
        yield chosen, check


def few_of_all(plan: ValuesPlan, records: Sequence[Record]) -> list[Places]:
    """The pairs that a plan with few pairs would make its scale of, found from the answers to all."""
    *_, (chosen, _) = designs(replace(plan, pairs="few"), lambda: records)
    return chosen
