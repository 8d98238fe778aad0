"""Exact log-probability of every whole label, end of turn included, from a local network's logits.

Evaluation calls `label_logprobs` under no_grad; training calls it with gradients. Prompts become a forest of
tokens that stores every common beginning once. The network computes a prompt once for all its labels, and a
common beginning once for all its prompts, in the forward and the backward pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from homines.inference.memory import pass_length
from homines.inference.tokens import Encoded


class Forest:
    """Token sequences with every common beginning stored once. A parent precedes its children."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self._children: dict[tuple[int, int], int] = {}

    def add(self, node: int, ids: Sequence[int]) -> list[int]:
        """Walk from `node` (-1: above the roots) along `ids` and add missing nodes; the nodes of the walk."""
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

        rows   rows of earlier nodes that have children here; rows of nodes with later children are added to
               it
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
    """Prompts that are read in one pass, sorted by their tokens.

    prefix  their first tokens, which the previous pass has read already
    tokens  number of distinct tokens after the prefix: those that the network reads
    """

    items: tuple[int, ...]
    prefix: tuple[int, ...]
    tokens: int


def plan_passes(
    encoded: Sequence[Encoded], budget: int, *, hold: bool = False, after: tuple[int, ...] = ()
) -> list[Pack]:
    """Group prompts (by index) with common beginnings. A group reads at most `budget` distinct tokens, or is
    a single prompt.

    hold   a pass may begin on the path of the last prompt of the previous pass. In sorted order no earlier
           prompt shares more tokens, thus no token is read twice over all passes.
    after  tokens of a prompt read before the first pass, whose keys and values are held
    """
    order = sorted(range(len(encoded)), key=lambda i: encoded[i].prompt)
    out: list[Pack] = []
    group: list[int] = []
    forest, prefix = Forest(), ()
    for i in order:
        before = len(forest.tokens)
        if group and len(encoded[i].prompt) > len(prefix):
            plant(forest, encoded[i])
        if not group or len(forest.tokens) - len(prefix) > budget or len(encoded[i].prompt) <= len(prefix):
            if group:
                out.append(Pack(tuple(group), prefix, before - len(prefix)))
            before_it = encoded[group[-1]].prompt if group else after
            prefix = common_beginning(before_it, encoded[i].prompt) if hold else ()
            forest, group = Forest(), []
            forest.add(-1, prefix)
            plant(forest, encoded[i])
        group.append(i)
    if group:
        out.append(Pack(tuple(group), prefix, len(forest.tokens) - len(prefix)))
    return out


def common_beginning(one: Sequence[int], two: Sequence[int]) -> tuple[int, ...]:
    """Their common beginning, without the last token of the second: the network must read at least one."""
    n = 0
    while n < min(len(one), len(two) - 1) and one[n] == two[n]:
        n += 1
    return tuple(two[:n])


def plant(forest: Forest, item: Encoded) -> list[list[int]]:
    """Add a prompt and its labels (the terminator is predicted, never read). For each label: the nodes that
    predict its first token, its second, ..., and its terminator."""
    root = forest.add(-1, item.prompt)[-1]
    return [[root, *forest.add(root, label[:-1])] for label in item.labels]


def distinct_tokens(encoded: Sequence[Encoded], budget: int, *, hold: bool = False) -> int:
    """The number of tokens that the network reads for these prompts."""
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
    """Natural-log probability of every whole label, terminator included; one tensor [label] per prompt.

    share   compute common beginnings once per pass (by a tree attention mask); needs `shares(net)`
    hold    compute them once over all passes, by keys and values that are kept from pass to pass; needs
            `holds(net)`; ignored where gradients are enabled
    budget  distinct tokens of one pass, at most (a longer prompt has a pass of its own)
    pad     side of padding where nothing is shared
    """
    hold = hold and share and not torch.is_grad_enabled()
    out: list[torch.Tensor] = [torch.empty(0)] * len(encoded)
    cache = DynamicCache() if hold else None
    for pack in plan_passes(encoded, budget, hold=hold):
        items = [encoded[i] for i in pack.items]
        scored = _shared(net, items, pack.prefix, cache) if share else _plain(net, items, pad)
        for i, logp in zip(pack.items, scored, strict=True):
            out[i] = logp
    return out


def _shared(
    net: Any, items: Sequence[Encoded], prefix: tuple[int, ...] = (), cache: DynamicCache | None = None
) -> list[torch.Tensor]:
    """prefix: the beginning whose keys and values are in `cache`; afterwards those of the last prompt are."""
    forest, known = Forest(), len(prefix)
    forest.add(-1, prefix)
    nodes = [plant(forest, item) for item in items]
    targets = sorted({i for labels in nodes for path in labels for i in path})
    if cache is not None:
        keep_nodes(cache, list(range(known)))
    logits = read_nodes(net, forest, known, targets, cache)
    if cache is not None:
        keep_nodes(cache, forest.add(-1, items[-1].prompt))
    total = logits.logsumexp(-1)
    row = {node: i for i, node in enumerate(targets)}
    return [
        sum_labels(logits, total, item, [[row[n] for n in path] for path in labels])
        for item, labels in zip(items, nodes, strict=True)
    ]


def sum_labels(
    logits: torch.Tensor, total: torch.Tensor, item: Encoded, paths: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Log-probability of every label, [label], from logits [row, vocabulary] and their logsumexp `total`.

    paths  for each label: the rows that predict its first token, its second, ..., and its terminator
    """
    pairs = zip(paths, item.labels, strict=True)
    return torch.stack([(logits[path, list(ids)] - total[path]).sum() for path, ids in pairs])


def read_nodes(
    net: Any, forest: Forest, known: int, targets: Sequence[int], cache: DynamicCache | None
) -> torch.Tensor:
    """Logits at the target nodes, [target, vocabulary]. The cache holds the first `known` nodes of the
    forest.

    Where memory is short and there is a cache, the forest is read in pieces, each with the keys and values of
    the pieces before. Raises HominesError where the memory does not suffice.
    """
    device, dtype = place(net)
    end = len(forest.tokens)
    size = pass_length(net, end - known, end, len(targets), whole=cache is None)
    # the prefix is one path: each of its nodes sees all before it
    rows = {p: torch.ones(p + 1, dtype=torch.bool) for p in {*forest.parents[known:]} if 0 <= p < known}
    out: list[torch.Tensor] = []
    for start in range(known, end, size):
        stop = min(start + size, end)
        mask = torch.zeros(stop - start, stop, dtype=dtype)
        mask.masked_fill_(~forest.sees(start, stop, rows), torch.finfo(dtype).min)
        here = [i - start for i in targets if start <= i < stop]
        logits = logits_at(
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


def next_logprobs(net: Any, text: Sequence[int]) -> torch.Tensor:
    """Log-probability of every next token after each token of a text, [token, vocabulary]."""
    device, _ = place(net)
    pass_length(net, len(text), len(text), len(text), whole=True)
    every = torch.arange(len(text), device=device)
    ids = torch.tensor([list(text)], device=device)
    return logits_at(net, every, input_ids=ids, use_cache=False)[0].float().log_softmax(-1)


def keep_nodes(cache: Any, nodes: Sequence[int]) -> None:
    """Remove from the cache the keys and values of all tokens but these."""
    for layer in cache.layers:
        if layer.keys is not None and layer.keys.numel():
            at = torch.tensor(nodes, device=layer.keys.device, dtype=torch.long)
            layer.keys, layer.values = layer.keys.index_select(-2, at), layer.values.index_select(-2, at)


def _plain(net: Any, items: Sequence[Encoded], pad: str) -> list[torch.Tensor]:
    """One padded row per prompt and label: the reference that sharing must equal."""
    device, _ = place(net)
    rows = [(*item.prompt, *label[:-1]) for item in items for label in item.labels]
    width = max(map(len, rows))
    pass_length(net, len(rows) * width, width, len(rows) * width, whole=True)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    starts = [0 if pad == "right" else width - len(row) for row in rows]
    for i, (row, start) in enumerate(zip(rows, starts, strict=True)):
        ids[i, start : start + len(row)] = torch.tensor(row)
        mask[i, start : start + len(row)] = 1
    logits = net(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0).to(device),
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


def place(net: Any) -> tuple[torch.device, torch.dtype]:
    weight = next(p for p in net.parameters() if p.is_floating_point())
    return weight.device, weight.dtype


def logits_at(net: Any, positions: torch.Tensor, **inputs: Any) -> torch.Tensor:
    """Logits at these positions, [row, position, vocabulary]; a network that can computes no others."""
    base = getattr(net, "module", net)  # distributed training wraps the network
    base = base.get_base_model() if hasattr(base, "get_base_model") else base
    if "logits_to_keep" in inspect.signature(base.forward).parameters:
        return net(**inputs, logits_to_keep=positions).logits
    return net(**inputs).logits[:, positions]


def shares(net: Any) -> bool:
    """Whether this network gives the same results for a tree of prompts as for single prompts (a short
    trial).

    False for networks that ignore the attention mask or the positions (state-space models, ALiBi).
    """
    return _trial(net)


def holds(net: Any) -> bool:
    """Whether it does so with keys and values that are kept from pass to pass."""
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
    exact = place(net)[1] in (torch.float32, torch.float64)
    return bool((tree - alone).abs().max() < (1e-3 if exact else 0.25))
