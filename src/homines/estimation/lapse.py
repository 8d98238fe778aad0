"""Lapses: the share of choices made at random, estimated together with a preference and its precision.

    P(answer) = (1 - lapse) logit(answer) + lapse / (number of answers)        Wichmann & Hill (2001)

A lapse is a slip of arithmetic or attention: it is as likely where the stakes are high as where they are
low. A low precision errs near indifference only. Hence the two are told apart by decisions far from
indifference, and by no others (`fit.check_lapse`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq

from homines.core.types import Array
from homines.estimation.likelihood import Design, Peak, climb

HIGHEST = 0.95
"""Upper end of the search for the share of lapses."""
GRID = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, HIGHEST)
"""Shares from which the search begins."""
EXACT, ROUGH = 1e-12, 1e-3
"""Distance to which a share is found, and between shares at which choices are certain but for lapses, which
have no estimate."""

NEVER = 1e-300
"""Probability that stands for all smaller ones, by which float64 cannot divide."""


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
    sum y (1/n - p) / P (`lapse_slope`): a maximum is where this falls through 0, or an end of [0, HIGHEST].
    Given a share above 0 the likelihood is not concave in g, and several shares can be maxima. Every share is
    climbed from `start` and from the nearest one known, those of GRID from both neighbours, and the highest
    of all maxima is taken.

    around   a share near which the maximum lies; None: it is searched between all shares of GRID
    """
    peaks: dict[float, Peak] = {}

    def climbed(share: float, first: Array | None) -> Peak:
        return climb(replace(design, lapse=share), y, offset=offset, start=first)

    def peak(share: float) -> Peak:
        if share not in peaks:
            near = min(peaks, key=lambda known: abs(known - share), default=None)
            starts = [start] if near is None else [start, peaks[near].g]
            peaks[share] = max((climbed(share, first) for first in starts), key=_height)
        return peaks[share]

    def slope(share: float) -> float:
        here = replace(design, lapse=share)
        return float((y * lapse_slope(here, here.action_logp(peak(share).g, offset))).sum())

    def falls_to_zero(low: float, high: float) -> float:
        arrived = peak(low).converged and peak(high).converged
        return float(brentq(slope, low, high, xtol=EXACT if arrived else ROUGH, rtol=EXACT))  # pyright: ignore[reportArgumentType]

    if around is None:
        for share in GRID:
            peak(share)
        for share, right in reversed(list(pairwise(GRID))):
            peaks[share] = max(peaks[share], climbed(share, peaks[right].g), key=_height)
        ends = GRID
    else:
        ends = _bracket(slope, around)
    inner = [falls_to_zero(low, high) for low, high in pairwise(ends) if slope(low) > 0 > slope(high)]
    share = max((*ends, *inner), key=lambda e: peak(e).loglik)
    return peak(share), share


def _height(peak: Peak) -> float:
    return peak.loglik


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
    return np.divide(off, np.maximum(both, NEVER), out=np.zeros_like(off), where=both > 0)


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
