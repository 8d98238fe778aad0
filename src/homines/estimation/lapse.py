"""Lapses: the share of choices made at random, estimated together with a preference and its precision.

    P(answer) = (1 - lapse) logit(answer) + lapse / (number of answers)        Wichmann & Hill (2001)

A lapse is a slip of arithmetic or attention: it is as likely where the stakes are high as where they are
low. A low precision errs near indifference only. Hence the two are told apart by decisions far from
indifference, and by no others (`fit.check_lapse`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from homines.core.types import Array
from homines.estimation.likelihood import Design, Peak, climb

HIGHEST = 0.95
"""Upper end of the search for the share of lapses."""
GRID = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, HIGHEST)
"""Shares from which the search begins."""


def climb_lapse(
    design: Design,
    y: Array,
    *,
    offset: Array | float = 0.0,
    start: Array | None = None,
    around: float | None = None,
) -> tuple[Peak, float]:
    """Maximise the likelihood over g and the share of lapses: (the maximum over g at this share, the share).

    At the highest likelihood over g given a share e, its slope in e is that of the likelihood itself,
    sum y (1/n - p) / P (`lapse_slope`): the share is where this is 0, or an end of [0, HIGHEST].

    around   a share near which the maximum lies; None: it is searched from every share of GRID
    """
    peaks: dict[float, Peak] = {}

    def peak(share: float) -> Peak:
        if share not in peaks:
            near = min(peaks, key=lambda known: abs(known - share), default=None)
            first = start if near is None else peaks[near].g
            peaks[share] = climb(replace(design, lapse=share), y, offset=offset, start=first)
        return peaks[share]

    def slope(share: float) -> float:
        here = replace(design, lapse=share)
        return float((y * lapse_slope(here, here.action_logp(peak(share).g, offset))).sum())

    if around is None:
        low, high = 0.0, HIGHEST
        heights = [peak(share).loglik for share in GRID]
        top = int(np.argmax(heights))
        low, high = GRID[max(top - 1, 0)], GRID[min(top + 1, len(GRID) - 1)]
    else:
        low, high = _bracket(slope, around)
    if slope(low) <= 0:
        share = low
    elif slope(high) >= 0:
        share = high
    else:
        share = float(brentq(slope, low, high, xtol=1e-12, rtol=1e-12))  # pyright: ignore[reportArgumentType]
    return peak(share), share


def _bracket(slope: Callable[[float], float], around: float) -> tuple[float, float]:
    """Two shares around this one between which the slope falls below 0, or an end of [0, HIGHEST]."""
    low = high = float(np.clip(around, 0.0, HIGHEST))
    width = 0.01
    while low > 0 and slope(low) < 0:
        low, width = max(0.0, low - width), 2 * width
    width = 0.01
    while high < HIGHEST and slope(high) > 0:
        high, width = min(HIGHEST, high + width), 2 * width
    return low, high


def lapse_slope(design: Design, action_logp: Array) -> Array:
    """Derivative of the log-probability of an answer by the share of lapses, (1/n - p) / P [decision,
    answer]; 0 where there is no answer."""
    p, both, _ = design.meant(action_logp)
    off = design.random - p
    return np.divide(off, both, out=np.zeros_like(off), where=both > 0)


def lapse_bend(design: Design, y: Array, g: Array) -> Array:
    """Minus the second derivatives of the log-likelihood of answers y [decision, answer] by (g, share of
    lapses), [column + 1, column + 1]."""
    logp = design.action_logp(g)
    p, both, _ = design.meant(logp)
    slope = replace(design, lapse=0.0).near(g).centred(p)
    weight = np.divide(y * p * design.random, both**2, out=np.zeros_like(both), where=both > 0)
    cross = np.einsum("da,dak->k", weight, slope)
    own = float((y * lapse_slope(design, logp) ** 2).sum())
    return np.block([[design.bend(y, g), cross[:, None]], [cross, own]])
