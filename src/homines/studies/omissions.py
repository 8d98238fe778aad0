"""What a study leaves off its page: which section, what it lacks, and the command that would give it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from homines.core.format import join
from homines.studies import default_folder

Need = Literal[
    "training",
    "weights",
    "reasons",
    "text",
    "another part",
    "the ends",
    "persist",
    "the full form",
    "answers",
]
NEEDS: Mapping[Need, str] = {
    "training": "agents that are trained here, which takes a model's weights",
    "weights": "a model whose weights are here",
    "reasons": "a model that thinks aloud before it answers",
    "text": "a model that writes text",
    "another part": "a part of the study that was not asked",
    "the ends": "the agents of --only full",
    "persist": "agents that are trained here; of the model as it is this command tells as much",
    "the full form": "the full form of the study",
    "answers": "legal answers to every question that it reads",
}
HERE: tuple[Need, ...] = ("another part", "the ends", "the full form")
"""Needs that the same model fulfils."""
EMBEDDED = "smollm2"
"""The model of the commands that give what needs weights, text or reasons."""


class Task(Protocol):
    """What a command is made of; a StudyTask."""

    @property
    def study(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def quick(self) -> bool: ...
    @property
    def device(self) -> str | None: ...
    @property
    def dtype(self) -> str | None: ...
    @property
    def also(self) -> tuple[str, ...]: ...
    @property
    def rivals(self) -> tuple[str, ...]: ...
    @property
    def humans(self) -> Path | None: ...
    @property
    def periods(self) -> int | None: ...
    @property
    def only(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Omission:
    """A section that is not on the page.

    need    what it lacks, a key of NEEDS
    parts   parts of the study that give it (--only); empty: every call carries them out
    """

    section: str
    need: Need
    parts: tuple[str, ...] = ()

    @property
    def lack(self) -> str:
        """What it lacks, in words."""
        only = " ".join(f"--only {part}" for part in self.parts)
        return f"{NEEDS[self.need]}: {only}" if self.need == "another part" else NEEDS[self.need]

    def command(self, task: Task) -> str:
        """The command that would give it, with all options of this run; empty where it takes other answers,
        which no command gives. Another model or form takes a folder of its own."""
        if self.need == "answers":
            return ""
        if self.need == "persist":
            placed = [w for n in ("device", "dtype") if (v := getattr(task, n)) for w in (f"--{n}", str(v))]
            return shlex.join(["homines", "persist", task.model, *placed])
        here = self.need in HERE
        model = task.model if here else EMBEDDED
        beside = task.also if here else (task.model, *task.also)
        quick = task.quick and self.need != "the full form"
        more = self.parts if task.only or self.need == "another part" else ()
        before = () if self.need in ("another part", "the ends") else task.only
        usual = import_module(f"homines.studies.{task.study}.study").SEEDS
        options = {
            "model": model,
            "also": tuple(m for m in dict.fromkeys(beside) if m != model),
            "rival": task.rivals,
            "humans": task.humans,
            "periods": task.periods,
            "only": tuple(dict.fromkeys((*before, *more))),
            "seeds": len(task.seeds) if len(task.seeds) != usual else None,
            "device": task.device,
            "dtype": task.dtype,
            "out": self._folder(task, model, quick),
        }
        words = [
            word
            for name, value in options.items()
            for single in (value if isinstance(value, tuple) else (value,))
            if single is not None
            for word in (f"--{name}", str(single))
        ]
        return shlex.join(["homines", "study", task.study, *words, *["--quick"] * quick])

    def _folder(self, task: Task, model: str, quick: bool) -> Path | None:
        """The --out of the command; None for the study's default. A run folder is of one model and form."""
        same = model == task.model
        if same and task.folder == default_folder(task.study, task.quick):
            return None
        if same and quick == task.quick:
            return task.folder
        return task.folder.with_name(f"{task.folder.name}-{'full' if same else model}")

    def to_json(self, task: Task) -> dict[str, Any]:
        return {"section": self.section, "needs": self.lack, "command": self.command(task)}


def by_need(omissions: Sequence[Omission], task: Task) -> list[tuple[str, str]]:
    """(sentence, command) for each need: 'Left out: A and B, which need the full form of the study', and what
    would give them; the command is empty where there is none."""
    groups: dict[tuple[str, str], list[str]] = {}
    for o in sorted(omissions, key=lambda o: list(NEEDS).index(o.need)):
        groups.setdefault((o.lack, o.command(task)), []).append(f"\u201c{o.section}\u201d")
    return [
        (f"Left out: {join(titles)}, which {'needs' if len(titles) == 1 else 'need'} {lack}", command)
        for (lack, command), titles in groups.items()
    ]
