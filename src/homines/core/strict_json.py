"""JSON of strangers: a value of bounded depth whose numbers fit a float, or ValueError."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

DEEPEST = 100
LONGEST = 40
"""Digits of a whole number: a state of a random generator has 39."""


class TooDeep(ValueError):  # noqa: N818
    """JSON that is nested more than DEEPEST deep."""


def loads(data: bytes | str) -> Any:
    """The value of a JSON text.

    Raises ValueError for text that is no JSON or no UTF-8, for a value nested more than DEEPEST deep, for a
    whole number of more than LONGEST digits, and for a number that is no finite float.
    """
    text = data if isinstance(data, str) else data.decode("utf-8")
    try:
        value = _DECODER.decode(text)
    except RecursionError as failure:
        raise _depth_error() from failure
    if text.count("[") + text.count("{") > DEEPEST and _deeper(value):
        raise _depth_error()
    return value


def simplify(value: Any) -> Any:
    """A value that strict JSON can hold: tuples as lists, infinities and NaN as null."""
    if isinstance(value, Mapping):
        return {str(k): simplify(v) for k, v in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [simplify(v) for v in cast(Sequence[Any], value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _deeper(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _depth_error() -> TooDeep:
    return TooDeep(f"it is nested more than {DEEPEST} deep")


def _parse_integer(text: str) -> int:
    if (digits := len(text.removeprefix("-"))) > LONGEST:
        raise ValueError(f"a number of {digits} digits; at most {LONGEST}")
    return int(text)


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _reject_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


_DECODER = json.JSONDecoder(parse_int=_parse_integer, parse_float=_parse_float, parse_constant=_reject_number)
