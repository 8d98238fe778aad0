"""The memory of a pass is reckoned before it: read in pieces where that is enough, else refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from homines.core.types import HominesError
from homines.inference import memory
from homines.inference.logits import label_logprobs
from homines.inference.memory import pass_bytes
from homines.inference.tokens import Encoded
from tests.helpers.tiny import tiny

LONG = 1500


@pytest.fixture
def net() -> Any:
    return tiny("llama", vocabulary=300, max_position_embeddings=4096)


@pytest.fixture
def item() -> Encoded:
    draws = torch.Generator().manual_seed(0)
    ids = torch.randint(10, 300, (LONG,), generator=draws).tolist()
    return Encoded(tuple(ids), ((5, 6, 2), (7, 2)))


def passes(net: Any) -> list[int]:
    """Tokens of each pass from now on."""
    seen: list[int] = []
    net.register_forward_pre_hook(
        lambda _, __, named: seen.append(named["input_ids"].shape[1]), with_kwargs=True
    )
    return seen


def test_a_long_prompt_is_read_in_pieces_that_fit(
    net: Any, item: Encoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.no_grad():
        (whole,) = label_logprobs(net, [item], hold=True)
        there = pass_bytes(net, LONG // 4, LONG, 4)
        monkeypatch.setattr(memory, "free_bytes", lambda place: there)
        seen = passes(net)
        (pieces,) = label_logprobs(net, [item], hold=True)
    assert len(seen) > 3
    assert max(seen) <= LONG // 4
    assert all(pass_bytes(net, n, LONG, 4) <= there for n in seen)
    assert pieces.tolist() == pytest.approx(whole.tolist(), abs=1e-4)


def test_one_that_cannot_be_read_is_refused(net: Any, item: Encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda place: 2**16)
    told = r"reading 150\d tokens takes about .* MB beside the weights, and 0 MB are free on cpu; shorten"
    with torch.no_grad():
        for share, hold in ((True, True), (True, False), (False, False)):
            with pytest.raises(HominesError, match=told):
                label_logprobs(net, [item], share=share, hold=hold)
