"""Ask a model every decision in every frame and order; then read the answers as the field does.

Every function on records groups by what the record says, averages option orders with equal weight,
and reads records with an answer only: failed ones are counted by `summary`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from homines.core.checks import count
from homines.core.plausible import counts
from homines.core.redaction import redact, redacted
from homines.core.registry import spell
from homines.core.run_folder import Run
from homines.core.types import (
    Choice,
    Decision,
    Frame,
    HominesError,
    Interrupted,
    Model,
    Preference,
    Prompt,
    Record,
)
from homines.inference.impossible import Impossible
from homines.inference.sampled_answers import jeffreys
from homines.speak import few_orders, orders
from homines.theory.choice import Belief, best, expected, mixed, told
from homines.theory.game_forms import NormalForm, Repeated, nodes

BATCH = 16
"""Questions between two writes, of a model that does not say how many."""
CALLS = "calls.json"
"""What the calls of a run used: calls, tokens, retries, dollars where there is a price."""
Progress = Callable[[int, int], None]
"""Called with (answered, in all) after every batch."""


@dataclass(frozen=True, eq=False)
class Question:
    """A record without its answer yet, and the words to ask it in."""

    record: Record
    prompt: Prompt


def battery(game: Any, memory: int = 1) -> tuple[Decision, ...]:
    """The decisions that measure a game: every state of `memory` past rounds of a repeated one (seat 0),
    else every point of decision of every player (seat 0 alone where all seats are alike)."""
    count("memory", memory)
    if not hasattr(game, "due"):
        raise HominesError(f"{game!r} is no game: it lacks due(history); core.Game says what one has")
    if isinstance(game, Repeated):
        return game.remembered(0, memory)
    if isinstance(game, NormalForm) and game.symmetric:
        return (game.seat(0),)
    return tuple(d for _, due in nodes(game) for d in due.values())


def questions(
    model: Model,
    batteries: Mapping[str, Sequence[Decision]],
    frames: Sequence[Frame],
    *,
    most: int | None = None,
) -> list[Question]:
    """Every decision of every battery (by game name), in every frame, in every balanced order.

    most   1 or 2: only so many orders a frame and game (`speak.few_orders`), the same for all its decisions,
           so that no order effect looks like a difference between states. With 1 they take turns over
           frames and games: balanced over as many frames as there are orders, not within one
    """
    asked: list[Question] = []
    for i, frame in enumerate(frames):
        for g, (game, decisions) in enumerate(batteries.items()):
            for d in decisions:
                shown = orders(len(d.actions), frame.places)
                if most is not None:
                    shown = few_orders(len(d.actions), frame.places, most, i + g + g // len(shown))
                for order in shown:
                    prompt = frame(d, order)
                    record = Record(
                        d,
                        spell(frame),
                        order,
                        prompt.labels,
                        model.name,
                        game,
                        provenance={"revision": model.provenance.get("revision"), "prompt": prompt.key},
                    )
                    asked.append(Question(record, prompt))
    return asked


def measure(
    model: Model,
    asked: Sequence[Question],
    run: Run | None = None,
    *,
    batch: int | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Record]:
    """Answer every question, skipping those the run holds already; the records in question order.

    batch   questions between two writes; None: as many as the model asks for (its `batch`), else 16. Of a
            model that answers as calls come back (`stream`), every answer is written as it comes

    A call that fails becomes a record with its error. Where a model can tell beforehand that all would
    fail (`ready`: a refused key, say) its HominesError is raised before the first. `stop` is asked
    between batches; Interrupted is raised then, or where a budget is spent, with everything answered so far
    recorded. Raises HominesError where the run holds answers of this model to other questions: its weights,
    a game or the words have changed since.
    """
    held = dict(run.done) if run is not None else {}
    prompts = {q.record.key: q.prompt for q in asked}
    waiting = list({q.record.key: q.record for q in asked}.values())
    if run is not None:
        waiting = run.missing(waiting)
        if stale := sum(r.model == model.name and key not in prompts for key, r in held.items()):
            raise HominesError(
                f"{run.folder} holds {stale} answers of {model.name} to other questions than these: the "
                "model's weights, a game or a frame has changed since; use another --out"
            )
        if waiting:  # for those who follow the run
            every = counts((run.noted("asked.json") or {}).get("all"))
            told = {"model": model.name, "questions": len(prompts)}
            run.note("asked.json", told | {"all": every | {model.name: len(prompts)}})
    answered = len(prompts) - len(waiting)
    if progress is not None:
        progress(answered, len(prompts))
    if not waiting:
        return [held[key] for key in prompts]
    more = cast("Any", model)
    before: Counter[str] | None = Counter(more.spent()) if hasattr(model, "spent") else None
    left = [Question(record, prompts[record.key]) for record in waiting]
    batch = batch or int(getattr(model, "batch", BATCH))
    try:
        with _kept(more, run):
            if hasattr(model, "ready"):
                more.ready(stop)
            streams = hasattr(model, "stream")
            for records in _streamed(more, left, stop) if streams else _batched(model, left, batch, stop):
                if run is not None:
                    run.add(records)
                held.update((r.key, r) for r in records)
                answered += len(records)
                if progress is not None:
                    progress(answered, len(prompts))
    except Interrupted as why:
        raise Interrupted(f"{why} after {answered} of {len(prompts)} questions") from None
    finally:
        if run is not None and before is not None:
            now: Counter[str] = Counter(spent(run))
            now.update(more.spent())
            now.subtract(before)
            run.note(CALLS, now)
    return [held[key] for key in prompts]


def spent(run: Run) -> dict[str, Any]:
    """What the calls of a run used so far, as far as its file holds counts."""
    return counts(run.noted(CALLS))


def _kept(model: Any, run: Run | None) -> AbstractContextManager[None]:
    """What calls of a model that cost take stands in the run's folder while the block runs."""
    if run is None or not hasattr(model, "keep"):
        return nullcontext()
    return model.keep(run.folder, [r.provenance.get("used", {}) for r in run.records])


def _batched(
    model: Model, asked: Sequence[Question], batch: int, stop: Callable[[], bool]
) -> Iterator[list[Record]]:
    """Answers, a batch at a time. Raises Interrupted where `stop` says so, after the batch in hand."""
    for i in range(0, len(asked), batch):
        if stop():
            raise Interrupted("stopped")
        some = asked[i : i + batch]
        yield _answer(model, [q.record for q in some], [q.prompt for q in some])


def _streamed(model: Any, asked: Sequence[Question], stop: Callable[[], bool]) -> Iterator[list[Record]]:
    """Answers as they come. Raises Interrupted where `stop` says so, or where a call was not made as a budget
    left no room for it: after all that are under way, then."""
    of: dict[str, list[Question]] = {}
    for q in asked:
        of.setdefault(q.prompt.key, []).append(q)
    spent: Interrupted | None = None
    left = len(asked)
    for some in model.stream([q.prompt for q in asked], stop):
        heard: list[Record] = []
        for prompt, answer in some:
            if isinstance(answer, Interrupted):
                spent = answer
            else:
                heard += [_heard(model, q.record, prompt, answer) for q in of[prompt.key]]
        left -= len(heard)
        if heard:
            yield heard
    if left:
        raise spent or Interrupted("stopped")


def _answer(model: Model, records: Sequence[Record], prompts: Sequence[Prompt]) -> list[Record]:
    """Score a batch; where that fails, each prompt alone, so that one bad prompt costs itself only. Where
    a model puts a failure in its answer's place (`answers`), nothing is asked twice."""
    if (answers := getattr(model, "answers", None)) is not None:
        return [
            _heard(model, record, prompt, answer)
            for record, prompt, answer in zip(records, prompts, answers(prompts), strict=True)
        ]
    try:
        answers = zip(records, prompts, model.score(prompts), strict=True)
        return [_told(model, replace(r, choice=_sound(r, choice)), prompt) for r, prompt, choice in answers]
    except MemoryError:
        raise
    except Exception as failure:
        if len(records) == 1:
            return [_failed(records[0], failure)]
        return [
            answer
            for record, prompt in zip(records, prompts, strict=True)
            for answer in _answer(model, [record], [prompt])
        ]


def _heard(model: Model, record: Record, prompt: Prompt, answer: Choice | Exception) -> Record:
    if isinstance(answer, Exception):
        return _told(model, _failed(record, answer), prompt)
    try:
        return _told(model, replace(record, choice=_sound(record, answer)), prompt)
    except HominesError as failure:
        return _failed(record, failure)


def _failed(record: Record, failure: Exception) -> Record:
    about = {"impossible": failure.kind.value} if isinstance(failure, Impossible) else {}
    error = redact(f"{type(failure).__name__}: {failure}")
    return replace(record, error=error, provenance={**record.provenance, **about})


def _told(model: Model, record: Record, prompt: Prompt) -> Record:
    """The record with what the model has to tell beside its answer, such as its reasons (`beside`)."""
    beside = getattr(model, "beside", None)
    more: dict[str, Any] = redacted(beside(prompt)) if beside is not None else {}
    return replace(record, provenance={**record.provenance, **more}) if more else record


def _sound(record: Record, choice: Choice) -> Choice:
    """The choice, where it is a distribution over the record's labels."""
    p, mass = choice.p, choice.mass
    if p.shape != (len(record.labels),) or not np.isclose(p.sum(), 1) or not 0 <= mass <= 1:
        raise HominesError(
            f"the model gave probabilities {p.tolist()} and legal mass {mass} for the labels "
            f"{record.labels}; they must be one for each, sum to 1, and have a mass in [0, 1]"
        )
    return choice


# --- reading records ---------------------------------------------------------------------------


def answered(records: Iterable[Record]) -> list[tuple[Record, Choice]]:
    """Records with an answer, beside it; a model that never came to a legal one (mass 0) gave none."""
    return [(r, r.choice) for r in records if r.choice is not None and r.choice.mass > 0]


def choices(records: Iterable[Record]) -> list[Record]:
    """Records of the model's own choices; not those of what it believes another will do."""
    return [r for r in records if "asks=belief" not in r.frame]


def by(records: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """Group by attributes of the record ('model', 'game', 'frame', ...), in order of appearance."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for r in records:
        groups.setdefault(tuple(getattr(r, name) for name in names), []).append(r)
    return groups


def averaged(records: Iterable[Record]) -> list[tuple[Decision, Choice]]:
    """One choice a decision: the equal-weight average over its orders and frames.

    Given a legal answer, so over those that came to one; the mass is that of all. Decisions that never came
    to one are left out.
    """
    return [pair for group in _same(records) if (pair := _average(group)) is not None]


def _average(group: Sequence[Record]) -> tuple[Decision, Choice] | None:
    """The average of records of one decision; None where none came to an answer."""
    heard = [c for _, c in answered(group)]
    return (group[0].decision, replace(mixed(heard), mass=mass(group) or 0.0)) if heard else None


def _same(records: Iterable[Record]) -> list[list[Record]]:
    """Records of the same decision, in order of appearance."""
    seen: dict[str, list[Record]] = {}
    for r in records:
        seen.setdefault(r.decision.key, []).append(r)
    return list(seen.values())


def state(d: Decision) -> str | None:
    """The last round as 'mine,theirs', such as 'C,D'; None where there was none."""
    if not d.history or len(d.history[-1]) != 2 or None in d.history[-1]:
        return None
    return _joint(d, d.history[-1])


def situation(d: Decision) -> str:
    """Where a decision stands in its game: 'C,D' (the last round, mine first), 'C,C C,D' (several rounds,
    oldest first), 'after U' (what the other did just before), 'player 1' (another seat at the same
    time), or 'first move'."""
    if len(d.history) > 1 and all(None not in stage for stage in d.history):
        return " ".join(_joint(d, stage) for stage in d.history)
    if (last := state(d)) is not None:
        return last
    if seen := acted(d):
        return f"after {', '.join(seen)}"
    return f"player {d.player}" if d.player else "first move"


def acted(d: Decision) -> list[str]:
    """Names of what was done at the last stage, by player; none at a first move."""
    return [d.named(k, a) for k, a in enumerate(d.history[-1]) if a is not None] if d.history else []


def _joint(d: Decision, stage: Sequence[int | None]) -> str:
    """A round in which everyone moved, mine first: 'C,D'."""
    seats = (d.player, *(k for k in range(len(stage)) if k != d.player))
    return ",".join(d.named(k, a) for k in seats if (a := stage[k]) is not None)


def action_types(records: Iterable[Record]) -> dict[str, float]:
    """P(own action | other's last action), keyed 'C|C', 'D|C', ...; and 'illegal|C', ....

    The mean over the states with that last action, each state counting the same (the chain's
    `action_types` weighs them by how often they are met). Own actions are given a legal answer, so
    they sum to one; illegal is 1 - mass.
    """
    grouped: dict[str, list[list[Record]]] = {}
    for group in _same(records):
        if (here := state(group[0].decision)) is not None:
            grouped.setdefault(here.split(",")[1], []).append(group)
    out: dict[str, float] = {}
    for last, groups in grouped.items():
        if pairs := [pair for group in groups if (pair := _average(group)) is not None]:
            p = np.mean([c.p for _, c in pairs], axis=0)
            out |= {f"{a}|{last}": float(x) for a, x in zip(pairs[0][0].actions, p, strict=True)}
        if masses := [m for group in groups if (m := mass(group)) is not None]:
            out[f"illegal|{last}"] = float(1 - np.mean(masses))
    return out


def intervals(records: Iterable[Record], level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Jeffreys intervals of the rates of `action_types`, where answers were counted; empty where they were
    read exactly, and in games without states.

    As of one source with as many draws as give the rate's variance, its states and questions weighed as
    `action_types` weighs them; of a rate that differs between questions that is wider than need be.
    """
    states: dict[str, dict[str, list[Record]]] = {}
    for r in records:
        drawn_ones = r.choice is not None and r.choice.n is not None and r.provenance.get("counted")
        if drawn_ones and (here := state(r.decision)) is not None:
            states.setdefault(here.split(",")[1], {}).setdefault(r.decision.key, []).append(r)
    rates = action_types(r for groups in states.values() for some in groups.values() for r in some)
    out: dict[str, tuple[float, float]] = {}
    for last, groups in states.items():
        for name, rate in rates.items():
            if name.partition("|")[2] != last:
                continue
            legal = not name.startswith("illegal|")
            drawn = [[(c.n or 0) * (c.mass if legal else 1) for c in _choices(g)] for g in groups.values()]
            n = _as_many([[x for x in some if x > 0] for some in drawn])
            if n > 0:
                out[name] = jeffreys(rate * n, n, level)
    return out


def _choices(records: Iterable[Record]) -> list[Choice]:
    return [r.choice for r in records if r.choice is not None]


def _as_many(groups: Sequence[Sequence[float]]) -> float:
    """Draws from one source with the variance of a mean over groups of means over their members, each of so
    many draws: 1 / sum_i w_i^2 / n_i."""
    held = [some for some in groups if some]
    weights = [(1 / (len(held) * len(some)), n) for some in held for n in some]
    return 1 / sum(w**2 / n for w, n in weights) if weights else 0.0


def order_effect(records: Iterable[Record]) -> float | None:
    """Mean over decisions, frames, actions of P(action | shown first) - P(action | shown last).

    0: no position bias; +1: always the option shown first. Where a frame lists the options at several
    places, each place counts the same. None where orders were not balanced.
    """
    gaps: list[float] = []
    for same in by(records, "frame", "game").values():
        for group in _by_decision(same).values():
            places = len(group[0][0].order)
            for j in range(places):
                n = len(group[0][0].labels)
                for a in range(n):
                    first = [c.p[a] for r, c in group if r.order[j][0] == a]
                    last = [c.p[a] for r, c in group if r.order[j][-1] == a]
                    if n > 1 and first and last:
                        gaps.append(float(np.mean(first) - np.mean(last)))
    return float(np.mean(gaps)) if gaps else None


def instability(records: Iterable[Record]) -> float | None:
    """Mean over decisions of the spread (max - min) over frames of P(first action).

    Each frame (words, labels and their assignment) is averaged over orders first. 0: the words do
    not matter; 1: they decide everything. None with fewer than two frames.
    """
    spreads: list[float] = []
    for group in _by_decision(records).values():
        frames: dict[str, list[float]] = {}
        for r, c in group:
            frames.setdefault(r.frame, []).append(float(c.p[0]))
        if len(frames) > 1:
            means = [float(np.mean(x)) for x in frames.values()]
            spreads.append(max(means) - min(means))
    return float(np.mean(spreads)) if spreads else None


def _by_decision(records: Iterable[Record]) -> dict[str, list[tuple[Record, Choice]]]:
    groups: dict[str, list[tuple[Record, Choice]]] = {}
    for r, c in answered(records):
        groups.setdefault(f"{r.game} {r.decision.key}", []).append((r, c))
    return groups


def mass(records: Iterable[Record]) -> float | None:
    """Mean probability of any legal answer."""
    masses = [r.choice.mass for r in records if r.choice is not None]
    return float(np.mean(masses)) if masses else None


def best_response_rate(
    preference: Preference, pairs: Sequence[tuple[Decision, Choice]], belief: Belief = told
) -> float:
    """Mean probability on actions that maximise the preference's expected utility."""
    return float(
        np.mean([c.p[best(expected(preference(d), belief(d), d.chance)).p > 0].sum() for d, c in pairs])
    )


@dataclass(frozen=True)
class Regret:
    """best - achieved, in units of the preference's utility; `share` divides it by best - illegal."""

    best: float
    achieved: float
    illegal: float

    @property
    def regret(self) -> float:
        return self.best - self.achieved

    @property
    def share(self) -> float | None:
        """None where the best is no better than an illegal answer."""
        return self.regret / (self.best - self.illegal) if self.best > self.illegal else None


def moral_regret(
    preference: Preference,
    pairs: Sequence[tuple[Decision, Choice]],
    *,
    illegal: float | None = None,
    published: bool = False,
    belief: Belief = told,
) -> Regret:
    """How much worse than possible a policy does by a preference.

    pairs      decisions and choices; the others' current play is `belief(d)`: what the decision
               states about them, uniform where it states nothing
    illegal    reward of an illegal answer, weighed by 1 - mass. None: given legal answers only
    published  best = the largest reward of any outcome of any decision (Tennant et al. 2025: 0 for
               deontological; there `share` is used for the utilitarian and `regret` for the
               deontological). Otherwise exact: best = mean over decisions of the best reply's
               expected reward, so that 0 can be reached against every opponent.
    """
    if not pairs:
        raise HominesError("no answered decisions to take regret over; measure some first")
    top: list[float] = []
    achieved: list[float] = []
    for d, c in pairs:
        u = preference(d)
        eu = expected(u, belief(d), d.chance)
        top.append(float(u.max() if published else eu.max()))
        legal = 1.0 if illegal is None else c.mass
        achieved.append(legal * float(c.p @ eu) + (1 - legal) * (illegal or 0.0))
    found = max(top) if published else float(np.mean(top))
    return Regret(found, float(np.mean(achieved)), -6.0 if illegal is None else illegal)


@dataclass(frozen=True)
class Slope:
    """P(first action) = intercept + slope * advantage, least squares over decisions."""

    slope: float
    intercept: float
    decisions: int
    r2: float


def payoff_sensitivity(pairs: Sequence[tuple[Decision, Choice]], belief: Belief = told) -> Slope | None:
    """How P(first action) moves per point of its expected own-payoff advantage over the best other.

    0: payoffs do not matter. None where the advantage does not vary over the decisions (the slope is
    then not identified). Exact probabilities carry no sampling error, so none is given.
    """
    x: list[float] = []
    y: list[float] = []
    for d, c in pairs:
        if len(d.actions) > 1:
            eu = expected(d.payoffs[0], belief(d), d.chance)
            x.append(float(eu[0] - eu[1:].max()))
            y.append(float(c.p[0]))
    if len(x) < 2 or np.ptp(x) < 1e-9:
        return None
    slope, intercept = np.polyfit(x, y, 1)
    fitted = intercept + slope * np.array(x)
    total = float(np.var(y))
    r2 = 1 - float(np.var(np.array(y) - fitted)) / total if total > 1e-18 else 1.0
    return Slope(float(slope), float(intercept), len(x), r2)


def summary(records: Iterable[Record]) -> list[dict[str, Any]]:
    """One row a (model, game, frame): action types where there are states, P(action) by situation,
    legal mass, order effect, how many questions were asked and how many failed."""
    rows: list[dict[str, Any]] = []
    for (model, game, frame), group in by(records, "model", "game", "frame").items():
        row: dict[str, Any] = {"model": model, "game": game, "frame": frame}
        row |= action_types(group)
        if ends := intervals(group):
            row["intervals"] = {name: list(pair) for name, pair in ends.items()}
        row["p"] = {
            situation(d): dict(zip(d.actions, map(float, c.p), strict=True)) for d, c in averaged(group)
        }
        row["mass"] = mass(group)
        row["order_effect"] = order_effect(group)
        row["questions"] = len(group)
        row["errors"] = sum(r.error is not None for r in group)
        rows.append(row)
    return rows
