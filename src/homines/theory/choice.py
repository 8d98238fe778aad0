"""From utilities to choices: beliefs, best response, logit, quantal-response equilibrium."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from homines.core.types import Array, Choice, Decision, HominesError, Preference
from homines.theory.crowd import binomial

Belief = Callable[[Decision], Sequence[Array]]
"""One distribution per other player: [other], or [mine, other] where they reply to my action."""


def expected_utility(u: Array, beliefs: Sequence[Array], chance: Array | None = None) -> Array:
    """Expected utility of each own action, shape [mine].

    u        [mine, other1, ..., chance]
    beliefs  one per other player, [other] or [mine, other]
    chance   distribution of the last axis of u, where it has one

    >>> expected_utility(np.array([[3.0, 0.0], [4.0, 1.0]]), [np.array([0.5, 0.5])]).tolist()
    [1.5, 2.5]
    """
    if chance is not None:
        u = u @ chance
    for belief in reversed(beliefs):
        u = u @ belief if belief.ndim == 1 else np.einsum("a...o,ao->a...", u, belief)
    return u


def uniform_beliefs(d: Decision) -> Sequence[Array]:
    """Every other player's actions equally likely; how many of a crowd do what is then binomial."""
    if d.crowd:
        return [binomial(d.crowd, 0.5)]
    return [np.full(len(names), 1 / len(names)) for names in d.theirs]


def stated_beliefs(d: Decision) -> Sequence[Array]:
    """What the decision states about the others; uniform where it states nothing."""
    return d.others if d.others is not None else uniform_beliefs(d)


def logit(eu: Array, precision: float) -> Choice:
    """p(a) = exp(precision * eu[a]) / sum; precision = 1/lambda, in 1/utility; inf: `best_response`."""
    if not precision >= 0:
        raise HominesError(f"precision {precision} must be at least 0 (0 random, inf best response)")
    return best_response(eu) if np.isinf(precision) else Choice.of(precision * eu)


def best_response(eu: Array, tolerance: float = 1e-9) -> Choice:
    """Best response; ties (within `tolerance` of the range of eu) share equally."""
    slack = tolerance * max(1.0, float(np.ptp(eu)))
    return Choice.at((eu >= eu.max() - slack).astype(np.float64))


@dataclass(frozen=True)
class LogitAgent:
    """A preference with a precision and a belief is a policy: the theory's own player.

    lapse   share of its choices in which every action is equally likely
    """

    preference: Preference
    precision: float = 1.0
    belief: Belief = stated_beliefs
    lapse: float = 0.0

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [self._choose(d) for d in ds]

    def _choose(self, d: Decision) -> Choice:
        choice = logit(expected_utility(self.preference(d), self.belief(d), d.chance), self.precision)
        return lapsing(choice, self.lapse) if self.lapse else choice


def lapsing(choice: Choice, lapse: float) -> Choice:
    """The choice of one whose share `lapse` of choices is made at random: (1 - lapse) p + lapse / actions."""
    return Choice.at((1 - lapse) * choice.p + lapse / len(choice.p), choice.mass, choice.n)


def quantal_response(
    decisions: tuple[Decision, Decision],
    preferences: tuple[Preference, Preference],
    *,
    precision: float,
    tolerance: float = 1e-10,
    most: int = 100_000,
) -> tuple[Choice, Choice]:
    """Logit equilibrium of a two-player game (McKelvey & Palfrey 1995).

    p = logit(precision * U0 q), q = logit(precision * U1 p), by a fixed point damped by 1/2 and,
    where that cycles, ever more. Raises HominesError where it has not settled after `most` steps.
    """
    u0, u1 = (
        pref(d) if d.chance is None else pref(d) @ d.chance
        for pref, d in zip(preferences, decisions, strict=True)
    )
    p = np.full(u0.shape[0], 1 / u0.shape[0])
    q = np.full(u0.shape[1], 1 / u0.shape[1])
    damp = 0.5
    for step in range(most):
        p_next = logit(u0 @ q, precision).p
        q_next = logit(u1 @ p, precision).p
        if max(np.abs(p_next - p).max(), np.abs(q_next - q).max()) < tolerance:
            return Choice.at(p_next), Choice.at(q_next)
        p, q = p + damp * (p_next - p), q + damp * (q_next - q)
        if step % 1000 == 999:
            damp = max(damp / 2, 1e-3)
    raise HominesError(
        f"no logit equilibrium at precision {precision} within {most} steps; lower the precision"
    )


def average_choice(choices: Sequence[Choice], mass: float | None = None) -> Choice:
    """Equal-weight average of K choices over the same actions.

    Each choice enters given a legal answer: every order and frame has the same weight, whatever its mass on
    legal answers. With L_k legal answers behind choice k the average is as uncertain as K^2 / sum_k 1 / L_k
    legal answers to one question: their sum where all L_k are equal, fewer where they are not. n, to the
    nearest whole number, is such that n * mass is this number.

    mass   of the average; None: the mean over the choices
    """
    mass = float(np.mean([c.mass for c in choices])) if mass is None else mass
    legal = [c.legal for c in choices]
    logp = Choice.at(np.mean([c.p for c in choices], axis=0)).logp
    if any(count is None for count in legal):
        return Choice(logp, mass)
    counts = [count for count in legal if count]
    if len(counts) < len(choices) or not mass:  # one has no legal answer: the average has no meaning
        return Choice(logp, mass, sum(c.n for c in choices if c.n is not None))
    return Choice(logp, mass, max(1, round(len(counts) ** 2 / sum(1 / count for count in counts) / mass)))


def pool_choices(choices: Sequence[Choice]) -> Choice:
    """Several answers to the same words as one: P(a) = mean over answers of mass * p(a); samples added.

    Unlike in `average_choice`, the weight of an answer is its legal mass, as for repeated draws of one
    distribution. Where no answer is legal the mass is 0, and p has no meaning.
    """
    p = np.mean([c.mass * c.p for c in choices], axis=0)
    counts = [c.n for c in choices]
    n = None if None in counts else sum(n for n in counts if n is not None)
    legal = float(p.sum())
    return Choice.at(p, min(1.0, legal), n) if legal > 0 else Choice.of(np.zeros(len(p)), 0.0, n)
