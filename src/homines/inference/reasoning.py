"""Thinking aloud: sample reasons, read the answer after each exactly, and average the readings.

    P(label) = E over reasons r of P(label | r)   ~   (1 / K) sum_k P(label | r_k)

Every summand is the exact probability of the whole label and the end of turn. The average is unbiased for the
model's answer, and less noisy than K counted answers: its variance is that of P(label | r) alone. Reasons
that do not reach the cue within their tokens count as illegal answers (mass 0).
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

    traces        sampled reasons per prompt, K
    temperature   of the sampling; 0: the likeliest words, where all traces are equal
    most          tokens of a reason, at most
    seed          of the sampling; the draws of a prompt depend on the seed and the prompt alone
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
    """The reasons of one prompt and the answers after them.

    reasons   the model's text up to the end of the cue; None where it does not reach the cue
    p         P(label | reason), unconditional on legality, [trace, label]; 0 where there is no cue
    counted   one answer drawn after each reason, [trace]: a label's index, or -1 (illegal)
    tokens    number of generated tokens
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
        """The part that a record keeps."""
        return {
            "reasons": list(self.reasons),
            "tokens": self.tokens,
            "spread": [None if x != x else float(x) for x in self.spread],
            "counted": list(self.counted),
        }


def read_reasoned(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[Reasoned]:
    """Sample reasons for each prompt, and read the answer after every reason."""
    import torch  # models behind an API use this module without torch

    if how.temperature == 0:
        batches = [prompts[i : i + TOGETHER] for i in range(0, len(prompts), TOGETHER)]
        traces = [[trace] for batch in batches for trace in _generate(model, batch, how)]
    else:
        traces = [_generate(model, [prompt] * how.traces, how) for prompt in prompts]
    flat = [
        (i, k, text) for i, each in enumerate(traces) for k, (text, _) in enumerate(each) if text is not None
    ]
    encoded = encode(model.tokenizer, [prompts[i] for i, _, _ in flat], [text for _, _, text in flat])
    for item in encoded:
        model.fits(item)
    with torch.no_grad():
        read = [logp.cpu().double().exp().numpy() for logp in model.logprobs(encoded)]
    p = [np.zeros((len(each), len(prompt.labels))) for each, prompt in zip(traces, prompts, strict=True)]
    for (i, k, _), values in zip(flat, read, strict=True):
        p[i][k] = values
    out: list[Reasoned] = []
    for prompt, each, values in zip(prompts, traces, p, strict=True):
        rng = np.random.default_rng(int(digest([prompt.key, how.seed, "count"]), 16))
        drawn = tuple(_drawn(row, rng) for row in values)
        texts = tuple(text for text, _ in each)
        out.append(Reasoned(texts, frozen(values), drawn, sum(n for _, n in each)))
    return out


def write(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str]:
    """The model's text after each prompt; empty where its turn does not end within `how.most` tokens, since
    the meaning of a cut text is unknown.

    Sampled at how.temperature (0: the likeliest words). A text depends on how.seed and on all prompts of the
    call.
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
    """(text up to the end of the cue, number of tokens) for each prompt; None where the text has no cue. For
    a prompt without a cue: the whole text; None where it was cut."""
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
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = torch.tensor(row)
        mask[i, width - len(row) :] = 1
    cues = [prompt.cue for prompt in prompts]
    tail = max(len(tokenizer(cue, add_special_tokens=False).input_ids) for cue in cues) + 4

    class Cue(StoppingCriteria):
        """A row is done once its text has the cue."""

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
            attention_mask=mask.to(place),
            max_new_tokens=how.most,
            stopping_criteria=StoppingCriteriaList([Cue()]),
            eos_token_id=end,
            pad_token_id=end,
            **sampling,
        )
    traces: list[tuple[str | None, int]] = []
    for row, cue in zip(out[:, width:].tolist(), cues, strict=True):
        own = row[: row.index(end)] if end in row else row
        text = tokenizer.decode(own)
        before, cue_met, _ = text.partition(cue) if cue else (text, end in row, "")
        traces.append((before + cue if cue_met else None, len(own)))
    return traces
