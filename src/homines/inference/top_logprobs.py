"""From the likeliest tokens of a server's reply to probabilities of whole labels, with bounds.

A walk is one sampled answer with the k likeliest tokens and their log-probabilities at each position. Walks
make a tree of tokens. At each node of a walk, the distribution of the next token is known, except below the k
likeliest. For a label a

    P(a) = sum over walked spellings s of a, as tokens, of prod_i P(s_i | s_1 ... s_i-1) P(end | s)

Legal answers are those of logits.py: the whole label to the letter, then the end of the turn. Tokens are
compared by their bytes, thus it does not matter how a tokenizer splits a label. Where several spellings of a
label are likely, all count (logits.py reads the tokenizer's own spelling alone).

Unknown probability is bounded, never set to zero:

    a branch without a walk       from 0 to its probability P, for the labels that it can still become
    the hidden tail at a node     a token below the k likeliest is no likelier than the least of them, and
    only
                                  one such token counts for each beginning of a text that can still follow
    an end without a token        some servers omit the end of the turn; its probability is then its frequency
    at
                                  this node, with the Jeffreys interval at 95%

`truncation` is the sum of these widths: the legal mass lies between `low.sum()` and `low.sum() + truncation`.
The point value lies between these: a whole label without a walk is assumed to end as often as labels with
walks (half the time where there are none); all other widths count half, equally for each label that is
possible.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from homines.core.types import Array, Choice, HominesError, frozen
from homines.inference.impossible import check_agreement, check_bounds, check_total

ENDS = frozenset(
    token.encode()
    for token in [
        "<|im_end|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|end|>",
        "<|endoftext|>",
        "<|return|>",
        "<|end_of_text|>",
        "</s>",
        "<end_of_turn>",
        "<eos>",
        "[EOS]",
        "<|END_OF_TURN_TOKEN|>",
        "<｜end▁of▁sentence｜>",
    ]
)
"""Spellings of tokens that end a turn; the last token of an ended walk counts too."""
Prefix = tuple[bytes, ...]


class Step(NamedTuple):
    """One position of a walk: the drawn token, and the likeliest tokens with their natural-log probabilities.
    The drawn token may be one of these."""

    token: bytes
    logp: float
    top: tuple[tuple[bytes, float], ...] = ()


class Walk(NamedTuple):
    """One sampled answer.

    steps      its positions; some servers omit the position at which the turn ends
    text       the answer as the server's text
    finished   whether the turn ended; False: it was cut
    """

    steps: tuple[Step, ...]
    text: str
    finished: bool


@dataclass(frozen=True, eq=False)
class Reading:
    """Probabilities of labels from walks.

    choice       point values
    low, high    bounds of P(label), unconditional on legality, [label]
    truncation   unknown legal probability: the mass lies in [low.sum(), low.sum() + truncation]
    """

    choice: Choice
    low: Array
    high: Array
    truncation: float

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)


@dataclass(eq=False)
class _Node:
    """A node of the walks: the next token's probabilities, and how many walks ended here without a token."""

    p: dict[bytes, float] = field(default_factory=dict[bytes, float])
    least: float = 1.0
    """The smallest probability among the k likeliest: nothing hidden is likelier."""
    walked: int = 0
    ended: int = 0


def read(walks: Sequence[Walk], labels: Sequence[str], ends: Collection[bytes] = ENDS) -> Reading:
    """Probabilities of these labels from walks of one prompt. Raises HominesError without walks, Impossible
    where walks contradict each other.

    ends   bytes of tokens that end a turn

    >>> half = -0.6931471805599453
    >>> walk = Walk((Step(b"X", half, ((b"X", half), (b"Y", half))), Step(b"</s>", 0.0)), "X", True)
    >>> r = read([walk], ["X", "Y"])  # X ends for certain; Y has no walk, and is assumed to end as X does
    >>> r.choice.p.round(2).tolist(), r.choice.mass, r.low.round(2).tolist(), r.truncation
    ([0.5, 0.5], 1.0, [0.5, 0.0], 0.5)
    """
    if not walks:
        raise HominesError("no walks to read; sample one answer at least")
    return _Tree(walks, tuple(label.encode() for label in labels), frozenset(ends)).read()


class _Tree:
    def __init__(self, walks: Sequence[Walk], labels: tuple[bytes, ...], ends: frozenset[bytes]) -> None:
        self.labels = labels
        closing = [_end(walk, ends) for walk in walks]
        self.ends = (
            ends | {b""} | {walk.steps[-1].token for walk, end in zip(walks, closing, strict=True) if end}
        )
        self.nodes: dict[Prefix, _Node] = {}
        for walk in walks:
            self._plant(walk)
        self.tells_ends = any(token in self.ends for node in self.nodes.values() for token in node.p)
        """Whether ends are among the likeliest tokens; else only the hidden probability bounds an end."""
        self.low = np.zeros(len(labels))
        self.high = np.zeros(len(labels))
        self.point = np.zeros(len(labels))
        self.truncation = 0.0
        self.waiting: list[tuple[bytes, float]] = []
        """Branches without a walk: text until there, probability."""
        self.shares: list[float] = []
        """P(end) at each whole label that has a walk."""

    def _plant(self, walk: Walk) -> None:
        prefix: Prefix = ()
        for step in walk.steps:
            if not self._open(b"".join(prefix)):
                return
            node = self.nodes.setdefault(prefix, _Node())
            node.walked += 1
            p = {token: 0.0 for token, _ in step.top}
            for token, logp in step.top:  # parts of characters share a spelling
                p[token] += float(np.exp(logp))
            p |= {} if step.token in p else {step.token: float(np.exp(step.logp))}
            check_total(p.values())
            if node.p:
                check_agreement(node.p, p)
            node.p |= p
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
        """From 0 to `width` belongs to one of these labels. point: values by label, else half, equally."""
        if width <= 0 or not over:
            return
        self.high[list(over)] += width
        self.truncation += width
        for i, p in (point or dict.fromkeys(over, width / 2 / len(over))).items():
            self.point[i] += p

    def _visit(self, prefix: Prefix, reach: float) -> None:
        """Distribute the probability of reaching this node."""
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
            else:  # an end without a token is part of the hidden probability
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
        elif node.ended:  # the other continuations are unknown
            self._loose(reach * (1 - jeffreys(node.ended, node.walked)[0]), onward)

    def _hidden(
        self, text: bytes, node: _Node, reach: float, hidden: float, here: int | None, onward: Sequence[int]
    ) -> None:
        """Bounds below the k likeliest: of the end, and of unlisted beginnings of continuations."""
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


def jeffreys(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a probability after k successes in n draws: Beta(k + 1/2, n - k + 1/2), equal tails.

    The lower end is 0 where k = 0, and the upper end is 1 where k = n; the interval then covers certain
    answers (Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion", Statistical Science
    16).

    >>> [round(x, 3) for x in jeffreys(9, 10)]
    [0.619, 0.989]
    """
    from scipy.stats import beta  # takes about 0.5 s, which `homines --help` must not

    if not 0 <= k <= n:
        raise HominesError(f"{k} of {n} draws: the first must lie between 0 and the second")
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k + 0.5, n - k + 0.5))
    high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 0.5, n - k + 0.5))
    return low, high


def _end(walk: Walk, ends: frozenset[bytes]) -> bool:
    """Whether the last step of a walk is the end of its turn rather than a part of the answer."""
    if not walk.finished or not walk.steps:
        return False
    *before, last = [step.token for step in walk.steps]
    text = walk.text.encode().strip()
    return not last or last in ends or (b"".join(before).strip() == text != b"".join((*before, last)).strip())
