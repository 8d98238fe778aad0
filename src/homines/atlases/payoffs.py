"""Payoffs: whether the answer follows them when the two acts exchange theirs, and when all are tenfold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

from homines.atlases.section import Cell, Column, Section, unanswered
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Decision, Model, Record
from homines.elicitation.metrics import answered_records, average_by_decision, instability, mass
from homines.elicitation.questions import Question, battery, questions
from homines.theory.choice import expected_utility, stated_beliefs

DRAWS, DRAWS_QUICK = 24, 8
SEED = 0
SCALE = 10
FRAMES = ("table(labels='A,B', goal='')", "table(labels='B,A', goal='')")
"""Both ways round: exchanging the payoffs of two labels is exchanging the labels of two acts."""
GAMES_INTERVAL = (
    "95% over games of the same draw (payoffs 1 to 9), by Student's t: what other games might have shown. "
    "In sampled answers chance widens it, and raises what has no sign."
)
FOLLOWS = Column(
    "follows payoffs",
    "0 to 1",
    "Mean over games of |P(A) - P(A after A and B have exchanged their payoffs)|, orders weighing alike. 0: "
    "the answer is that of a label or a place; 1: only payoffs count, and surely. Answers that vary from "
    "prompt to prompt for no reason raise it; the column with a sign tells.",
    GAMES_INTERVAL,
)
OWN = Column(
    "follows its own payoff",
    "-1 to 1",
    "The same with a sign: above 0 where the exchange moves the answer to the act that pays itself more "
    "when the other is as likely to choose either; -1 to 1.",
    GAMES_INTERVAL,
)
TENFOLD = Column(
    "moved by tenfold payoffs",
    "0 to 1",
    "Mean over games of |P(C at ten times the payoffs) - P(C)|, averaged over labels and orders. 0: only "
    "ratios of payoffs count, or nothing does.",
    GAMES_INTERVAL,
    shown=False,
)
COLUMNS = (FOLLOWS, OWN, TENFOLD)


def games(quick: bool) -> dict[str, tuple[Decision, ...]]:
    """Games of one round with whole payoffs of 1 to 9, each followed by itself at ten times the payoffs.

    Left out: games in which both acts pay the same at even beliefs.
    """
    rng, out = np.random.default_rng(SEED), dict[str, tuple[Decision, ...]]()
    while len(out) < 2 * (DRAWS_QUICK if quick else DRAWS):
        paid = rng.integers(1, 10, 4)
        if paid[:2].sum() != paid[2:].sum():  # reward + sucker, temptation + punishment
            for factor in (1, SCALE):
                values = ", ".join(f"{factor * x}" for x in paid)
                spec = f"symmetric({values}, rounds=1)"
                out[spec] = battery(find("games", spec).stage)
    return out


def ask(model: Model, quick: bool) -> list[Question]:
    """Every game with both assignments of the labels, in every order."""
    return questions(model, games(quick), [find("frames", spec) for spec in FRAMES])


def read(run: RunFolder) -> list[Cell]:
    """Effects of exchanging and of scaling payoffs."""
    records = run.records
    by_game: dict[str, list[Record]] = {}
    for r in records:
        by_game.setdefault(r.game, []).append(r)
    whole = {
        game: average_by_decision(group)[0]
        for game, group in by_game.items()
        if len({r.frame for r, _ in answered_records(group)}) == len(FRAMES)
    }
    plain = {game: pair for game, pair in whole.items() if pair[0].payoffs.max() < SCALE}
    if not plain:
        return unanswered(COLUMNS, records)
    exchanged = {game: 2 * float(c.p[0]) - 1 for game, (_, c) in plain.items()}
    signs = {game: _own_sign(d) for game, (d, _) in plain.items()}
    large = {_payoffs(d, 1): c for d, c in whole.values()}
    scaled = [
        abs(float(c.p[0] - large[key].p[0]))
        for d, c in plain.values()
        if (key := _payoffs(d, SCALE)) in large
    ]
    used = [r for game in plain for r in by_game[game]]
    return [
        _cell(FOLLOWS, list(map(abs, exchanged.values())), used),
        _cell(OWN, [exchanged[game] * signs[game] for game in plain], used),
        _cell(TENFOLD, scaled, records) if scaled else unanswered((TENFOLD,), records)[0],
    ]


def _own_sign(d: Decision) -> float:
    """1 where the first act pays more at even beliefs, else -1."""
    worth = expected_utility(d.payoffs[0], stated_beliefs(d))
    return float(np.sign(worth[0] - worth[1]))


def _payoffs(d: Decision, factor: int) -> tuple[float, ...]:
    return tuple(factor * d.payoffs[0].ravel())


def _cell(column: Column, values: Sequence[float], records: Sequence[Record]) -> Cell:
    """The mean over games, with its interval over them."""
    mean, n = float(np.mean(values)), len(values)
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else None
    return Cell(
        column=column.name,
        value=mean,
        lower=None if half is None else max(-1.0, mean - half),
        upper=None if half is None else min(1.0, mean + half),
        mass=mass(records),
        instability=instability(records),
    )


SECTION = Section("payoffs", "Whether answers follow payoffs", COLUMNS, ask, read)
