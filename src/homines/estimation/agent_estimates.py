"""Estimates of an agent's preferences: homo moralis' kappa, inequity aversion's alpha and beta, with the
values that a training aimed at.

    records -> rows of estimates, one a parameter; the same for a page of one run and of several
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from homines.core.registry import is_foreign
from homines.core.types import HominesError, NotDefined, Preference, Record
from homines.elicitation.metrics import is_normalised
from homines.estimation.belief_sensitivity import sensitivity
from homines.estimation.columns import Columns, DecisionBlock, Observation, read_for
from homines.estimation.cross_validation import cross_validate
from homines.estimation.family import LAPSE, PRECISION, Family, family
from homines.estimation.fit import Estimate, fit
from homines.estimation.observations import Beliefs, NoAnswers, from_records, legal_enough
from homines.estimation.problem import EqualOptions, FlatLikelihood, NearIndifference, NotRising, Separated
from homines.estimation.rivals import Rival, rival_sentences, rivals
from homines.preferences.charness_rabin import CharnessRabin
from homines.preferences.economicus import Economicus
from homines.preferences.inequity import Inequity
from homines.preferences.kantian import Kantian
from homines.preferences.moralis import Moralis
from homines.theory.choice import stated_beliefs

Row = dict[str, Any]

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "kantian(alpha=0)": ("kappa", "beta"),
    "inequity": ("alpha", "beta"),
}
"""Families estimated for every agent, each with its parameters."""
FALLBACK = ("moralis", ("kappa",))
"""Family in place of the first where that is not identified: games in which nobody can choose to be ahead
identify kappa only with beta fixed at 0."""
PARAMETER_WORDS: Mapping[str, str] = {
    "kappa": "weight on what if everyone did so",
    "alpha": "aversion to being behind",
    "beta": "aversion to being ahead",
    LAPSE: "share of choices made at random",
    PRECISION: "how sharply choices follow it, in 1/point",
}
BELIEFS: tuple[Beliefs, ...] = ("uniform", "elicited", "correct")
HELD_OUT = ("held_out", "in_sample", "random")
NO_KAPPA = "No published estimate of people's kappa is held here, so none stands beside it."

REASONS: Mapping[type[HominesError], str] = {
    NoAnswers: "No question was answered with one of its options.",
    Separated: "The choices are separated (nearly certain, or too few): they bound the parameters, no more.",
    NotRising: "The choices do not rise with what this preference values, so its parameters have no value.",
    FlatLikelihood: "What was asked cannot tell the parameters apart; it takes more, and more unlike, games.",
    NearIndifference: (
        "All decisions lie so near indifference that slips and a low precision look alike; it takes "
        "decisions in which one option is much better."
    ),
    EqualOptions: "This preference values all options alike in every decision that was asked.",
}
"""Why there is no estimate, by type of failure."""
TOO_FEW = "Too few games or decisions for an interval, so no value is given."
UNBOUNDED = "The choices do not tell it: they bound it on neither side."


def estimates(records: Iterable[Record], preference: Preference | None = None) -> list[Row]:
    """Every parameter of FAMILIES, and the precision, for the records of one model.

    records     answers and recorded beliefs, read as by `homines fit`
    preference  the preference the model was trained to, if any

    A row has
        family, parameter, told (in words), theory (the parameter's value in `preference`, or None)
        value, low, high    maximum likelihood, 95% by profile likelihood; +-inf: the choices set no bound on
                            this side; all None where they set none on either (`numbers`)
        observations        number of answers used; choices: choices in them (legal ones of sampled answers, 1
                            of an exact one); decisions: number of different decisions among them; asked:
                            number of different decisions in all records
        mass                mean legal mass of these choices, None where one is not known; explained: of the
                            way from random choice to the observed shares, how far the family comes;
                            explainable: how far it would come on average if it were true (1 for exact
                            choices); both None where chance alone comes as far as the shares
        uniform, elicited, correct    the value under this belief about the others (belief_sensitivity.py);
                            None where there is none, or beliefs change nothing
        held_out, in_sample, random   mean log-likelihood of a choice, nats: of games left out, of those
                            fitted, of random choice; None where there is no estimate, or one game
        why                 a sentence where there is no value, or where kappa is estimated
                            alone (family moralis), else empty
        scope               what the interval is of; empty where there is no estimate
        rivals              sentences on other families: not told apart, explaining as much, or more
    Decisions at which a family is not defined (kappa needs symmetric games) are left out. Choices of a legal
    mass under LEGAL_MASS are left out where there are others.
    """
    aims = parameters_of(preference)
    records = list(records)
    observations, why = _observations(records)
    known = not any(map(is_normalised, records))
    legal = legal_enough(observations)
    rows: list[Row] = []
    for spec, names in FAMILIES.items():
        of = family(spec)
        choices = where_defined(of, legal)
        estimate, reason = _fit(choices, spec) if observations else (None, why)
        if estimate is None and choices and "kappa" in names:
            estimate, _ = _fit(choices, FALLBACK[0])
            if estimate:
                spec, names = FALLBACK
        others = rivals(choices, spec) if estimate else []
        if spec == FALLBACK[0]:
            reason = _why_alone(others)
        head: Row = {
            "family": spec,
            "observations": len(choices),
            "choices": sum(float(o.counts.sum()) for o in choices),
            "decisions": len({o.decision.key for o in choices}),
            "asked": len({o.decision.key for o in observations}),
            "mass": float(np.mean([o.choice.mass for o in choices])) if choices and known else None,
        }
        head |= {
            "scope": estimate.scope if estimate else "",
            "rivals": rival_sentences(spec, others),
        }
        by_belief = _by_belief(records, choices, spec) if estimate else {}
        head |= _held_out(choices, spec) if estimate else dict.fromkeys(HELD_OUT)
        for name in (*names, *((PRECISION,) if estimate else ())):
            row = head | {
                "parameter": name,
                "told": PARAMETER_WORDS[name],
                "theory": aims.get(spec, {}).get(name),
                **{belief: by_belief.get(belief, {}).get(name) for belief in BELIEFS},
            }
            rows.append(row | _value(estimate, name, reason))
    return rows


def _why_alone(others: Sequence[Rival]) -> str:
    """Why kappa is estimated with beta at 0, and what aversion to inequity would be the same choices."""
    same = [r for r in others if r.standing == "same" and family(r.family).make is Inequity]
    text = "kappa and beta are not told apart here; beta is taken as 0."
    return f"{text} {same[0].spec} gives the same choices." if same else text


def _by_belief(
    records: Sequence[Record], elicited: Sequence[Observation], spec: str
) -> dict[str, Mapping[str, float]]:
    """Values of a family's parameters by belief about the others, without a belief that gives none."""

    def under(belief: Beliefs) -> Sequence[Observation]:
        return where_defined(family(spec), legal_enough(_observations(records, belief)[0]))

    variants = {belief: elicited if belief == "elicited" else under(belief) for belief in BELIEFS}
    return {row.belief: row.values for row in sensitivity(variants, spec)}


def _held_out(choices: Sequence[Observation], spec: str) -> Row:
    h = cross_validate(choices, spec)
    return dict.fromkeys(HELD_OUT) if h is None else {name: getattr(h, name) for name in HELD_OUT}


def where_defined(of: Family, observations: Sequence[Observation]) -> list[Observation]:
    """The observations at whose decisions the family is defined."""
    if not observations:
        return []
    columns = Columns.of(read_for(observations, of))
    defined = np.zeros(len(columns.decisions), dtype=np.bool_)
    for block in columns.decisions.blocks:
        if _defined_at(of, block):
            defined[block.places] = True
        else:
            defined[block.places] = [_defined_at(of, block.only(i)) for i in range(len(block.places))]
    return [o for o, is_defined in zip(observations, defined[columns.at], strict=True) if is_defined]


def _defined_at(of: Family, block: DecisionBlock) -> bool:
    """Whether the family has a value at every decision of a block."""
    try:
        block.columns(of, stated_beliefs)
    except NotDefined:
        return False
    return True


def parameters_of(preference: Preference | None) -> dict[str, dict[str, float]]:
    """By family of FAMILIES and FALLBACK, the parameters that equal this preference; empty where none do.

    >>> parameters_of(Moralis(0.5))
    {'moralis': {'kappa': 0.5}, 'kantian(alpha=0)': {'kappa': 0.5, 'beta': 0.0}}
    """
    match preference:
        case Economicus():
            alpha, beta, kappa = 0.0, 0.0, 0.0
        case Moralis(kappa=kappa):
            alpha, beta = 0.0, 0.0
        case Inequity(alpha=alpha, beta=beta):
            kappa = 0.0
        case CharnessRabin(rho=beta, sigma=sigma):
            alpha, kappa = -sigma, 0.0
        case Kantian(alpha=alpha, beta=beta, kappa=kappa):
            pass
        case _:
            return {}
    out: dict[str, dict[str, float]] = {}
    if alpha == 0 and beta == 0:
        out[FALLBACK[0]] = {"kappa": kappa}
    if alpha == 0:
        out["kantian(alpha=0)"] = {"kappa": kappa, "beta": beta}
    if kappa == 0:
        out["inequity"] = {"alpha": alpha, "beta": beta}
    return out


def _observations(records: Iterable[Record], beliefs: Beliefs = "elicited") -> tuple[list[Observation], str]:
    """Choices as `homines fit` reads them, or none and the reason. Specs that would import a module are left
    out: reading a run runs no code."""
    readable = [r for r in records if not is_foreign(r.frame) and not is_foreign(r.game)]
    if not readable:
        return [], "Nothing was asked that can be read as a choice between payoffs."
    try:
        return from_records(readable, beliefs=beliefs), ""
    except HominesError as failure:
        return [], sentence(failure)


def _fit(observations: Sequence[Observation], spec: str) -> tuple[Estimate | None, str]:
    if not observations:
        return None, (
            "Nothing asked has a value for it: kappa needs a symmetric game, or one asked behind the veil of "
            "ignorance (every point of a sequential game)."
        )
    try:
        return fit(observations, spec), ""
    except HominesError as failure:
        return None, sentence(failure)


def _value(estimate: Estimate | None, name: str, reason: str) -> Row:
    if estimate is None:
        return dict.fromkeys(("value", "low", "high", "explained", "explainable")) | {"why": reason}
    value, _, low, high, why = numbers(estimate, name)
    room = estimate.expected > estimate.null  # else chance alone comes as far
    return {
        "value": value,
        "low": low,
        "high": high,
        "explained": estimate.explained if room else None,
        "explainable": estimate.explainable if room else None,
        "why": " ".join(filter(None, (why, reason))),
    }


def numbers(
    estimate: Estimate, name: str
) -> tuple[float | None, float | None, float | None, float | None, str]:
    """Value, standard error and interval of a parameter, and an empty text; where the choices do not tell the
    parameter, no number and the reason."""
    if ends := estimate.interval(name):
        se = float(estimate.se[estimate.names.index(name)])
        return estimate[name], None if np.isnan(se) else se, *ends, ""
    few = np.isnan(estimate.intervals[estimate.names.index(name)]).any()
    return None, None, None, None, TOO_FEW if few else UNBOUNDED


def sentence(failure: HominesError) -> str:
    """Why there is no estimate, as one plain sentence: that of the failure's type, else its first clause."""
    for kind, reason in REASONS.items():
        if isinstance(failure, kind):
            return reason
    clause = str(failure).partition("; ")[0].partition(". ")[0].rstrip(".")
    return f"{clause[:1].upper()}{clause[1:]}."
