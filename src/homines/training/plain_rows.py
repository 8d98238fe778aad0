"""Plain instruction rows: everyday requests with a model's own answers, a training that teaches nothing else.

The requests (plain_prompts.txt) are written for this package; none is among those that side effects are
measured on (elicitation/capability.py).
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from homines.core import paths, strict_json
from homines.core.progress import Follow
from homines.core.run_folder import RunFolder
from homines.core.types import Decision, Prompt, frozen
from homines.datasets.row import Row
from homines.inference.reasoning import ReasoningOptions
from homines.models.hf import HuggingFace

LONGEST = 60
"""Tokens of an answer, at most; a longer one is left out."""
STORE = "plain.jsonl"
"""The answers in a run folder: [request, answer] a line."""


def requests() -> list[str]:
    """The everyday requests, a line each."""
    text = files("homines.training").joinpath("plain_prompts.txt").read_text(encoding="utf-8")
    return text.splitlines()


def ask_plain(model: HuggingFace, run: RunFolder, follow: Follow) -> None:
    """Store a model's greedy answers to the requests in a run folder, where it has none yet."""
    if paths.inside(run.folder, STORE).exists():
        return
    asked = requests()
    follow.say(f"asking {model.name} {len(asked)} everyday requests, whose answers are trained on")
    prompts = [Prompt((("user", text),), ("x",)) for text in asked]
    answers = model.write(prompts, ReasoningOptions(most=LONGEST))
    pairs = [(text, said.strip()) for text, said in zip(asked, answers, strict=True) if said.strip()]
    lines = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    paths.write_whole(run.folder, STORE, lines)


def plain_rows(run: RunFolder, count: int) -> list[Row]:
    """`count` rows of the answers in a run folder, each request in turn; more than there are come again."""
    lines = paths.read(run.folder, STORE).decode().split("\n")[:-1]
    pairs = [strict_json.loads(line) for line in lines]
    rows = [_row(str(asked), str(said)) for asked, said in pairs]
    return [rows[i % len(rows)] for i in range(count)] if rows else []


def _row(asked: str, said: str) -> Row:
    """A request as a decision with one action, which is to say this."""
    prompt: Any = Prompt((("user", asked),), (said,))
    only = Decision(("say",), frozen([[0.0]]))
    return Row("plain", only, "plain", ((0,),), prompt, 0, frozen([1.0]), said)
