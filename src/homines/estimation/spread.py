"""The spread of a preference over prompts, or subjects: each has its estimate, and these differ.

    theta_j = theta + e_j        j a prompt: labels, frame and order of the options

An estimate from one prompt is of the agent in those words. A random effect of the prompt (Hedges 1983) makes
it one of the agent in words like these: the mean over prompts, with an interval that other prompts would have
kept to, and the standard deviation of e. Exact choices have no sampling error, and theirs is the deviation of
the estimates; of sampled choices the mean sampling variance is taken off its square. Where a prompt has both,
exact choices are information and no noise.

Games are a draw too, and the same ones in every prompt: an interval over both adds the variance that each
makes, less that of their cells, which both hold (Cameron, Gelbach & Miller 2011).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2
from scipy.stats import t as student

from homines.core.types import Array, HominesError, frozen
from homines.estimation.columns import Observation, read_for
from homines.estimation.family import Family, family
from homines.estimation.fit import check_design, check_lapse, check_peak
from homines.estimation.problem import NotIdentified, Problem, problem, to_parameters
from homines.estimation.uncertainty import jackknife, natural_design
from homines.theory.choice import Belief, stated_beliefs

LEAST = 3
"""Prompts with an estimate under which there is no spread."""


@dataclass(frozen=True, eq=False)
class Spread:
    """The distribution of a preference over prompts or subjects (`by`).

    names        of the parameters, the precision last
    mean, sd     [parameter]: over prompts; sd without what sampling adds
    over         [parameter, (low, high)]: of the mean, had the same games been asked in other prompts
    over_both    the same, had other games been asked, too; nan with too few games
    sd_interval  [parameter, (low, high)]: of sd, by chi-square
    next         [parameter, (low, high)]: where the estimate of one more prompt lies
    values       by prompt, its estimate by parameter; refused: by prompt, why it has none
    games        number of games of the prompt that has the fewest
    """

    family: Family
    by: str
    names: tuple[str, ...]
    mean: Array
    sd: Array
    over: Array
    over_both: Array
    sd_interval: Array
    next: Array
    values: Mapping[str, Mapping[str, float]]
    refused: Mapping[str, str]
    games: int
    observations: int
    level: float
    notes: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Numbers by parameter."""
        return [
            {
                "parameter": name,
                "mean": float(self.mean[k]),
                "sd": float(self.sd[k]),
                **{
                    what: tuple(getattr(self, what)[k].tolist())
                    for what in ("over", "over_both", "sd_interval", "next")
                },
            }
            for k, name in enumerate(self.names)
        ]

    @property
    def scope(self) -> str:
        """What the intervals are of."""
        return (
            f"Intervals of the mean: these {len(self.values)} {self.by}s are taken as a draw from {self.by}s "
            f"like them, with these games alone (over {self.by}s) or games like them (over {self.by}s and "
            f"games). Of one agent: another training of it is another agent.{self._dropped}"
        )

    @property
    def _dropped(self) -> str:
        """What it does to the numbers that some prompts have no estimate; empty where all have one."""
        if not self.refused:
            return ""
        return (
            f" {len(self.refused)} of {len(self.values) + len(self.refused)} {self.by}s have no estimate and "
            "are dropped, which is not at random: nearly certain choices have the highest precision, choices "
            "against the family the lowest. The numbers are of the others, and the sd is likely too small."
        )

    def __repr__(self) -> str:
        lines = "".join(
            f"\n  {r['parameter']:<10} {r['mean']:.4g} [{r['over_both'][0]:.4g}, {r['over_both'][1]:.4g}], "
            f"sd {r['sd']:.3g} [{r['sd_interval'][0]:.3g}, {r['sd_interval'][1]:.3g}]"
            for r in self.rows()
        )
        return (
            f"{self.family.spec} over {len(self.values)} {self.by}s ({self.level:.0%} intervals over "
            f"{self.by}s and games){lines}\n  {self.scope}"
        )


@dataclass(frozen=True, eq=False)
class _Alone:
    """The estimate of one prompt from so many games: values [parameter]; moves [parameter] without each game,
    by game (None: one game alone identifies a parameter, or there are too few); noise [parameter]: sampling
    variance, 0 of exact choices."""

    games: int
    values: Array
    moves: Mapping[str, Array] | None
    noise: Array


def spread(
    observations: Sequence[Observation],
    of: Family | str | type,
    *,
    by: str = "subject",
    belief: Belief = stated_beliefs,
    lapse: bool = False,
    level: float = 0.95,
) -> Spread:
    """Mean and standard deviation of every parameter over the subjects of the observations.

    by     what the subjects are, in words: "prompt" (`from_records` with by_prompt), or "subject"
    lapse  as in `fit`

    Raises HominesError where fewer than LEAST subjects have an estimate.
    """
    of = of if isinstance(of, Family) else family(of)
    groups: dict[str, list[Observation]] = {}
    for o in read_for(observations, of):
        groups.setdefault(o.subject, []).append(o)
    alone: dict[str, _Alone] = {}
    refused: dict[str, str] = {}
    names: tuple[str, ...] = of.free
    for name, own in groups.items():
        p = problem(own, of, belief=belief, cluster="game", lapse=lapse)
        names = p.names
        try:
            alone[name] = _estimate(p)
        except NotIdentified as why:
            refused[name] = why.reason
    if len(alone) < LEAST:
        raise HominesError(
            f"{len(alone)} of {len(groups)} {by}s have an estimate of {of.spec}, and a spread takes {LEAST}: "
            "ask in more frames, labels and orders (--frame, --labels), or fit all together, without --by"
            + "".join(f"\n{line}" for line in refusal_lines(refused))
        )
    each = np.array([a.values for a in alone.values()])
    many, mean = len(each), each.mean(0)
    square, noise = each.var(0, ddof=1), np.mean([a.noise for a in alone.values()], axis=0)
    reach = float(student.ppf((1 + level) / 2, many - 1))
    ends = chi2.ppf([(1 + level) / 2, (1 - level) / 2], many - 1)
    sd_ends = np.sqrt(np.maximum(square[:, None] * (many - 1) / ends - noise[:, None], 0.0))
    games = min(a.games for a in alone.values())
    variance = _over_both(list(alone.values()), square / many)
    both = float(student.ppf((1 + level) / 2, max(1, min(many, games) - 1)))
    return Spread(
        of,
        by,
        names,
        mean,
        np.sqrt(np.maximum(square - noise, 0.0)),
        _around(mean, reach * np.sqrt(square / many)),
        _around(mean, both * np.sqrt(variance)),
        sd_ends,
        _around(mean, reach * np.sqrt(square * (1 + 1 / many))),
        {name: dict(zip(names, a.values.tolist(), strict=True)) for name, a in alone.items()},
        refused,
        games,
        len(observations),
        level,
    )


def refusal_lines(refused: Mapping[str, str]) -> list[str]:
    """Every reason once, and below it a line a prompt. refused: reasons by prompt."""
    lines: list[str] = []
    for reason in dict.fromkeys(refused.values()):
        lines.append(f"without an estimate: {reason}")
        lines += [f"  {name}" for name, why in refused.items() if why == reason]
    return lines


def _around(mean: Array, half: Array) -> Array:
    return np.stack([mean - half, mean + half], axis=-1)


def _estimate(p: Problem) -> _Alone:
    """Raises NotIdentified as `fit` does."""
    check_design(p)
    peak, bend = p.peak()
    check_peak(p, peak)
    design = p.design_at(bend)
    check_lapse(p, design, peak)
    theta, precision = to_parameters(peak.g)
    values = np.r_[theta, *([bend] if p.lapse else []), precision]
    noise = np.zeros(len(values))
    if p.sampled.any():
        d = natural_design(p, design, peak.g, bend)
        q = np.exp(design.logp(peak.g))
        drawn = np.bincount(p.at, np.where(p.sampled, p.rows.sum(-1), 0.0), len(p.y)).astype(float)
        inverse = np.linalg.pinv(d.information(q, p.y.sum(-1)))
        noise = frozen(np.diag(inverse @ d.information(q, drawn) @ inverse))
    clusters = dict.fromkeys(p.games)  # in the order of `group`, by the first decision of each
    moves = jackknife(p, design, peak.g, bend) if len(clusters) > len(values) else None
    by_game = None if moves is None else dict(zip(clusters, moves, strict=True))
    return _Alone(len(clusters), values, by_game, noise)


def _over_both(alone: Sequence[_Alone], over_prompts: Array) -> Array:
    """Variance of the mean over prompts and games [parameter]: that over prompts, plus that of games, which
    move the estimates of all prompts that have them together, less that of cells, which is in both. nan where
    a prompt has no moves."""
    total: dict[str, Array] = {}
    cells = np.zeros_like(over_prompts)
    for each in alone:
        if each.moves is None:
            return np.full_like(over_prompts, np.nan)
        shrink = np.sqrt((each.games - 1) / each.games)  # of the jackknife over this prompt's games
        for game, move in each.moves.items():
            part = shrink * move / len(alone)
            total[game] = total.get(game, 0.0) + part
            cells = cells + part**2
    over_games = sum((x**2 for x in total.values()), start=np.zeros_like(cells))
    return np.maximum(over_prompts + over_games - cells, over_prompts)
