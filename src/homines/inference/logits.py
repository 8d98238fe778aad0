"""From a network to probabilities of whole labels: the only place where that happens.

Evaluation calls `label_logprobs` under no_grad; training calls it with gradients. Prompts become a
forest of tokens in which every common beginning stands once, so a prompt shared by labels, and a
beginning shared by prompts, is computed once, forward and backward alike.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from homines.inference.memory import piece
from homines.inference.tokens import Encoded


class Forest:
    """Token sequences with every common beginning stored once. A parent stands before its children."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self._children: dict[tuple[int, int], int] = {}

    def add(self, node: int, ids: Sequence[int]) -> list[int]:
        """Walk from `node` (-1: a root) along `ids`, growing where needed; the nodes walked."""
        path: list[int] = []
        for token in ids:
            child = self._children.get((node, token))
            if child is None:
                child = len(self.tokens)
                self._children[node, token] = child
                self.tokens.append(token)
                self.parents.append(node)
                self.depths.append(0 if node < 0 else self.depths[node] + 1)
            node = child
            path.append(node)
        return path

    def sees(
        self, start: int = 0, stop: int | None = None, rows: dict[int, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """sees[i - start, j]: j is i or an ancestor of i, for nodes from start to stop; bool [node, stop].

        rows   those of nodes before that have children here; those that have some later are added
        """
        stop, rows = len(self.tokens) if stop is None else stop, {} if rows is None else rows
        mask = torch.zeros(stop - start, stop, dtype=torch.bool)
        for i in range(start, stop):
            parent, row = self.parents[i], mask[i - start]
            if parent >= start:
                row |= mask[parent - start]
            elif parent >= 0:
                row[: parent + 1] |= rows[parent]
            row[i] = True
        for parent in {p for p in self.parents[stop:] if start <= p < stop}:
            rows[parent] = mask[parent - start, : parent + 1].clone()
        return mask


@dataclass(frozen=True)
class Pack:
    """Prompts that are read in one pass, in the order of their tokens.

    held    tokens that they begin with and that the pass before has read already
    tokens  how many the network reads: the distinct ones of the rest
    """

    items: tuple[int, ...]
    held: tuple[int, ...]
    tokens: int


def plan_passes(encoded: Sequence[Encoded], budget: int, *, hold: bool = False) -> list[Pack]:
    """Group prompts (by index) that begin alike; each group reads at most `budget` distinct tokens, or is one
    prompt alone.

    hold   a pass may begin on the path of the last prompt of the pass before. In sorted order no other
           prompt before it shares more, so that over all passes no prompt's token is read twice.
    """
    order = sorted(range(len(encoded)), key=lambda i: encoded[i].prompt)
    out: list[Pack] = []
    group: list[int] = []
    forest, held = Forest(), ()
    for i in order:
        before = len(forest.tokens)
        if group and len(encoded[i].prompt) > len(held):
            _plant(forest, encoded[i])
        if not group or len(forest.tokens) - len(held) > budget or len(encoded[i].prompt) <= len(held):
            if group:
                out.append(Pack(tuple(group), held, before - len(held)))
            held = _alike(encoded[group[-1]].prompt, encoded[i].prompt) if group and hold else ()
            forest, group = Forest(), []
            forest.add(-1, held)
            _plant(forest, encoded[i])
        group.append(i)
    if group:
        out.append(Pack(tuple(group), held, len(forest.tokens) - len(held)))
    return out


def _alike(one: Sequence[int], two: Sequence[int]) -> tuple[int, ...]:
    """Their common beginning, short of the last token of the second: its answer is still to be read."""
    n = 0
    while n < min(len(one), len(two) - 1) and one[n] == two[n]:
        n += 1
    return tuple(two[:n])


def _plant(forest: Forest, item: Encoded) -> list[list[int]]:
    """Add a prompt and its labels (a terminator is predicted, never read); per label, the nodes
    whose next token is the label's first, second, ..., and its terminator."""
    root = forest.add(-1, item.prompt)[-1]
    return [[root, *forest.add(root, label[:-1])] for label in item.labels]


def distinct_tokens(encoded: Sequence[Encoded], budget: int, *, hold: bool = False) -> int:
    """How many tokens the network will read for these prompts."""
    return sum(pack.tokens for pack in plan_passes(encoded, budget, hold=hold))


def label_logprobs(
    net: Any,
    encoded: Sequence[Encoded],
    *,
    share: bool = True,
    hold: bool = False,
    budget: int = 512,
    pad: str = "right",
) -> list[torch.Tensor]:
    """Natural-log probability of every whole label, terminator included; one tensor [label] a prompt.

    share   compute common beginnings once in a pass (a tree attention mask); needs `shares(net)`
    hold    and once over all passes, by keys and values held from one to the next; needs `holds(net)`, and
            is left undone where gradients are taken
    budget  most distinct tokens in one pass of the network (a longer prompt goes alone)
    pad     side that is padded where nothing is shared
    """
    hold = hold and share and not torch.is_grad_enabled()
    out: list[torch.Tensor] = [torch.empty(0)] * len(encoded)
    cache = DynamicCache() if hold else None
    for pack in plan_passes(encoded, budget, hold=hold):
        items = [encoded[i] for i in pack.items]
        scored = _shared(net, items, pack.held, cache) if share else _plain(net, items, pad)
        for i, logp in zip(pack.items, scored, strict=True):
            out[i] = logp
    return out


def _shared(
    net: Any, items: Sequence[Encoded], held: tuple[int, ...] = (), cache: DynamicCache | None = None
) -> list[torch.Tensor]:
    """held: the beginning whose keys and values `cache` has; afterwards it has those of the last prompt."""
    forest, known = Forest(), len(held)
    forest.add(-1, held)
    nodes = [_plant(forest, item) for item in items]
    kept = sorted({i for labels in nodes for path in labels for i in path})
    if cache is not None:
        _keep(cache, list(range(known)))
    logits = _read(net, forest, known, kept, cache)
    if cache is not None:
        _keep(cache, forest.add(-1, items[-1].prompt))
    total = logits.logsumexp(-1)
    row = {node: i for i, node in enumerate(kept)}
    out: list[torch.Tensor] = []
    for item, labels in zip(items, nodes, strict=True):
        sums = [
            (logits[(at := [row[n] for n in path]), list(ids)] - total[at]).sum()
            for path, ids in zip(labels, item.labels, strict=True)
        ]
        out.append(torch.stack(sums))
    return out


def _read(
    net: Any, forest: Forest, known: int, kept: Sequence[int], cache: DynamicCache | None
) -> torch.Tensor:
    """Logits at the kept nodes, [kept, vocabulary], of a forest whose first `known` nodes the cache has.

    Where memory is short it is read piece by piece, each on the keys and values of those before, which takes
    a cache. Raises HominesError where that is not enough.
    """
    device, dtype = _place(net)
    end = len(forest.tokens)
    size = piece(net, end - known, end, len(kept), whole=cache is None)
    # what is held is one path: each of its nodes sees all before it
    rows = {p: torch.ones(p + 1, dtype=torch.bool) for p in {*forest.parents[known:]} if 0 <= p < known}
    out: list[torch.Tensor] = []
    for start in range(known, end, size):
        stop = min(start + size, end)
        mask = torch.zeros(stop - start, stop, dtype=dtype)
        mask.masked_fill_(~forest.sees(start, stop, rows), torch.finfo(dtype).min)
        here = [i - start for i in kept if start <= i < stop]
        logits = _logits(
            net,
            torch.tensor(here or [0], device=device),
            input_ids=torch.tensor([forest.tokens[start:stop]], device=device),
            attention_mask=mask[None, None].to(device),
            position_ids=torch.tensor([forest.depths[start:stop]], device=device),
            past_key_values=cache,
            use_cache=cache is not None,
        )[0].float()
        out.append(logits[: len(here)])
    return torch.cat(out)


def _keep(cache: Any, nodes: Sequence[int]) -> None:
    """Of the tokens whose keys and values are held, these alone."""
    for layer in cache.layers:
        if layer.keys is not None and layer.keys.numel():
            at = torch.tensor(nodes, device=layer.keys.device, dtype=torch.long)
            layer.keys, layer.values = layer.keys.index_select(-2, at), layer.values.index_select(-2, at)


def _plain(net: Any, items: Sequence[Encoded], pad: str) -> list[torch.Tensor]:
    """One padded row for every prompt and label: the plain reading that sharing must equal."""
    device, _ = _place(net)
    rows = [(*item.prompt, *label[:-1]) for item in items for label in item.labels]
    width = max(map(len, rows))
    piece(net, len(rows) * width, width, len(rows) * width, whole=True)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    seen = torch.zeros(len(rows), width, dtype=torch.long)
    starts = [0 if pad == "right" else width - len(row) for row in rows]
    for i, (row, start) in enumerate(zip(rows, starts, strict=True)):
        ids[i, start : start + len(row)] = torch.tensor(row)
        seen[i, start : start + len(row)] = 1
    logits = net(
        input_ids=ids.to(device),
        attention_mask=seen.to(device),
        position_ids=(seen.cumsum(-1) - 1).clamp(min=0).to(device),
        use_cache=False,
    ).logits.float()
    logp = logits.log_softmax(-1)
    out: list[torch.Tensor] = []
    i = 0
    for item in items:
        sums: list[torch.Tensor] = []
        for label in item.labels:
            first = starts[i] + len(item.prompt) - 1
            at = torch.arange(first, first + len(label), device=device)
            sums.append(logp[i, at, torch.tensor(label, device=device)].sum())
            i += 1
        out.append(torch.stack(sums))
    return out


def _place(net: Any) -> tuple[torch.device, torch.dtype]:
    weight = next(p for p in net.parameters() if p.is_floating_point())
    return weight.device, weight.dtype


def _logits(net: Any, kept: torch.Tensor, **inputs: Any) -> torch.Tensor:
    """Logits at the kept positions, [1, kept, vocabulary]; the rest is not computed where it can be."""
    base = getattr(net, "module", net)  # of several processes' wrapper
    base = base.get_base_model() if hasattr(base, "get_base_model") else base
    if "logits_to_keep" in inspect.signature(base.forward).parameters:
        return net(**inputs, logits_to_keep=kept).logits
    return net(**inputs).logits[:, kept]


def shares(net: Any) -> bool:
    """Whether this network reads a tree of prompts as it reads each prompt alone (a short trial).

    False for networks that ignore the mask or the positions given (state-space models, ALiBi).
    """
    return _trial(net)


def holds(net: Any) -> bool:
    """Whether it does so too where keys and values are held from pass to pass."""
    return _trial(net, hold=True, budget=4)


def _trial(net: Any, **how: Any) -> bool:
    top = int(net.config.get_text_config().vocab_size)
    trial = [
        Encoded(tuple(i % top for i in (11, 12, 13, 14, *tail)), ((5 % top, 6 % top), (7 % top,)))
        for tail in ((15, 16, 17), (15, 18), (19, 20, 21, 22))
    ]
    with torch.no_grad():
        try:
            tree = torch.cat(label_logprobs(net, trial, **how))
        except (TypeError, ValueError, RuntimeError, NotImplementedError, AttributeError):
            return False
        alone = torch.cat([label_logprobs(net, [item], share=False)[0] for item in trial])
    exact = _place(net)[1] in (torch.float32, torch.float64)
    return bool((tree - alone).abs().max() < (1e-3 if exact else 0.25))
