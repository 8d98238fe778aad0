"""Prompts as lines of JSON under their key, a hash of what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from homines.core.types import Prompt


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """A prompt as a JSON value, with its key; `prompt_from_json` reads it back."""
    more = {name: text for name in ("cue", "begins") if (text := getattr(prompt, name))}
    return {"key": prompt.key, "messages": prompt.messages, "labels": prompt.labels, **more}


def prompt_from_json(raw: object) -> Prompt | None:
    """The inverse of `prompt_to_json`; None where the value is no prompt. Its key is computed anew."""
    if not isinstance(raw, Mapping):
        return None
    row = cast("Mapping[str, Any]", raw)
    try:
        turns = tuple((role, text) for role, text in row["messages"])
        prompt = Prompt(turns, tuple(row["labels"]), row.get("cue", ""), row.get("begins", ""))
        words = [*prompt.labels, prompt.cue, prompt.begins, *(word for turn in turns for word in turn)]
        whole = all(isinstance(word, str) for word in words)  # pyright: ignore[reportUnnecessaryIsInstance]
        return prompt if whole else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
