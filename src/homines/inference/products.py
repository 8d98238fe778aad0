"""Matrix products of linear layers by oneDNN, where PyTorch's own are slower: float32 on CPUs with AVX-512.

PyTorch multiplies float32 matrices by MKL, which takes its AVX2 kernels on processors not made by Intel: 110
against 250 GFLOP/s of one core measured (bench/README.md). Values agree to rounding, about 1e-6 of their
size.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn
from torch.autograd.function import once_differentiable

FEWEST = 8
"""Rows from which on oneDNN is faster; one row costs the same by either."""


class Linear(nn.Linear):
    """y = x W' + b, x [..., in], W [out, in]; the gradients of x and W are oneDNN's products too.

    They have no gradients of their own: differentiating twice raises RuntimeError.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.numel() < FEWEST * self.in_features or not _suits(input, self.weight):
            return nn.functional.linear(input, self.weight, self.bias)
        learned = (input, self.weight, *(() if self.bias is None else (self.bias,)))
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in learned):
            out: Any = _Product.apply(input, self.weight)
            return out if self.bias is None else out + self.bias
        return _product(input, self.weight, self.bias)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight)

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]
        ctx: Any, *grad: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        x, weight = ctx.saved_tensors
        (g,) = grad
        to_x = _product(g.contiguous(), weight.t()) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return to_x, None
        return to_x, _product(g.flatten(0, -2).t(), x.flatten(0, -2).t())


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _suits(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether oneDNN can take this product: float32 on the CPU, and no compiler that plans its own."""
    plain = x.dtype == weight.dtype == torch.float32 and x.device.type == weight.device.type == "cpu"
    return plain and not torch.compiler.is_compiling() and not torch.is_autocast_enabled("cpu")


def has_onednn() -> bool:
    """Whether this machine has AVX-512 and this PyTorch has oneDNN's products."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def use_onednn(net: Any, *, use: bool = True) -> Any:
    """The same network; its linear layers take oneDNN's products where the machine has them (use=False:
    PyTorch's own)."""
    one, other = cast("Any", (nn.Linear, Linear) if use else (Linear, nn.Linear))
    if has_onednn() or not use:
        for module in net.modules():
            if type(module) is one:
                module.__class__ = other
    return net
