"""Thinking aloud: reasons are sampled, the answer after each is read exactly, and the readings are averaged.

    P(label) = E over reasons r of P(label | r)   ~   (1 / K) sum_k P(label | r_k)

Every summand is the exact probability of the whole label and the end of turn, so the average is unbiased for
what the model would answer, with less noise than counting K answers: its variance is that of P(label | r)
alone. Reasons that do not reach the cue within their tokens say nothing legal and count with mass 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from homines.core.checks import count, number
from homines.core.types import Array, Choice, HominesError, Prompt, digest, frozen
from homines.inference.tokens import encode, terminator

TOGETHER = 16
"""Greedy reasons generated in one pass."""


@dataclass(frozen=True)
class ReasoningOptions:
    """How a model thinks aloud.

    traces        reasons sampled for each prompt, K
    temperature   of the sampling; 0: the likeliest words, which makes more than one trace the same
    most          tokens of a reason, at most
    seed          of the sampling; each prompt's own draws depend on it and on the prompt alone
    """

    traces: int = 1
    temperature: float = 0.0
    most: int = 192
    seed: int = 0

    def __post_init__(self) -> None:
        count("traces", self.traces)
        count("most", self.most)
        number("temperature", self.temperature, 0)
        if self.temperature == 0 and self.traces > 1:
            raise HominesError(
                f"traces is {self.traces} at temperature 0, where all are the same; give a --temperature"
            )


@dataclass(frozen=True, eq=False)
class Reasoned:
    """What was heard for one prompt.

    reasons   the model's words up to and with the cue; None where it was not reached
    p         P(label | reason), legal or not, [trace, label]; 0 where the cue was not reached
    counted   what counting one drawn answer a reason would have given, [trace] label index or -1 (illegal)
    tokens    tokens generated
    """

    reasons: tuple[str | None, ...]
    p: Array
    counted: tuple[int, ...]
    tokens: int

    @property
    def choice(self) -> Choice:
        """The average; n is the number of reasons."""
        mean = self.p.mean(0)
        mass = float(min(1.0, mean.sum()))
        if mass <= 0:
            flat = np.zeros(len(mean))
            return Choice(Choice.of(flat).logp, 0.0, len(self.p))
        return Choice.at(mean, mass, len(self.p))

    @property
    def spread(self) -> Array:
        """Standard error of the average, [label]."""
        k = len(self.p)
        return frozen(self.p.std(0, ddof=1) / np.sqrt(k) if k > 1 else np.full(self.p.shape[1], np.nan))

    def notes(self) -> dict[str, Any]:
        """What a record keeps of it."""
        return {
            "reasons": list(self.reasons),
            "tokens": self.tokens,
            "spread": [None if x != x else float(x) for x in self.spread],
            "counted": list(self.counted),
        }


def read_reasoned(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[Reasoned]:
    """Let the model think before each prompt's answer, and read that answer after every reason."""
    import torch  # models behind an API think aloud as well, without it

    if how.temperature == 0:
        batches = [prompts[i : i + TOGETHER] for i in range(0, len(prompts), TOGETHER)]
        said = [[one] for some in batches for one in _generate(model, some, how)]
    else:
        said = [_generate(model, [prompt] * how.traces, how) for prompt in prompts]
    flat = [
        (i, k, text) for i, each in enumerate(said) for k, (text, _) in enumerate(each) if text is not None
    ]
    encoded = encode(model.tokenizer, [prompts[i] for i, _, _ in flat], [text for _, _, text in flat])
    for item in encoded:
        model.fits(item)
    with torch.no_grad():
        read = [logp.cpu().double().exp().numpy() for logp in model.logprobs(encoded)]
    p = [np.zeros((len(each), len(prompt.labels))) for each, prompt in zip(said, prompts, strict=True)]
    for (i, k, _), values in zip(flat, read, strict=True):
        p[i][k] = values
    heard: list[Reasoned] = []
    for prompt, each, values in zip(prompts, said, p, strict=True):
        rng = np.random.default_rng(int(digest([prompt.key, how.seed, "count"]), 16))
        drawn = tuple(_drawn(row, rng) for row in values)
        texts = tuple(text for text, _ in each)
        heard.append(Reasoned(texts, frozen(values), drawn, sum(n for _, n in each)))
    return heard


def write(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str]:
    """What the model writes after each prompt, one text each; empty where it had not ended its turn within
    `how.most` tokens, for of a text that was cut nobody knows what it says.

    Sampled at how.temperature (0: the likeliest words); a prompt's text depends on the prompts it is asked
    together with, and on how.seed.
    """
    return [text or "" for text, _ in _generate(model, prompts, how)]


def _drawn(p: Array, rng: np.random.Generator) -> int:
    """An answer drawn from label probabilities that need not sum to 1; -1: none of them."""
    at = float(rng.random())
    total = 0.0
    for i, share in enumerate(p):
        total += float(share)
        if at < total:
            return i
    return -1


def _generate(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[tuple[str | None, int]]:
    """(words up to and with the cue, tokens) for each prompt; None where the cue was not reached. Without a
    cue: all words; None where they were cut."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    tokenizer = model.tokenizer
    rows = [item.prompt for item in encode(tokenizer, prompts)]
    if max(map(len, rows)) + how.most > model.window:
        raise HominesError(
            f"a prompt of {max(map(len, rows))} tokens and {how.most} of thinking do not fit this model's "
            f"context of {model.window}; think less (--think), or choose a model with a longer context"
        )
    width = max(map(len, rows))
    end = terminator(tokenizer)
    ids = torch.full((len(rows), width), end, dtype=torch.long)
    seen = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = torch.tensor(row)
        seen[i, width - len(row) :] = 1
    cues = [prompt.cue for prompt in prompts]
    tail = max(len(tokenizer(cue, add_special_tokens=False).input_ids) for cue in cues) + 4

    class Cue(StoppingCriteria):
        """A row is done once it has said its cue."""

        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            last = tokenizer.batch_decode(input_ids[:, max(width, input_ids.shape[1] - tail) :])
            done = [bool(cue) and cue in text for cue, text in zip(cues, last, strict=True)]
            return torch.tensor(done, device=input_ids.device)

    sampling: dict[str, Any] = {"do_sample": False}
    if how.temperature > 0:
        sampling = {"do_sample": True, "temperature": how.temperature, "top_k": 0, "top_p": 1.0}
    model.net.eval()
    place = model.net.device
    with torch.no_grad(), torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(int(digest([prompts[0].key, how.seed]), 16) % 2**63)
        out = model.net.generate(
            input_ids=ids.to(place),
            attention_mask=seen.to(place),
            max_new_tokens=how.most,
            stopping_criteria=StoppingCriteriaList([Cue()]),
            eos_token_id=end,
            pad_token_id=end,
            **sampling,
        )
    said: list[tuple[str | None, int]] = []
    for row, cue in zip(out[:, width:].tolist(), cues, strict=True):
        own = row[: row.index(end)] if end in row else row
        text = tokenizer.decode(own)
        before, found, _ = text.partition(cue) if cue else (text, end in row, "")
        said.append((before + cue if found else None, len(own)))
    return said
