"""Thinking aloud: sample reasons, read the answer after each exactly, and average the readings.

    P(label) = E over reasons r of P(label | r)   ~   (1 / K) sum_k P(label | r_k)

Every summand is the exact probability of the whole label and the end of turn. The average is unbiased for the
model's answer, and less noisy than K counted answers: its variance is that of P(label | r) alone. Reasons
that do not reach the cue within their tokens count as illegal answers (mass 0).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from homines.core.checks import count, number
from homines.core.types import Array, Choice, HominesError, Prompt, digest, frozen
from homines.inference.tokens import Encoded, encode, terminator

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
    sampler   how they were drawn: 1 by transformers' generate, from one source of numbers for all traces of
              a prompt; 2 from a source of its own for each trace (since 2026-11-28). 0: by a server
    """

    reasons: tuple[str | None, ...]
    p: Array
    counted: tuple[int, ...]
    tokens: int
    sampler: int = 0

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
            **({"sampler": self.sampler} if self.sampler else {}),
        }


@dataclass(frozen=True)
class Written:
    """One text of the model's own.

    text    up to the end of the cue, None where it has none; without a cue the whole text, None where it was
            cut, since the meaning of a cut text is unknown
    tokens  number of its tokens, those after the cue included
    logp    log-probability of every label after it, [label]; None where nothing was read
    """

    text: str | None
    tokens: int
    logp: Array | None = None


def read_reasoned(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[Reasoned]:
    """Sample reasons for each prompt, and read the answer after every reason."""
    pairs = [(prompt, trace) for prompt in prompts for trace in range(how.traces)]
    written = iter(_in_slots(model, pairs, how) if model.writes else _by_transformers(model, prompts, how))
    out: list[Reasoned] = []
    for prompt in prompts:
        traces = [next(written) for _ in range(how.traces)]
        mute = np.full(len(prompt.labels), -np.inf)
        p = np.exp([mute if trace.logp is None else trace.logp for trace in traces])
        rng = np.random.default_rng(int(digest([prompt.key, how.seed, "count"]), 16))
        drawn = tuple(_drawn(row, rng) for row in p)
        texts, tokens = tuple(trace.text for trace in traces), sum(trace.tokens for trace in traces)
        out.append(Reasoned(texts, frozen(p), drawn, tokens, 2 if model.writes else 1))
    return out


def write(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str]:
    """The model's text after each prompt; empty where its turn does not end within `how.most` tokens.

    Sampled at how.temperature (0: the likeliest words). A text depends on how.seed, its prompt, and how often
    the same prompt stands before it in this call; where the network writes in transformers' way, on all
    prompts of the call.
    """
    if not model.writes:
        return [text or "" for text, _ in _generate(model, prompts, how)]
    before: Counter[str] = Counter()
    pairs: list[tuple[Prompt, int]] = []
    for prompt in prompts:
        pairs.append((prompt, before[prompt.key]))
        before[prompt.key] += 1
    return [written.text or "" for written in _in_slots(model, pairs, how)]


def _in_slots(model: Any, pairs: Sequence[tuple[Prompt, int]], how: ReasoningOptions) -> list[Written]:
    """A text for each (prompt, trace), and the answer after it, by `generation`."""
    from homines.inference.generation import Generation, Rules, Text

    if not pairs:
        return []
    tokenizer, end = model.tokenizer, terminator(model.tokenizer)
    rows = {prompt.key: prompt for prompt, _ in pairs}
    encoded = dict(zip(rows, encode(tokenizer, list(rows.values())), strict=True))
    _check_room(model, max(len(item.prompt) for item in encoded.values()), how)
    sampled = how.temperature > 0
    texts = [
        Text(
            encoded[prompt.key].prompt,
            np.random.default_rng(int(digest([prompt.key, how.seed, trace]), 16)) if sampled else None,
        )
        for prompt, trace in pairs
    ]
    of = {text: prompt for text, (prompt, _) in zip(texts, pairs, strict=True)}
    tails = {cue: _tail(tokenizer, cue) for cue in {prompt.cue for prompt in of.values()}}

    def done(text: Text) -> bool:
        cue = of[text].cue
        return bool(cue) and cue in tokenizer.decode(text.tokens[-tails[cue] :])

    def cut(text: Text) -> str | None:
        return _cut(tokenizer.decode(text.tokens), of[text].cue, text.ended)

    def answer(text: Text) -> Encoded | None:
        words = cut(text)
        if not of[text].cue or words is None:
            return None
        (item,) = encode(tokenizer, [of[text]], [words])
        model.fits(item)
        return item

    model.net.eval()
    for _ in Generation(model.net, texts, Rules(end, how.most, how.temperature, done, answer)).run():
        pass
    read = [None if text.logp is None else text.logp.cpu().double().numpy() for text in texts]
    return [Written(cut(text), len(text.tokens), logp) for text, logp in zip(texts, read, strict=True)]


def _cut(text: str, cue: str, ended: bool) -> str | None:
    """The text up to the end of its cue; the whole text where no cue is asked for and its turn ended."""
    before, cue_met, _ = text.partition(cue) if cue else (text, ended, "")
    return before + cue if cue_met else None


def _tail(tokenizer: Any, cue: str) -> int:
    """How many of the latest tokens can hold a cue that has just been written."""
    return len(tokenizer(cue, add_special_tokens=False).input_ids) + 4


def _check_room(model: Any, longest: int, how: ReasoningOptions) -> None:
    if longest + how.most > model.window:
        raise HominesError(
            f"a prompt of {longest} tokens and {how.most} of thinking do not fit this model's "
            f"context of {model.window}; think less (--think), or choose a model with a longer context"
        )


def _drawn(p: Array, rng: np.random.Generator) -> int:
    """An answer drawn from label probabilities that need not sum to 1; -1: none of them."""
    at = float(rng.random())
    total = 0.0
    for i, share in enumerate(p):
        total += float(share)
        if at < total:
            return i
    return -1


def _by_transformers(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[Written]:
    """For networks that cannot write in slots: texts by transformers' generate, answers by a second pass."""
    import torch

    texts: list[tuple[str | None, int]] = []
    if how.temperature == 0:
        for start in range(0, len(prompts), TOGETHER):
            texts += _generate(model, prompts[start : start + TOGETHER], how)
    else:
        for prompt in prompts:
            texts += _generate(model, [prompt] * how.traces, how)
    of = [prompt for prompt in prompts for _ in range(how.traces)]
    complete = [(prompt, text) for prompt, (text, _) in zip(of, texts, strict=True) if text is not None]
    encoded = encode(model.tokenizer, [prompt for prompt, _ in complete], [text for _, text in complete])
    for item in encoded:
        model.fits(item)
    with torch.no_grad():
        read = iter([logp.cpu().double().numpy() for logp in model.logprobs(encoded)])
    return [Written(text, tokens, None if text is None else next(read)) for text, tokens in texts]


def _generate(model: Any, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[tuple[str | None, int]]:
    """(text up to the end of the cue, number of tokens) for each prompt; None where the text has no cue. For
    a prompt without a cue: the whole text; None where it was cut."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    tokenizer = model.tokenizer
    rows = [item.prompt for item in encode(tokenizer, prompts)]
    width = max(map(len, rows))
    _check_room(model, width, how)
    end = terminator(tokenizer)
    ids = torch.full((len(rows), width), end, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, width - len(row) :] = torch.tensor(row)
        mask[i, width - len(row) :] = 1
    cues = [prompt.cue for prompt in prompts]
    tail = max(_tail(tokenizer, cue) for cue in cues)

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
            repetition_penalty=1.0,  # the model's own distribution, whatever its generation_config.json asks
            **sampling,
        )
    traces: list[tuple[str | None, int]] = []
    for row, cue in zip(out[:, width:].tolist(), cues, strict=True):
        own = row[: row.index(end)] if end in row else row
        traces.append((_cut(tokenizer.decode(own), cue, end in row), len(own)))
    return traces
