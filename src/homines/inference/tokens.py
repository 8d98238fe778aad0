"""From the text of a prompt and its labels to tokens, by a tokenizer and its chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homines.core.types import HominesError, Prompt

MARK = "\u2042answer\u2042"


@dataclass(frozen=True)
class Encoded:
    """Token ids of a prompt, and of every label with its terminator."""

    prompt: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]


def render(tokenizer: Any, prompt: Prompt, answer: str | None = None) -> str:
    """The text that the network reads before its answer, followed by `answer` if there is one.

    The chat template makes the text. Where it refuses a system turn, that turn becomes the beginning of the
    first user turn. Without a template: the turns as plain text, then "Answer:". Where the prompt begins the
    answer, its words stand at the end of the text, in place of that "Answer:".
    """
    if not tokenizer.chat_template:
        return f"{prompt.text}\n\n{prompt.begins or 'Answer:'}" + ("" if answer is None else f" {answer}")
    turns = [{"role": role, "content": text} for role, text in prompt.messages]
    if answer is not None:
        turns.append({"role": "assistant", "content": f"{prompt.begins} {answer}".lstrip()})
    begun = prompt.begins if answer is None else ""
    # enable_thinking=False: the answer is read at its beginning, where a thinking model would start to think
    more = {"tokenize": False, "add_generation_prompt": answer is None, "enable_thinking": False}
    try:
        return fill(tokenizer, turns, **more) + begun
    except TemplateError:
        if len(turns) < 2 or turns[0]["role"] != "system":
            raise
        return fill(tokenizer, join(turns), **more) + begun


class TemplateError(HominesError):
    """A chat template has no text for these turns."""


def fill(tokenizer: Any, turns: Sequence[dict[str, str]], **more: Any) -> str:
    """The chat template's text of these turns. Raises TemplateError for any failure of the template, which is
    a program of the model's maker."""
    try:
        text = tokenizer.apply_chat_template(turns, **more)
    except HominesError:
        raise
    except Exception as failure:
        raise _refusal(f"{type(failure).__name__}: {str(failure)[:300]}") from failure
    if not isinstance(text, str):
        raise _refusal(f"it gives {type(text).__name__}, no text")
    return text


def _refusal(why: str) -> TemplateError:
    return TemplateError(
        f"the chat template refuses these turns ({why}); mend chat_template in its folder, or take it "
        "out to have the turns read as plain text"
    )


def join(turns: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """These turns, with the system turn as the beginning of the user turn after it."""
    system, first, *rest = turns
    return [{"role": "user", "content": f"{system['content']}\n\n{first['content']}"}, *rest]


def terminator(tokenizer: Any) -> int:
    """The token that ends an answer: the chat template's end of turn, else the end-of-text token."""
    if tokenizer.chat_template:
        text = render(tokenizer, Prompt((("user", "?"),), ("x",)), MARK)
        after = tokenizer(text.partition(MARK)[2], add_special_tokens=False).input_ids
        if after and after[0] in set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder):
            return int(after[0])
    if tokenizer.eos_token_id is None:
        raise HominesError(
            "this tokenizer has neither a chat template with an end of turn nor an end-of-text token, "
            "so no answer ever ends; set eos_token in its tokenizer_config.json"
        )
    return int(tokenizer.eos_token_id)


def encode(tokenizer: Any, prompts: Sequence[Prompt], reasons: Sequence[str] = ()) -> list[Encoded]:
    """Tokens of prompts and labels. reasons: the model's own text between each prompt and its answer.

    The prompt's own tokens never change, as in generation: where the tokenizer would merge the prompt's last
    characters with the label's first, the label is tokenized alone. A label that follows other words of the
    same turn (reasons, a beginning) has a space before it, which belongs to its first token: "Answer:" and
    " A", as models write it, never "Answer: " and "A".
    """
    chat = bool(tokenizer.chat_template)
    gaps = ["" if chat and not reasons and not prompt.begins else " " for prompt in prompts]
    end = terminator(tokenizer)
    special = {end, *tokenizer.all_special_ids}
    texts = [render(tokenizer, prompt) for prompt in prompts]
    if reasons:
        texts = [text + words for text, words in zip(texts, reasons, strict=True)]

    def ids(batch: list[str]) -> list[list[int]]:
        return tokenizer(batch, add_special_tokens=not chat).input_ids if batch else []

    bare = _without_closing(tokenizer, ids(texts), chat)
    whole = _without_closing(
        tokenizer,
        ids([t + gap + label for t, gap, p in zip(texts, gaps, prompts, strict=True) for label in p.labels]),
        chat,
    )
    joint = iter(whole)
    alone: dict[str, tuple[int, ...]] = {}
    out: list[Encoded] = []
    for prompt, gap, start in zip(prompts, gaps, bare, strict=True):
        labels: list[tuple[int, ...]] = []
        for label in prompt.labels:
            full = next(joint)
            if full[: len(start)] == start and len(full) > len(start):
                tail = tuple(full[len(start) :])
            else:
                if gap + label not in alone:
                    alone[gap + label] = _alone(tokenizer, gap + label)
                tail = alone[gap + label]
            if special.intersection(tail):
                raise HominesError(
                    f"label {label!r} holds a special token of this tokenizer; choose plain words"
                )
            labels.append((*tail, end))
        if len(set(labels)) < len(labels):
            raise HominesError(
                f"labels {prompt.labels} become the same tokens; choose labels this tokenizer tells apart"
            )
        out.append(Encoded(tuple(start), tuple(labels)))
    return out


def _without_closing(tokenizer: Any, batch: list[list[int]], chat: bool) -> list[list[int]]:
    """Remove the end-of-text token that some tokenizers append."""
    if chat:
        return batch
    eos = tokenizer.eos_token_id
    return [row[:-1] if row and row[-1] == eos else row for row in batch]


def _alone(tokenizer: Any, text: str) -> tuple[int, ...]:
    """A label's tokens inside a text, without the marker that some tokenizers put before a first word."""
    lead = tokenizer("\n", add_special_tokens=False).input_ids
    both = tokenizer("\n" + text, add_special_tokens=False).input_ids
    if both[: len(lead)] == lead and len(both) > len(lead):
        return tuple(both[len(lead) :])
    return tuple(tokenizer(text, add_special_tokens=False).input_ids)
