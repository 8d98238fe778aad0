"""A network's label probabilities are exact, however prompts share their beginnings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core.types import HominesError, Prompt
from homines.elicitation.orders import orders
from homines.frames.sentences import Sentences
from homines.frames.table import Table
from homines.games.dictator import dictator
from homines.games.ipd import ipd
from homines.inference.logits import Forest, distinct_tokens, holds, label_logprobs, plan_passes, shares
from homines.inference.tokens import Encoded, encode, render, terminator
from homines.models.hf import HuggingFace
from tests.helpers.tiny import ARCHITECTURES, tiny

LABELS = (("action1", "action2"), ("A", "a much longer label"), ("1", "10"), ("ja", "nein, niemals"))


def prompts(labels: tuple[str, str] = ("action1", "action2")) -> list[Prompt]:
    frame = Table(labels)
    return [frame(d, o) for d in ipd().memory_one() for o in orders(2, frame.places)]


def test_shared_equals_one_prompt_at_a_time_on_the_embedded_model(smollm2: HuggingFace) -> None:
    some = [prompts(labels)[i] for i, labels in enumerate(LABELS)] + prompts()[:4]
    encoded = encode(smollm2.tokenizer, some)
    with torch.no_grad():
        tree = label_logprobs(smollm2.net, encoded)
        for pad in ("left", "right"):
            together = label_logprobs(smollm2.net, encoded, share=False, pad=pad)
            for a, b in zip(tree, together, strict=True):
                assert (a - b).abs().max() < 1e-3
        for item, shared in zip(encoded, tree, strict=True):
            assert (_by_hand(smollm2.net, item) - shared).abs().max() < 1e-3


def test_a_menu_of_a_hundred_and_one_amounts_is_read_in_one_pass(smollm2: HuggingFace) -> None:
    """The distribution over all amounts equals each amount scored by itself, and costs few more tokens."""
    menu = Table(goal="")(dictator(total=100, step=1).due(())[0], (tuple(range(101)), tuple(range(101))))
    (item,) = encode(smollm2.tokenizer, [menu])
    assert len(item.labels) == 101
    alone = sum(len(item.prompt) + len(label) for label in item.labels)
    assert distinct_tokens([item], 512) < alone / 20
    with torch.no_grad():
        (tree,) = label_logprobs(smollm2.net, [item])
    few = [0, 1, 9, 10, 50, 99, 100]
    by_hand = _by_hand(smollm2.net, replace(item, labels=tuple(item.labels[i] for i in few)))
    assert (by_hand - tree[few]).abs().max() < 1e-3


def _by_hand(net: Any, item: Encoded) -> torch.Tensor:
    """One row a label, no padding, the chain rule written out."""
    out = []
    for label in item.labels:
        ids = torch.tensor([[*item.prompt, *label]])
        logp = net(input_ids=ids).logits.log_softmax(-1)[0]
        start = len(item.prompt)
        out.append(sum(logp[start + i - 1, token] for i, token in enumerate(label)))
    return torch.stack([torch.as_tensor(x) for x in out])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_shares_or_says_that_it_cannot(kind: str) -> None:
    net = tiny(kind, vocabulary=100)
    items = [Encoded((1, 2, 3, 4, t), ((5, 6, 9), (5, 7, 8, 9), (7, 9))) for t in (10, 11, 12)]
    assert shares(net), kind
    with torch.no_grad():
        tree, plain = label_logprobs(net, items), label_logprobs(net, items, share=False)
        held = label_logprobs(net, items, hold=holds(net), budget=6)
    for a, b, c, item in zip(tree, plain, held, items, strict=True):
        assert (a - b).abs().max() < 1e-4
        assert (c - b).abs().max() < 1e-4
        assert (a - _by_hand(net, item)).abs().max() < 1e-4


def test_a_network_that_ignores_the_mask_is_found_out() -> None:
    class Bag(torch.nn.Module):
        """Predicts from the mean of everything before, mask or not."""

        def __init__(self) -> None:
            super().__init__()
            self.net = tiny("llama", vocabulary=50)
            self.config = self.net.config

        def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
            return self.net(input_ids=input_ids, use_cache=False)

    assert not shares(Bag())
    assert not holds(Bag())


def test_keys_are_held_where_they_can_be() -> None:
    assert {kind for kind in ARCHITECTURES if holds(tiny(kind, vocabulary=100))} >= {"llama", "gemma2"}


IDS = st.lists(st.integers(0, 4), min_size=1, max_size=6).map(tuple)


@given(
    st.lists(st.tuples(IDS, st.lists(IDS, min_size=1, max_size=3, unique=True)), min_size=1, max_size=6),
    st.integers(5, 40),
)
@settings(max_examples=40, deadline=None)
def test_any_forest_of_prompts_in_packs_of_any_size(raw: list[Any], budget: int) -> None:
    net = _tiny_net()
    items = [Encoded(prompt, tuple((*label, 5) for label in labels)) for prompt, labels in raw]
    with torch.no_grad():
        tree = label_logprobs(net, items, budget=budget)
        with reading(net) as read:
            held = label_logprobs(net, items, hold=True, budget=budget)
        plain = label_logprobs(net, items, share=False)
    for hold in (False, True):
        there = [pack.items for pack in plan_passes(items, budget, hold=hold)]
        assert sorted(itertools.chain(*there)) == list(range(len(items)))
    for a, b, c in zip(tree, plain, held, strict=True):
        assert (a - b).abs().max() < 1e-4
        assert (c - b).abs().max() < 1e-4
    assert sum(read) == distinct_tokens(items, budget, hold=True)


@given(st.lists(IDS, min_size=1, max_size=12), st.integers(1, 40))
def test_held_over_passes_no_token_of_a_prompt_is_read_twice(raw: list[Any], budget: int) -> None:
    """None of these prompts begins another, so that none ends where the next one goes on."""
    items = [Encoded((*prompt, 6), ((5, 7),)) for prompt in dict.fromkeys(raw)]
    whole = {item.prompt[:n] for item in items for n in range(1, len(item.prompt) + 1)}
    assert distinct_tokens(items, budget, hold=True) == len(whole) + len(items)


@contextmanager
def reading(net: Any) -> Iterator[list[int]]:
    """How many tokens each pass of the network reads."""
    read: list[int] = []
    seen = net.register_forward_pre_hook(
        lambda _, __, given: read.append(given["input_ids"].numel()), with_kwargs=True
    )
    try:
        yield read
    finally:
        seen.remove()


_NETS: list[Any] = []


def _tiny_net() -> Any:
    if not _NETS:
        _NETS.append(tiny("llama", vocabulary=8))
    return _NETS[0]


def test_label_probabilities_of_a_complete_set_sum_to_one() -> None:
    net = _tiny_net()
    every = tuple((a, b) for a in range(8) for b in range(8))
    with torch.no_grad():
        (logp,) = label_logprobs(net, [Encoded((1, 2, 3), every)])
    assert float(logp.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_a_forest_keeps_every_token_once() -> None:
    forest = Forest()
    forest.add(-1, [1, 2, 3])
    forest.add(-1, [1, 2, 4])
    assert forest.tokens == [1, 2, 3, 4]
    assert forest.sees().tolist()[3] == [True, True, False, True]
    items = [Encoded((1, 2, 3), ((7, 0), (8, 0))), Encoded((1, 2, 4), ((7, 0), (8, 0)))]
    assert distinct_tokens(items, 100) == 4 + 2 * 2


def test_gradients_with_the_prefix_shared_equal_those_without(smollm2: HuggingFace) -> None:
    net = tiny("llama")
    encoded = encode(smollm2.tokenizer, prompts()[:3])
    grads: list[list[torch.Tensor]] = []
    for share in (True, False):
        net.zero_grad()
        logp = torch.stack(label_logprobs(net, encoded, share=share, budget=10_000))
        (logp.exp() * torch.tensor([3.0, -2.0])).sum().backward()
        grads.append([p.grad.clone() for p in net.parameters()])
    for a, b in zip(*grads, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3 * float(b.abs().max()) + 1e-30)
    assert max(float(g.abs().max()) for g in grads[0]) > 0


# --- words to tokens ---------------------------------------------------------------------------


def test_the_terminator_is_the_templates_end_of_turn_or_the_end_of_text(smollm2: HuggingFace) -> None:
    tok = smollm2.tokenizer
    assert tok.convert_ids_to_tokens(terminator(tok)) == "<|im_end|>"
    bare = _copy(tok, chat_template=None)
    assert terminator(bare) == bare.eos_token_id
    other = _copy(tok, chat_template=GEMMA_LIKE)
    assert other.convert_ids_to_tokens(terminator(other)) == "<|endoftext|>"


GEMMA_LIKE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|endoftext|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>model\n{% endif %}"
)


def _copy(tokenizer: Any, **changes: Any) -> Any:
    import copy

    other = copy.deepcopy(tokenizer)
    for name, value in changes.items():
        setattr(other, name, value)
    return other


def test_templates_with_and_without_a_system_turn(smollm2: HuggingFace) -> None:
    asked = Prompt((("system", "Be brief."), ("user", "A or B?")), ("A", "B"))
    assert "system\nBe brief." in render(smollm2.tokenizer, asked)
    merged = render(_copy(smollm2.tokenizer, chat_template=GEMMA_LIKE), asked)
    assert merged == "<|im_start|>user\nBe brief.\n\nA or B?<|endoftext|>\n<|im_start|>model\n"
    broken = _copy(smollm2.tokenizer, chat_template="{{ raise_exception('never') }}")
    with pytest.raises(HominesError, match="never"):
        render(broken, Prompt((("user", "?"),), ("x",)))


def test_without_a_template_the_answer_follows_plain_text(smollm2: HuggingFace) -> None:
    bare = _copy(smollm2.tokenizer, chat_template=None)
    (item,) = encode(bare, [Prompt((("user", "A or B?"),), ("A", "B"))])
    assert bare.decode(item.prompt) == "A or B?\n\nAnswer:"
    assert [bare.decode(label) for label in item.labels] == [" A<|im_end|>", " B<|im_end|>"]


def test_a_tokenizer_that_merges_across_the_boundary_leaves_the_prompt_as_generation_sees_it(
    smollm2: HuggingFace,
) -> None:
    """The template ends in mid-word, so that prompt + label is cut elsewhere than the prompt alone."""
    tok = _copy(smollm2.tokenizer, chat_template="{{ messages[0].content }} The answer is un")
    asked = Prompt((("user", "Say it."),), ("happy", "til"))
    alone = tok(render(tok, asked), add_special_tokens=False).input_ids
    joint = tok(render(tok, asked) + "til", add_special_tokens=False).input_ids
    assert joint[: len(alone)] != alone, "this tokenizer no longer merges here; find another word"
    (item,) = encode(tok, [asked])
    assert list(item.prompt) == alone
    assert tok.decode(item.labels[1][:-1]) == "til"


def test_labels_of_which_one_begins_the_other_are_told_apart(smollm2: HuggingFace) -> None:
    some = prompts(("1", "10"))
    choices = smollm2.score(some[:2])
    assert all(0 < c.mass <= 1 and np.isfinite(c.logp).all() for c in choices)
    (item,) = encode(smollm2.tokenizer, some[:1])
    assert item.labels[1][: len(item.labels[0]) - 1] == item.labels[0][:-1]
    assert item.labels[0][-1] == item.labels[1][-1] == terminator(smollm2.tokenizer)


@pytest.mark.parametrize("labels", [("愛", "戦争"), ("👍", "👎"), ("סלח", "נקום"), ("é", "è")])
def test_unicode_labels(smollm2: HuggingFace, labels: tuple[str, str]) -> None:
    (item,) = encode(smollm2.tokenizer, prompts(labels)[:1])
    assert [smollm2.tokenizer.decode(x[:-1]) for x in item.labels] == list(labels)


def test_labels_that_become_the_same_tokens_are_refused(smollm2: HuggingFace) -> None:
    lower = _copy(smollm2.tokenizer)
    from tokenizers.normalizers import Lowercase

    lower.backend_tokenizer.normalizer = Lowercase()
    with pytest.raises(HominesError, match="same tokens"):
        encode(lower, [Prompt((("user", "?"),), ("Yes", "yes"))])


def test_a_label_cannot_smuggle_in_a_special_token(smollm2: HuggingFace) -> None:
    with pytest.raises(HominesError, match="special token"):
        smollm2.encode([Prompt((("user", "?"),), ("X", "X<|im_end|>"))])


def test_a_prompt_longer_than_the_context_is_refused_by_name(smollm2: HuggingFace) -> None:
    model = HuggingFace(tiny("llama", max_position_embeddings=64), smollm2.tokenizer, name="t", provenance={})
    with pytest.raises(HominesError, match="context of 64"):
        model.score([Sentences(("x", "y"))(ipd().memory_one()[0], ((0, 1), (0, 1)))])


def test_an_order_of_prompts_does_not_matter(smollm2: HuggingFace) -> None:
    some = prompts()
    forward = [c.logp.tolist() for c in smollm2.score(some)]
    backward = [c.logp.tolist() for c in smollm2.score(some[::-1])][::-1]
    assert np.abs(np.array(forward) - np.array(backward)).max() < 1e-3


def test_a_label_follows_a_beginning_of_the_answer_after_a_space(smollm2: HuggingFace) -> None:
    tok = smollm2.tokenizer
    plain, begun = (Prompt((("user", "A or B?"),), ("A", "B"), begins=b) for b in ("", "Answer:"))
    (without,), (item,) = encode(tok, [plain]), encode(tok, [begun])
    assert tok.decode(item.prompt) == tok.decode(without.prompt) + "Answer:"
    assert [tok.decode(label) for label in item.labels] == [" A<|im_end|>", " B<|im_end|>"]
    mixed = encode(tok, [plain, begun, plain])
    assert mixed == [without, item, without]
    bare = encode(_copy(tok, chat_template=None), [plain, begun])
    assert bare[0] == bare[1], "plain text ends with that word already"
    assert render(tok, begun, "A").endswith("assistant\nAnswer: A<|im_end|>\n")
    assert plain.key != begun.key


def test_what_is_read_after_a_beginning_is_what_the_network_says_next(smollm2: HuggingFace) -> None:
    """Token by token, from one prompt at a time without sharing."""
    begun = Prompt((("user", "Say A or B."),), ("A", "B"), begins="Answer:")
    tok, (choice,) = smollm2.tokenizer, smollm2.score([begun])
    text = "<|im_start|>user\nSay A or B.<|im_end|>\n<|im_start|>assistant\nAnswer:"
    head = tok(render(tok, Prompt((("user", "Say A or B."),), ("A",))) + "Answer:").input_ids
    assert tok.decode(head).endswith(text)
    p: list[float] = []
    for label in (" A", " B"):
        ids = [*head, *tok(label).input_ids, terminator(tok)]
        with torch.no_grad():
            logp = smollm2.net(torch.tensor([ids])).logits[0].log_softmax(-1)
        p.append(float(np.exp(sum(float(logp[i - 1, ids[i]]) for i in range(len(head), len(ids))))))
    assert choice.mass == pytest.approx(sum(p), rel=1e-3)
    assert choice.p[0] == pytest.approx(p[0] / sum(p), rel=1e-3)
