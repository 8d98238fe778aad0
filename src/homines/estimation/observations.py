"""Observations from a model's records: one an answer; of a subject that chose plans, one a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache, partial
from typing import Any, Literal, TypeAlias

from homines.core.capabilities import AsksFor, variant
from homines.core.plugins import UnknownName
from homines.core.registry import find, head, spell
from homines.core.types import LEGAL_MASS, Choice, Decision, HominesError, Record
from homines.elicitation.metrics import average_by_decision, group_by
from homines.elicitation.treatments import untreated
from homines.estimation.columns import Observation
from homines.estimation.strategy_method import sequential_observations
from homines.theory.game_forms import Sequential

Beliefs: TypeAlias = Literal["elicited", "uniform", "correct"]
CHOSE_PLANS = "chose_plans"
"""Key of a record's provenance: whether its answer is part of a plan that the subject chose as a whole."""


class NoAnswers(HominesError):  # noqa: N818 (a state of the records)
    """No record holds an answer between two options."""


def plain_records(records: Sequence[Record], config: Mapping[str, Any]) -> Sequence[Record]:
    """The records of a run that describe one way of asking: of a measurement with and without a goal, say,
    those without, and of `homines persist` those under no condition. A person's answers by the strategy
    method say that they are plans, also in sittings of versions that did not write so."""
    if config.get("kind") == "measure":
        return untreated(records)
    if config.get("kind") == "persist":
        return [r for r in records if head(r.frame) != "under"]
    if config.get("kind") == "play" and config.get("both"):
        person, whole = config.get("person"), {CHOSE_PLANS: True}
        return [replace(r, provenance={**r.provenance, **whole}) if r.model == person else r for r in records]
    return records


def from_records(
    records: Iterable[Record],
    *,
    model: str | None = None,
    plans: bool = True,
    whole: bool = False,
    beliefs: Beliefs = "elicited",
    by_prompt: bool = False,
) -> list[Observation]:
    """Observations of one model: for every game and frame, one choice a decision, averaged over orders.

    plans   a preference that universalises reads answers in sequential games as parts of plans
            (strategy_method.py), against the beliefs asked in the same words (asks=belief); False: never
    whole   the answers at all points of a sequential game are one choice between plans, as they are where the
            records say that the subject chose plans (CHOSE_PLANS); for models a description, and no estimate:
            nothing binds their answers together
    beliefs about others that no question states: as asked in the same words (elicited), uniform, or that they
            choose as this model does (correct)
    by_prompt   the subject is the prompt: frame, labels and order (`prompt_form`); nothing is averaged
    Raises HominesError where nothing was answered, and where there are several models and none is named.
    """
    records = list(records)
    models = list(dict.fromkeys(r.model for r in records))
    if model is None and len(models) > 1:
        raise HominesError(f"these records are of {len(models)} models; name one of {', '.join(models)}")
    if model is not None and model not in models:
        raise HominesError(f"no records of {model!r}; there are {', '.join(models) or 'none'}")
    subject = model or "".join(models)
    of_subject = [r for r in records if r.model == subject]
    answers: dict[tuple[str, str, str], list[Record]] = {}
    asked: dict[tuple[str, str], list[Record]] = {}
    frames, games = cache(partial(_named, "frames")), cache(partial(_named, "games"))
    for (name, words), group in group_by(of_subject, "game", "frame").items():
        frame = frames(words)
        about = group[0].asks == "belief"
        spec = spell(replace(frame, asks="choice")) if about and frame is not None else words
        if about:
            asked.setdefault((name, spec), []).extend(group)
            continue
        for r in group:
            who = prompt_form(r) if by_prompt else subject
            answers.setdefault((name, spec, who), []).append(r)
    observations: list[Observation] = []
    for (name, frame, who), group in answers.items():
        pairs = average_by_decision(group)
        game = games(name)
        words = frames(frame)
        answer_frame = spell(variant(words, asks="choice")) if isinstance(words, AsksFor) else frame
        belief_pairs = average_by_decision(asked.get((name, answer_frame), ()))
        belief_pairs = {"elicited": belief_pairs, "uniform": [], "correct": pairs}[beliefs]
        if isinstance(game, Sequential):
            observations += sequential_observations(
                game,
                pairs,
                belief_pairs,
                subject=who,
                name=name,
                plans=plans,
                whole=whole or all(r.provenance.get(CHOSE_PLANS) for r in group),
            )
        else:
            about = {d.key: c for d, c in belief_pairs if beliefs == "correct" or not d.history}
            observations += [
                Observation(_with_belief(d, about), c, who, name) for d, c in pairs if len(d.actions) > 1
            ]
    if not observations:
        if any(r.choice is not None for r in of_subject):
            raise NoAnswers(
                "these records hold no legal answer between two options, and illegal ones are no choices; "
                "see on the run's page what was said, and measure with labels that the model uses (--labels)"
            )
        raise NoAnswers("none of these records holds an answer between two options; measure a game first")
    return observations


def prompt_form(r: Record) -> str:
    """The words of a question but for its payoffs: frame, labels, and the order of the options.

    >>> from homines.core.types import Decision
    >>> d = Decision(("C", "D"), [[0.0, 0.0]])
    >>> prompt_form(Record(d, "table", ((1, 0),), ("X", "Y"), "m"))
    'table, X/Y, last option first'
    """
    if all(place == tuple(range(len(place))) for place in r.order):
        order = "first option first"
    elif all(place[::-1] == tuple(range(len(place))) for place in r.order):
        order = "last option first"
    else:
        order = f"order {' '.join(''.join(str(1 + i) for i in place) for place in r.order)}"
    return f"{_short(r.frame)}, {'/'.join(r.labels)}, {order}"


@cache
def _short(spec: str) -> str:
    """The spec of a frame without its labels and without what is as usual."""
    frame = _named("frames", spec)
    if not is_dataclass(frame) or isinstance(frame, type):
        return spec
    own = {f.name: getattr(frame, f.name) for f in fields(frame)}
    unusual = [f for f in fields(frame) if f.name != "labels" and own[f.name] != f.default]
    words = ", ".join(f"{f.name}={own[f.name]!r}" for f in unusual)
    return f"{head(spec)}({words})" if words else head(spec)


def legal_enough(observations: list[Observation]) -> list[Observation]:
    """Those of a legal mass of LEGAL_MASS or more; all where there are none: parameters of answers that are
    rarely given are not mixed with those of answers that are."""
    return [o for o in observations if o.choice.mass >= LEGAL_MASS] or observations


def _with_belief(d: Decision, about: Mapping[str, Choice]) -> Decision:
    """A symmetric decision of two with the belief about the other, who faces the same, with the past as seen
    from there; else unchanged."""
    if d.others is None and d.same is not None and len(d.theirs) == 1:
        there = replace(d, history=tuple(stage[::-1] for stage in d.history)).key
        if there in about:
            return replace(d, others=(about[there].p,))
    return d


def _named(folder: str, spec: str) -> Any:
    """The game or frame of a spec. None where records name none, or one that the package does not have: their
    decisions are read one by one, and a log may have words of its own. Raises HominesError for another spec
    from which none can be made, and UntrustedModule for one that names a module, which is loaded where a
    person says so."""
    try:
        return find(folder, spec) if spec else None
    except UnknownName:
        return None
