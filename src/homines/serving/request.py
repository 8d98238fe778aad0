"""Bodies of requests, of both shapes, as typed questions; a body of another form is refused.

The shapes are those of inference/decision_shapes.py. Three types are answered, named as in
either shape:

    choice               one of 2 to 255 options
    predicate, noul      yes or no
    score                one of 2 to 10 ordered levels, numbered from 0
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from homines.core import strict_json
from homines.view.guard import Refusal

MOST_BYTES = 1 << 18
"""Bytes of a body."""
MOST_QUESTIONS, MOST_OPTIONS, MOST_LEVELS = 64, 255, 10
LONGEST_OPTION = 200
LONGEST_NAME = 200
SHOWN = 60
UNREAD = ("prompt_cache_key", "prompt_cache_options", "safety_identifier")
"""Fields of OpenAI's shape that change no answer: taken and not read."""
ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
TEXT_PARTS = ("input_text", "output_text", "text")


@dataclass(frozen=True)
class Option:
    """An answer that may be given. label: what the model says; value: what the reply calls it; description:
    what stands after the label in the question."""

    label: str
    value: str | bool | int
    description: str = ""


@dataclass(frozen=True)
class TypedQuestion:
    """A question of a request. name: None where it has none; kind: its type, as the request spells it."""

    name: str | None
    kind: str
    instructions: str
    options: tuple[Option, ...]

    @property
    def ordered(self) -> bool:
        """Whether its options have an order of their own."""
        return self.kind == "score"


@dataclass(frozen=True)
class DecisionRequest:
    """What a request asks. model: None where it names none; turns: (role, text)."""

    model: str | None
    turns: tuple[tuple[str, str], ...]
    questions: tuple[TypedQuestion, ...]


def read_object(body: bytes) -> Mapping[str, Any]:
    """The object in a body. Raises Refusal."""
    try:
        value = strict_json.loads(body)
    except ValueError as failure:
        raise Refusal(400, f"the body is no JSON ({str(failure)[:200]}); send one JSON object") from None
    return _object(value, "the body")


def read_decisions(body: Mapping[str, Any]) -> DecisionRequest:
    """A body of POST /v1/decisions. Raises Refusal."""
    _check_fields(body, "the request", ("input", "questions"), ("model", *UNREAD))
    rows = _counted(body["questions"], "questions", list, 1, MOST_QUESTIONS)
    questions = tuple(_decisions_question(row, i) for i, row in enumerate(rows))
    names = [q.name for q in questions if q.name is not None]
    if twice := _twice(names):
        raise Refusal(400, f"two questions are named {_cut(twice)}; give each its own name, or none")
    return DecisionRequest(_model(body), _turns(body["input"]), questions)


def read_systemone(body: Mapping[str, Any]) -> DecisionRequest:
    """A body of POST /v1/systemone. Raises Refusal."""
    _check_fields(body, "the request", ("state", "questions"), ("model",))
    rows = _counted(body["questions"], "questions", dict, 1, MOST_QUESTIONS)
    questions = tuple(_systemone_question(row, name) for name, row in rows.items())
    text = _text(body["state"], "state")
    if not text.strip():
        raise Refusal(400, "state is blank; send what the questions are about")
    return DecisionRequest(_model(body), (("user", text),), questions)


# --- questions -----------------------------------------------------------------------------------


def _decisions_question(row: Any, i: int) -> TypedQuestion:
    where = f"question {i}"
    kind = _object(row, where).get("type")
    own = {"choice": ("choices",), "predicate": (), "score": ("levels",)}
    _check_kind(kind, own, where)
    _check_fields(row, where, ("type", "instructions", *own[str(kind)]), ("name",))
    name = row.get("name")
    if name is not None:
        _check_name(name, where)
    instructions = _parts_text(row["instructions"], f"instructions of {where}")
    options: tuple[Option, ...]
    if kind == "choice":
        items = [_item(each, "value", where) for each in _counted(row["choices"], "choices", list, 2)]
        options = tuple(Option(_label(value), value, text) for value, text in items)
    elif kind == "score":
        levels = [_item(each, "label", where) for each in _counted(row["levels"], "levels", list, 2)]
        options = tuple(
            Option(str(n), n, f"{label} ({text})" if text else _plain(label, f"a level of {where}"))
            for n, (label, text) in enumerate(levels)
        )
    else:
        options = _yes_no(None, where)
    return _checked(TypedQuestion(name, str(kind), instructions, options), where)


def _systemone_question(row: Any, name: str) -> TypedQuestion:
    where = f"question {_cut(name)}"
    _check_name(name, where)
    kind = _object(row, where).get("type")
    _check_kind(kind, ("choice", "noul", "score"), where)
    _check_fields(row, where, ("type",), ("instructions", "criteria"))
    instructions = _text(row.get("instructions"), f"instructions of {where}")
    criteria = row.get("criteria")
    options: tuple[Option, ...]
    if kind == "choice":
        described = _counted(criteria, f"criteria of {where}", dict, 2)
        options = tuple(Option(o, o, _text(text, f"option {_cut(o)}")) for o, text in described.items())
    elif kind == "score":
        levels = _counted(criteria, f"criteria of {where}", list, 2)
        options = tuple(
            Option(str(n), n, _text(level, f"level {n} of {where}")) for n, level in enumerate(levels)
        )
    else:
        options = _yes_no(criteria, where)
        if not instructions.strip() and not any(option.description for option in options):
            raise Refusal(400, f"{where} has neither instructions nor criteria; say what is asked")
    return _checked(TypedQuestion(name, str(kind), instructions, options), where)


def _yes_no(criteria: Any, where: str) -> tuple[Option, ...]:
    told = {} if criteria is None else _object(criteria, f"criteria of {where}")
    _check_fields(told, f"criteria of {where}", (), ("true", "false"))
    yes, no = (_text(told.get(name), f"criteria of {where}") for name in ("true", "false"))
    return Option("yes", True, yes), Option("no", False, no)


def _item(each: Any, name: str, where: str) -> tuple[Any, str]:
    """A choice's value or a level's label, and its description."""
    _check_fields(_object(each, f"an option of {where}"), f"an option of {where}", (name,), ("description",))
    return each[name], _text(each.get("description"), f"a description of {where}")


def _label(value: Any) -> str:
    """What the model says for a value; `true` and `false` for booleans."""
    return str(value).lower() if isinstance(value, bool) else value


def _checked(question: TypedQuestion, where: str) -> TypedQuestion:
    """The question. Raises Refusal for options that cannot be told apart or said, and for too many."""
    options, most = question.options, MOST_LEVELS if question.ordered else MOST_OPTIONS
    if len(options) > most:
        raise Refusal(400, f"{where} has {len(options)} options; at most {most} are read")
    for option in options:
        _check_option(option.label, where)
        if question.ordered and not option.description.strip():
            raise Refusal(400, f"level {option.label} of {where} is blank; describe it")
    if twice := _twice(option.label.casefold() for option in options):
        raise Refusal(400, f"{where} has two equal options, {_cut(twice)}; give each a name of its own")
    return question


def _check_option(label: Any, where: str) -> None:
    if not isinstance(label, str):
        raise Refusal(400, f"{where} has an option {_cut(label)}, which is no text; write it in quotes")
    if not label.strip() or label != label.strip():
        raise Refusal(400, f"{where} has an option {_cut(label)}, blank or with spaces around it; name it")
    if not label.isprintable() or len(label) > LONGEST_OPTION:
        raise Refusal(
            400,
            f"{where} has an option {_cut(label)} with control characters or more than {LONGEST_OPTION} "
            "characters; give it a short name and put the rest in its description",
        )


# --- fields --------------------------------------------------------------------------------------


def _turns(value: Any) -> tuple[tuple[str, str], ...]:
    """The turns of OpenAI's `input`: a text, or messages."""
    if isinstance(value, str):
        turns = [("user", value)]
    else:
        messages = _counted(value, "input", list, 1)
        turns = []
        for i, each in enumerate(messages):
            where = f"message {i} of input"
            message = _object(each, where)
            if message.get("type", "message") != "message" or message.get("role") not in ROLES:
                raise Refusal(
                    400,
                    f"{where} has type {_cut(message.get('type'))} and role {_cut(message.get('role'))}; "
                    f"only messages are read, of {', '.join(ROLES)}: write tool calls as text",
                )
            _check_fields(message, where, ("role", "content"), ("type", "phase"))
            turns.append((ROLES[message["role"]], _parts_text(message["content"], f"content of {where}")))
    if not any(text.strip() for _, text in turns):
        raise Refusal(400, "input is blank; send what the questions are about")
    return tuple(turns)


def _parts_text(value: Any, where: str) -> str:
    """The text of a string, or of a list of parts of text and JSON."""
    if isinstance(value, str):
        return value
    texts: list[str] = []
    for part in _counted(value, where, list, 1):
        kind = _object(part, where).get("type")
        if kind in TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "input_json" and isinstance(part.get("data"), dict | list):
            texts.append(_text(part["data"], where))
        else:
            raise Refusal(400, f"{where} has a part of type {_cut(kind)}; only text and JSON are read")
    return "\n".join(texts)


def _text(value: Any, where: str) -> str:
    """A text; an object or list as compact JSON; empty for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    raise Refusal(400, f"{where} is {_cut(value)}; it must be text, an object or a list")


def _plain(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise Refusal(400, f"{where} is {_cut(value)}, which is no text; write it in quotes")
    return value


def _model(body: Mapping[str, Any]) -> str | None:
    value = body.get("model")
    return None if value is None else _plain(value, "model")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(400, f"{where} is {_cut(value)}; it must be a JSON object")
    return value


def _counted(value: Any, where: str, kind: type, least: int, most: int | None = None) -> Any:
    """A list or object of `least` to `most` items."""
    name = "a list" if kind is list else "an object"
    if not isinstance(value, kind) or not isinstance(value, list | dict):
        raise Refusal(400, f"{where} is {_cut(value)}; it must be {name}")
    if len(value) < least or (most is not None and len(value) > most):
        limits = f"{least} to {most}" if most is not None else f"at least {least}"
        raise Refusal(400, f"{where} has {len(value)} items; {limits} are needed")
    return value


def _check_fields(value: Mapping[str, Any], where: str, needed: Iterable[str], more: Iterable[str]) -> None:
    needed, more = tuple(needed), tuple(more)
    if missing := [name for name in needed if name not in value]:
        raise Refusal(400, f"{where} has no {missing[0]}; it needs {', '.join(needed)}")
    if unknown := [name for name in value if name not in (*needed, *more)]:
        known = ", ".join((*needed, *more)) or "none"
        raise Refusal(
            400, f"{where} has a field {_cut(unknown[0])}, which is not read here; there are {known}"
        )


def _check_kind(kind: Any, kinds: Iterable[str], where: str) -> None:
    if kind not in tuple(kinds):
        raise Refusal(400, f"{where} has type {_cut(kind)}; it must be one of {', '.join(kinds)}")


def _check_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise Refusal(400, f"the name of {where} must be text of 1 to {LONGEST_NAME} characters")


def _twice(values: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
