"""The KL on everyday text is its formula, nothing at the start, and what holds a training back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from homines.core.progress import Follow
from homines.elicitation.capability import TEXT, items
from homines.frames.table import Table
from homines.games.ipd import ipd
from homines.models.hf import HuggingFace
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.utilitarian import Utilitarian
from homines.training.everyday_text import PROSE, TURNS, EverydayText, everyday_texts
from homines.training.exact import rl
from homines.training.prompt_sets import prompt_sets
from homines.training.schedule import Phase
from homines.training.settings import Settings

Fresh = Callable[[], HuggingFace]


def test_it_is_the_mean_kl_over_a_texts_tokens_and_zero_at_the_start(fresh: Fresh) -> None:
    model = fresh()
    texts = everyday_texts(model.tokenizer)

    def read(ids: tuple[int, ...]) -> torch.Tensor:
        with torch.no_grad():
            return model.net(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)

    before, text = [read(ids) for ids in texts], EverydayText(model, model.net, 1.0)
    assert [float(text.kl(model.net, i).detach()) for i in range(4)] == pytest.approx([0] * 4, abs=1e-6)
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.net.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    due = [float((a.exp() * (a - read(ids))).sum() / len(ids)) for a, ids in zip(before, texts, strict=True)]
    assert [float(text.kl(model.net, i).detach()) for i in range(8)] == pytest.approx(due * 2, rel=1e-3)
    assert min(due) > 0.01


def test_no_text_is_one_that_side_effects_are_measured_on() -> None:
    asked = {text for prompt in items() for _, text in prompt.messages}
    assert not any(question in text for question, _ in TURNS for text in asked)
    assert not {*PROSE.split(". ")} & {*TEXT.split(". ")}


def test_a_training_with_it_changes_everyday_text_less(fresh: Fresh, tmp_path: Path) -> None:
    moved: dict[float, float] = {}
    for weight in (0.0, 100.0):
        model = fresh()
        sets = prompt_sets(model, [ipd()], [Phase(Utilitarian(), 8)], [Table("action1,action2")], TitForTat())
        watch, rows = EverydayText(model, model.net, 1.0), []
        settings = replace(Settings(rank=4, lr=1e-2, until=0.0), text_kl=weight)
        rl(model, sets, settings, tmp_path / str(weight), follow=Follow(step=rows.append))
        assert ("text_kl" in rows[0]) is bool(weight)
        with torch.no_grad():
            moved[weight] = sum(float(watch.kl(model.net, i)) for i in range(4))
    assert moved[100.0] < moved[0.0] / 2
