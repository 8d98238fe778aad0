"""Types of subjects: a finite mixture of preferences, by expectation-maximisation.

    ln L = sum_i ln sum_k share_k prod_(d of i) p_k(choice of i at d)

Every M-step is a concave logit climb. Several starts, each to its end; the highest that kept every class is
the estimate, and the number of starts that reached it says how far to trust that there is none higher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, eye, kron

from homines.core.checks import count
from homines.core.types import Array, HominesError
from homines.estimation.columns import Columns, Observation, read_for
from homines.estimation.family import PRECISION, Family, family
from homines.estimation.fit import check_design, check_peak
from homines.estimation.likelihood import Design, climb, flat_direction
from homines.estimation.problem import NotIdentified, Problem, problem, to_parameters
from homines.estimation.uncertainty import columns_at, expected_misfit, mean_by_game, misfit
from homines.theory.choice import Belief, stated_beliefs

MOST_STEPS = 5000
"""EM steps of a start, at most."""
SAME_HEIGHT = 1e-3
"""Nats within which two starts ended at the same height."""
CONVERGENCE = 1e-9
"""Rise of the log-likelihood, as a share of it, at which EM has arrived."""
LEAST_SUBJECTS = 1.0
"""Expected number of subjects under which a class is empty."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Types, largest first.

    shares    [type]; values and se [type, parameter]
    cov       of (values of every type, then shares but the last), robust, clustered by subject
    types     posterior probability of each type [subject, type], of `subjects`
    bic, icl  smaller is better: -2 ln L + p ln(subjects), and that plus twice the entropy of `types`
    misfit    as of `Estimate`, of the types together; chance: its mean if they are true
    starts    how many starts ended at the highest likelihood (within SAME_HEIGHT), and how many there were;
              each goes on until it settles
    """

    family: Family
    names: tuple[str, ...]
    shares: Array
    values: Array
    cov: Array
    loglik: float
    bic: float
    icl: float
    subjects: tuple[str, ...]
    types: Array
    misfit: Mapping[str, float]
    chance: Mapping[str, float]
    converged: bool
    starts: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def se(self) -> Array:
        """Standard errors of the values [type, parameter]."""
        size = self.values.size
        return np.sqrt(np.diag(self.cov)[:size]).reshape(self.values.shape)

    @property
    def share_se(self) -> Array:
        """Standard errors of the shares [type]; the last by sum to one."""
        tail = self.cov[self.values.size :, self.values.size :]
        return np.sqrt(np.r_[np.diag(tail), tail.sum()])

    @property
    def entropy(self) -> float:
        """Mean entropy of the posterior types, as a share of ln K: 0 certain, 1 uninformative."""
        k = len(self.shares)
        return float(_entropy(self.types) / (len(self.types) * np.log(k))) if k > 1 else 0.0


def _entropy(types: Array) -> float:
    return float(-(types * np.log(np.where(types > 0, types, 1.0))).sum())


@dataclass(frozen=True, eq=False)
class _Data:
    """One row a subject: choices [subject, decision * action], sparse."""

    design: Design
    y: csr_matrix
    subjects: tuple[str, ...]

    def likelihoods(self, g: Array) -> Array:
        """Log-likelihood of every subject under every class, [subject, class]; g [class, column]."""
        logp = np.stack([self.design.logp(row) for row in g])
        flat = np.where(np.isfinite(logp), logp, -1e300).reshape(len(g), -1)
        return np.asarray(self.y @ flat.T)

    def climb(self, types: Array, g: Array, most: int) -> Array:
        """A class's coefficients that fit its expected choices best, [class, column]."""
        y = np.asarray(self.y.T @ types).T.reshape(len(g), *self.design.legal.shape)
        return np.stack([climb(self.design, y[k], start=g[k], most=most).g for k in range(len(g))])


def mixture(
    observations: Sequence[Observation],
    of: Family | str | type,
    classes: int,
    *,
    belief: Belief = stated_beliefs,
    starts: int = 20,
    seed: int = 0,
) -> Mixture:
    """Maximum-likelihood mixture of `classes` preferences of a family, with unknown types of subjects.

    starts   random starts, each from a random partition of the subjects; seed: of these partitions

    Raises NotIdentified as `fit` does, and where every start emptied a class; HominesError for fewer subjects
    than two a class.
    """
    of = of if isinstance(of, Family) else family(of)
    count("classes", classes)
    count("starts", starts)
    count("seed", seed, 0)
    columns = Columns.of(read_for(observations, of))
    p = problem(columns, of, belief=belief, cluster="subject")
    names = columns.subjects
    if len(names) < 2 * classes:
        raise HominesError(
            f"{len(names)} subjects are too few for {classes} classes: a mixture needs at least two "
            "subjects a class; ask for fewer classes, or say who chose in the column `subject`"
        )
    check_design(p)
    data = _data(p, names)
    rng = np.random.default_rng(seed)
    ends = [end for _ in range(starts) if (end := _em(data, _start(data, classes, rng))) is not None]
    if not ends:
        raise NotIdentified(
            f"every one of {starts} starts emptied a class: these choices do not show {classes} types of "
            f"{of.spec}; ask for fewer classes"
        )
    g, shares, height, types, converged = max(ends, key=lambda end: end[2])
    order = np.argsort(-shares, kind="stable")
    g, shares, types = g[order], shares[order], types[:, order]
    y = np.asarray(data.y.T @ types).T.reshape(classes, *data.design.legal.shape)
    for k in range(classes):
        try:
            check_peak(p, climb(data.design, y[k], start=g[k]))
        except NotIdentified as why:
            raise NotIdentified(f"type {k + 1} of {classes}: {why}; or ask for fewer classes") from why
    values = np.array([np.r_[to_parameters(row)[0], to_parameters(row)[1]] for row in g])
    free = values.size + classes - 1
    bic = -2 * height + free * float(np.log(len(names)))
    q = np.einsum("k,kda->da", shares, np.exp([data.design.logp(row) for row in g]))
    agreeing = sum(abs(end[2] - height) < SAME_HEIGHT for end in ends)
    cov, notes = _covariance(p, data, g, shares, types)
    if not converged:
        notes = [*notes, f"EM had not settled after {MOST_STEPS} steps"]
    return Mixture(
        of,
        (*of.free, PRECISION),
        shares,
        values,
        cov,
        height,
        bic,
        bic + 2 * _entropy(types),
        names,
        types,
        misfit(p, q),
        mean_by_game(p.games, expected_misfit(p, q)),
        converged,
        (agreeing, starts),
        tuple(notes),
    )


def _data(p: Problem, names: Sequence[str]) -> _Data:
    actions = p.design.legal.shape[1]
    row = np.repeat(p.group, actions)
    column = (p.at[:, None] * actions + np.arange(actions)).ravel()
    y = csr_matrix((p.rows.ravel(), (row, column)), shape=(len(names), p.design.legal.size))
    y.sum_duplicates()
    y.eliminate_zeros()
    return _Data(p.design, y, tuple(names))


def _start(data: _Data, classes: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Classes fitted to a random partition of the subjects."""
    part = rng.permutation(np.arange(len(data.subjects)) % classes)
    types = 0.9 * np.eye(classes)[part] + 0.1 / classes
    g = data.climb(types, np.zeros((classes, data.design.x.shape[-1])), 50)
    return g, np.full(classes, 1 / classes)


def _em(data: _Data, start: tuple[Array, Array]) -> tuple[Array, Array, float, Array, bool] | None:
    """(coefficients, shares, log-likelihood, posterior types, converged) from a start; None where a class
    emptied."""
    g, shares = start
    before, types = -np.inf, np.full((len(data.subjects), len(shares)), np.nan)
    for _ in range(MOST_STEPS):
        joint = data.likelihoods(g) + np.log(shares)
        top = joint.max(1, keepdims=True)
        logliks = top[:, 0] + np.log(np.exp(joint - top).sum(1))
        types = np.exp(joint - logliks[:, None])
        height = float(logliks.sum())
        if types.sum(0).min() < LEAST_SUBJECTS or not np.isfinite(height):
            return None
        if height - before < CONVERGENCE * abs(height):
            return g, shares, height, types, True
        before = height
        shares = types.mean(0)
        g = data.climb(types, g, 3)
    return g, shares, before, types, False


def _covariance(p: Problem, data: _Data, g: Array, shares: Array, types: Array) -> tuple[Array, list[str]]:
    """Sandwich over subjects with the observed information (Louis 1982), for values and shares but the last.

    Complete-data scores c_ik of subject i as type k; observed information = sum_i E[info] - Var_i[c];
    subject i's own score is sum_k types_ik c_ik. nan, and a note, where there are no more subjects than
    parameters, or in a class no more than that class has.
    """
    classes = len(shares)
    subjects = len(data.subjects)
    designs = [
        data.design.expect(columns_at(p, data.design, row, 0.0), data.design.action_logp(row)) for row in g
    ]
    size = designs[0].x.shape[-1]
    total = classes * size + classes - 1
    scores = np.zeros((subjects, classes, total))
    info = np.zeros((total, total))
    actions = data.design.legal.shape[1]
    n = data.y @ csr_matrix(kron(eye(len(p.decisions)), np.ones((actions, 1))))
    for k, d in enumerate(designs):
        q = np.exp(data.design.logp(g[k]))
        block = slice(k * size, (k + 1) * size)
        # columns centred under q: their mean is the second part of the score
        scores[:, k, block] = data.y @ d.centred(q).reshape(-1, size)
        info[block, block] = d.information(q, np.asarray(n.T @ types[:, k]))
        if k < classes - 1:
            scores[:, k, classes * size + k] = 1 / shares[k]
    scores[:, classes - 1, classes * size :] = -1 / shares[-1]
    tail = slice(classes * size, total)
    count_of = types.sum(0)
    info[tail, tail] = np.diag(count_of[:-1] / shares[:-1] ** 2) + count_of[-1] / shares[-1] ** 2
    mean = np.einsum("ik,ikp->ip", types, scores)
    info -= np.einsum("ik,ikp,ikr->pr", types, scores, scores) - mean.T @ mean
    if flat_direction(info) is not None:
        raise NotIdentified(
            f"{classes} types of {p.family.spec} cannot be told apart in these choices; ask for fewer classes"
        )
    bread = np.linalg.inv(info)
    cov = bread @ (mean.T @ mean * subjects / (subjects - 1)) @ bread
    if subjects <= total:
        note = f"{subjects} subjects for {total} parameters: too few for standard errors"
        return np.full_like(cov, np.nan), [note]
    notes: list[str] = []
    for k in range(classes):
        if count_of[k] <= size:
            block = slice(k * size, (k + 1) * size)
            cov[block] = cov[:, block] = np.nan
            notes.append(
                f"type {k + 1} has {count_of[k]:.1f} subjects for {size} parameters: no standard errors"
            )
    return cov, notes
