"""Promises: how often one is given, and how often it is then broken, beside defection without one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from homines.core.types import Record
from homines.elicitation.metrics import answered_records, choices, group_by, mass, rate_of
from homines.games.promise import PROMISE


def promise_rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """A row a model, game and frame of a game with promises; rates are given a legal answer, else None.

    promises                   P(promise)
    broken                     P(D | own promise), mean over what the other said; D is the second act
    broken, both promised      the same where the other promised too; `broken, alone` where it did not
    defects without a promise  P(D | own silence), which a broken promise is to be compared with
    legal mass                 mean over these questions

    A model is told what it said, whether or not it would have said so: `broken` weighs all it may have heard
    alike, and `promises` says how much of it comes about.
    """
    out: list[dict[str, Any]] = []
    for (model, game, frame), group in group_by(choices(records), "model", "game", "frame").items():
        first = [r for r in group if not r.decision.history and r.decision.actions[0] == PROMISE]
        then = {
            said: [r for r in group if _said(r) == said] for said in ((p, q) for p in (1, 0) for q in (1, 0))
        }
        if not any(then.values()):
            continue
        both, alone, *silent = then.values()
        out.append(
            {
                "model": model,
                "game": game,
                "frame": frame,
                "promises": _rate([first], 0),
                "broken": _rate([both, alone], 1),
                "broken, both promised": _rate([both], 1),
                "broken, alone": _rate([alone], 1),
                "defects without a promise": _rate(silent, 1),
                "legal mass": mass([*first, *(r for each in then.values() for r in each)]),
            }
        )
    return out


def _said(r: Record) -> tuple[int, int] | None:
    """Whether I promised and whether the other did, at a second stage; None elsewhere."""
    d = r.decision
    if len(d.history) != 1 or not d.names or d.names[0][:1] != (PROMISE,):
        return None
    said = [int(a == 0) for a in d.history[0]]
    return said[d.player], said[1 - d.player]


def _rate(groups: Sequence[Sequence[Record]], act: int) -> float | None:
    """The probability of an act, the mean over groups of their mean over orders; None where a group has no
    legal answer."""
    means = [[float(c.p[act]) for _, c in answered_records(group)] for group in groups]
    if not all(means):
        return None
    return rate_of(float(np.mean([np.mean(p) for p in means])), groups)
