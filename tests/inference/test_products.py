"""Linear layers by oneDNN compute what PyTorch's own do, gradients included."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from homines.inference import products
from homines.inference.products import Linear, has_onednn, use_onednn
from tests.helpers.tiny import tiny

needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this machine has no AVX-512")


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(40,), (2, 20), (1, 3, 16), (1,)])
def test_values_and_gradients_are_those_of_pytorch(bias: bool, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(24, 56, bias=bias)
    x = torch.randn(*shape, 24)
    results = []
    for use in (False, True):
        mine = use_onednn(copy.deepcopy(layer), use=use)
        assert type(mine) is (Linear if use else nn.Linear)
        given = x.clone().requires_grad_()
        out = mine(given)
        (out.sin() * torch.arange(56)).sum().backward()
        with torch.no_grad():
            assert torch.allclose(mine(x), out, atol=1e-6)
        results.append([out, given.grad, *(p.grad for p in mine.parameters())])
    for a, b in zip(*results, strict=True):
        assert a is not None
        assert b is not None
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


@needs_onednn
def test_a_bias_learns_beside_a_fixed_weight() -> None:
    """As in BitFit, and under PEFT's bias="all"."""
    layer = use_onednn(nn.Linear(24, 56))
    layer.weight.requires_grad_(False)
    layer(torch.randn(20, 24)).sum().backward()
    assert torch.equal(layer.bias.grad, torch.full((56,), 20.0))


@needs_onednn
def test_a_second_derivative_is_refused() -> None:
    x = torch.randn(20, 24, requires_grad=True)
    layer = use_onednn(nn.Linear(24, 56))
    (grad,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.square().sum().backward()


@needs_onednn
def test_the_product_is_onednns(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[torch.Size] = []
    real = products._product

    def seen(x: torch.Tensor, *rest: torch.Tensor | None) -> torch.Tensor:
        taken.append(x.shape)
        return real(x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(products, "_product", seen)
    layer = use_onednn(nn.Linear(8, 8))
    with torch.no_grad():
        layer(torch.ones(20, 8))
        layer(torch.ones(1, 8))
        layer.double()(torch.ones(20, 8, dtype=torch.float64))
    assert taken == [torch.Size([20, 8])]


@needs_onednn
def test_an_adapter_is_put_on_trained_and_merged_as_before() -> None:
    ids = torch.arange(20)[None]
    found = []
    for use in (False, True):
        torch.manual_seed(1)
        net = get_peft_model(use_onednn(tiny("qwen2", vocabulary=50), use=use), LoraConfig(r=4))
        net(input_ids=ids, labels=ids).loss.backward()
        grads = [p.grad for p in net.parameters() if p.grad is not None]
        assert grads
        merged = net.merge_and_unload()
        found.append([merged(input_ids=ids).logits, *grads])
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_machine_without_it_keeps_its_own_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "has_onednn", lambda: False)
    assert type(use_onednn(nn.Linear(2, 2))) is nn.Linear
