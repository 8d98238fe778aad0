"""Conditions: what stands before a question, such as a conversation or a persona; an entry each in
conditions.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from homines.core.checks import one_of
from homines.core.types import Prompt

PLAIN = ""
"""The name of no condition: nothing stands before the question."""


@dataclass(frozen=True)
class Condition:
    """What stands before a question.

    title    in a table
    system   a system prompt; a question's own comes after it
    turns    (user, assistant) of a conversation before the question
    text     at the beginning of the first turn of the question
    """

    name: str
    title: str
    system: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    text: str = ""

    def __call__(self, prompt: Prompt) -> Prompt:
        """The prompt under this condition; labels, cue and beginning of the answer stay."""
        own = [text for role, text in prompt.messages if role == "system"]
        system = "\n".join(filter(None, [self.system, *own]))
        said = [message for turn in self.turns for message in zip(("user", "assistant"), turn, strict=True)]
        (role, first), *rest = (message for message in prompt.messages if message[0] != "system")
        question = [(role, f"{self.text}\n\n{first}" if self.text else first), *rest]
        head = [("system", system)] if system else []
        return replace(prompt, messages=(*head, *said, *question))


@cache
def conditions() -> dict[str, Condition]:
    """Every condition by its name, in the order of the file."""
    text = files("homines.elicitation").joinpath("conditions.toml").read_text(encoding="utf-8")
    return {entry["name"]: _condition(**entry) for entry in tomllib.loads(text)["condition"]}


def _condition(name: str, title: str, system: str = "", text: str = "", turns: list[list[str]] | None = None):
    return Condition(name, title, system, tuple((user, reply) for user, reply in turns or ()), text.strip())


def condition(name: str) -> Condition:
    """The condition of this name; of PLAIN, one that puts nothing before. Raises HominesError for another."""
    if name == PLAIN:
        return Condition(PLAIN, "plain")
    one_of("condition", name, tuple(conditions()))
    return conditions()[name]
