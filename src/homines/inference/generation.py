"""Texts of a local network: many at once, common beginnings read once, answers read from the same keys.

Texts stand in slots with the keys and values of their tokens. An ended text leaves its slot to the next
prompt, thus each pass of the network is as wide as the slots allow. The label probabilities after a text are
read from its own slot: only the tokens of the labels are new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, CacheLayerMixin

from homines.inference.logits import (
    Forest,
    common_beginning,
    keep_nodes,
    logits_at,
    place,
    plan_passes,
    plant,
    read_nodes,
    sum_labels,
)
from homines.inference.memory import pass_length, slots_that_fit
from homines.inference.tokens import Encoded

SLOTS = 64
"""Texts written at once, at most."""
SHARE = 4
"""Ended texts are read, and their slots filled again, once they are one in SHARE."""
BUDGET = 512
"""Tokens of a pass that reads prompts or labels, at most."""


@dataclass(eq=False)
class Text:
    """A prompt and what the network writes after it.

    prompt  tokens before the text
    rng     draws its tokens, a uniform number each; None: every token is the likeliest
    tokens  the text, without the token that ends the turn
    ended   whether the turn ended
    logp    log-probability of every label after it, [label]; None where nothing was read
    """

    prompt: tuple[int, ...]
    rng: np.random.Generator | None = None
    tokens: list[int] = field(default_factory=list[int])
    ended: bool = False
    logp: torch.Tensor | None = None

    @property
    def keyed(self) -> tuple[int, ...]:
        """The tokens whose keys are in its slot: all but the latest, which no pass has read yet."""
        return (*self.prompt, *self.tokens[:-1])


@dataclass(frozen=True)
class Rules:
    """When a text is done and what is read after it.

    end          the token that ends a turn
    most         tokens of a text, at most
    temperature  of the sampling
    done         whether a text is done before its turn ends; asked after every token
    answer       what to read after a text; None: nothing
    """

    end: int
    most: int
    temperature: float = 1.0
    done: Callable[[Text], bool] = lambda text: False
    answer: Callable[[Text], Encoded | None] = lambda text: None


class Slots(Cache):
    """Keys and values of texts, [slot, head, place, number] a layer, in memory that never moves.

    span    the slots (first, last + 1) that the next pass reads
    places  where the keys of its tokens go, [slot, token]
    width   how many places it looks at
    """

    def __init__(self, count: int, width: int, like: DynamicCache) -> None:
        kept: list[Any] = list(like.layers)
        self.kept = [_Layer(self, count, width, layer) for layer in kept]
        super().__init__(layers=[*self.kept])
        self.span, self.width = (0, 0), 0
        self.places = torch.empty(0, 0, dtype=torch.long)

    def fill(self, slot: int, like: DynamicCache, nodes: torch.Tensor) -> None:
        """Copy the keys of a path of a forest into a slot."""
        others: list[Any] = list(like.layers)
        for layer, other in zip(self.kept, others, strict=True):
            for mine, theirs in zip(layer.tensors, (other.keys, other.values), strict=True):
                mine[slot, :, : len(nodes)] = theirs[0].index_select(-2, nodes)

    def swap(self, one: int, other: int) -> None:
        """Exchange two slots."""
        if one != other:
            for layer in self.kept:
                for mine in layer.tensors:
                    mine[[one, other]] = mine[[other, one]]

    def reach(self, width: int) -> None:
        """Make room for texts of `width` tokens."""
        for layer in self.kept:
            if (more := width - layer.tensors[0].shape[-2]) > 0:
                layer.tensors = [torch.nn.functional.pad(mine, (0, 0, 0, more)) for mine in layer.tensors]


class _Layer(CacheLayerMixin):
    is_sliding = False

    def __init__(self, slots: Slots, count: int, width: int, like: Any) -> None:
        super().__init__()
        self.slots = slots
        self.tensors = [
            mine.new_zeros(count, mine.shape[1], width, mine.shape[-1]) for mine in (like.keys, like.values)
        ]
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        (start, stop), places = self.slots.span, self.slots.places
        rows = torch.arange(start, stop, device=places.device)[:, None]
        for mine, new in zip(self.tensors, (key_states, value_states), strict=True):
            mine[rows, :, places] = new.transpose(1, 2)
        keys, values = (mine[start:stop, :, : self.slots.width] for mine in self.tensors)
        return keys, values

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        raise NotImplementedError

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.slots.width, 0

    def get_seq_length(self) -> int:
        return self.slots.width - self.slots.places.shape[1]

    def get_max_length(self) -> int:
        return int(self.tensors[0].shape[-2])


class Generation:
    """Texts under way: those being written in the first slots, ended ones behind them."""

    def __init__(self, net: Any, texts: Sequence[Text], rules: Rules, slots: int | None = None) -> None:
        self.net, self.rules = net, rules
        self.waiting = sorted(texts, key=lambda text: text.prompt)[::-1]
        self.width = max(len(text.prompt) for text in texts) + rules.most
        self.count = slots or slots_that_fit(net, self.width, min(SLOTS, len(texts)))
        self.prompts, self.latest = DynamicCache(), ()
        self.slots: Slots | None = None
        self.active: list[Text] = []
        self.ended: list[Text] = []

    @torch.no_grad()
    def run(self) -> Iterator[list[Text]]:
        """Write all texts; each is handed out once it has ended and its answer is read."""
        while self.waiting or self.active or self.ended:
            if self.ended and (not self.active or SHARE * len(self.ended) >= self.count):
                self._answer()
                yield self.ended
                self.ended = []
            if self.waiting and not self.ended and len(self.active) < self.count:
                self._begin()
            elif self.active:
                self._go_on()

    def _begin(self) -> None:
        """Read the next prompts, each once for all its texts, and write the first token after them."""
        texts: dict[tuple[int, ...], list[Text]] = {}
        for _ in range(min(len(self.waiting), self.count - len(self.active))):
            text = self.waiting.pop()
            texts.setdefault(text.prompt, []).append(text)
        items = [Encoded(prompt, ((self.rules.end,),)) for prompt in texts]
        rows: list[torch.Tensor] = []
        for pack in plan_passes(items, BUDGET, hold=True, after=self.latest):
            forest, known = Forest(), len(pack.prefix)
            forest.add(-1, pack.prefix)
            paths = [forest.add(-1, items[i].prompt) for i in pack.items]
            ends = sorted({path[-1] for path in paths})
            keep_nodes(self.prompts, list(range(known)))
            logits = read_nodes(self.net, forest, known, ends, self.prompts)
            if self.slots is None:
                self.slots = Slots(self.count, self.width, self.prompts)
            for i, path in zip(pack.items, paths, strict=True):
                nodes = torch.tensor(path, device=logits.device)
                for text in texts[items[i].prompt]:
                    self.slots.fill(len(self.active), self.prompts, nodes)
                    self.active.append(text)
                    rows.append(logits[ends.index(path[-1])])
            keep_nodes(self.prompts, paths[-1])
            self.latest = items[pack.items[-1]].prompt
        self._take(self.active[-len(rows) :], torch.stack(rows))

    def _go_on(self) -> None:
        """Write the next token of every text."""
        tokens = torch.tensor([[text.tokens[-1]] for text in self.active])
        lengths = torch.tensor([[len(text.keyed)] for text in self.active])
        sees = torch.arange(int(lengths.max()) + 1) <= lengths
        logits = self._pass(0, tokens, lengths, lengths, sees[:, None], [0])
        self._take(list(self.active), logits[:, 0])

    def _pass(
        self,
        first: int,
        tokens: torch.Tensor,
        lengths: torch.Tensor,
        positions: torch.Tensor,
        sees: torch.Tensor,
        targets: Sequence[int],
    ) -> torch.Tensor:
        """Logits [text, target, vocabulary] of new tokens of the texts in the slots from `first`. Raises
        HominesError where the memory does not suffice.

        tokens     [text, token]
        lengths    places of each slot before its new tokens, [text, 1]
        positions  of the new tokens, [text, token]
        sees       places that each new token attends to, [text, token, place]
        targets    those of each text's new tokens whose logits are needed
        """
        assert self.slots is not None
        device, dtype = place(self.net)
        count, width = tokens.shape[1], sees.shape[-1]
        pass_length(self.net, tokens.numel(), width, len(tokens) * len(targets), whole=True)
        self.slots.reach(width)
        self.slots.span, self.slots.width = (first, first + len(tokens)), width
        self.slots.places = (lengths + torch.arange(count)).to(device)
        mask = torch.zeros(sees.shape, dtype=dtype).masked_fill_(~sees, torch.finfo(dtype).min)
        return logits_at(
            self.net,
            torch.tensor(targets, device=device),
            input_ids=tokens.to(device),
            attention_mask=mask[:, None].to(device),
            position_ids=positions.to(device),
            past_key_values=self.slots,
            use_cache=True,
        ).float()

    def _take(self, texts: Sequence[Text], logits: torch.Tensor) -> None:
        """Draw the next token of these texts, and move those that ended behind the others."""
        drawn = logits.argmax(-1).tolist()
        if sampled := [i for i, text in enumerate(texts) if text.rng is not None]:
            uniform = [text.rng.random() for text in texts if text.rng is not None]
            numbers = _draw(logits[sampled] / self.rules.temperature, uniform)
            for i, token in zip(sampled, numbers, strict=True):
                drawn[i] = token
        for text, token in zip(texts, drawn, strict=True):
            text.ended = token == self.rules.end
            if not text.ended:
                text.tokens.append(token)
            if text.ended or len(text.tokens) >= self.rules.most or self.rules.done(text):
                self._leave(text)

    def _leave(self, text: Text) -> None:
        assert self.slots is not None
        at, last = self.active.index(text), len(self.active) - 1
        self.slots.swap(at, last)
        self.active[at] = self.active[last]
        self.active.pop()
        self.ended.insert(0, text)

    def _answer(self) -> None:
        """Read the label probabilities after the ended texts, as many at once as the budget allows."""
        group: list[_Answer] = []
        for slot, text in enumerate(self.ended, len(self.active)):
            item = self.rules.answer(text)
            if item is None:
                continue
            answer = _Answer(slot, text, item)
            longest = max(len(each.forest.tokens) for each in (*group, answer))
            if group and (slot > group[-1].slot + 1 or longest * (len(group) + 1) > BUDGET):
                self._read(group)
                group = []
            group.append(answer)
        if group:
            self._read(group)

    def _read(self, group: Sequence[_Answer]) -> None:
        """Read the answers in adjacent slots in one pass."""
        count = max(len(answer.forest.tokens) for answer in group)
        lengths = torch.tensor([[answer.known] for answer in group])
        tokens = torch.full((len(group), count), self.rules.end)
        positions = lengths.repeat(1, count)
        sees = (torch.arange(int(lengths.max()) + count) < lengths)[:, None].repeat(1, count, 1)
        sees[:, :, 0] = True  # for what pads a row; the first place is everybody's beginning
        for row, answer in enumerate(group):
            forest, known = answer.forest, answer.known
            size = len(forest.tokens)
            tokens[row, :size] = torch.tensor(forest.tokens)
            positions[row, :size] += torch.tensor(forest.depths)
            sees[row, :size, known : known + size] = forest.sees()
        targets = sorted({node for answer in group for path in answer.paths for node in path})
        row = {node: i for i, node in enumerate(targets)}
        logits = self._pass(group[0].slot, tokens, lengths, positions, sees, targets)
        for rows, answer in zip(logits, group, strict=True):
            paths = [[row[node] for node in path] for path in answer.paths]
            answer.text.logp = sum_labels(rows, rows.logsumexp(-1), answer.item, paths)


class _Answer:
    """What is to be read after a text.

    known   tokens of the prompt and the text with keys in the slot
    forest  the tokens to read: what the text's own keys lack, and the labels
    item    the same tokens and the labels
    paths   for each label: the nodes that predict its tokens
    """

    def __init__(self, slot: int, text: Text, item: Encoded) -> None:
        self.slot, self.text = slot, text
        self.known = len(common_beginning(text.keyed, item.prompt))
        self.item = Encoded(item.prompt[self.known :], item.labels)
        self.forest = Forest()
        self.paths = plant(self.forest, self.item)


def _draw(logits: torch.Tensor, uniform: Sequence[float]) -> list[int]:
    """A token of each row [row, vocabulary]: the first whose cumulative probability exceeds the uniform
    number."""
    total = logits.softmax(-1).cumsum(-1)
    whole = total[:, -1]
    at = torch.tensor(uniform, dtype=total.dtype, device=total.device) * whole
    at = torch.minimum(at, torch.nextafter(whole, torch.zeros_like(whole)))  # a number near 1 may round to 1
    return torch.searchsorted(total, at[:, None], right=True)[:, 0].tolist()


def writes(net: Any) -> bool:
    """Whether this network writes and reads in slots as it does alone (a short trial)."""
    top = int(net.config.get_text_config().vocab_size)
    prompts = [tuple(i % top for i in ids) for ids in ((11, 12, 13), (11, 12, 14, 15, 16), (17, 18))]
    labels = ((5 % top, 6 % top), (7 % top,))
    texts = [Text(prompt) for prompt in prompts]
    rules = Rules(-1, 4, answer=lambda text: Encoded((*text.prompt, *text.tokens), labels))
    try:
        for _ in Generation(net, texts, rules, slots=2).run():
            pass
    except (TypeError, ValueError, RuntimeError, NotImplementedError, AttributeError, IndexError):
        return False
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([[*text.prompt, *text.tokens]], device=net.device)
            logits = net(input_ids=ids, use_cache=False).logits[0].float()
            here = range(len(text.prompt) - 1, ids.shape[1] - 1)
            slack = 1e-3 if place(net)[1] in (torch.float32, torch.float64) else 0.25
            for at, token in zip(here, text.tokens, strict=True):
                if float(logits[at].max() - logits[at, token]) > slack:
                    return False
            longer = torch.tensor([[*ids[0].tolist(), labels[0][0]]], device=net.device)
            logp = net(input_ids=longer, use_cache=False).logits[0].float().log_softmax(-1)
            expected = [logp[-2, labels[0][0]] + logp[-1, labels[0][1]], logp[-2, labels[1][0]]]
            if text.logp is None or float((text.logp - torch.stack(expected)).abs().max()) > slack:
                return False
    return True
