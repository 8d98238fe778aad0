"""Replies of both shapes. What neither shape has begins with `x_`, or stands in the field `homines`.

    x_label_mass     legal mass, by the name that SGLang gives it
    x_order_spread   largest difference of an option's probability between two orders; null with one order
    x_orders         how many orders were asked
    confidence       probability of the chosen option over all the model may say: p times legal mass, as vLLM
                     defines it; other services have other formulas, so thresholds do not carry over

A question without any legal answer is declined: `refusal` in OpenAI's shape. System One has no such type, and
the request is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from homines.serving.reading import Reading
from homines.serving.request import DecisionRequest, TypedQuestion
from homines.view.guard import Refusal


def decisions_reply(
    request: DecisionRequest, readings: Sequence[Reading], identity: Mapping[str, Any], tokens: int
) -> dict[str, Any]:
    """The reply to POST /v1/decisions. tokens: read; 0 where the model does not count."""
    answers = [_decisions_answer(q, r) for q, r in zip(request.questions, readings, strict=True)]
    usage = {
        "input_tokens": tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens,
    }
    return {"model": identity["model"], "answers": answers, "usage": usage, "homines": dict(identity)}


def systemone_reply(
    request: DecisionRequest, readings: Sequence[Reading], identity: Mapping[str, Any], tokens: int
) -> dict[str, Any]:
    """The reply to POST /v1/systemone. Raises Refusal where a question has no legal answer."""
    answers = {str(q.name): _systemone_answer(q, r) for q, r in zip(request.questions, readings, strict=True)}
    usage = {"input_tokens": tokens, "output_tokens": 0}
    return {"model": identity["model"], "answers": answers, "usage": usage, "homines": dict(identity)}


def _decisions_answer(question: TypedQuestion, r: Reading) -> dict[str, Any]:
    head = {"type": question.kind, "name": question.name}
    if r.p is None:
        return {**head, "type": "refusal", **_worth(r)}
    if question.kind == "predicate":
        return {**head, "probability": float(r.p[0]), **_worth(r)}
    rows = [
        {"value": option.value, **({"label": option.description} if question.ordered else {})}
        | {"probability": float(x)}
        for option, x in zip(question.options, r.p, strict=True)
    ]
    return {**head, **_found(question, r), "probabilities": rows, **_worth(r)}


def _systemone_answer(question: TypedQuestion, r: Reading) -> dict[str, Any]:
    if r.p is None:
        raise Refusal(422, f"the model gives no legal answer to {question.name!r}; name other options")
    p = {option.label: float(x) for option, x in zip(question.options, r.p, strict=True)}
    head: dict[str, Any] = {"type": question.kind}
    if question.kind == "noul":
        head |= {"noul": p["yes"], "confidence": _confidence(r)}
    else:
        head |= _found(question, r)
    if question.ordered:
        head["legend"] = {option.label: option.description for option in question.options}
    return {**head, "probabilities": p, **_worth(r)}


def _found(question: TypedQuestion, r: Reading) -> dict[str, Any]:
    """The likeliest option, or the mean level; with its confidence."""
    assert r.p is not None
    confidence = {"confidence": _confidence(r)}
    if question.ordered:
        return {"score": float(np.arange(len(r.p)) @ r.p), **confidence}
    return {"choice": question.options[int(r.p.argmax())].value, **confidence}


def _confidence(r: Reading) -> float:
    assert r.p is not None
    return float(r.p.max()) * r.mass


def _worth(r: Reading) -> dict[str, Any]:
    return {"x_label_mass": r.mass, "x_order_spread": r.spread, "x_orders": r.orders}
