"""From the likeliest tokens that a server tells to probabilities of whole labels, and what stays unknown.

A walk is one sampled answer with, at each position, the k likeliest tokens and their log-probabilities. Walks
make a tree of tokens. Where one went, the next token's distribution is known, but for what lies below the k
likeliest; so for a label a

    P(a) = sum over walked spellings s of a, as tokens, of prod_i P(s_i | s_1 ... s_i-1) P(end | s)

The legal answers are those of logits.py: the whole label to the letter, then the end of the turn. Tokens are
taken by their bytes, so it does not matter how a tokenizer splits a label or what it shares with another;
where several spellings are likely, all count (logits.py reads the tokenizer's own spelling alone).

What is not known is bounded, never taken for zero:

    a branch no walk went into    anything from 0 to its probability P, for the labels it can still become
    the hidden tail at a node     a token below the k likeliest is no likelier than the least of them, and of
                                  all such tokens only one for each beginning of what can still follow counts
    an end that is not told       some servers leave the end of the turn out; then it is as likely as it was
                                  frequent there, with the Jeffreys interval at 95%

`truncation` is the sum of these widths: the legal mass lies between `low.sum()` and `low.sum() + truncation`.
The value given lies in between: a whole label that was not walked into is taken to end there as often as
those that were (half the time where none was), everything else at half its width, even over what it can
become.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from homines.core.types import Array, Choice, HominesError, frozen
from homines.inference.impossible import agree, bounds, total
from homines.inference.sampled_answers import jeffreys

ENDS = frozenset(
    f.encode()
    for f in (
        *(
            "<|im_end|>",
            "<|eot_id|>",
            "<|eom_id|>",
            "<|end|>",
            "<|endoftext|>",
            "<|return|>",
            "<|end_of_text|>",
        ),
        *("</s>", "<end_of_turn>", "<eos>", "[EOS]", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>"),
    )
)
"""How tokens that end a turn are written; a walk that ended tells its own as well."""
Prefix = tuple[bytes, ...]


class Step(NamedTuple):
    """One position of a walk: the token that was drawn, and the likeliest there with their log-probabilities
    (natural), the drawn one among them or not."""

    token: bytes
    logp: float
    top: tuple[tuple[bytes, float], ...] = ()


class Walk(NamedTuple):
    """One sampled answer.

    steps      its positions; the one at which it ended is among them or not, as the server has it
    text       the answer as the server put it into words
    finished   it ended its turn; False: it was cut
    """

    steps: tuple[Step, ...]
    text: str
    finished: bool


@dataclass(frozen=True, eq=False)
class Reading:
    """What walks tell of labels.

    choice       point values
    low, high    bounds of P(label), legal or not, [label]
    truncation   legal probability that is not known: the mass lies in [low.sum(), low.sum() + truncation]
    """

    choice: Choice
    low: Array
    high: Array
    truncation: float

    def __post_init__(self) -> None:
        bounds(self.low, self.high)


@dataclass(eq=False)
class _Node:
    """Where walks went: the next token's probabilities, and how many ended here without telling of it."""

    p: dict[bytes, float] = field(default_factory=dict[bytes, float])
    least: float = 1.0
    """The smallest probability among the k likeliest: nothing hidden is likelier."""
    walked: int = 0
    ended: int = 0


def read(walks: Sequence[Walk], labels: Sequence[str], ends: Collection[bytes] = ENDS) -> Reading:
    """Probabilities of these labels from walks of one prompt. Raises HominesError where there is no walk,
    Impossible where walks contradict each other.

    ends   bytes of tokens that end a turn

    >>> half = -0.6931471805599453
    >>> walk = Walk((Step(b"X", half, ((b"X", half), (b"Y", half))), Step(b"</s>", 0.0)), "X", True)
    >>> told = read([walk], ["X", "Y"])  # X ends for certain; Y was not walked, and is taken to end as X does
    >>> told.choice.p.round(2).tolist(), told.choice.mass, told.low.round(2).tolist(), told.truncation
    ([0.5, 0.5], 1.0, [0.5, 0.0], 0.5)
    """
    if not walks:
        raise HominesError("no walks to read; sample one answer at least")
    return _Tree(walks, tuple(label.encode() for label in labels), frozenset(ends)).read()


class _Tree:
    def __init__(self, walks: Sequence[Walk], labels: tuple[bytes, ...], ends: frozenset[bytes]) -> None:
        self.labels = labels
        told = [_end(walk, ends) for walk in walks]
        self.ends = (
            ends | {b""} | {walk.steps[-1].token for walk, end in zip(walks, told, strict=True) if end}
        )
        self.nodes: dict[Prefix, _Node] = {}
        for walk in walks:
            self._plant(walk)
        self.tells_ends = any(token in self.ends for node in self.nodes.values() for token in node.p)
        """Whether ends stand among the likeliest; else nothing but what is hidden bounds one."""
        self.low = np.zeros(len(labels))
        self.high = np.zeros(len(labels))
        self.point = np.zeros(len(labels))
        self.truncation = 0.0
        self.waiting: list[tuple[bytes, float]] = []
        """Branches no walk went into: text so far, probability."""
        self.shares: list[float] = []
        """P(end) at the whole labels that were walked into."""

    def _plant(self, walk: Walk) -> None:
        prefix: Prefix = ()
        for step in walk.steps:
            if not self._open(b"".join(prefix)):
                return
            node = self.nodes.setdefault(prefix, _Node())
            node.walked += 1
            told = {token: 0.0 for token, _ in step.top}
            for token, logp in step.top:  # parts of characters that are spelt alike
                told[token] += float(np.exp(logp))
            told |= {} if step.token in told else {step.token: float(np.exp(step.logp))}
            total(told.values())
            if node.p:
                agree(node.p, told)
            node.p |= told
            node.least = min([float(np.exp(logp)) for _, logp in step.top] or [1.0])
            if step.token in self.ends:
                return
            prefix = (*prefix, step.token)
        if walk.finished and self._open(b"".join(prefix)):
            node = self.nodes.setdefault(prefix, _Node())
            node.walked += 1
            node.ended += 1

    def _open(self, text: bytes) -> list[int]:
        """Labels that this text is or can still become."""
        return [i for i, label in enumerate(self.labels) if label.startswith(text)]

    def read(self) -> Reading:
        self._visit((), 1.0)
        share = float(np.mean(self.shares)) if self.shares else 0.5
        for text, reach in self.waiting:
            whole = [i for i in self._open(text) if self.labels[i] == text]
            if whole:
                self._loose(reach, self._open(text), {whole[0]: reach * share})
            else:
                self._loose(reach, self._open(text))
        mass = float(min(1.0, self.point.sum()))
        flat = Choice.of(np.zeros(len(self.labels)))
        choice = Choice.at(self.point, mass) if mass > 0 else Choice(flat.logp, 0.0)
        return Reading(choice, frozen(self.low), frozen(np.minimum(self.high, 1)), min(1.0, self.truncation))

    def _certain(self, label: int, p: float) -> None:
        self.low[label] += p
        self.high[label] += p
        self.point[label] += p

    def _loose(self, width: float, over: Sequence[int], point: dict[int, float] | None = None) -> None:
        """Between nothing and `width` belongs to one of these labels; half of it, evenly, unless told."""
        if width <= 0 or not over:
            return
        self.high[list(over)] += width
        self.truncation += width
        for i, p in (point or dict.fromkeys(over, width / 2 / len(over))).items():
            self.point[i] += p

    def _visit(self, prefix: Prefix, reach: float) -> None:
        """Share out the probability of having come here."""
        text, node = b"".join(prefix), self.nodes.get(prefix)
        if node is None:
            self.waiting.append((text, reach))
            return
        here = self.labels.index(text) if text in self.labels else None
        onward = [i for i in self._open(text) if i != here]
        end = sum(p for token, p in node.p.items() if token in self.ends)
        hidden = max(0.0, 1.0 - sum(node.p.values()))
        if here is not None:
            if end or not node.ended:
                self._certain(here, reach * end)
                share = end
            else:  # an end the server does not tell lies in what it hides
                share = node.ended / node.walked if not node.p else hidden
                low, high = jeffreys(node.ended, node.walked) if not node.p else (0.0, hidden)
                self._certain(here, reach * low)
                self._loose(reach * (high - low), [here], {here: reach * (share - low)})
            self.shares.append(share)
        for token, p in node.p.items():
            if token not in self.ends and self._open(text + token):
                self._visit((*prefix, token), reach * p)
        if node.p:
            self._hidden(text, node, reach, hidden, here if not end and not node.ended else None, onward)
        elif node.ended:  # nothing is known of what else could have followed
            self._loose(reach * (1 - jeffreys(node.ended, node.walked)[0]), onward)

    def _hidden(
        self, text: bytes, node: _Node, reach: float, hidden: float, here: int | None, onward: Sequence[int]
    ) -> None:
        """What the k likeliest leave out: the end, and beginnings of what can follow that are not listed."""
        begun = {
            self.labels[i][len(text) : n]
            for i in onward
            for n in range(len(text) + 1, len(self.labels[i]) + 1)
        }
        missing = begun - node.p.keys()
        if here is not None:
            self._loose(reach * (min(hidden, node.least) if self.tells_ends else hidden), [here])
        if missing:
            over = [i for i in onward if any(self.labels[i][len(text) :].startswith(b) for b in missing)]
            self._loose(reach * min(hidden, len(missing) * node.least), over)


def _end(walk: Walk, ends: frozenset[bytes]) -> bool:
    """Whether the last step of a walk is the end of its turn, and not a part of the answer."""
    if not walk.finished or not walk.steps:
        return False
    *before, last = [step.token for step in walk.steps]
    said = walk.text.encode().strip()
    return not last or last in ends or (b"".join(before).strip() == said != b"".join((*before, last)).strip())
