"""A rate that carries the sample behind it: a float with its number of answers and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from homines.core.format import number


@dataclass(frozen=True)
class Sample:
    """n: legal answers behind a rate (all answers behind a legal mass). lower, upper: its 95% interval."""

    n: int
    lower: float
    upper: float

    def __str__(self) -> str:
        """'[.80, .90], n 40'."""
        return f"[{number(self.lower)}, {number(self.upper)}], n {self.n}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


SAMPLE = tuple(f.name for f in fields(Sample))


class SampledRate(float):
    """A rate from sampled answers. In arithmetic it is a number; wherever it is shown, its sample is too."""

    sample: Sample

    def __new__(cls, value: float, sample: Sample) -> SampledRate:
        self = super().__new__(cls, value)
        self.sample = sample
        return self

    def __reduce__(self) -> tuple[type[SampledRate], tuple[float, Sample]]:
        return SampledRate, (float(self), self.sample)


def sample_of(value: Any) -> Sample | None:
    """The sample behind a value; None for an exact rate and for what is no rate."""
    return getattr(value, "sample", None)


def describe(value: Any, digits: int = 2) -> str:
    """A number as the field writes it, with its sample: '.85 [.80, .90], n 40'."""
    sample = sample_of(value)
    return number(value, digits) + (f" {sample}" if sample else "")


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean of n >= 2 independent values: mean -+ t sd / sqrt(n), n - 1 degrees of
    freedom. It is of the draw of these values; the caller says of which population.

    >>> [round(x, 3) for x in mean_interval([0.2, 0.4, 0.6])]
    [-0.097, 0.897]
    """
    from scipy.stats import t as student  # takes about 0.5 s, which `homines --help` must not

    n = len(values)
    half = float(student.ppf((1 + level) / 2, n - 1)) * float(np.std(values, ddof=1)) / n**0.5
    return float(np.mean(values)) - half, float(np.mean(values)) + half
