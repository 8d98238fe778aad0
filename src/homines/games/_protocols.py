"""What the mini games with published protocols share."""

from __future__ import annotations

from collections.abc import Sequence

from homines.core.checks import count, number
from homines.core.types import HominesError


def given(
    protocol: int, payoffs: tuple[float, ...], protocols: Sequence[tuple[float, float, float, float]]
) -> tuple[float, float, float, float]:
    """T, R, P, S: those written, else the protocol's."""
    count("protocol", protocol, 1, len(protocols))
    if not payoffs:
        return protocols[protocol - 1]
    if len(payoffs) != 4:
        raise HominesError(f"payoffs {payoffs} must be four numbers: T, R, P, S")
    for name, value in zip("TRPS", payoffs, strict=True):
        number(name, value)
    t, r, p, s = payoffs
    return t, r, p, s
