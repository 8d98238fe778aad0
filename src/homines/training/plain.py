"""Plain instruction rows: everyday requests with the untrained model's own answers, mixed among the rows.

They keep a model as it was where nothing is to change. The requests (plain_prompts.txt) are written for this
package; none is among those that side effects are measured on (elicitation/capability.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from homines.core import paths, strict_json
from homines.core.progress import Follow
from homines.core.types import Prompt
from homines.inference.reasoning import ReasoningOptions, write
from homines.inference.tokens import encode, terminator
from homines.models.hf import HuggingFace
from homines.training.lessons import Lesson, compose

LONGEST = 60
"""Tokens of an answer, at most; a longer one is left out."""
STORE = "plain.jsonl"
"""The answers in the run folder: [request, answer] a line."""


def requests() -> list[str]:
    """The everyday requests, a line each."""
    text = files("homines.training").joinpath("plain_prompts.txt").read_text(encoding="utf-8")
    return text.splitlines()


def plain_lessons(model: HuggingFace, count: int, folder: Path, follow: Follow) -> list[list[Lesson]]:
    """`count` plain rows as lessons, each request in turn; more than there are come again.

    model   as it is before the training; it answers greedily, once a run folder (STORE)
    """
    if not count:
        return []
    pairs = _stored(folder)
    if pairs is None:
        asked = requests()
        prompts = [Prompt((("user", text),), ("x",)) for text in asked]
        follow.say(f"asking {len(asked)} everyday requests, whose answers are trained on too")
        answers = write(model, prompts, ReasoningOptions(most=LONGEST))
        pairs = [(text, said) for text, said in zip(asked, answers, strict=True) if said.strip()]
        lines = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
        folder.mkdir(parents=True, exist_ok=True)
        paths.write_whole(folder, STORE, lines)
    lessons = _lessons(model, pairs)
    return [lessons[i % len(lessons)] for i in range(count)] if lessons else []


def _stored(folder: Path) -> list[tuple[str, str]] | None:
    if not paths.inside(folder, STORE).exists():
        return None
    lines = paths.read(folder, STORE).decode().split("\n")[:-1]
    return [(str(asked), str(said)) for asked, said in map(strict_json.loads, lines)]


def _lessons(model: HuggingFace, pairs: Sequence[tuple[str, str]]) -> list[list[Lesson]]:
    end, gap = terminator(model.tokenizer), "" if model.tokenizer.chat_template else " "
    encoded = encode(model.tokenizer, [Prompt((("user", asked),), ("x",)) for asked, _ in pairs])
    out: list[list[Lesson]] = []
    for item, (_, said) in zip(encoded, pairs, strict=True):
        ids = model.tokenizer(gap + said, add_special_tokens=False).input_ids
        if end not in ids:
            out.append([compose(item.prompt, (), [((*ids, end), 1.0)])])
    return out
