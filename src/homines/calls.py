"""Calls from Python as text: specs of the objects that are given, and the call itself for a config."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from homines.core.registry import spell, trust
from homines.core.types import Frame, Game, HominesError

Words = str | Sequence[str]
Games = str | Game | Sequence[str | Game]
Frames = str | Frame | Sequence[str | Frame]


def spec_of(folder: str, instance: Any) -> str:
    """The spec of a game, frame, preference or opponent. Raises HominesError where it has none."""
    if isinstance(instance, str):
        return trust(instance)
    if (name := getattr(instance, "spec", None)) is not None:
        return trust(str(name))
    try:
        return spell(instance)
    except HominesError as failure:
        raise HominesError(
            f"{instance!r} has no name that records could tell; make it by hm.{folder}.NAME(...), or give "
            "the text 'module:function(...)' of your own"
        ) from failure


def specs_of(folder: str, instances: Any) -> tuple[str, ...]:
    """The specs of one or several."""
    one = isinstance(instances, str) or not isinstance(instances, Iterable)
    return tuple(spec_of(folder, instance) for instance in ([instances] if one else instances))


def several(words: Words) -> tuple[str, ...]:
    """One text or several as several."""
    return (words,) if isinstance(words, str) else tuple(words)


def call_text(verb: str, *values: Any, **keywords: Any) -> str:
    """The call as text, for the run's config."""
    arguments = [f"{k}={v!r}" for k, v in keywords.items() if v is not None]
    return f"homines.{verb}({', '.join([*map(repr, values), *arguments])})"
