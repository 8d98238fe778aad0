"""What a study leaves off its page: which section, what it lacks, and the command that would give it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from homines.core.format import join

Need = Literal["training", "weights", "reasons", "text", "the full form", "answers"]
NEEDS: Mapping[Need, str] = {
    "training": "agents that are trained here, which takes a model's weights",
    "weights": "a model whose weights are here",
    "reasons": "a model that thinks aloud before it answers",
    "text": "a model that writes text",
    "the full form": "the full form of the study",
    "answers": "legal answers to every question that it reads",
}
EMBEDDED = "smollm2"
"""The model of the commands that give what needs weights, text or reasons."""


class Task(Protocol):
    """What a command is made of; a StudyTask."""

    @property
    def study(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def also(self) -> tuple[str, ...]: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def quick(self) -> bool: ...


@dataclass(frozen=True)
class Omission:
    """A section that is not on the page.

    need   what it lacks, a key of NEEDS
    """

    section: str
    need: Need

    def command(self, task: Task) -> str:
        """The command that would give it; empty where it takes other answers, which no command gives."""
        if self.need == "answers":
            return ""
        here = self.need == "the full form"
        model = task.model if here else EMBEDDED
        beside = task.also if here else (task.model, *task.also)
        others = [m for m in dict.fromkeys(beside) if m != model]
        quick = ["--quick"] if task.quick and not here else []
        seeds = ["--seeds", str(len(task.seeds))] if len(task.seeds) > 1 else []
        also = [word for m in others for word in ("--also", m)]
        return shlex.join(["homines", "study", task.study, "--model", model, *also, *seeds, *quick])

    def to_json(self, task: Task) -> dict[str, Any]:
        return {"section": self.section, "needs": NEEDS[self.need], "command": self.command(task)}


def by_need(omissions: Sequence[Omission], task: Task) -> list[tuple[str, str]]:
    """(sentence, command) for each need: 'Left out: A and B, which need the full form of the study', and what
    would give them; the command is empty where there is none."""
    out: list[tuple[str, str]] = []
    for need, what in NEEDS.items():
        group = [o for o in omissions if o.need == need]
        if group:
            verb = "needs" if len(group) == 1 else "need"
            titles = join([f"\u201c{o.section}\u201d" for o in group])
            out.append((f"Left out: {titles}, which {verb} {what}", group[0].command(task)))
    return out
