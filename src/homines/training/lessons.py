"""Lessons of supervised fine-tuning: the tokens of a row, what is to be said after each, and batches of them.

A row's tokens are a tree: the prompt and the reasons, then a branch for each answer. Every branch sees the
stem and itself alone, thus the stem is read once for all answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from homines.core.types import HominesError
from homines.datasets.row import Row
from homines.inference.logits import Forest
from homines.inference.tokens import encode, terminator
from homines.models.hf import HuggingFace

LEAST_WEIGHT = 0.01
"""Answers of less probability are left out of a lesson, unless all are; those of the others then add up to
one."""
WINDOW = 16
"""Batches within which rows are sorted by length."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """The tokens that the network reads, and what it is to say.

    said      (node, token, weight): after this node, this token, with this weight in the loss
    branches  whether some node has two children
    """

    forest: Forest
    said: tuple[tuple[int, int, float], ...]
    branches: bool

    def __len__(self) -> int:
        return len(self.forest.tokens)


def compose(
    prompt: Sequence[int], reasons: Sequence[int], answers: Iterable[tuple[Sequence[int], float]]
) -> Lesson:
    """The lesson of a prompt: the reasons have weight 1, each answer (end of turn included) its own."""
    forest = Forest()
    path = forest.add(-1, (*prompt, *reasons))
    stem = range(len(prompt), len(path))
    said = [(path[i - 1], forest.tokens[path[i]], 1.0) for i in stem]
    branches = 0
    for ids, weight in answers:
        nodes = [path[-1], *forest.add(path[-1], ids[:-1])]
        said += [(node, token, weight) for node, token in zip(nodes, ids, strict=True)]
        branches += 1
    return Lesson(forest, tuple(said), branches > 1)


def lessons_of_rows(model: HuggingFace, rows: Sequence[Row], *, soft: bool = False) -> list[list[Lesson]]:
    """The lessons of each row. soft: the answer is the row's target, not its best answer.

    A row is one lesson; where the network cannot read a tree, one for each answer, of which the first alone
    teaches the reasons. Raises HominesError where a row does not fit the context, and where its answer cannot
    end in this tokenizer.
    """
    end = terminator(model.tokenizer)
    chat = bool(model.tokenizer.chat_template)
    gaps = ["" if chat and not row.prompt.begins else " " for row in rows]
    prompts = [row.prompt for row in rows]
    encoded = encode(model.tokenizer, prompts)
    out: list[list[Lesson]] = []
    for row, item, gap in zip(rows, encoded, gaps, strict=True):
        reasons: list[int] = []
        labels = item.labels
        if row.stem:
            reasons = model.tokenizer(gap + row.stem, add_special_tokens=False).input_ids
            (after,) = encode(model.tokenizer, [row.prompt], [gap + row.stem])
            labels = after.labels
        if end in reasons:
            raise HominesError(
                f"the answer {row.completion[-40:]!r} holds this tokenizer's end of turn, so it could never "
                "end; choose other labels (--labels)"
            )
        weights = weights_of(row) if soft else {row.answer: 1.0}
        answers = [(labels[a], weight) for a, weight in weights.items()]
        if model.share:
            lessons = [compose(item.prompt, reasons, answers)]
        else:
            stem = (*item.prompt, *reasons)
            lessons = [compose(item.prompt, reasons, answers[:1])]
            lessons += [compose(stem, (), [answer]) for answer in answers[1:]]
        longest = len(item.prompt) + len(reasons) + max(len(ids) for ids, _ in answers)
        if longest > model.window:
            raise HominesError(
                f"a row of {longest} tokens does not fit this model's context of {model.window}; use "
                "--no-reasons or a shorter frame"
            )
        out.append(lessons)
    return out


def weights_of(row: Row) -> dict[int, float]:
    """The probability of every answer of a row that is not too rare, adding up to one; of all, if all are."""
    every = {a: float(p) for a, p in enumerate(row.target)}
    kept = {a: p for a, p in every.items() if p >= LEAST_WEIGHT} or every
    total = sum(kept.values())
    return {a: p / total for a, p in kept.items()}


def plan_batches(lengths: Sequence[int], size: int, steps: int, seed: int) -> list[list[int]]:
    """The rows of every step, `size` each: all rows in turn, each pass in an order of its own.

    Rows of like length share a batch, so that little of it is padding: WINDOW batches are sorted together and
    then shuffled. The same seed gives the same batches.
    """
    rng = np.random.default_rng(seed)
    stream: list[int] = []
    while len(stream) < size * steps:
        stream += rng.permutation(len(lengths)).tolist()
    out: list[list[int]] = []
    for at in range(0, size * steps, WINDOW * size):
        window = sorted(stream[at : min(at + WINDOW * size, size * steps)], key=lengths.__getitem__)
        groups = [window[k : k + size] for k in range(0, len(window), size)]
        out += [groups[k] for k in rng.permutation(len(groups))]
    return out


def collate(lessons: Sequence[Lesson], dtype: torch.dtype, *, pad: str) -> dict[str, Any]:
    """A batch of lessons: what the network reads, and where it is to say what.

    pad      the side of padding; on the left, the ends of all lessons stand together, and few columns are
             trained on
    columns  columns whose logits are needed; said [row, its index in columns], token and weight
    """
    width = max(map(len, lessons))
    starts = [width - len(lesson) if pad == "left" else 0 for lesson in lessons]
    ids = torch.zeros(len(lessons), width, dtype=torch.long)
    positions = torch.zeros(len(lessons), width, dtype=torch.long)
    read = torch.zeros(len(lessons), width, dtype=torch.long)
    for row, (lesson, start) in enumerate(zip(lessons, starts, strict=True)):
        here = slice(start, start + len(lesson))
        ids[row, here] = torch.tensor(lesson.forest.tokens)
        positions[row, here] = torch.tensor(lesson.forest.depths)
        read[row, here] = 1
    mask = read
    if any(lesson.branches for lesson in lessons):
        sees = torch.eye(width, dtype=torch.bool).repeat(len(lessons), 1, 1)  # padding sees itself
        for row, (lesson, start) in enumerate(zip(lessons, starts, strict=True)):
            here = slice(start, start + len(lesson))
            sees[row, here, here] = lesson.forest.sees()
        mask = torch.zeros(sees.shape, dtype=dtype).masked_fill_(~sees, torch.finfo(dtype).min)[:, None]
    said = [
        (row, start + node, token, weight)
        for row, (lesson, start) in enumerate(zip(lessons, starts, strict=True))
        for node, token, weight in lesson.said
    ]
    columns = sorted({column for _, column, _, _ in said})
    index = {column: i for i, column in enumerate(columns)}
    return {
        "inputs": {
            "input_ids": ids,
            "attention_mask": mask,
            **({"position_ids": positions} if pad == "left" else {}),
        },
        "columns": torch.tensor(columns),
        "rows": torch.tensor([row for row, _, _, _ in said]),
        "at": torch.tensor([index[column] for _, column, _, _ in said]),
        "tokens": torch.tensor([token for _, _, token, _ in said]),
        "weights": torch.tensor([weight for _, _, _, weight in said], dtype=torch.float32),
    }
