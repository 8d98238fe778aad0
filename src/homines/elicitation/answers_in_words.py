"""Answers in words over records: how they were read, what was illegal, and what to do where none is legal.

The readings are those of inference/answer_reader.py, which records keep (`sampled_answers.reading_notes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from homines.core.types import Record
from homines.inference.answer_reader import ILLEGAL, LEGAL, TRUNCATED
from homines.inference.sampled_answers import pool_notes, sound_notes

MOST_TEXTS = 10
"""Different illegal texts that are shown of a run, the most frequent ones."""


@dataclass(frozen=True)
class AnswersInWords:
    """How the answers of some records were read.

    read     number of answers by reading (LEGAL and ILLEGAL)
    illegal  the most frequent illegal texts, with how often each was recorded
    """

    read: dict[str, int]
    illegal: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.read.values())

    @property
    def legal(self) -> int:
        return sum(self.read.get(how, 0) for how in LEGAL)

    def row(self) -> dict[str, Any]:
        """A row of a table: the number of answers, then of each reading."""
        return {"answers": self.total, **{how: self.read.get(how, 0) for how in (*LEGAL, *ILLEGAL)}}

    def sentence(self) -> str:
        """'40 answers in words: 30 exact, 8 sentence; illegal: 2 none'."""
        parts = [
            ", ".join(f"{n} {how}" for how in group if (n := self.read.get(how)))
            for group in (LEGAL, ILLEGAL)
        ]
        return f"{self.total} answers in words: {parts[0] or 'none legal'}; illegal: {parts[1] or 'none'}"


def answers_in_words(records: Iterable[Record], most: int = MOST_TEXTS) -> AnswersInWords | None:
    """How the answers of these records were read; None where none was a text, or none says how (records of
    earlier versions)."""
    notes = [sound for r in records if r.choice is not None and (sound := sound_notes(r.provenance))["read"]]
    return AnswersInWords(**pool_notes(notes, most)) if notes else None


def none_legal(records: Sequence[Record]) -> bool:
    """Whether questions were answered, and no answer has any legal mass: a result, and no lack of answers."""
    masses = [r.choice.mass for r in records if r.choice is not None]
    return bool(masses) and not any(masses)


def remedies(records: Sequence[Record]) -> list[str]:
    """What to try where no answer is legal, a sentence each."""
    words = answers_in_words(records)
    labels = ", ".join(dict.fromkeys(label for r in records for label in r.labels)) if records else ""
    out = ["Ask with labels that it uses, by --labels, or in other words, by --frame; see what it said."]
    if len(labels) <= 60:
        out[0] += f" It was asked for {labels}."
    if any(r.asks == "aloud" for r in records):
        out.append("Give it more room to think: raise --think.")
    elif words is None:
        out.append("Let it think before it answers: --frame 'table(asks=aloud)'.")
    elif words.read.get(TRUNCATED):
        out.append(
            f"{words.read[TRUNCATED]} of {words.total} answers were cut: give it room, as MODEL(tokens=2000)."
        )
    return out
