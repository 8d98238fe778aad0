"""The verdict of a valuation in sentences: whether there is a scale at all comes first."""

from __future__ import annotations

from homines.core.format import count, join, number
from homines.core.types import LEGAL_MASS
from homines.theory.transitivity import CIRCLES_BY_CHANCE
from homines.transfers.verdict import ends
from homines.valuations.money import BudgetFinding, MoneyFinding
from homines.valuations.scale import BY_PLACE, TELLS, ScaleFinding

MOST_NAMED = 3
OF_UTILITIES = (
    "An interval of a utility (95%) is over pairs: what other pairs of the same outcomes would give, "
    "for this "
    "model in these words. It is as wide as the pairs disagree with the scale: probabilities are "
    "read exactly and "
    "have no sampling error of their own."
)
OF_KINDS = (
    "An interval of a kind's mean is over its outcomes: what other outcomes of that kind would give, "
    "were they "
    "drawn like these. A mean is of these outcomes: a list with larger gifts has a larger one."
)
OF_RATES = (
    "An interval of a slope or rate is over outcomes with a number (jackknife, with all pairs of an "
    "outcome left "
    "out at a time), of rates by the delta method on the logarithm. There is no rate where the "
    "interval of the "
    "slope holds 0, nor beyond ten times the numbers that were asked."
)
OF_MONEY = (
    "An interval of a parameter is over questions: what other questions like these would give "
    "(jackknife). None "
    "is given for a parameter that the questions do not identify."
)


def describe_scale(f: ScaleFinding) -> list[str]:
    """Whether there is a scale of outcomes, and what stands at its ends."""
    model = str(f.found.plan.model)
    beside = f"legal mass {number(f.mass)}, order effect {number(f.order_effect)}"
    beside += "" if f.instability is None else f", instability over labels {number(f.instability)}"
    asked = count(len(f.pairs) + len(f.check), "pair")
    match f.outcome:
        case "no answer":
            why = f.reason if f.mass is not None and f.mass >= LEGAL_MASS else "it rarely answers legally"
            return [f"No scale: {model} gives no answer to speak of ({why}; {beside})."]
        case "by place":
            return [
                f"No scale: {model} answers by the place of an option more than by what it says (the "
                "one that is "
                f"shown first gains {number(f.order_effect)}, {number(BY_PLACE)} or more; {beside})."
            ]
        case "even":
            return [
                f"No scale: {model} has no preference to be seen over {asked}: they lie "
                f"{number(f.decided)} from "
                f"even odds on average ({beside})."
            ]
        case "order":
            return [
                f"An order and no scale: {model} is so certain that {f.reason.removeprefix('the ')} "
                f"({beside}).",
                *_circles(f),
            ]
        case "apart":
            return [f"No scale: {f.reason} ({beside})."]
        case _:
            pass
    outside = f.outside.get("logistic")
    if outside is None:
        head = f"Perhaps a scale: no pair is left to check it by ({asked}; {beside})."
    else:
        told = f"{number(outside.explained)} of the way from even odds to "
        told += f"{count(outside.pairs, 'pair')} outside it"
        agree = (
            ""
            if outside.agreement is None
            else f", the same outcome is likelier in {number(outside.agreement)}"
        )
        word = (
            "Hardly a scale"
            if f.outcome == "poor"
            else "A scale"
            if outside.explained >= TELLS
            else "A rough scale"
        )
        head = f"{word}: utilities of {model} explain {told}{agree} ({asked} asked; {beside})."
    return [head, *_circles(f), *_ends(f), *_kinds(f), *_rates(f)]


def _circles(f: ScaleFinding) -> list[str]:
    t = f.triples
    if (share := t.share("weak")) is None:
        return []
    said = (
        f"{t.weak} of {t.triples} triples go in a circle ({number(share, 3)}; "
        f"{number(CIRCLES_BY_CHANCE)} by coins), "
        f"{number(t.share('strong'))} break strong transitivity."
    )
    return [said]


def _ends(f: ScaleFinding) -> list[str]:
    assert f.scale is not None
    order = sorted(range(len(f.scale.u)), key=lambda k: -f.scale.u[k])  # pyright: ignore[reportOptionalMemberAccess]
    texts = [o.text.rstrip(".") for o in f.found.plan.outcome_list.outcomes]
    many = min(MOST_NAMED, len(order) // 2)
    top, bottom = order[:many], order[::-1][:many]
    return [f"Most valued: {'; '.join(texts[k] for k in top)}. Least: {'; '.join(texts[k] for k in bottom)}."]


def _kinds(f: ScaleFinding) -> list[str]:
    if len(f.kinds) < 2:
        return []
    ranked = sorted(f.kinds, key=lambda row: -row[2])
    return [
        "By kind: "
        f"{join([f'{kind} {number(value)}{ends(*(e or (None, None)))}' for kind, _, value, e in ranked])}."
    ]


def _rates(f: ScaleFinding) -> list[str]:
    if (s := f.slopes) is None:
        return []
    told = [unit for unit in s.units if s.identified(unit)]
    if not told:
        return ["No unit has a slope that its outcomes tell from 0, so there is no exchange rate."]
    return [f"More is worth more, or less, for sure in {len(told)} of {len(s.units)} units: {join(told)}."]


def describe_budgets(f: BudgetFinding) -> list[str]:
    """Whether one monotone utility can explain the choices from budgets."""
    model, (places, _) = str(f.found.plan.model), f.answered
    beside = f"legal mass {number(f.mass)}, order effect {number(f.order_effect)}"
    if len(places) < 2:
        return [f"Budgets: {model} gives no answer to speak of ({beside})."]
    random = f"random choosers reach {number(float(f.random.mean()))} on average"
    by_chance = f"drawn by its probabilities {number(float(f.drawn.mean()))}"
    if f.efficiency is None:
        return [
            f"Budgets: {count(f.tied, 'budget')} of {len(places)} has no likeliest point; CCEI "
            f"{by_chance}, {random} "
            f"({beside})."
        ]
    breach = (
        "no breach of GARP" if not f.broken else f"{count(f.broken, 'pair')} of budgets in breach of GARP"
    )
    said = f"Budgets: {breach} in {model}'s likeliest points, CCEI {number(f.efficiency)}; {by_chance}, "
    said += f"{random} ({beside})."
    weak = (
        "" if f.mass is not None and f.mass >= LEGAL_MASS else " It rarely answers legally: this says little."
    )
    return [said + weak]


def describe_money(findings: list[MoneyFinding]) -> list[str]:
    """What lotteries and delays say: of each, the family that fits best."""
    said: list[str] = []
    for part in dict.fromkeys(f.part for f in findings):
        mine = [f for f in findings if f.part == part]
        fitted = [f for f in mine if f.fit is not None]
        if not fitted:
            said.append(f"{part.capitalize()}: nothing is told ({mine[0].why}).")
            continue
        best = min(fitted, key=lambda f: f.fit.fit.misfit if f.fit else 0.0)
        assert best.fit is not None
        parts = [
            f"{p.name} {number(p.value)}{ends(p.low, p.high)}"
            if p.low is not None
            else f"{p.name} not told ({p.why})"
            for p in best.fit.parameters
        ]
        low = best.fit.fit.explained
        poor = (
            ""
            if low >= TELLS
            else " It explains little of the choices, so read no parameter as a preference."
        )
        said.append(
            f"{part.capitalize()}, {best.family}: {join(parts)}; it explains {number(low)} of the way.{poor}"
        )
    return said
