"""What the terminal says of sampled answers: their reasons, their intervals, and texts that were illegal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from homines.core.format import count
from homines.core.rates import describe, sample_of
from homines.core.types import Record
from homines.elicitation.answers_in_words import answers_in_words, none_legal, remedies
from homines.elicitation.metrics import group_by, is_normalised


def print_reasons(console: Console, records: list[Record]) -> None:
    """The tokens of the reasons, and standard errors of answers read exactly and of answers counted."""
    spoken = [r for r in records if r.provenance.get("reasons")]
    if not spoken:
        return
    every = [text for r in spoken for text in r.provenance["reasons"]]
    tokens = sum(r.provenance["tokens"] for r in spoken)
    sentence = f"{len(every)} reasons of {tokens / len(every):.0f} tokens on average"
    sentence += f", {sum(text is None for text in every)} of which did not come to an answer"
    spreads = [r.provenance["spread"][0] for r in spoken if r.provenance["spread"][0] is not None]
    if spreads:
        counted = [np.mean([a == 0 for a in r.provenance["counted"]]) for r in spoken]
        k = len(every) / len(spoken)
        by_counting = np.mean([np.sqrt(p * (1 - p) / (k - 1)) for p in counted])
        sentence += f"; standard error {np.mean(spreads):.3f}, by counting answers {by_counting:.3f}"
    console.print(Text(sentence))


def print_uncertainty(console: Console, rows: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> None:
    """Samples of sampled rates, and the probability that log-probabilities left unknown."""
    for row in rows:
        rates = {name: x for name, x in row.items() if not name.startswith("illegal") and sample_of(x)}
        listed = "; ".join(f"{name} {describe(x)}" for name, x in rates.items())
        if listed:
            console.print(Text(f"{row['game']}, {row['frame']}, sampled, 95% intervals: {listed}"))
    if normalised := sum(map(is_normalised, records)):
        console.print(
            Text(
                f"{count(normalised, 'answer')} normalised over the options by the service: the legal mass "
                "is not known, and a rate says nothing of what else the model would say"
            )
        )
    hidden = [r.provenance["truncation"] for r in records if "truncation" in r.provenance]
    if hidden:
        console.print(
            Text(
                f"from log-probabilities: {np.mean(hidden):.3f} of probability on average, {max(hidden):.3f} "
                "at most, was not told and may be legal or not"
            )
        )


def print_words(console: Console, records: Sequence[Record], *, advice: bool) -> None:
    """How answers in words were read, the illegal ones verbatim, and with advice what to do where none is
    legal."""
    for (model,), group in group_by(records, "model").items():
        if (words := answers_in_words(group)) is not None:
            console.print(Text(f"{model}: {words.sentence()}"))
            for text, n in words.illegal.items():
                console.print(Text(f"  illegal, {n} times: {text!r}"))
        if none_legal(group):
            answered = sum(r.choice is not None for r in group)
            console.print(Text(f"{model} answered {count(answered, 'question')}, none of them legally"))
            for remedy in remedies(group) if advice else []:
                console.print(Text(f"  {remedy}"))
