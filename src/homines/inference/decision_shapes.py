"""Two public shapes of services that answer typed questions with a probability for every option.

decisions   POST /v1/decisions: OpenAI's Decisions API (openai-python 3.54, types/decision.py and
            types/decision_create_params.py; LiteLLM serves it too)
systemone   POST /v1/systemone: the System One API of TypeSafe (docs of vLLM 0.32, "Structured Decisions", of
            LiteLLM, "/v1/decisions and /v1/systemone", and of SGLang, "Decision models", which serve it too)

Only choice questions are sent. Probabilities are normalised over the options by the service. Its legal mass
is read where the reply has it: `x_label_mass` of an answer (SGLang, homines serve), `diagnostics` (vLLM).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from homines.core.types import Array, HominesError, frozen

ROUNDING = 0.005
"""Of a probability with two decimals, at most: services round."""
LOOSEST = 0.05
"""Distance of a sum of probabilities from 1, at most, however many options there are."""
SHOWN = 80
MASS = "x_label_mass"
"""Field of an answer with the legal mass, as SGLang names it."""
REMEDY = "so this counts as no answer; ask the service's provider"


class WrongReply(HominesError):  # noqa: N818
    """A reply that holds no distribution over the options of its question."""


@dataclass(frozen=True)
class OptionQuestion:
    """One choice question: its name in the request, its words, its options in the order in which they are
    listed."""

    name: str
    instructions: str
    options: tuple[str, ...]


class OptionAnswer(NamedTuple):
    """p: probabilities by option, which sum to 1. mass: legal mass; None where the service tells none."""

    p: Array
    mass: float | None


class DecisionsShape:
    """OpenAI's Decisions API: `input` and a list of questions; a list of answers in their order."""

    path = "/v1/decisions"

    def request(
        self, model: str, turns: Sequence[tuple[str, str]], questions: Sequence[OptionQuestion]
    ) -> dict[str, Any]:
        """The body of a request. One turn of the user is its text; several are messages."""
        if [role for role, _ in turns] == ["user"]:
            content: Any = turns[0][1]
        else:
            content = [{"type": "message", "role": role, "content": text} for role, text in turns]
        asked = [
            {
                "type": "choice",
                "name": q.name,
                "instructions": q.instructions,
                "choices": [{"value": option} for option in q.options],
            }
            for q in questions
        ]
        return {"model": model, "input": content, "questions": asked}

    def answers(self, reply: Any, questions: Sequence[OptionQuestion]) -> list[OptionAnswer]:
        """The answers of a reply, one a question. Raises WrongReply."""
        rows = _field(reply, "answers", list)
        if len(rows) != len(questions):
            raise WrongReply(f"the reply has {len(rows)} answers to {len(questions)} questions, {REMEDY}")
        out: list[OptionAnswer] = []
        for row, question in zip(rows, questions, strict=True):
            _check_kind(row, question)
            if row.get("name") != question.name:
                raise WrongReply(
                    f"the answer in the place of {question.name!r} is named {_cut(row.get('name'))}, {REMEDY}"
                )
            pairs = [
                (_field(each, "value", object), each.get("probability"))
                for each in _field(row, "probabilities", list)
            ]
            out.append(OptionAnswer(distribution(question, pairs), _mass(row.get(MASS))))
        return out


class SystemOneShape:
    """The System One API: `state` and a map of questions; a map of answers by their names."""

    path = "/v1/systemone"

    def request(
        self, model: str, turns: Sequence[tuple[str, str]], questions: Sequence[OptionQuestion]
    ) -> dict[str, Any]:
        """The body of a request. One turn of the user is its text; several are a list of role and content."""
        if [role for role, _ in turns] == ["user"]:
            state: Any = turns[0][1]
        else:
            state = [{"role": role, "content": text} for role, text in turns]
        asked = {
            q.name: {
                "type": "choice",
                "instructions": q.instructions,
                "criteria": dict.fromkeys(q.options),
            }
            for q in questions
        }
        return {"model": model, "state": state, "questions": asked}

    def answers(self, reply: Any, questions: Sequence[OptionQuestion]) -> list[OptionAnswer]:
        """The answers of a reply, one a question. Raises WrongReply."""
        rows = _field(reply, "answers", dict)
        beside = reply.get("diagnostics")
        out: list[OptionAnswer] = []
        for question in questions:
            if question.name not in rows:
                raise WrongReply(f"the reply has no answer to {question.name!r}, {REMEDY}")
            row = rows[question.name]
            _check_kind(row, question)
            told = row.get(MASS)
            own = beside.get(question.name) if isinstance(beside, dict) else None
            if told is None and isinstance(own, dict):
                told = own.get("label_mass")
            pairs = list(_field(row, "probabilities", dict).items())
            out.append(OptionAnswer(distribution(question, pairs), _mass(told)))
        return out


SHAPES: Mapping[str, DecisionsShape | SystemOneShape] = {
    "decisions": DecisionsShape(),
    "systemone": SystemOneShape(),
}


def distribution(question: OptionQuestion, pairs: Sequence[tuple[Any, Any]]) -> Array:
    """Probabilities by option, in the question's order; they sum to 1.

    pairs   (option, probability) as a reply has them

    Raises WrongReply where an option is missing, is listed twice or is not one of the question's, where a
    probability is no number in [0, 1], and where they sum to 1 within no rounding (.005 an option, .05 at
    most).
    """
    given: dict[str, float] = {}
    for option, p in pairs:
        if not isinstance(option, str) or option not in question.options:
            raise WrongReply(
                f"the reply has an option {_cut(option)}, which was not asked; there are "
                f"{_cut(', '.join(question.options))}; {REMEDY}"
            )
        if option in given:
            raise WrongReply(f"the reply has the option {_cut(option)} twice, {REMEDY}")
        if not _is_share(p):
            raise WrongReply(f"the probability of {_cut(option)} is {_cut(p)}, no number in [0, 1], {REMEDY}")
        given[option] = float(p)
    if missing := [option for option in question.options if option not in given]:
        raise WrongReply(f"the reply has no probability of {_cut(', '.join(missing))}, {REMEDY}")
    p = np.array([given[option] for option in question.options])
    total, room = float(p.sum()), min(LOOSEST, ROUNDING * len(p)) + 1e-6
    if abs(total - 1) > room:
        raise WrongReply(
            f"the probabilities of {len(p)} options sum to {total:.4g}, not to 1 within {room:.2g}, {REMEDY}"
        )
    return frozen(p / total)


def usage(reply: Any) -> Any:
    """Tokens of a reply, as a meter takes them: input_tokens, output_tokens, total_tokens; None for each that
    the reply has not."""
    told = reply.get("usage") if isinstance(reply, dict) else None
    told = told if isinstance(told, dict) else {}
    return SimpleNamespace(
        **{name: told.get(name) for name in ("input_tokens", "output_tokens", "total_tokens")}
    )


def _is_share(x: Any) -> bool:
    """Whether a value of a reply is a number in [0, 1], but for the rounding of floats."""
    number = isinstance(x, float | int) and not isinstance(x, bool)
    return number and math.isfinite(x) and -1e-9 <= x <= 1 + 1e-6


def _mass(told: Any) -> float | None:
    if told is None:
        return None
    if not _is_share(told):
        raise WrongReply(f"the reply's label mass is {_cut(told)}, no number in [0, 1], {REMEDY}")
    return min(1.0, max(0.0, float(told)))


def _check_kind(row: Any, question: OptionQuestion) -> None:
    """Raise WrongReply for an answer that is no choice's."""
    kind = _field(row, "type", str)
    if kind == "refusal":
        raise WrongReply(f"the service declined to answer {question.name!r}; ask it in other words (--frame)")
    if kind != "choice":
        raise WrongReply(
            f"the answer to the choice question {question.name!r} is of type {_cut(kind)}, {REMEDY}"
        )


def _field(value: Any, name: str, kind: type) -> Any:
    """A field of a reply's object. Raises WrongReply where there is none of this type."""
    if not isinstance(value, dict) or name not in value or not isinstance(value[name], kind):
        raise WrongReply(f"the reply has no {name} where one belongs ({_cut(value)}), {REMEDY}")
    return value[name]


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
