"""Lessons: their loss is the expected loss of the answers drawn, batches are of like length, and bfloat16
products teach the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from homines.core.progress import Follow
from homines.core.types import HominesError, Prompt
from homines.datasets.generator import generate
from homines.datasets.recipe import Recipe
from homines.datasets.row import Row
from homines.elicitation import capability
from homines.inference.tokens import terminator
from homines.models.hf import HuggingFace
from homines.training.everyday_text import EverydayText
from homines.training.lessons import Lesson, collate, lessons_of_rows, plan_batches, weights_of
from homines.training.plain import STORE, plain_lessons, requests
from homines.training.settings import SupervisedSettings
from homines.training.supervised import train_supervised
from homines.training.supervised_trainer import CompletionTrainer, weighted_loss
from tests.helpers.tiny import willing


def pupil(tokenizer: Any, words: str = "A,B", **changes: Any) -> HuggingFace:
    return HuggingFace(
        willing(tokenizer, words, **changes), tokenizer, name="tiny", provenance={"revision": "0"}
    )


def soft_rows(reasons: bool, *targets: tuple[float, ...], labels: str = "A,B") -> list[Row]:
    made, _, _ = generate(
        Recipe(
            "economicus",
            train=len(targets),
            test=0,
            asks=(("aloud",) if reasons else ("bare",)),
            words=(labels,),
        )
    )
    return [replace(row, target=np.array(p)) for row, p in zip(made, targets, strict=True)]


def loss_of(model: HuggingFace, lessons: list[Lesson], pad: str) -> torch.Tensor:
    total, weight, _ = weighted_loss(model.net, collate(lessons, torch.float32, pad=pad))
    return total / weight


def gradient(net: Any, loss: torch.Tensor) -> torch.Tensor:
    net.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


@pytest.mark.parametrize("labels", ["A,B", "action1,action2"])
@pytest.mark.parametrize("share", [True, False])
def test_the_gradient_is_that_of_the_expected_loss(tokenizer: Any, labels: str, share: bool) -> None:
    """Against the plain way: a padless sequence for each row and answer, each token's loss by its weight."""
    model = pupil(tokenizer)
    aloud = soft_rows(True, (0.7, 0.3), (1.0, 0.0), labels=labels)
    bare = soft_rows(False, (0.2, 0.8), labels=labels)
    rows = [*aloud, *bare]
    model.share = share
    lessons = [lesson for many in lessons_of_rows(model, rows, soft=True) for lesson in many]
    assert len(lessons) == (3 if share else 5)
    mine = gradient(model.net, loss_of(model, lessons, "left" if share else "right"))
    total, weight = torch.zeros(()), 0.0
    for row in rows:
        prompt = model.encode([row.prompt])[0].prompt
        before = row.completion.removesuffix(row.prompt.labels[row.answer])
        for a, p in enumerate(row.target):
            if p:
                said = tokenizer(before + row.prompt.labels[a], add_special_tokens=False).input_ids
                said.append(terminator(tokenizer))
                logits = model.net(input_ids=torch.tensor([[*prompt, *said]])).logits[0, len(prompt) - 1 : -1]
                logp = logits.log_softmax(-1)[range(len(said)), said]
                total, weight = total - p * logp.sum(), weight + p * len(said)
    assert mine == pytest.approx(gradient(model.net, total / weight), rel=1e-4, abs=1e-5)


def test_a_token_counts_alike_in_a_short_step_and_in_a_long_one(tokenizer: Any) -> None:
    """The loss of a step is its tokens' sum by one weight for all steps; the figure shown is by its own."""
    model = pupil(tokenizer)
    trainer = CompletionTrainer.__new__(CompletionTrainer)
    trainer.products, trainer.weight = None, 10.0
    trainer.texts = SimpleNamespace(weight=0.0)  # pyright: ignore[reportAttributeAccessIssue]
    for row in (*soft_rows(True, (1.0, 0.0)), *soft_rows(False, (1.0, 0.0))):
        ((lesson,),) = lessons_of_rows(model, [row])
        batch = collate([lesson], torch.float32, pad="left")
        with torch.no_grad():
            total, weight, _ = weighted_loss(model.net, batch)
            loss = trainer.compute_loss(model.net, batch)
        assert float(loss) == pytest.approx(float(total) / 10, rel=1e-5)
        assert trainer.figures["loss"] == pytest.approx(float(total) / weight, rel=1e-5)


def test_rare_answers_are_left_out_and_the_others_add_up(tokenizer: Any) -> None:
    model = pupil(tokenizer)
    ((lesson,),) = lessons_of_rows(model, soft_rows(False, (0.995, 0.005)), soft=True)
    assert not lesson.branches
    assert {weight for _, _, weight in lesson.said} == {1.0}
    ((lesson,),) = lessons_of_rows(model, soft_rows(False, (0.7, 0.3)))
    assert not lesson.branches, "the best answer alone, unless the data ask for the target"


def test_where_every_answer_is_rare_all_are_kept() -> None:
    """A menu of many amounts at a low precision has no answer of LEAST_WEIGHT."""
    (row,) = soft_rows(False, (0.5, 0.5))
    wide = np.full(160, 1 / 160)
    assert weights_of(replace(row, target=wide)) == pytest.approx(dict.fromkeys(range(160), 1 / 160))


def test_one_prompt_with_a_target_is_answered_at_its_rates(tokenizer: Any, tmp_path: Path) -> None:
    (row,) = soft_rows(False, (0.7, 0.3))
    model = pupil(tokenizer)
    course = SupervisedSettings(epochs=100, batch=1, lr=5e-3, rank=8, text_kl=0.0, save_every=200)
    train_supervised(model, [row], course, tmp_path, soft=True)
    choice = model.score([row.prompt])[0]
    assert choice.p == pytest.approx([0.7, 0.3], abs=0.03)
    assert choice.mass > 0.8


def test_bare_rows_and_rows_aloud_are_taught_together(tokenizer: Any, tmp_path: Path) -> None:
    (aloud,), (bare,) = soft_rows(True, (1.0, 0.0)), soft_rows(False, (1.0, 0.0))
    model = pupil(tokenizer, aloud.completion)
    seen: list[dict[str, Any]] = []
    course = SupervisedSettings(epochs=60, batch=2, lr=5e-3, rank=0, text_kl=0.0, save_every=200)
    train_supervised(model, [aloud, bare], course, tmp_path, follow=Follow(step=seen.append))
    assert seen[-1]["loss"] < 0.3 * seen[0]["loss"]
    assert seen[-1]["token_accuracy"] > 0.9
    assert model.score([bare.prompt])[0].p[bare.answer] > 0.9
    with torch.no_grad():
        for lessons in lessons_of_rows(model, [aloud, bare]):
            before = loss_of(pupil(tokenizer, aloud.completion), lessons, "left")
            assert float(loss_of(model, lessons, "left")) < 0.3 * float(before)


def test_batches_are_of_like_length_and_see_every_row_alike() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.choice([90, 150, 250, 320], 200).tolist()
    batches = plan_batches(lengths, 8, 50, 3)
    assert batches == plan_batches(lengths, 8, 50, 3) != plan_batches(lengths, 8, 50, 4)
    assert {len(batch) for batch in batches} == {8}
    assert set(np.bincount(np.concatenate(batches)).tolist()) == {2}

    def wasted(groups: list[list[int]]) -> float:
        read = sum(len(group) * max(lengths[i] for i in group) for group in groups)
        return 1 - sum(lengths[i] for group in groups for i in group) / read

    plain = rng.permutation(200).reshape(25, 8).tolist()
    assert wasted(batches) < 0.1 < 0.3 < wasted(plain)
    means = [np.mean([lengths[i] for i in batch]) for batch in batches]
    assert abs(np.corrcoef(means, np.arange(50))[0, 1]) < 0.5, "no order from short to long"


def test_bfloat16_products_teach_the_same(tokenizer: Any, tmp_path: Path) -> None:
    """Weights and adapter stay float32; the loss of every step agrees within 2%."""
    rows, _, _ = generate(Recipe("economicus", train=8, test=0))
    losses: dict[str, list[float]] = {}
    for products in ("float32", "bfloat16"):
        model = pupil(tokenizer)
        seen: list[dict[str, Any]] = []
        course = SupervisedSettings(epochs=6, batch=4, lr=3e-3, rank=8, products=products, save_every=200)
        train_supervised(model, rows, course, tmp_path / products, follow=Follow(step=seen.append))
        losses[products] = [row["loss"] for row in seen]
        assert {p.dtype for p in model.net.parameters()} == {torch.float32}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    assert losses["bfloat16"] != losses["float32"]
    assert losses["float32"][-1] < 0.9 * losses["float32"][0]
    with pytest.raises(HominesError, match="products is 'int4'; there are auto, float32, bfloat16"):
        SupervisedSettings(products="int4")


def test_everyday_text_keeps_the_network_as_it_was(tokenizer: Any, tmp_path: Path) -> None:
    """The KL to the model before is in the loss and in every row of the curve, and lower for it."""
    rows = soft_rows(False, *[(1.0, 0.0)] * 4)
    change: dict[float, float] = {}
    for weight in (0.0, 10.0):
        model = pupil(tokenizer)
        seen: list[dict[str, Any]] = []
        course = SupervisedSettings(epochs=12, batch=4, lr=1e-2, rank=8, text_kl=weight, save_every=200)
        follow = Follow(step=seen.append)
        train_supervised(model, rows, course, tmp_path / f"{weight}", follow=follow)
        assert all(("text_kl" in row) == bool(weight) for row in seen)
        assert not weight or (abs(seen[0]["text_kl"]) < 1e-6 < seen[-1]["text_kl"])
        before = EverydayText(pupil(tokenizer), pupil(tokenizer).net, 1.0)
        with torch.no_grad():
            change[weight] = float(np.mean([float(before.kl(model.net, k)) for k in range(4)]))
    assert change[10.0] < 0.5 * change[0.0]


# --- plain rows ----------------------------------------------------------------------------------


def test_plain_requests_are_none_that_side_effects_are_measured_on() -> None:
    asked = requests()
    assert len(asked) == len({*asked}) == 120
    measured = " ".join(prompt.text for prompt in capability.items()) + capability.TEXT
    assert not [text for text in asked if text in measured]


def test_plain_rows_are_the_models_own_answers_and_asked_once(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homines.training.plain.requests", lambda: requests()[:3])
    model = pupil(tokenizer, "yes indeed")
    lessons = plain_lessons(model, 5, tmp_path, Follow())
    assert len(lessons) == 5
    assert lessons[0] is lessons[len(lines := (tmp_path / STORE).read_text().splitlines())]
    assert 0 < len(lines) <= 3
    (first,) = lessons[0]
    item = model.encode([Prompt((("user", requests()[0]),), ("x",))])[0]
    assert tuple(first.forest.tokens[: len(item.prompt)]) == item.prompt
    logits = model.net(input_ids=torch.tensor([first.forest.tokens])).logits[0]
    assert all(int(logits[node].argmax()) == token for node, token, _ in first.said), "greedy, and it ends"
    monkeypatch.setattr("homines.training.plain.write", None)
    assert len(plain_lessons(model, 3, tmp_path, Follow())) == 3


def test_plain_rows_join_the_others(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homines.training.plain.requests", lambda: requests()[:3])
    model = pupil(tokenizer, "A yes")
    seen: list[dict[str, Any]] = []
    course = SupervisedSettings(batch=4, rank=4, plain=8)
    train_supervised(
        model, soft_rows(False, *[(1.0, 0.0)] * 8), course, tmp_path, follow=Follow(step=seen.append)
    )
    assert len(seen) == 4
    assert (tmp_path / STORE).exists()
