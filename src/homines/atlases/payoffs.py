"""Payoffs: whether the answer follows them when the two acts exchange theirs, and when all are tenfold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import t as student

from homines.atlases.section import Cell, Column, Section, sampled, unanswered
from homines.core.format import number
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Decision, Model, Record
from homines.elicitation.metrics import answered_records, average_by_decision, group_by, instability, mass
from homines.elicitation.payoff_variants import DRAWS, DRAWS_QUICK, payoff_variants
from homines.elicitation.questions import Question, battery, questions
from homines.theory.choice import expected_utility, stated_beliefs

FRAMES = ("table(labels='A,B', goal='')", "table(labels='B,A', goal='')")
GAMES_INTERVAL = (
    "95% over games of the same draw (payoffs 1 to 9), by Student's t: what other games might have shown. "
)
SIGNED = GAMES_INTERVAL + "In counted answers chance widens it."
UNSIGNED = GAMES_INTERVAL + "Of counted answers none: chance alone is above 0, and its size stands beside."
FOLLOWS = Column(
    "follows payoffs",
    "0 to 1",
    "Mean over games of |P(C) - P(C after C and D have exchanged their payoffs)|, labels and orders weighing "
    "alike. 0: the answer is that of a label or a place; 1: only payoffs count, and surely. Answers that "
    "vary from prompt to prompt for no reason raise it; the column with a sign tells.",
    UNSIGNED,
)
OWN = Column(
    "follows its own payoff",
    "-1 to 1",
    "The same with a sign: above 0 where the exchange moves the answer to the act that pays itself more "
    "when the other is as likely to choose either; -1 to 1.",
    SIGNED,
)
TENFOLD = Column(
    "moved by tenfold payoffs",
    "0 to 1",
    "Mean over games of |P(C at ten times the payoffs) - P(C)|, averaged over labels and orders. 0: only "
    "ratios of payoffs count, or nothing does.",
    UNSIGNED,
    shown=False,
)
COLUMNS = (FOLLOWS, OWN, TENFOLD)


def ask(model: Model, quick: bool) -> list[Question]:
    """Every game and its variants, with both assignments of the labels, in two orders each."""
    frames = [find("frames", spec) for spec in FRAMES]
    specs = dict.fromkeys(spec for each in payoff_variants(DRAWS_QUICK if quick else DRAWS) for spec in each)
    # one call a game: the same orders for all of them
    return [
        q
        for spec in specs
        for q in questions(model, {spec: battery(find("games", spec).stage)}, frames, most=2)
    ]


def read(run: RunFolder) -> list[Cell]:
    """Effects of exchanging and of scaling payoffs."""
    records = run.records
    by_game = {game: group for (game,), group in group_by(records, "game").items()}
    whole = {
        game: average_by_decision(group)[0]
        for game, group in by_game.items()
        if len(answered_records(group)) == len(group)
    }
    drawn = [each for each in payoff_variants(DRAWS) if each.plain in whole]
    exchanged = {
        each: float(whole[each.plain][1].p[0] - whole[each.exchanged][1].p[0])
        for each in drawn
        if each.exchanged in whole
    }
    chance = [_chance(whole[each.plain][1], whole[each.exchanged][1]) for each in exchanged]
    if not exchanged:
        return unanswered(COLUMNS, records)
    scaled = {
        each: abs(float(whole[each.tenfold][1].p[0] - whole[each.plain][1].p[0]))
        for each in drawn
        if each.tenfold in whole
    }
    by_chance = [_chance(whole[each.plain][1], whole[each.tenfold][1]) for each in scaled]
    pairs = [r for each in exchanged for spec in (each.plain, each.exchanged) for r in by_game[spec]]
    scales = [r for each in scaled for spec in (each.plain, each.tenfold) for r in by_game[spec]]
    return [
        _unsigned(FOLLOWS, list(map(abs, exchanged.values())), chance, pairs),
        interval_cell(OWN, [x * _own_sign(whole[each.plain][0]) for each, x in exchanged.items()], pairs),
        _unsigned(TENFOLD, list(scaled.values()), by_chance, scales)
        if scaled
        else unanswered((TENFOLD,), records)[0],
    ]


def _own_sign(d: Decision) -> float:
    """1 where the first act pays more at even beliefs, else -1."""
    worth = expected_utility(d.payoffs[0], stated_beliefs(d))
    return float(np.sign(worth[0] - worth[1]))


def _chance(a: Choice, b: Choice) -> float:
    """E|p - q| of two shares of counted answers to questions that are answered alike; 0 for exact ones.

    With z standard normal, E|z| = sqrt(2/pi); the variance is p(1-p)(1/n + 1/m) at the mean share p.
    """
    p = (a.p[0] + b.p[0]) / 2
    return float(np.sqrt(2 / np.pi * p * (1 - p) * sum(1 / c.legal for c in (a, b) if c.legal)))


def _unsigned(
    column: Column, values: Sequence[float], chance: Sequence[float], records: Sequence[Record]
) -> Cell:
    """The mean over games of what has no sign: of counted answers without an interval, which would not hold 0
    where nothing but chance moves them."""
    cell = interval_cell(column, values, records)
    if cell.n is None:
        return cell
    reason = f"counted answers: chance alone gives about {number(np.mean(chance))}, so no interval"
    return replace(cell, lower=None, upper=None, reason=reason)


def interval_cell(column: Column, values: Sequence[float], records: Sequence[Record]) -> Cell:
    """The mean over games, with its interval over them, within the column's unit."""
    least = -1.0 if column is OWN else 0.0
    mean, n = float(np.mean(values)), len(values)
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else None
    return Cell(
        column=column.name,
        value=mean,
        lower=None if half is None else max(least, mean - half),
        upper=None if half is None else min(1.0, mean + half),
        n=sampled(records),
        mass=mass(records),
        instability=instability(records),
    )


SECTION = Section("payoffs", "Whether answers follow payoffs", COLUMNS, ask, read)
