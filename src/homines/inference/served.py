"""A model on a server, read exactly: all labels form a trie of tokens, and each node is one generated token.

    log P(label, end) = sum of log P(token | prompt, the label's tokens before it), the end of the turn too

Of each node the server gives the log-probabilities of the tokens that continue a label. Nodes below the first
come in a second round, when the server holds the prompt in its prefix cache: a prompt is read once, and
nothing depends on what was asked before it, as prompt log-probabilities do (vLLM issue 42019).
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from homines.core.progress import Stop, never
from homines.core.redaction import redact
from homines.core.types import Choice, HominesError, Prompt
from homines.inference.api_calls import CallFailed, raise_first
from homines.inference.impossible import (
    Impossible,
    Kind,
    check_agreement,
    check_logp,
    check_position,
    check_total,
)
from homines.inference.server import Server
from homines.inference.tokens import MARK, Encoded, encode, render

ROWS = 256
"""Prompts in one request, at most; vLLM takes 1,024."""
BYTES = 1024
"""Bytes of a reply for each of its tokens, at most."""

Reading = tuple[tuple[int, Any], ...]
"""Tokens and log-probabilities at one position, as a reply holds them: not yet checked."""


class Node(NamedTuple):
    """A node of a label trie: token ids of the prompt and of a label's beginning, and the tokens after it."""

    ids: tuple[int, ...]
    tokens: tuple[int, ...]


class NoLogprobs(CallFailed):
    """A reply without the log-probabilities that were asked for."""


class ServedTokenizer:
    """A server's tokenizer and chat template, with the part of transformers' interface that `encode` uses. A
    subclass has `chat_template` and implements `apply_chat_template` and `ids`."""

    eos_token_id = None
    all_special_ids: Sequence[int] = ()

    def ids(self, text: str, special: bool) -> list[int]:
        """Tokens of a text. special: also those with which a text begins, as a beginning of text."""
        raise NotImplementedError

    def __call__(self, text: str | list[str], *, add_special_tokens: bool = False) -> Any:
        one = isinstance(text, str)
        rows = [self.ids(t, add_special_tokens) for t in ([text] if one else text)]
        return SimpleNamespace(input_ids=rows[0] if one else rows)

    @cached_property
    def added_tokens_decoder(self) -> dict[int, str]:
        """The token that ends a turn: the first token of the template after an answer."""
        after = render(self, Prompt((("user", "?"),), ("x",)), MARK).partition(MARK)[2]
        ids = self.ids(after, False)
        return {ids[0]: after} if ids else {}


class ServedModel:
    """A served model behind the `Model` protocol. A subclass implements `ask`.

    most_named   tokens that one request can name, at most
    reading      the way in which it is read, for records
    """

    batch = 64
    continues = True
    most_named = 20
    reading = "named logprobs"

    def __init__(
        self, server: Server, tokenizer: Any, *, name: str, window: int, provenance: dict[str, Any]
    ) -> None:
        self.server = server
        self.tokenizer = tokenizer
        self.name = name
        self.window = window
        self.provenance = provenance

    def ask(
        self, prompts: list[list[int]], tokens: tuple[int, ...], forced: int | None = None
    ) -> Sequence[Reading]:
        """A reading after each prompt: `tokens` as far as the server can name them, and the likeliest token.

        forced   the token that is generated; None: the likeliest. Its log-probability is in every reading
        """
        raise NotImplementedError

    def ready(self, stop: Stop = never) -> None:
        """Later calls are cancelled where `stop` is true."""
        self.server.stop = stop

    def close(self) -> None:
        """Close the connections; the end of the process closes them too."""
        self.server.close()

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        """Exact choices. Raises the first failure after all prompts were tried."""
        return raise_first(self.answers(prompts))

    def answers(self, prompts: Sequence[Prompt]) -> list[Choice | Exception]:
        """Exact choices; an exception in the place of a choice that cannot be read."""
        encoded = [self._encoded(prompt) for prompt in prompts]
        choices = iter(self._try([item for item in encoded if not isinstance(item, Exception)]))
        return [item if isinstance(item, Exception) else next(choices) for item in encoded]

    def notes(self, prompt: Prompt) -> dict[str, Any]:
        """How the latest answer to this prompt was read."""
        return {"reading": self.reading}

    def _encoded(self, prompt: Prompt) -> Encoded | HominesError:
        """Tokens of prompt and labels, or the reason why the prompt cannot be asked."""
        if prompt.cue:
            return HominesError(f"{self.name} does not think aloud; use asks=choice, or hf/")
        try:
            (item,) = encode(self.tokenizer, [prompt])
        except HominesError as failure:
            return failure
        long = len(item.prompt) + max(map(len, item.labels))
        if long > self.window:
            return HominesError(
                f"a prompt of {long} tokens does not fit the context of {self.name}, {self.window}; "
                "shorten the frame or choose a model with a longer context"
            )
        return item

    def _try(self, items: Sequence[Encoded]) -> list[Choice | Exception]:
        """Choices, read together, or one by one if the server refuses that or replies in another form."""
        try:
            return self.read(items) if items else []
        except NoLogprobs as failure:
            return [failure] * len(items)
        except (CallFailed, LookupError, TypeError, ValueError, AttributeError) as failure:
            refused = not isinstance(failure, CallFailed) or failure.status in (400, 413, 422)
            if len(items) == 1 or not refused:
                own = isinstance(failure, HominesError)
                return [failure if own else CallFailed(self.server.address, failure)] * len(items)
        return [answer for item in items for answer in self._try([item])]

    def read(self, items: Sequence[Encoded]) -> list[Choice | Exception]:
        """Choices; an Impossible in the place of a choice whose log-probabilities cannot be right."""
        tries = [label_trie(item) for item in items]
        logps: list[dict[tuple[int, ...], dict[int, float]]] = [{} for _ in items]
        failed: dict[int, Impossible] = {}
        for deeper in (False, True):
            asked = [
                (i, at)
                for i, trie in enumerate(tries)
                if i not in failed
                for at in trie
                if bool(at) == deeper
            ]
            positions = self._positions([tries[i][at] for i, at in asked])
            for (i, at), readings in zip(asked, positions, strict=True):
                try:
                    logps[i][at] = logprobs(readings)
                except Impossible as failure:
                    failed.setdefault(i, failure)
        return [
            failed.get(i) or to_choice(label_logprobs(item.labels, logps[i])) for i, item in enumerate(items)
        ]

    def _positions(self, nodes: Sequence[Node]) -> list[list[Reading]]:
        """Readings of each node, which together hold all its tokens. A token that the server does not name is
        generated by force."""
        out: list[list[Reading]] = [[] for _ in nodes]

        def read(asked: dict[tuple[int, ...], list[int]], by_force: bool) -> None:
            for tokens, rows in asked.items():
                for some in _parts(rows, ROWS):
                    prompts = [list(nodes[i].ids) for i in some]
                    forced = (tokens[0],) if by_force else ()
                    for i, reading in zip(some, self.ask(prompts, tokens, *forced), strict=True):
                        out[i].append(reading)

        named: dict[tuple[int, ...], list[int]] = {}
        for i, node in enumerate(nodes):
            for tokens in _parts(node.tokens, self.most_named):
                named.setdefault(tokens, []).append(i)
        read(named, by_force=False)
        while unread := {i: left for i, node in enumerate(nodes) if (left := _unread(node.tokens, out[i]))}:
            forced: dict[tuple[int, ...], list[int]] = {}
            for i, left in unread.items():
                forced.setdefault(left[: self.most_named], []).append(i)
            read(forced, by_force=True)
            for i, left in unread.items():
                if left[0] in _unread(left[:1], out[i]):
                    raise NoLogprobs(
                        self.server.address, ValueError(f"it gave no log-probability of token {left[0]}")
                    )
        return out


def label_trie(item: Encoded) -> dict[tuple[int, ...], Node]:
    """The nodes of the trie of an item's labels, by the tokens that lead there; the root first."""
    after: dict[tuple[int, ...], list[int]] = {(): []}
    for label in item.labels:
        for i, token in enumerate(label):
            tokens = after.setdefault(label[:i], [])
            if token not in tokens:
                tokens.append(token)
    return {at: Node((*item.prompt, *at), tuple(tokens)) for at, tokens in after.items()}


def logprobs(readings: Sequence[Reading]) -> dict[int, float]:
    """Log-probabilities by token at one position, from its readings. Raises Impossible where these cannot be
    right or contradict each other."""
    together: dict[int, float] = {}
    for reading in readings:
        if not isinstance(reading, tuple):
            raise Impossible(Kind.OTHER, reading)
        logps = check_position([(str(token), token, check_logp(value)) for token, value in reading])
        new = {token: logps[token] for token, _ in reading}
        check_agreement(_p(together), _p(new))
        together = new | together
    check_total(_p(together).values())
    return together


def label_logprobs(
    labels: Sequence[tuple[int, ...]], logps: Mapping[tuple[int, ...], Mapping[int, float]]
) -> np.ndarray[Any, Any]:
    """Log-probability of each label, [label], from those of the tokens after each beginning of a label."""
    return np.array([sum(logps[label[:i]][token] for i, token in enumerate(label)) for label in labels])


def to_choice(logp: np.ndarray[Any, Any]) -> Choice:
    """The Choice of these log-probabilities of labels, terminator included, with its legal mass."""
    return Choice(Choice.of(logp).logp, min(1.0, float(np.exp(logp).sum())))


def connect(
    model: str, software: str, prefix: str, default: str, start: str
) -> tuple[Server, dict[str, Any]]:
    """A server and the entries of its list of models, by name. Raises HominesError where there is no server,
    it refuses the key, or it replies in another form.

    prefix    of the environment variables with its address and key: PREFIX_BASE_URL, PREFIX_API_KEY
    default   address
    start     the command that starts such a server
    """
    variable = f"{prefix}_BASE_URL"
    server = Server(
        os.environ.get(variable) or default, os.environ.get(f"{prefix}_API_KEY"), variable, software
    )
    try:
        return server, {entry["id"]: entry for entry in server.get("/v1/models")["data"]}
    except (LookupError, TypeError) as failure:
        raise server.foreign(f"its list of models has another form: {failure!r}") from None
    except CallFailed as failure:
        raise HominesError(
            f"no server of {software} for {model}: {failure}; {failure.remedy(variable)} Start one with "
            f"`{start}`"
        ) from None


def check_name(model: str, adapters: Sequence[str]) -> None:
    """Raises HominesError where the model has no name after its kind, or there is more than one adapter."""
    if model.endswith("/"):
        raise HominesError(f"{model} needs the name of a model that its server has, as in {model}NAME")
    if len(adapters) > 1:
        raise HominesError(f"{model} takes one served adapter, got {', '.join(adapters)}")


def check_served(server: Server, wanted: Sequence[str], served: Collection[str]) -> None:
    """Raises HominesError where one of these names is not served."""
    names = ", ".join(served) or "none"
    for name in wanted:
        if name not in served:
            raise HominesError(
                redact(f"the server at {server.address} serves no {name!r}; it serves {names}")
            )


def _p(logps: Mapping[int, float]) -> dict[int, float]:
    return {token: math.exp(logp) for token, logp in logps.items()}


def _unread(tokens: tuple[int, ...], readings: Sequence[Reading]) -> tuple[int, ...]:
    """The tokens that no reading holds; none where a reading has another form, which `logprobs` refuses."""
    if not all(isinstance(reading, tuple) for reading in readings):
        return ()
    read = {token for reading in readings for token, _ in reading}
    return tuple(token for token in tokens if token not in read)


def _parts(items: Any, size: int) -> Iterator[Any]:
    return (items[i : i + size] for i in range(0, len(items), size))
