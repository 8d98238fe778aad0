"""Texts in slots are those of transformers' generate, and the answers after them those of a second pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Interrupted, Prompt
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.inference import generation, memory, reasoning
from homines.inference.generation import Generation, Rules, Text, writes
from homines.inference.logits import label_logprobs
from homines.inference.memory import slots_that_fit
from homines.inference.reasoning import ReasoningOptions, read_reasoned, write
from homines.inference.tokens import Encoded
from homines.models.hf import HuggingFace
from tests.helpers.tiny import ARCHITECTURES, tiny, willing

END = 9
LABELS = ((5, 6, END), (5, 7, 8, END), (7, END))
PROMPTS = (
    (1, 2, 3, 4),
    (1, 2, 3, 4, 20, 21),
    (1, 2, 5),
    (1, 2, 3, 4),
    (30, 31, 32, 33, 34),
    (40,),
    (1, 2, 5, 6),
)
SLIDING = {
    "layer_types": ["sliding_attention", "full_attention"],
    "sliding_window": 64,
    "use_sliding_window": True,
}
KINDS = [*((kind, {}) for kind in ARCHITECTURES), ("mistral", {"sliding_window": 64}), ("qwen2", SLIDING)]


def network(kind: str = "llama", **changes: Any) -> Any:
    """Varied texts of a tiny network: with the usual small weights it repeats itself."""
    return tiny(kind, vocabulary=60, initializer_range=0.5, **changes)


def in_slots(net: Any, texts: list[Text], slots: int | None = 3, most: int = 12, **rules: Any) -> list[Text]:
    handed = [
        text for part in Generation(net, texts, Rules(END, most, **rules), slots).run() for text in part
    ]
    assert set(handed) == set(texts)
    assert len(handed) == len(texts)
    return texts


def by_transformers(net: Any, prompt: tuple[int, ...], most: int = 12) -> list[int]:
    out = net.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=most,
        do_sample=False,
        eos_token_id=END,
        pad_token_id=END,
    )[0, len(prompt) :].tolist()
    return out[: out.index(END)] if END in out else out


@pytest.mark.parametrize(("kind", "changes"), KINDS)
def test_greedy_texts_are_those_of_transformers(kind: str, changes: dict[str, Any]) -> None:
    net = network(kind, **changes)
    if not writes(net):
        pytest.fail(f"{kind} writes in transformers' way")
    texts = in_slots(net, [Text(prompt) for prompt in PROMPTS])
    expected = [by_transformers(net, prompt) for prompt in PROMPTS]
    assert [text.tokens for text in texts] == expected
    assert [text.ended for text in texts] == [len(tokens) < 12 for tokens in expected]


@pytest.mark.parametrize("slots", [1, 2, 5, 7])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2"])
def test_answers_are_those_of_a_second_pass(kind: str, slots: int) -> None:
    """After the text itself, after a part of it, and after other tokens for the same words."""
    net = network(kind)

    def answer(text: Text) -> Encoded | None:
        own = {1: (), 2: text.tokens[:2], 3: [*text.tokens, 11, 12, 13], 5: None}.get(
            len(text.prompt), text.tokens
        )
        return None if own is None else Encoded((*text.prompt, *own), LABELS)

    texts = in_slots(net, [Text(prompt) for prompt in PROMPTS], slots, answer=answer)
    for text in texts:
        item = answer(text)
        if item is None:
            assert text.logp is None
            continue
        with torch.no_grad():
            (expected,) = label_logprobs(net, [item], share=False)
        assert text.logp is not None
        assert (text.logp - expected).abs().max() < 1e-4
        assert (text.logp.exp() - expected.exp()).abs().max() < 1e-5


def test_what_is_drawn_depends_on_the_source_of_the_text_alone() -> None:
    net = network()

    def drawn(order: list[int], slots: int) -> dict[int, list[int]]:
        texts = {i: Text(PROMPTS[i], np.random.default_rng(i)) for i in order}
        in_slots(net, list(texts.values()), slots, temperature=1.3)
        return {i: text.tokens for i, text in texts.items()}

    first = drawn([0, 1, 2, 3, 4, 5, 6], 3)
    assert first == drawn([6, 2, 4, 0, 1, 5, 3], 5)
    assert drawn([3], 1)[3] == first[3]
    assert first[0] != first[3], "the same prompt, another source"


def test_tokens_are_drawn_as_often_as_the_network_gives_them() -> None:
    net = network()
    with torch.no_grad():
        p = (net(input_ids=torch.tensor([[1, 2, 3]])).logits[0, -1] / 2).softmax(-1)
    texts = [Text((1, 2, 3), np.random.default_rng(i)) for i in range(2000)]
    in_slots(net, texts, 500, most=1, temperature=2.0)
    counts = np.bincount([text.tokens[0] if text.tokens else END for text in texts], minlength=60)
    off = counts - 2000 * p.numpy()
    assert (np.abs(off) < 5 * np.sqrt(2000 * p.numpy() * (1 - p.numpy())) + 1).all()


def test_what_cannot_come_is_never_drawn() -> None:
    logits = torch.tensor([[-np.inf, 0.0, 0.0, -np.inf]])
    assert [generation._draw(logits, [u])[0] for u in (0.0, 0.49, 0.51, 1 - 2**-53)] == [1, 1, 2, 2]


def test_a_text_ends_where_the_caller_says() -> None:
    net = network()
    (whole,) = in_slots(net, [Text((1, 2, 3, 4))])
    (text,) = in_slots(net, [Text((1, 2, 3, 4))], done=lambda text: len(text.tokens) == 3)
    assert text.tokens == whole.tokens[:3]
    assert not text.ended


def test_passes_are_as_wide_as_the_slots_and_prompts_are_read_once() -> None:
    net = network()
    seen: list[tuple[int, ...]] = []
    net.register_forward_pre_hook(
        lambda _, __, named: seen.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    shared = tuple(range(20, 50))
    in_slots(net, [Text((*shared, i)) for i in (50, 51, 52, 53)] + [Text((*shared, 50))], 3, most=4)
    read = sum(tokens for rows, tokens in seen if rows == 1 and tokens > 1)
    assert read <= len(shared) + 4 + 1, (
        "each distinct token once, but the last one of a prompt that comes again"
    )
    assert max(rows for rows, _ in seen) == 3
    seen.clear()
    in_slots(net, [Text((*shared, i)) for i in (50, 51, 52, 53)], None, most=4)
    assert max(rows for rows, _ in seen) == 4, "as many as there are"


def test_every_pass_is_checked_and_computes_the_logits_that_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    checked: list[tuple[int, ...]] = []
    outputs: list[int] = []

    def check(net: Any, *sizes: int, whole: bool = False) -> int:
        assert whole
        checked.append(sizes)
        return sizes[0]

    def answer(text: Text) -> Encoded:
        """Other tokens for the same words: all after the first are read once more."""
        return Encoded((*text.prompt, 11, *text.tokens[1:]), LABELS)

    monkeypatch.setattr(generation, "pass_length", check)
    net.register_forward_hook(lambda _, __, out: outputs.append(out.logits.shape[1]))
    (text,) = in_slots(net, [Text((1, 2, 3, 4))], answer=answer)
    assert len(text.tokens) == 12
    # at the last, 12 tokens of the text and 5 of labels, after 6 of which a token is predicted
    assert checked == [*((1, 4 + i, 1) for i in range(1, 12)), (17, 21, 6)]
    assert outputs == [1, *(1 for _ in range(1, 12)), 6]


def test_a_text_too_long_for_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    monkeypatch.setattr(memory, "CHECKED_FROM", 0)
    need = memory.pass_bytes(net, 42, 46, 6)
    monkeypatch.setattr(memory, "free_bytes", lambda place: need - 1)
    texts = [Text((1, 2, 3, 4))]
    with pytest.raises(HominesError, match="reading 46 tokens"):
        in_slots(net, texts, 1, most=2, answer=lambda text: Encoded((*text.prompt, *[11] * 37), LABELS))


def test_the_slots_fit_into_half_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    of_one = 100 * memory._key_bytes(net)
    assert memory._key_bytes(net) == 2 * 2 * 8 * 2 * 4, (
        "keys and values, 2 heads of 8 numbers, 2 layers, 4 bytes"
    )
    monkeypatch.setattr(memory, "free_bytes", lambda place: 20 * of_one)
    assert slots_that_fit(net, 100, 64) == 10
    assert slots_that_fit(net, 100, 4) == 4
    monkeypatch.setattr(memory, "free_bytes", lambda place: 10)
    assert slots_that_fit(net, 100, 64) == 1


# --- with words ----------------------------------------------------------------------------------


def thinking(words: str = "A or B?") -> Prompt:
    return Prompt(
        (("user", f"{words} Think, then end with Answer: A or Answer: B"),), ("A", "B"), cue="Answer:"
    )


@pytest.fixture
def model(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer, "Answer:,A"), tokenizer, name="tiny", provenance={"revision": "r"})


def test_reasons_and_answers_are_those_of_transformers_way(model: HuggingFace) -> None:
    assert model.writes
    prompts = [thinking(), thinking("B or A?"), thinking("A, or rather B?")]
    own = read_reasoned(model, prompts, ReasoningOptions(most=24))
    model.writes = False
    other = read_reasoned(model, prompts, ReasoningOptions(most=24))
    for a, b in zip(own, other, strict=True):
        assert a.reasons == b.reasons
        assert a.tokens == b.tokens
        assert np.abs(a.p - b.p).max() < 1e-5
        assert (a.notes()["sampler"], b.notes()["sampler"]) == (2, 1)


def test_sampled_answers_are_those_of_a_second_pass(model: HuggingFace, tokenizer: Any) -> None:
    """Sampled tokens are often not those that the tokenizer makes of the same words."""
    from homines.inference.tokens import encode

    (heard,) = read_reasoned(model, [thinking()], ReasoningOptions(40, 1.5, 24, 1))
    reached = [(text, p) for text, p in zip(heard.reasons, heard.p, strict=True) if text is not None]
    assert len(reached) > 3
    items = encode(tokenizer, [thinking()] * len(reached), [text for text, _ in reached])
    with torch.no_grad():
        for item, (_, p) in zip(items, reached, strict=True):
            (logp,) = label_logprobs(model.net, [item], share=False)
            assert np.abs(logp.exp().numpy() - p).max() < 1e-5


def test_the_order_of_prompts_does_not_matter(model: HuggingFace) -> None:
    prompts = [thinking(), thinking("B or A?"), thinking("A, or rather B?")]
    how = ReasoningOptions(4, 1.5, 24, 2)
    forward = read_reasoned(model, prompts, how)
    backward = read_reasoned(model, prompts[::-1], how)[::-1]
    for a, b in zip(forward, backward, strict=True):
        assert a.reasons == b.reasons
        assert a.counted == b.counted
        assert np.abs(a.p - b.p).max() < 1e-5


def test_free_texts_of_one_prompt_differ_and_come_again(model: HuggingFace) -> None:
    prompt = Prompt((("user", "A price?"),), ("x",))
    how = ReasoningOptions(1, 1.5, 24, 3)
    texts = write(model, [prompt] * 6, how)
    assert texts == write(model, [prompt] * 6, how)
    assert texts[:2] == write(model, [prompt] * 2, how)
    assert len(set(texts)) > 1


def test_a_network_that_cannot_write_in_slots_writes_in_transformers_way(
    model: HuggingFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation.Slots, "fill", lambda *_: None)
    assert not writes(model.net)
    monkeypatch.setattr(generation, "SLOTS", None)
    model.hold = False
    assert not model.writes
    (heard,) = read_reasoned(model, [thinking()], ReasoningOptions(most=3))
    assert heard.sampler == 1
    assert reasoning.write(model, [thinking()], ReasoningOptions(most=3)) == [""]


def test_a_run_that_was_stopped_ends_as_one_that_was_not(model: HuggingFace, tmp_path: Path) -> None:
    model.reasoning = ReasoningOptions(2, 1.5, 16, 4)
    words = ("", ", asks=aloud")
    frames = [find("frames", f"table(labels='A,B', goal='highest score'{asks})") for asks in words]
    asked = questions(model, {"ipd": battery(find("games", "ipd"))}, frames, most=4)
    whole = {r.key: r for r in measure(model, asked)}
    with RunFolder(tmp_path / "run", {"model": model.name}) as run:
        for most in (3, len(asked) - 3):
            with pytest.raises(Interrupted):
                measure(model, asked, run, batch=3, stop=lambda most=most: len(run.records) >= most)
    with RunFolder(tmp_path / "run", {"model": model.name}) as run:
        resumed = measure(model, asked, run)
    for r in resumed:
        other = whole[r.key]
        assert r.choice is not None
        assert other.choice is not None
        assert r.choice.logp == pytest.approx(other.choice.logp, abs=1e-4)
        assert r.provenance.get("reasons") == other.provenance.get("reasons")
        assert r.provenance.get("counted") == other.provenance.get("counted")
